"""Driver batches to delivered batches: types of the published table, bad values named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sql.types import FIRST_YEAR, LAST_YEAR, SourceColumn

BAD_VALUES = pa.field("_bad_values", pa.list_(pa.string()))

_EPOCH = date(1970, 1, 1)
_DAYS = ((date(FIRST_YEAR, 1, 1) - _EPOCH).days, (date(LAST_YEAR + 1, 1, 1) - _EPOCH).days)
_MICROSECONDS = (
    int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000,
    int(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000,
)


def delivered_schema(columns: Sequence[SourceColumn]) -> pa.Schema:
    """The schema of a read of those columns."""
    return pa.schema([pa.field(c.name, c.arrow) for c in columns] + [BAD_VALUES])


def deliver(batch: pa.RecordBatch, columns: Sequence[SourceColumn]) -> pa.RecordBatch:
    """Gives every column its published type; what can't be carried is null and named.

    Args:
        batch: The columns in that order, as the driver typed them.
        columns: What they are to become.
    """
    arrays: list[pa.Array] = []
    bad: dict[str, pa.Array] = {}
    for array, column in zip(batch.columns, columns, strict=True):
        value, wrong = _deliver_one(array, column.arrow)
        arrays.append(value)
        if wrong is not None:
            bad[column.name] = wrong
    arrays.append(bad_values(bad, batch.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=delivered_schema(columns))


def bad_values(bad: dict[str, pa.Array], length: int) -> pa.Array:
    """The `_bad_values` column: names of the columns whose mask is true, null where none is."""
    if not bad:
        return pa.nulls(length, BAD_VALUES.type)
    names: list[list[str] | None] = [None] * length
    for name, mask in bad.items():
        for row in pc.indices_nonzero(mask).to_pylist():
            names[row] = [*(names[row] or []), name]
    return pa.array(names, BAD_VALUES.type)


def _deliver_one(array: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return within_range(array, kind)
    if pa.types.is_decimal(kind):
        return decimals(array, kind)
    return (array if array.type == kind else array.cast(kind)), None


def within_range(array: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Nulls times that are infinite (ADBC wraps them) or outside the years that are carried."""
    is_date = pa.types.is_date32(kind)
    numbers = array.view(pa.int32() if is_date else pa.int64())
    low, high = _DAYS if is_date else _MICROSECONDS
    extremes = pc.min_max(numbers)
    least, most = extremes["min"].as_py(), extremes["max"].as_py()
    typed = array if array.type == kind else array.cast(kind)
    if least is None or (least >= low and most < high):
        return typed, None
    wrong = pc.fill_null(pc.or_(pc.less(numbers, low), pc.greater_equal(numbers, high)), False)
    return pc.if_else(wrong, pa.scalar(None, kind), typed), wrong


def decimals(array: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Text of a numeric(p,s) to decimal; NaN has no place in a decimal."""
    try:
        return array.cast(kind), None
    except pa.ArrowInvalid:
        wrong = pc.fill_null(pc.invert(pc.match_substring_regex(array, r"^-?[0-9.]+$")), False)
        return pc.if_else(wrong, pa.scalar(None, array.type), array).cast(kind), wrong
