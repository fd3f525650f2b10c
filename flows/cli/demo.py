"""Two invented offices, end to end: `demo`."""

from __future__ import annotations

import importlib

import click

from flows.cli.common import json_option


@click.command()
@json_option
def demo(*, as_json: bool) -> None:
    """Two invented offices, from PostgreSQL and CSV into a warehouse.

    Generates a Department of Justice in a PostgreSQL of its own and a commune's desk in CSV files,
    syncs both, and says what happened and what to type next.
    """
    # `flows` stands below `demo`: it starts it by name and knows nothing of its inside.
    run = importlib.import_module("demo.run")
    click.get_current_context().exit(run.main(["--json"] if as_json else []))
