"""Reading an interval again: `backfill`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flows import progress
from flows.cli.common import (
    Settings,
    json_option,
    leave,
    pass_settings,
    receipts_status,
    remind_to_publish,
)
from flows.cli.run import on_a_server, show_receipts
from flows.logs import receipt_event
from flows.output import Column, print_json, print_table, say
from flows.receipts import BackfillPlan, Receipt, SyncOptions


@click.command()
@click.argument("name", metavar="SOURCE")
@click.option("--stream", metavar="NAME", help="Only this stream of the source.")
@click.option(
    "--from",
    "low",
    required=True,
    metavar="VALUE",
    help="Where it begins: a day, a time, or a number for a cursor of numbers.",
)
@click.option("--to", "high", required=True, metavar="VALUE", help="Where it ends, not included.")
@click.option("--reason", metavar="TEXT", help="Why: the receipts keep it.")
@click.option("--dry-run", is_flag=True, help="Say what would be read; write nothing.")
@json_option
@pass_settings
def backfill(
    settings: Settings,
    *,
    name: str,
    stream: str | None,
    low: str,
    high: str,
    reason: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read an interval of the cursor again, for a reason.

    What differs from what is landed lands and is integrated; reading the same rows again changes
    nothing. Broken off, it is finished by the next sync. With PREFECT_API_URL set it runs as a
    flow that the server shows.
    """
    if not (reason or "").strip() and not dry_run:
        raise click.UsageError("--reason says why; the receipts keep it. (--dry-run needs none.)")
    options = SyncOptions(stream=stream, interval=(low, high), reason=reason)
    if dry_run:
        plans = _plans(settings, name, options)
        print_json(plans) if as_json else show_plans(plans)
        return
    receipts = _backfill(settings, name, options)
    for receipt in receipts:
        receipt_event(receipt)
    if as_json:
        print_json(receipts)
    else:
        show_receipts(receipts)
        remind_to_publish(settings)
    leave(receipts_status(receipts))


def _plans(settings: Settings, name: str, options: SyncOptions) -> list[BackfillPlan]:
    from flows.steps import check_context, plan_backfill

    with progress.busy("asking the source", quiet=settings.quiet):
        return plan_backfill(check_context(settings.sources), name, options)


def _backfill(settings: Settings, name: str, options: SyncOptions) -> list[Receipt]:
    if on_a_server():
        from flows.serving import backfill_on_server

        return backfill_on_server(
            name, options, warehouse=settings.warehouse, sources_dir=settings.sources
        )
    from flows.steps import backfill as backfill_source
    from flows.steps import open_context

    with progress.shown(quiet=settings.quiet) as shown:
        context = open_context(
            warehouse_uri=settings.warehouse, sources_dir=settings.sources, progress=shown,
            names=[name],
        )  # fmt: skip
        return backfill_source(context, name, options)


def show_plans(plans: Sequence[BackfillPlan]) -> None:
    """One line per stream: what would be read."""
    titles = ("source", "stream", "from", "to")
    print_table(
        [*map(Column, titles), Column("rows", is_number=True), Column("parts", is_number=True)],
        [
            (
                one.source, one.stream, *(one.interval or (None, None)),
                "not counted" if one.rows is None else one.rows, one.parts,
            )
            for one in plans
        ],
    )  # fmt: skip
    say("Nothing was read or written: without --dry-run it would be.")
