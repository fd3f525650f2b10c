"""Holding the sources against the warehouse: `reconcile`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flows import progress
from flows.cli.common import (
    Settings,
    json_option,
    leave,
    pass_settings,
    remind_to_publish,
    worst,
)
from flows.output import Column, note, print_json, print_table, say
from flows.reconciliation import ReconcileOptions, Reconciliation


@click.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option("--stream", metavar="NAME", help="Only this stream of the source.")
@click.option(
    "--repair",
    is_flag=True,
    help="Read what differs again, land and integrate it; mark as deleted what is gone.",
)
@click.option(
    "--accept-deletes",
    is_flag=True,
    help="With --repair: believe that many rows, or all, are gone; without it they wait.",
)
@click.option(
    "--keys",
    "shown_keys",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="Show at most N keys of each kind (restricted/reconcile has all).",
)
@json_option
@pass_settings
def reconcile(
    settings: Settings,
    *,
    names: tuple[str, ...],
    stream: str | None,
    repair: bool,
    accept_deletes: bool,
    shown_keys: int,
    as_json: bool,
) -> None:
    """Find every row that the warehouse has otherwise than its source.

    Databases compute checksums themselves, and only what differs is read; everything else is read.
    Rows without a cursor and rows from the future are compared too; what changed since the last
    sync isn't a difference. Ends with 3 where something differs and isn't repaired.
    """
    if stream is not None and len(names) != 1:
        raise click.UsageError("--stream names a stream of one source: name that source too.")
    if accept_deletes and not repair:
        raise click.UsageError("--accept-deletes goes with --repair.")
    from flows.steps import new_sync_id, open_context
    from flows.steps import reconcile as reconcile_sources

    with progress.shown(quiet=settings.quiet) as shown:
        context = open_context(
            warehouse_uri=settings.warehouse,
            sources_dir=settings.sources,
            progress=shown,
            read_only=True,
            names=names,
        )
        reports = reconcile_sources(
            context,
            list(names),
            ReconcileOptions(stream=stream, repair=repair, accept_deletes=accept_deletes),
            sync_id=new_sync_id(),
            shown_keys=shown_keys,
        )
    if as_json:
        print_json(reports)
    else:
        show_reports(reports)
        if repair:
            remind_to_publish(settings)
    leave(worst(report.status for report in reports))


def show_reports(reports: Sequence[Reconciliation]) -> None:
    """One line per stream; then the months, the keys, and what a person should know."""
    if not reports:
        say("Every source is retired: nothing to compare.")
        return
    always = [Column(title) for title in ("source", "stream", "status", "by", "landed", "read")]
    kinds = [Column(title) for title in ("missing", "extra", "differing")]
    print_table(
        [*always, *kinds, Column("seconds")],
        [
            (one.source, one.stream, one.status, one.by, one.landed, one.read, one.missing,
             one.extra, one.differing, one.seconds)
            for one in reports
        ],
    )  # fmt: skip
    for one in reports:
        _show_differences(one)
        for text in (one.error, one.note):
            for line in (text or "").splitlines():
                note(f"{_place(one)}: {line}")


def _place(one: Reconciliation) -> str:
    return f"{one.source} / {one.stream}" if one.stream else one.source


def _show_differences(one: Reconciliation) -> None:
    if not one.differences:
        return
    place = _place(one)
    for bucket, kinds in one.buckets.items():
        say(f"{place}  {bucket}: " + ", ".join(f"{n:,} {kind}" for kind, n in kinds.items()))
    for kind, keys in one.keys.items():
        say(f"{place}  {kind}: " + ", ".join(key or "(no key)" for key in keys))
    if one.is_repaired:
        say(f"{place}  repaired")
    elif not one.waiting:
        say(f"`lienthong reconcile {one.source} --stream {one.stream} --repair` reads them again.")
