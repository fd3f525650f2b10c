"""Maintenance: few large files, checkpoints, releases that expire, files that nothing shows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from flows.context import Context
from flows.faults import told
from flows.logs import event
from flows.receipts import Receipt, RunStatus
from flows.trimming import trim
from schemas.errors import LienThongError, WarehouseError
from warehouse.delta import Table
from warehouse.phases import reached
from warehouse.purge import copies, drop_copies
from warehouse.races import retried
from warehouse.releases import Release, Releases, expire, outlived
from warehouse.upkeep import (
    UNKNOWN_HOURS,
    Upkeep,
    attempted,
    checkpointed,
    compacted,
    kept_versions,
    table_paths,
    vacuumed,
)

RETENTION_DAYS: Final = 7
_WEEKLY_FILES: Final = 4
_NIGHTLY_FILES: Final = 24


@dataclass(frozen=True, kw_only=True)
class MaintainOptions:
    """What a person asked of maintenance.

    Attributes:
        retention: Days for which removed files and superseded releases stay; releases stay for at
            least seven, whatever is asked.
        landing_older_than: Take superseded copies out of landing that were read more than so many
            days ago; None leaves landing alone.
        dry_run: Only tell what would be done.
    """

    retention: int = RETENTION_DAYS
    landing_older_than: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class MaintenanceReport:
    """What maintenance did, or would do.

    Attributes:
        tables: What was done to which table; those without work are left out.
        kept: Numbers of the releases that can be read.
        expired: Numbers of the releases that expired now.
        seconds: Wall time.
        dry_run: Nothing was done.
    """

    tables: tuple[Upkeep, ...]
    kept: tuple[int, ...]
    expired: tuple[int, ...]
    seconds: float
    dry_run: bool = False

    @property
    def status(self) -> RunStatus:
        """`degraded` where a table could not be looked after."""
        return "degraded" if any(one.problem for one in self.tables) else "done"


def maintain(context: Context, options: MaintainOptions) -> MaintenanceReport:
    """Looks after every table of the warehouse. One broken table stops no other.

    Raises:
        WarehouseError: The table of releases can't be read or written.
    """
    started = time.monotonic()
    uri = context.warehouse.uri
    done: dict[str, Upkeep] = {}
    if options.landing_older_than is not None:
        before = context.clock() - timedelta(days=options.landing_older_than)
        for path, result in trim(context, before=before, dry_run=options.dry_run):
            done[path] = _with(done, path, trimmed=result)
    paths = table_paths(uri, catalog_streams(context))
    for path in paths:
        done[path] = _joined(uri, _of(done, path), options=options)
    releases = _expired(context, options)
    for path, files in _vacuumed(releases, options):
        done[path] = _with(done, path, deleted=files)
    if not options.dry_run:
        old = copies(uri, older_than=3_600 * UNKNOWN_HOURS)
        drop_copies(uri, old, kept_versions(releases.kept))
    report = MaintenanceReport(
        tables=tuple(one for _, one in sorted(done.items()) if one != Upkeep(table=one.table)),
        kept=tuple(one.id for one in releases.kept),
        expired=releases.numbers,
        seconds=round(time.monotonic() - started, 3),
        dry_run=options.dry_run,
    )
    for one in report.tables:
        event(
            "maintained", table=one.table, joined=one.joined, deleted=one.deleted,
            trimmed=one.trimmed, problem=one.problem,
        )  # fmt: skip
    return report


def maintain_of_night(context: Context, receipts: Sequence[Receipt]) -> None:
    """What a night can do in seconds: joins files where a table that it wrote has very many.

    What goes wrong is logged and stops nobody: the next `maintain` does it.
    """
    uri = context.warehouse.uri
    landings = {
        f"restricted/landing/{r.source}/{r.stream}" for r in receipts if r.stream and r.landed
    }
    core = {f"analysts/core/{r.entity}" for r in receipts if r.entity and r.landed}
    others = ("restricted/quarantine", "analysts/runs", "analysts/releases", "analysts/freshness")
    for path in (*sorted(landings), *sorted(core), *others):
        try:
            # What landed has a table.
            if path not in landings and Table.open(f"{uri}/{path}") is None:
                continue
            joined = compacted(f"{uri}/{path}", from_files=_NIGHTLY_FILES)
        except LienThongError as error:
            event("not maintained", table=path, problem=told(error).what)
            continue
        if joined:
            event("maintained", table=path, joined=joined)


@dataclass(frozen=True, kw_only=True)
class _Expiry:
    kept: tuple[Release, ...]
    numbers: tuple[int, ...]
    handles: tuple[tuple[str, Table | WarehouseError], ...]


def catalog_streams(context: Context) -> Iterable[tuple[str, str]]:
    """(source, stream) of everything that the catalog maps."""
    for source in context.catalog.sources.values():
        for stream in source.streams:
            yield source.name, stream


def _of(done: dict[str, Upkeep], path: str) -> Upkeep:
    return done.get(path, Upkeep(table=path))


def _with(
    done: dict[str, Upkeep],
    path: str,
    *,
    trimmed: int | LienThongError = 0,
    deleted: int | LienThongError = 0,
) -> Upkeep:
    one = _of(done, path)
    for result in (trimmed, deleted):
        if isinstance(result, LienThongError):
            return replace(one, problem=told(result).what)
    return replace(
        one,
        trimmed=one.trimmed + (trimmed if isinstance(trimmed, int) else 0),
        deleted=one.deleted + (deleted if isinstance(deleted, int) else 0),
    )


def _joined(uri: str, one: Upkeep, *, options: MaintainOptions) -> Upkeep:
    table = f"{uri}/{one.table}"
    try:
        joined = compacted(table, from_files=_WEEKLY_FILES, dry_run=options.dry_run)
        if not options.dry_run:
            checkpointed(table)
    except LienThongError as error:
        return replace(one, problem=told(error).what)
    return replace(one, joined=joined)


def _expired(context: Context, options: MaintainOptions) -> _Expiry:
    """Expires releases. The handles to vacuum through are older than the commit that says it."""
    uri = context.warehouse.uri
    store = Releases(uri)
    keep_for = timedelta(days=options.retention)

    def once() -> _Expiry:
        paths = table_paths(uri, catalog_streams(context))
        handles = tuple(attempted(paths, uri))
        fence = None if options.dry_run or Table.open(store.uri) is None else store.table()
        known = store.all()
        numbers = outlived(known, now=context.clock(), keep_for=keep_for)
        if fence is not None:
            reached("expire_commit")
            expire(fence, numbers, now=context.clock())
            reached("expired")
        kept = tuple(r for r in known if r.expired_at is None and r.id not in numbers)
        return _Expiry(kept=kept, numbers=numbers, handles=handles)

    return retried(once)


def _vacuumed(
    releases: _Expiry, options: MaintainOptions
) -> Iterable[tuple[str, int | LienThongError]]:
    keep = kept_versions(releases.kept)
    for path, table in releases.handles:
        if isinstance(table, WarehouseError):
            yield path, table
            continue
        try:
            yield path, vacuumed(
                table, keep=keep.get(path, ()), hours=24 * options.retention,
                dry_run=options.dry_run,
            )  # fmt: skip
        except LienThongError as error:
            yield path, error
