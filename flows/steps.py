"""The steps of a run, as plain functions; Prefect and the command line stand on them.

`sync` reads and lands its streams side by side, then merges once per entity. One broken source
never stops the others: it becomes a failed receipt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from polars.exceptions import PanicException

from flows.backfilling import plan_backfill
from flows.catalog import Catalog
from flows.checking import check_source, examine_source
from flows.context import Context, check_context, new_sync_id, open_context
from flows.faults import told
from flows.history import finish
from flows.integrating import integrate_streams
from flows.lines import Line, Turns
from flows.logs import defect_event
from flows.looking import list_sources, status
from flows.maintaining import maintain, maintain_of_night
from flows.outcome import night_report
from flows.quarantined import discard, quarantine_list, quarantine_show
from flows.reading import LandResult, read_and_land
from flows.receipts import NightReport, Receipt, SyncOptions, explained
from flows.reconciling import reconcile, reconcile_stream
from flows.releasing import release_of_night
from flows.repairing import audit, rebuild
from flows.replaying import replay
from flows.sweeping import forget_marked, unswept
from flows.tracing import trace

__all__ = [
    "Context",
    "LandResult",
    "audit",
    "backfill",
    "broken_yaml",
    "check_context",
    "check_source",
    "discard",
    "examine_source",
    "failed_receipt",
    "finish",
    "integrate_streams",
    "list_sources",
    "maintain",
    "maintain_of_night",
    "new_sync_id",
    "nightly",
    "open_context",
    "plan_backfill",
    "quarantine_list",
    "quarantine_show",
    "read_and_land",
    "rebuild",
    "reconcile",
    "reconcile_stream",
    "release_of_night",
    "replay",
    "status",
    "sync",
    "trace",
    "unswept_receipts",
]

T = TypeVar("T")

READERS = 8
"""Streams read side by side: a read mostly waits for its source."""


def sync(context: Context, source_names: Sequence[str], options: SyncOptions) -> list[Receipt]:
    """Reads, lands and integrates.

    Args:
        context: Catalog and warehouse.
        source_names: The sources; none means every source that isn't retired.
        options: What the person asked for.

    Returns:
        One receipt per stream and entity, in the order of the catalog; one without an entity for
        what broke.

    Raises:
        ConfigError: A named source or stream doesn't exist, its YAML is wrong, or a reference in it
            can't be filled in. (Of unnamed ones it becomes a failed receipt.)
    """
    sync_id = new_sync_id()
    receipts = broken_yaml(context.catalog, sync_id) if not source_names else []
    wanted = context.catalog.places(source_names, only=options.stream)
    results = _read_all(context, wanted, options, sync_id)
    receipts += [result for result in results if isinstance(result, Receipt)]
    lands = [result for result in results if isinstance(result, LandResult)]
    for entity, chosen in _by_entity(context, lands).items():
        receipts += _integrated(context, entity, chosen, sync_id)
    context.unfollow()
    told_why = explained(receipts, options)
    ordered = sorted(told_why, key=lambda r: (r.source, r.stream, r.entity or ""))
    ordered += unswept_receipts(context, source_names or context.catalog.sources, ordered, sync_id)
    finish(context, sync_id=sync_id, receipts=ordered, kind=options.kind)
    return ordered


def backfill(context: Context, source_name: str, options: SyncOptions) -> list[Receipt]:
    """Reads an interval of a source's cursor again, lands what differs, and integrates it.

    Args:
        context: Catalog and warehouse.
        source_name: The source.
        options: Its `interval`, its `reason`, and one `stream` of the source where it names one.

    Returns:
        One receipt per stream and entity.

    Raises:
        ConfigError: See `plan_backfill`.
    """
    plan_backfill(context, source_name, options)
    return sync(context, [source_name], options)


def nightly(context: Context) -> NightReport:
    """The whole night: every source that isn't retired, one merge per entity, one release."""
    started = time.monotonic()
    receipts = sync(context, [], SyncOptions())
    sync_id = receipts[0].sync_id if receipts else new_sync_id()
    released = release_of_night(context)
    maintain_of_night(context, receipts)
    return night_report(
        sync_id,
        receipts,
        seconds=round(time.monotonic() - started, 3),
        release=released.number,
        blocked=released.blocked,
    )


def failed_receipt(
    source: str, stream: str, sync_id: str, error: BaseException, seconds: float
) -> Receipt:
    """The receipt of a stream that broke; the error's text only where it is one of ours."""
    defect_event(error)
    fault = told(error)
    return Receipt(
        source=source,
        stream=stream,
        entity=None,
        sync_id=sync_id,
        status="failed",
        error=fault.what,
        note=fault.step,
        seconds=round(seconds, 3),
    )


def broken_yaml(catalog: Catalog, sync_id: str) -> list[Receipt]:
    """A failed receipt for each source whose YAML is wrong."""
    broken = catalog.broken.items()
    return [failed_receipt(name, "", sync_id, error, 0.0) for name, error in broken]


def unswept_receipts(
    context: Context, names: Collection[str], receipts: Iterable[Receipt], sync_id: str
) -> list[Receipt]:
    """Sweeps for late dossiers of forgotten people; a receipt for each source that couldn't be.

    Args:
        context: Catalog and warehouse.
        names: The sources of the run.
        receipts: Of the run: a source of which nothing else was done has failed.
        sync_id: The run.
    """
    sound = {receipt.source for receipt in receipts if receipt.status != "failed"}
    return [
        Receipt(
            source=name,
            stream="",
            entity=None,
            sync_id=sync_id,
            status="degraded" if name in sound else "failed",
            error=unswept(error),
            note=told(error).step,
        )
        for name, error in forget_marked(context, names).items()
    ]


def _read_all(
    context: Context, wanted: Sequence[tuple[str, str]], options: SyncOptions, sync_id: str
) -> list[LandResult | Receipt]:
    """Reads streams side by side: of each what landed, or the receipt of what broke."""
    turns = Turns(wanted)
    read: dict[int, LandResult | Receipt] = {}

    def one(place: tuple[str, str], line: Line) -> LandResult | Receipt:
        return _attempt(
            lambda: read_and_land(context, *place, options=options, sync_id=sync_id, line=line),
            [place],
            sync_id,
        )

    def reader() -> None:
        with Line() as line:
            number = turns.next(None)
            while number is not None:
                read[number] = one(wanted[number], line)
                number = turns.next(number)

    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="read") as pool:
        try:
            for at_work in [pool.submit(reader) for _ in range(READERS)]:
                at_work.result()
        except KeyboardInterrupt:
            context.stop.set()
            turns.give_up()
            raise
    return [read[number] for number in range(len(wanted))]


def _by_entity(context: Context, lands: Iterable[LandResult]) -> dict[str, list[LandResult]]:
    fed: dict[str, list[LandResult]] = {}
    for land in lands:
        for entity in context.catalog.source(land.source).stream(land.stream).entities:
            fed.setdefault(entity, []).append(land)
    return fed


def _integrated(
    context: Context, entity: str, lands: Sequence[LandResult], sync_id: str
) -> list[Receipt]:
    places = [(land.source, land.stream) for land in lands]
    result = _attempt(
        lambda: integrate_streams(context, entity, lands, sync_id=sync_id), places, sync_id
    )
    if not isinstance(result, Receipt):
        return result
    if len(lands) == 1:
        return [result]
    # What broke may be one office's rows: the others are merged without them.
    return [r for land in lands for r in _integrated(context, entity, [land], sync_id)]


def _attempt(
    action: Callable[[], T], places: Sequence[tuple[str, str]], sync_id: str
) -> T | Receipt:
    """The action's result, or the failed receipt of the first place it was about."""
    started = time.monotonic()
    try:
        return action()
    except (Exception, PanicException) as error:  # noqa: BLE001 - one broken source never stops the others
        return failed_receipt(*places[0], sync_id, error, time.monotonic() - started)
