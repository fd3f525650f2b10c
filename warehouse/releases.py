"""Releases: one consistent set of table versions each, which is what analysts see.

A release is one commit to the table `releases`: a row for every table with its Delta version. Views
and files are made from it. Nothing is copied: the versions stay readable while the release is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa

from schemas.errors import ConfigError, WarehouseError
from warehouse.delta import Table
from warehouse.phases import reached

Kind = Literal["publish", "rollback", "forget"]

APP: Final = "release"
READABLE_FOR: Final = timedelta(days=7)
"""How long a release stays readable, at least, after another one took its place."""

_EXPIRE: Final = "expire"  # kind of the lines that say: this release can't be read any more
SCHEMA: Final = pa.schema(
    [
        ("release_id", pa.int64()),
        ("table", pa.string()),
        ("path", pa.string()),  # below the warehouse
        ("version", pa.int64()),
        ("rows", pa.int64()),
        ("published_at", pa.timestamp("us", tz="UTC")),
        ("kind", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One table of a release.

    Attributes:
        path: Where it lies, below the warehouse.
        version: Its Delta version.
        rows: Rows of that version, those deleted in their source included.
    """

    path: str
    version: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Release:
    """One consistent set of table versions.

    Attributes:
        id: Its number, from 1.
        published_at: UTC.
        kind: `publish`; `rollback` to the tables of an older one; `forget`: the tables of the one
            before without a person.
        reason: What a person gave as the reason, or what the rollback went back to.
        parts: Table to its version.
        expired_at: Since when its files may be gone (UTC); None while it can be read.
    """

    id: int
    published_at: datetime
    kind: Kind
    reason: str | None
    parts: Mapping[str, Part]
    expired_at: datetime | None = None

    def demand_kept(self) -> None:
        """Raises ConfigError where the release has expired."""
        if self.expired_at is not None:
            message = (
                f"release {self.id} has expired: its files were given free on "
                f"{self.expired_at:%Y-%m-%d}. `lienthong release list` says which can be read"
            )
            raise ConfigError(message)

    def table(self, warehouse_uri: str, name: str) -> Table | None:
        """A table at its version in this release; None where the release has none of that name.

        Raises:
            ConfigError: The release has expired.
            WarehouseError: The version is gone.
        """
        self.demand_kept()
        part = self.parts.get(name)
        if part is None:
            return None
        table = Table.open(f"{warehouse_uri.rstrip('/')}/{part.path}", version=part.version)
        if table is None:
            message = f"release {self.id}: the table {name} is lost; `lienthong audit` looks"
            raise WarehouseError(message)
        return table


class Releases:
    """The table of releases of a warehouse. Every reading method sees its newest version."""

    def __init__(self, warehouse_uri: str) -> None:
        self.uri = f"{warehouse_uri.rstrip('/')}/analysts/releases"

    def all(self) -> tuple[Release, ...]:
        """Every release, the oldest first."""
        table = Table.open(self.uri)
        if table is None:
            return ()
        rows = table.scan().sort("release_id", "table").collect()
        ends = rows.filter(pl.col("kind") == _EXPIRE).select("release_id", "published_at")
        expired = dict(ends.iter_rows())
        told = rows.filter(pl.col("kind") != _EXPIRE)
        groups = told.partition_by("release_id", maintain_order=True)
        return tuple(
            _release(group.rows(named=True), expired_at=expired.get(group["release_id"][0]))
            for group in groups
        )

    def kept(self) -> tuple[Release, ...]:
        """The releases that can be read, the oldest first."""
        return tuple(one for one in self.all() if one.expired_at is None)

    def latest(self) -> Release | None:
        """The release that analysts see; None where none was ever published."""
        return next(reversed(self.all()), None)

    def get(self, number: int) -> Release:
        """The release of that number.

        Raises:
            ConfigError: There is none.
        """
        known = self.all()
        for one in known:
            if one.id == number:
                return one
        there = f"are 1 to {known[-1].id}" if known else "is none yet (`lienthong release publish`)"
        message = f"there is no release {number}; there {there}"
        raise ConfigError(message)

    def as_of(self, moment: datetime) -> Release:
        """The release that analysts saw at a moment.

        Raises:
            ConfigError: There was none yet.
        """
        seen = [one for one in self.all() if one.published_at <= moment]
        if not seen:
            message = f"there was no release yet at {moment.isoformat()}"
            raise ConfigError(message)
        return seen[-1]

    def table(self) -> Table:
        """The handle to publish through: opened before the versions of a release are chosen."""
        return Table.open_or_create(self.uri, SCHEMA)


def publish(
    table: Table,
    parts: Mapping[str, Part],
    *,
    now: datetime,
    kind: Kind = "publish",
    reason: str | None = None,
) -> Release:
    """Publishes a set of versions, in one commit.

    Args:
        table: From `Releases.table`, opened before the versions were chosen.
        parts: Table to version; not empty.
        now: UTC.
        kind: See `Release`.
        reason: See `Release`.

    Raises:
        LostRaceError: Another release came first: choose the versions anew.
    """
    number = table.txn(APP) + 1
    rows = [
        {
            "release_id": number, "table": name, "path": part.path, "version": part.version,
            "rows": part.rows, "published_at": now, "kind": kind, "reason": reason,
        }
        for name, part in sorted(parts.items())
    ]  # fmt: skip
    reached("release_commit")
    table.append(pa.Table.from_pylist(rows, SCHEMA), txns={APP: number})
    reached("released")
    return _release(rows)


def outlived(known: Sequence[Release], *, now: datetime, keep_for: timedelta) -> tuple[int, ...]:
    """The numbers of the releases that were superseded long enough ago to expire.

    Args:
        known: Every release, the oldest first.
        now: UTC.
        keep_for: How long one stays readable after another took its place; never less than
            `READABLE_FOR`.
    """
    until = now - max(keep_for, READABLE_FOR)
    return tuple(
        one.id
        for one, newer in pairwise(known)
        if one.expired_at is None and newer.published_at < until
    )


def expire(table: Table, numbers: Iterable[int], *, now: datetime) -> None:
    """Tells releases to be expired, in one commit, which is made also where there is none.

    Whoever chooses the versions of a release meanwhile loses the race and chooses anew: versions
    that were chosen before can't become a release after their files were deleted.

    Raises:
        LostRaceError: Another release came first: look again at which may expire.
    """
    rows = [
        {
            "release_id": number, "table": "", "path": "", "version": 0, "rows": 0,
            "published_at": now, "kind": _EXPIRE, "reason": None,
        }
        for number in numbers
    ]  # fmt: skip
    table.append(pa.Table.from_pylist(rows, SCHEMA), txns={APP: table.txn(APP)})


def _release(rows: Iterable[Mapping[str, Any]], *, expired_at: datetime | None = None) -> Release:
    lines = list(rows)
    first = lines[0]
    return Release(
        id=first["release_id"],
        published_at=first["published_at"],
        kind=first["kind"],
        reason=first["reason"],
        parts={
            line["table"]: Part(path=line["path"], version=line["version"], rows=line["rows"])
            for line in lines
        },
        expired_at=expired_at,
    )


def as_rows(releases: Iterable[Release]) -> pl.DataFrame:
    """Releases as the table `release` of SQL: one line each, with the number of its tables."""
    return pl.DataFrame(
        [
            {
                "release_id": one.id, "published_at": one.published_at, "kind": one.kind,
                "reason": one.reason, "tables": len(one.parts),
                "rows": sum(part.rows for part in one.parts.values()),
            }
            for one in releases
        ],
        schema={
            "release_id": pl.Int64, "published_at": pl.Datetime("us", "UTC"), "kind": pl.String,
            "reason": pl.String, "tables": pl.Int64, "rows": pl.Int64,
        },
    )  # fmt: skip
