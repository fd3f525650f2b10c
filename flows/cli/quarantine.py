"""Rows that broke a rule: `quarantine list`, `quarantine show`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flows.cli.common import Settings, existing, json_option, pass_settings
from flows.output import Column, minute, print_json, print_table, say
from flows.receipts import QuarantinedRow, QuarantineLine


@click.group()
def quarantine() -> None:
    """The rows that broke a rule, and every rule they broke.

    A quarantined row is kept until its source sends a better version, or `rebuild` maps it anew
    under a mended YAML.
    """


@quarantine.command("list")
@click.argument("source", metavar="[SOURCE]", required=False)
@json_option
@pass_settings
def list_(settings: Settings, *, source: str | None, as_json: bool) -> None:
    """How many rows of which source broke which rule, and since when."""
    from flows.steps import quarantine_list

    lines = quarantine_list(existing(settings), source)
    if as_json:
        print_json(lines)
    elif lines:
        show_lines(lines)
    else:
        say("Quarantine is empty.")


@quarantine.command()
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("--rule", metavar="NAME", help="Only rows that broke this rule.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="At most so many rows.",
)
@json_option
@pass_settings
def show(
    settings: Settings, *, source: str | None, rule: str | None, limit: int, as_json: bool
) -> None:
    """The rows themselves: their origin, values and broken rules.

    Values of personal columns are masked.
    """
    from flows.steps import quarantine_show

    rows = quarantine_show(existing(settings), source=source, rule=rule, limit=limit)
    if as_json:
        print_json(rows)
    elif rows:
        show_rows(rows)
    else:
        say("No quarantined row is like that. `lienthong quarantine list` shows what is there.")


def show_lines(lines: Sequence[QuarantineLine]) -> None:
    """One line per source, stream, entity and rule."""
    titles = ("source", "stream", "entity", "rule", "rows", "oldest")
    print_table(
        [Column(title) for title in titles],
        [
            (one.source, one.stream, one.entity or "(unreadable)", one.rule, one.rows,
             minute(one.oldest))
            for one in lines
        ],
    )


def show_rows(rows: Sequence[QuarantinedRow]) -> None:
    """One block per row: identity, rules, values."""
    for one in rows:
        say(f"{one.source} / {one.stream}  {one.entity or '(unreadable)'}  {place(one)}")
        say(f"  broke   {', '.join(one.rules)}")
        say(f"  since   {one.quarantined_at}")
        for column, value in one.values.items():
            say(f"  {column:<24} {'(null)' if value is None else value}")
        say()


def place(one: QuarantinedRow) -> str:
    """Where a person finds the row: file and line, or its key."""
    if one.file is not None:
        return one.file if one.line is None else f"{one.file}:{one.line}"
    if one.key is not None:
        return f"key {one.key}"
    return f"landing version {one.landing_version}, row {one.row}"
