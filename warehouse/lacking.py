"""Which landing versions were read without a column, and what that does to the order of copies.

A column comes into a source's YAML later, or goes and comes back. That a landed row has no value in
it then says nothing of the row: it wasn't asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from schemas.mapping.versions import STANDS_AT
from warehouse.delta import Table

Range = tuple[int, int | None]
"""Landing versions from one to another, both included; None: to the newest."""
Lacking = Mapping[str, tuple[Range, ...]]
"""Column to the landing versions that were read without it."""

_LONG_AGO: Final = 10**16  # microseconds: 317 years, behind every stamp and counter
_PLACE: Final = ("_landing_version", "_row")
_THEN: Final = ("_then_version", "_then_row")
_IS_BEFORE: Final = (pl.col("_then_version") < pl.col("_landing_version")) | (
    (pl.col("_then_version") == pl.col("_landing_version")) & (pl.col("_then_row") < pl.col("_row"))
)


def never_read(lacking: Lacking, columns: Iterable[str]) -> Lacking:
    """What holds once a table with rows is given columns."""
    return {**lacking, **dict.fromkeys(columns, ((1, None),))}


def after_rows(
    lacking: Lacking, version: int, *, read: Iterable[str], columns: Iterable[str]
) -> Lacking:
    """What holds once rows land.

    Args:
        lacking: What held before.
        version: Their landing version.
        read: Columns that they were read with.
        columns: Columns of the table that a source delivers.
    """
    kept = dict(lacking)
    with_it = set(read)
    for column in columns:
        ranges = kept.get(column, ())
        is_open = bool(ranges) and ranges[-1][1] is None
        if is_open and column in with_it:
            low = ranges[-1][0]
            kept[column] = (*ranges[:-1], *([(low, version - 1)] if low < version else []))
        elif not is_open and column not in with_it:
            kept[column] = (*ranges, (version, None))
    return {column: ranges for column, ranges in kept.items() if ranges}


def standing(
    rows: pl.DataFrame,
    columns: Sequence[str],
    *,
    table: Table,
    newest: int,
    lacking: Lacking,
    versions: Callable[[pl.DataFrame], pl.Series],
) -> pl.DataFrame:
    """Landing rows with `STANDS_AT`: the version of those that were read without theirs.

    It is that of the newest copy before that has one; where none has, they are older than every
    copy that does. A tombstone is as the row that it is a copy of.

    Args:
        rows: The rows.
        columns: What their version is made of.
        table: The landing table.
        newest: Its landing version.
        lacking: What is known of it.
        versions: Landing rows to their versions.
    """
    held = set(table.schema.names)
    ranges = [lacking.get(name, ()) if name in held else ((1, None),) for name in columns]
    if not all(ranges):
        return rows
    is_without = pl.all_horizontal(_is_in(one, newest) for one in ranges)
    never = min(_end_of_first(one, newest) for one in ranges)
    suspects = rows.filter(_are_empty(columns)).select(
        "_key", "_row_hash", *_PLACE, "_read_at", "_tombstone", is_without=is_without
    )
    plain = suspects.filter(pl.col("_landing_version") <= never)
    others = suspects.filter(
        pl.col("_landing_version") > never, pl.col("is_without") | pl.col("_tombstone")
    )
    placed = [plain.select(*_PLACE, "_read_at", version=pl.lit(None, pl.Int64))]
    if others.height:
        placed.append(_behind(others, columns, table, is_without=is_without, versions=versions))
    long_ago = pl.col("_read_at").dt.epoch("us") - _LONG_AGO
    known = pl.concat(placed).select(*_PLACE, pl.coalesce("version", long_ago).alias(STANDS_AT))
    return rows.join(known, on=_PLACE, how="left", maintain_order="left")


def _behind(
    suspects: pl.DataFrame,
    columns: Sequence[str],
    table: Table,
    *,
    is_without: pl.Expr,
    versions: Callable[[pl.DataFrame], pl.Series],
) -> pl.DataFrame:
    """Of suspects those that were read without the columns, with the version they stand at."""
    keys = suspects.select("_key").unique()
    held = set(table.schema.names)
    history = (
        table.scan()
        .join(keys.lazy(), on="_key", how="semi")
        .with_columns(
            *(pl.lit(None, pl.String).alias(name) for name in columns if name not in held),
            was_without=is_without,
        )
        .collect(engine="streaming")
    )
    own = ("_key", "_row_hash")
    then = [pl.col(name).alias(before) for name, before in zip(_PLACE, _THEN, strict=True)]
    copied = (
        suspects.filter("_tombstone", ~pl.col("is_without"))
        .join(history.filter(~pl.col("_tombstone")).select(*own, *then, "was_without"), on=own)
        .filter(_IS_BEFORE)
        .sort(_THEN)
        .group_by(_PLACE)
        .last()
        .filter("was_without")
    )
    without = pl.concat(
        [suspects.filter("is_without"), suspects.join(copied, on=_PLACE, how="semi")]
    )
    told = history.filter(~_are_empty(columns))
    told = told.with_columns(version=versions(told)).select("_key", *then, "version")
    newest = (
        without.select("_key", *_PLACE)
        .join(told, on="_key")
        .filter(_IS_BEFORE)
        .sort(_THEN)
        .group_by(_PLACE)
        .last()
    )
    found = without.join(newest, on=_PLACE, how="left")
    return found.select(*_PLACE, "_read_at", "version")


def _are_empty(columns: Sequence[str]) -> pl.Expr:
    return pl.all_horizontal(pl.col(columns).is_null())


def _is_in(ranges: Sequence[Range], newest: int) -> pl.Expr:
    version = pl.col("_landing_version")
    return pl.any_horizontal(
        version.is_between(low, newest if high is None else high) for low, high in ranges
    )


def _end_of_first(ranges: Sequence[Range], newest: int) -> int:
    """The newest version of those from the first on that were read without a column."""
    low, high = ranges[0]
    if low > 1:
        return 0
    return newest if high is None else high
