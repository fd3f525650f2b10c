"""The version of a landing row: what orders two copies of one record.

A stream that names a version column is ordered by it: a time counts as microseconds since 1970
(UTC), at most the start of its read (a stamp in the future would win for ever), a whole number as
itself. Where the column is empty or can't be read, and where none is named, the start of the read
counts. Of a copy that was read without the column somebody else may say where it stands.
"""

from __future__ import annotations

import polars as pl

from schemas.mapping.columns import origin, prepared, time_rules
from schemas.mapping.deleted import buried
from schemas.mapping.filled import nothing
from schemas.mapping.models import ColumnMapping, StreamMapping
from schemas.mapping.numbers import NumberMarks, read_integers
from schemas.mapping.times import read_times

STANDS_AT = "_stands_at"
"""Landing rows may bring their version by this column (Int64), null where theirs counts."""

_PLACE = ("_landing_version", "_row")


def versions(rows: pl.DataFrame, mapping: StreamMapping) -> pl.Series:
    """The version of each landing row, as Int64."""
    read_at = rows["_read_at"].dt.epoch("us")
    if mapping.version is None:
        return read_at.alias("_version")
    column = mapping.version
    frame = prepared(rows, column.raw_columns(), mapping.nulls)
    values = origin(frame, column, explode=None).values
    stamps = _stamps(values, column, mapping.timezone)
    if stamps.null_count() == values.null_count():  # all are times
        numbers = nothing(pl.Int64, len(values))
    else:
        numbers = _numbers(values, column)
    both = pl.DataFrame({"stamp": stamps, "number": numbers, "read_at": read_at})
    clamped = pl.min_horizontal("stamp", "read_at")
    known = pl.when(pl.col("stamp").is_not_null()).then(clamped).otherwise("number")
    version = both.select(_version=known.fill_null(pl.col("read_at")))["_version"]
    if STANDS_AT not in rows.columns:
        return version
    return rows[STANDS_AT].fill_null(version).alias("_version")


def row_orders(rows: pl.DataFrame, *, mapping: StreamMapping) -> pl.DataFrame:
    """How the landing rows of a stream are ordered among copies of their key.

    Args:
        rows: Landing rows (the version's raw columns and the LANDING columns).
        mapping: The stream's mapping.

    Returns:
        `_landing_key`, `_version`, `_landing_version`, `_row`, `_tombstone`, `_read_at`; one line
        for each row, in the same order.
    """
    return pl.DataFrame(
        [
            rows["_key"].alias("_landing_key"),
            versions(rows, mapping),
            *(rows[name] for name in _PLACE),
            buried(rows, mapping),
            rows["_read_at"],
        ]
    )


def _stamps(values: pl.Series, column: ColumnMapping, timezone: str) -> pl.Series:
    if column.format is None and values.dtype != pl.String and not values.dtype.is_temporal():
        return nothing(pl.Int64, len(values))
    times = read_times(values, time_rules(column, timezone))
    return times.instant.dt.epoch("us")


def _numbers(values: pl.Series, column: ColumnMapping) -> pl.Series:
    if column.format is not None or values.dtype.is_temporal():
        return nothing(pl.Int64, len(values))
    return read_integers(values, NumberMarks())
