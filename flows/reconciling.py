"""Holding sources against the warehouse: `reconcile`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import polars as pl
from polars.exceptions import PanicException

from flows.catalog import Catalog, Stream
from flows.comparing import Compared, as_land, compare
from flows.context import Context, feed_of
from flows.faults import told
from flows.history import finish
from flows.integrating import integrate_streams
from flows.logs import defect_event
from flows.quarantined import MASK
from flows.receipts import Receipt
from flows.reconciliation import ReconcileOptions, Reconciliation
from flows.sweeping import forget_marked, unswept
from schemas.mapping import personal_columns
from warehouse.buckets import BUCKET
from warehouse.comparing import KINDS
from warehouse.reconciled import Reconciled

SIDE_BY_SIDE: Final = 4
"""Streams compared at a time: each holds the marks of what is landed of it in memory."""

SHOWN_KEYS: Final = 20


def reconcile(
    context: Context,
    source_names: Sequence[str],
    options: ReconcileOptions,
    *,
    sync_id: str,
    shown_keys: int = SHOWN_KEYS,
) -> list[Reconciliation]:
    """Compares sources with what is landed of them, and repairs where that was asked for.

    One broken source never stops the others.

    Args:
        context: Catalog and warehouse.
        source_names: The sources; none means every source that isn't retired, and a failed report
            for each whose YAML is wrong.
        options: What was asked for.
        sync_id: The run.
        shown_keys: Most keys of each kind in a report; all are in `restricted/reconcile`.

    Raises:
        ConfigError: A named source or stream doesn't exist, or its YAML is wrong.
    """
    broken = [] if source_names else broken_sources(context.catalog, sync_id)
    places = context.catalog.places(source_names, only=options.stream)

    def one(place: tuple[str, str]) -> Reconciliation:
        started = time.monotonic()
        try:
            report = Reconciliation(source=place[0], stream=place[1], sync_id=sync_id)
            return _reconciled(context, report, options, shown_keys=shown_keys, started=started)
        except (Exception, PanicException) as error:  # noqa: BLE001 - one broken source never stops the others
            return failed_reconciliation(*place, sync_id, error, _since(started))

    # A repair merges into core, one writer after the other.
    with ThreadPoolExecutor(1 if options.repair else SIDE_BY_SIDE) as pool:
        try:
            reports = [*broken, *pool.map(one, places)]
        except KeyboardInterrupt:
            context.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return _swept(context, reports)


def reconcile_stream(
    context: Context,
    source_name: str,
    stream_name: str,
    *,
    options: ReconcileOptions,
    sync_id: str,
    shown_keys: int = SHOWN_KEYS,
) -> Reconciliation:
    """Compares one stream, and repairs it where that was asked for. See `reconcile`.

    Raises:
        ConfigError: No such source or stream, or a reference of its YAML can't be filled in.
        TransientSourceError: The source could not be reached.
        SourceError: It refused, or delivered less than it has.
        ContractError: It changed its shape.
        WarehouseError: The warehouse could not be read or written.
    """
    started = time.monotonic()
    report = Reconciliation(source=source_name, stream=stream_name, sync_id=sync_id)
    done = _reconciled(context, report, options, shown_keys=shown_keys, started=started)
    return _swept(context, [done])[0]


def _swept(context: Context, reports: Sequence[Reconciliation]) -> list[Reconciliation]:
    """Sweeps for late dossiers of forgotten people; the reports say where that broke."""
    broken = forget_marked(context, {report.source for report in reports})
    return [_degraded(report, broken.get(report.source)) for report in reports]


def _degraded(report: Reconciliation, error: BaseException | None) -> Reconciliation:
    if error is None or report.status == "failed":
        return report
    note = ". ".join(filter(None, (report.note, unswept(error))))
    return replace(report, status="degraded", note=note)


def broken_sources(catalog: Catalog, sync_id: str) -> list[Reconciliation]:
    """A failed report for each source whose YAML is wrong."""
    broken = catalog.broken.items()
    return [failed_reconciliation(name, "", sync_id, error, 0.0) for name, error in broken]


def failed_reconciliation(
    source: str, stream: str, sync_id: str, error: BaseException, seconds: float
) -> Reconciliation:
    """The report of a stream that broke; the error's text only where it is one of ours."""
    defect_event(error)
    fault = told(error)
    return Reconciliation(
        source=source, stream=stream, sync_id=sync_id, status="failed", error=fault.what,
        note=fault.step, seconds=seconds,
    )  # fmt: skip


def _reconciled(
    context: Context,
    report: Reconciliation,
    options: ReconcileOptions,
    *,
    shown_keys: int,
    started: float,
) -> Reconciliation:
    at = context.clock()
    source, stream = report.source, report.stream
    compared = compare(context, source, stream, options=options, sync_id=report.sync_id)
    if compared is None:
        never = f"never read whole, so there is nothing to compare: `lienthong sync {source}`"
        return replace(report, status="degraded", note=never, seconds=_since(started))
    merged: list[Receipt] = []
    behind = _behind(context, source, stream, compared)
    if options.repair and (compared.outcome is not None or behind):
        merged = _integrated(context, report, compared, started)
        behind = _behind(context, source, stream, compared)
    waiting = 0 if compared.outcome is None else compared.outcome.waiting_deletes
    found = compared.differences.keys
    is_repaired = compared.outcome is not None and not waiting and not behind
    Reconciled(context.warehouse.uri).keep(
        source=source,
        stream=stream,
        landed=compared.landed.per_bucket(),
        found=found,
        is_repaired=is_repaired,
        sync_id=report.sync_id,
        at=at,
    )
    is_clean = (not found.height or is_repaired) and not behind
    told_of = replace(
        report,
        **_counts(found),
        by=compared.by,
        read=compared.read,
        landed=sum(compared.landed.per_bucket().values()),
        keys=_keys(context.catalog.source(source).stream(stream), found, shown_keys),
        behind=behind,
        is_repaired=is_repaired,
        waiting=waiting,
        status="done" if is_clean else "degraded",
    )
    context.tell(source, stream, "done", compared.read)
    note = ". ".join(_notes(told_of, compared, merged)) or None
    return replace(told_of, note=note, seconds=_since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _integrated(
    context: Context, report: Reconciliation, compared: Compared, started: float
) -> list[Receipt]:
    land = as_land(
        compared, source=report.source, stream=report.stream, sync_id=report.sync_id,
        started=started,
    )  # fmt: skip
    receipts = []
    for entity in context.catalog.source(report.source).stream(report.stream).entities:
        receipts += integrate_streams(context, entity, [land], sync_id=report.sync_id)
    finish(context, sync_id=report.sync_id, receipts=receipts, kind="reconcile")
    return receipts


def _behind(
    context: Context, source_name: str, stream_name: str, compared: Compared
) -> tuple[str, ...]:
    """The entities whose core hasn't taken in all that is landed."""
    source = context.catalog.source(source_name)
    stream = source.stream(stream_name)
    landed = compared.landed.version
    if compared.outcome is not None:
        landed = compared.outcome.landing_version
    behind = []
    for entity in stream.entities:
        core = context.warehouse.core(entity)
        feed = feed_of(context, source, stream, entity)
        done = 0 if core is None else core.txn(feed.app)
        # Versions without rows, as `forget` leaves them, have nothing to take in.
        if core is None or feed.landing.sizes(after=done, to=landed):
            behind.append(entity)
    return tuple(behind)


def _counts(found: pl.DataFrame) -> dict[str, Any]:
    """The fields of a report that count differences."""
    kinds = dict(found.group_by("kind").len().iter_rows())
    buckets: dict[str, dict[str, int]] = {}
    grouped = found.group_by(BUCKET, "kind").len().sort(BUCKET, "kind")
    for bucket, kind, rows in grouped.iter_rows():
        buckets.setdefault(bucket, {})[kind] = rows
    counted = {kind: kinds.get(kind, 0) for kind in KINDS}
    return {**counted, "due": int(found["due"].sum()), "buckets": buckets}


def _keys(stream: Stream, found: pl.DataFrame, most: int) -> dict[str, tuple[str | None, ...]]:
    """The first keys of each kind, for the engineer."""
    is_personal = bool(set(stream.spec.key) & personal_columns(stream.mapping))
    told_of: dict[str, tuple[str | None, ...]] = {}
    for kind in KINDS:
        keys = found.filter(pl.col("kind") == kind)["_key"].head(most).to_list()
        if keys:
            told_of[kind] = tuple(MASK if is_personal and key else key for key in keys)
    return told_of


def _notes(report: Reconciliation, compared: Compared, merged: Sequence[Receipt]) -> list[str]:
    notes = []
    if compared.why is not None:
        notes.append(f"all rows were read: {compared.why}")
    if report.behind and not merged:
        notes.append(
            f"core lacks landed rows of {', '.join(report.behind)}: "
            f"`lienthong reconcile {report.source} --repair` or the next sync integrates them"
        )
    if report.waiting:
        notes.append(
            f"{report.waiting} extra keys weren't deleted, too many to be believed. Ask the "
            f"office; if they are really gone, `lienthong reconcile {report.source} --stream "
            f"{report.stream} --repair --accept-deletes`"
        )
    if report.due:
        notes.append(f"{report.due} of them lie in the late window: the next sync brings them")
    rejected = sum(receipt.quarantined for receipt in merged)
    if rejected:
        notes.append(f"{rejected} of the rows read again are in quarantine")
    return notes
