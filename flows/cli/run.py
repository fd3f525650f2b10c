"""What runs every night, and by hand: `sync`, `nightly`."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from flows import progress
from flows.cli.common import Settings, json_option, leave, pass_settings, receipts_status
from flows.logs import receipt_event
from flows.outcome import FAIL_ABOVE, night_status
from flows.output import Column, note, print_json, print_table, say
from flows.receipts import NightReport, Receipt, SyncOptions


@click.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option("--stream", metavar="NAME", help="Only this stream of the source.")
@click.option("--full", is_flag=True, help="Read everything again, whatever was read before.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Read at most N rows per stream: a first taste. The next sync reads everything.",
)
@click.option(
    "--accept-deletes",
    is_flag=True,
    help="Believe a read in which many rows, or all, are gone; without it such a read deletes "
    "nothing and waits.",
)
@json_option
@pass_settings
def sync(
    settings: Settings,
    *,
    names: tuple[str, ...],
    stream: str | None,
    full: bool,
    limit: int | None,
    accept_deletes: bool,
    as_json: bool,
) -> None:
    """Read, land and integrate sources now.

    Without SOURCE every source that isn't retired is synced. Only what changed since the last
    sync is read and written; running it again changes nothing. A broken source never stops the
    others. With PREFECT_API_URL set it runs as a flow that the server shows.
    """
    if stream is not None and len(names) != 1:
        raise click.UsageError("--stream names a stream of one source: name that source too.")
    options = SyncOptions(stream=stream, full=full, limit=limit, accept_deletes=accept_deletes)
    receipts = _sync(settings, names=names, options=options)
    for receipt in receipts:
        receipt_event(receipt)
    if as_json:
        print_json(receipts)
    else:
        show_receipts(receipts)
    leave(receipts_status(receipts))


@click.command()
@click.option(
    "--fail-above",
    type=click.FloatRange(0, 1),
    default=FAIL_ABOVE,
    show_default=True,
    metavar="SHARE",
    help="The night has failed when more than this share of the sources is broken.",
)
@json_option
@pass_settings
def nightly(settings: Settings, *, fail_above: float, as_json: bool) -> None:
    """The whole night: every source, one merge per entity, one release.

    Broken sources are named and don't stop the others. With PREFECT_API_URL set it runs as a flow
    that the server shows.
    """
    report = _nightly(settings, fail_above=fail_above)
    for receipt in report.receipts:
        receipt_event(receipt)
    if as_json:
        print_json(report)
    else:
        show_receipts(report.receipts)
        show_night(report)
    leave(night_status(report, fail_above=fail_above))


def on_a_server() -> bool:
    """True where a Prefect server is named; without one nothing of Prefect is even imported."""
    return bool(os.environ.get("PREFECT_API_URL"))


def _sync(settings: Settings, *, names: Sequence[str], options: SyncOptions) -> list[Receipt]:
    if on_a_server():
        from flows.serving import sync_on_server

        return sync_on_server(
            names, options, warehouse=settings.warehouse, sources_dir=settings.sources
        )
    from flows.steps import open_context
    from flows.steps import sync as sync_sources

    with progress.shown(quiet=settings.quiet) as shown:
        context = open_context(
            warehouse_uri=settings.warehouse, sources_dir=settings.sources, progress=shown,
            names=names,
        )  # fmt: skip
        return sync_sources(context, list(names), options)


def _nightly(settings: Settings, *, fail_above: float) -> NightReport:
    if on_a_server():
        from flows.serving import night_on_server

        return night_on_server(
            warehouse=settings.warehouse, sources_dir=settings.sources, fail_above=fail_above
        )
    from flows.steps import nightly as run_night
    from flows.steps import open_context

    with progress.shown(quiet=settings.quiet) as shown:
        context = open_context(
            warehouse_uri=settings.warehouse, sources_dir=settings.sources, progress=shown
        )
        return run_night(context)


def show_receipts(receipts: Sequence[Receipt]) -> None:
    """One line per stream and entity; then what a person should know."""
    if not receipts:
        say("Every source is retired: nothing to sync.")
        return
    always = ("source", "stream", "entity", "status", "read", "landed")
    terms = (
        "same", "unreadable", "inserted", "updated", "unchanged", "superseded", "folded",
        "quarantined", "gone", "warned", "no cursor", "in the future",
    )
    columns = [Column(title) for title in always] + [Column(term, True) for term in terms]
    print_table([*columns, Column("seconds")], [_cells(one) for one in receipts])
    for one in receipts:
        for text in (one.error, one.note):
            if text:
                place = f"{one.source} / {one.stream}" if one.stream else one.source
                for line in text.splitlines():
                    note(f"{place}: {line}")


def _cells(one: Receipt) -> tuple[str | int | float | None, ...]:
    return (
        one.source, one.stream, one.entity, one.status, one.read, one.landed, one.same,
        one.unreadable, one.inserted, one.updated, one.unchanged, one.superseded, one.folded,
        one.quarantined, one.tombstoned, sum(one.warnings.values()), one.null_cursor,
        one.future_cursor, one.seconds,
    )


def show_night(report: NightReport) -> None:
    """The night in a few lines."""
    sources = {receipt.source for receipt in report.receipts}
    say(f"Night {report.sync_id}: {len(sources)} sources in {report.seconds:,.1f} s.")
    if report.broken:
        say(f"Broken: {', '.join(report.broken)}")
    if report.waiting:
        say(f"Waiting for a person: {', '.join(report.waiting)}")
    if report.release is not None:
        say(f"Release {report.release} is what analysts see.")
    for line in report.blocked:
        say(f"No release, analysts go on seeing the last one: {line}")
