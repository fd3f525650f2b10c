"""Looking after tables: few large files, a checkpoint, and no file that nothing shows any more.

Everything here is safe beside a run. What it commits, another run's commit either doesn't meet or
makes start over; what it deletes, no kept release, no newest version and no later one has.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.entities import ENTITIES
from schemas.errors import WarehouseError
from warehouse.delta import Table
from warehouse.phases import reached
from warehouse.races import retried
from warehouse.releases import Release

TARGET: Final = 128 * 1024**2
SMALL: Final = 32 * 1024**2
"""Bytes: what compaction makes, and below which a file counts as small."""

UNKNOWN_HOURS: Final = 48
"""Files of no commit are left alone for so long: their writer may still be at work."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What was done to one table, or would be.

    Attributes:
        table: Its path below the warehouse.
        joined: Small files that were joined.
        deleted: Files that were deleted.
        trimmed: Superseded copies that were taken out of a landing table.
        problem: Why it could not be done.
    """

    table: str
    joined: int = 0
    deleted: int = 0
    trimmed: int = 0
    problem: str | None = None


def table_paths(uri: str, streams: Iterable[tuple[str, str]]) -> list[str]:
    """The paths of every table of a warehouse, below it.

    Args:
        uri: The warehouse.
        streams: (source, stream) of the catalog; in a folder landings of others are found too.
    """
    if "://" not in uri:
        root = Path(uri)
        logs = root.glob("**/_delta_log")
        return sorted(log.parent.relative_to(root).as_posix() for log in logs)
    landings = [f"restricted/landing/{source}/{stream}" for source, stream in streams]
    core = [f"analysts/core/{name}" for name in ENTITIES]
    others = ("runs", "quarantine_summary", "freshness", "reconcile", "releases")
    restricted = ("restricted/quarantine", "restricted/reconcile")
    known = [*restricted, *landings, *core, *(f"analysts/{name}" for name in others)]
    return [path for path in known if Table.open(f"{uri}/{path}") is not None]


def compacted(uri: str, *, from_files: int, dry_run: bool = False) -> int:
    """Joins the small files of a table where a partition has many.

    Args:
        uri: The table.
        from_files: How many small files of one partition make it worth while.
        dry_run: Only count.

    Returns:
        The number of files that were joined.

    Raises:
        WarehouseError: It could not be read or written, or others kept coming first.
    """

    def once() -> int:
        table = _opened(uri)
        small = [count for count in table.small_files(below=SMALL) if count > 1]
        if max(small, default=0) < from_files:
            return 0
        if dry_run:
            return sum(small)
        reached("compact_commit")
        joined = table.compact(target=TARGET)
        reached("compacted")
        return joined

    return retried(once)


def checkpointed(uri: str) -> None:
    """Writes a checkpoint of a table's newest version. Raises WarehouseError."""
    reached("checkpoint")
    _opened(uri).checkpoint()


def kept_versions(releases: Iterable[Release]) -> dict[str, set[int]]:
    """Path of a table to its versions that releases show."""
    kept: dict[str, set[int]] = {}
    for release in releases:
        for part in release.parts.values():
            kept.setdefault(part.path, set()).add(part.version)
    return kept


def vacuumed(table: Table, *, keep: Collection[int], hours: int, dry_run: bool = False) -> int:
    """Deletes a table's files that nothing shows any more.

    Args:
        table: Opened before the kept releases were read, and before a fence of releases: whoever
            publishes later chooses versions that are at least as new, whose files all stay.
        keep: Versions that kept releases show.
        hours: Files that were removed later than so many hours ago stay.
        dry_run: Only count.

    Returns:
        The number of files.

    Raises:
        WarehouseError: The table could not be read or written.
    """
    shown = [version for version in keep if version <= table.version]
    found = table.vacuum(keep=shown, hours=hours, with_unknown=False, dry_run=True)
    if found and not dry_run:
        reached("vacuum")
        table.vacuum(keep=shown, hours=hours, with_unknown=False)
        reached("vacuumed")
    return len(found) + _unknown_vacuumed(
        table.uri, keep=keep, hours=max(hours, UNKNOWN_HOURS), known=found, dry_run=dry_run
    )


def _unknown_vacuumed(
    uri: str, *, keep: Collection[int], hours: int, known: Collection[str], dry_run: bool
) -> int:
    """Deletes what runs that died left, and what was removed before the last checkpoints.

    A run may have been suspended for longer than that: the fence makes its commit fail.
    """
    table = _opened(uri)
    shown = [version for version in keep if version <= table.version]
    found = table.vacuum(keep=shown, hours=hours, with_unknown=True, dry_run=True)
    found = sorted(set(found) - set(known))
    if found and not dry_run:
        retried(lambda: _opened(uri).fence(uuid.uuid4().hex))
        reached("vacuum")
        _opened(uri).vacuum(keep=shown, hours=hours, with_unknown=True)
        reached("vacuumed")
    return len(found)


def attempted(paths: Iterable[str], uri: str) -> Iterator[tuple[str, Table | WarehouseError]]:
    """Opens tables; one that can't be opened comes as its error."""
    for path in paths:
        try:
            yield path, _opened(f"{uri}/{path}")
        except WarehouseError as error:
            yield path, error


def _opened(uri: str) -> Table:
    table = Table.open(uri)
    if table is None:
        raise WarehouseError(f"{uri}: the table is gone; `lienthong audit` looks")
    return table
