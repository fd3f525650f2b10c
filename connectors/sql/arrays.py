"""Rows of a driver as delivered batches: values by their published type, bad ones named.

Times and decimals arrive as the text that the server wrote, so that no driver's idea of a date
stands between: a zero date, or the year 10000, must not end a read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sql.types import SourceColumn
from connectors.sql.values import bad_values, decimals, delivered_schema, within_range

_LIKE_A_DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_LEAST, _MOST = -(2**63), 2**63 - 1


def delivered(rows: Sequence[Sequence[Any]], columns: Sequence[SourceColumn]) -> pa.RecordBatch:
    """Rows of values as a batch of the columns' types.

    Args:
        rows: Values in the order of the columns: text, numbers, bytes, truth values or None; times
            as ISO 8601 text, decimals as text.
        columns: What they are to become.
    """
    arrays: list[pa.Array] = []
    bad: dict[str, pa.Array] = {}
    by_column = zip(*rows, strict=True) if rows else ((),) * len(columns)
    for values, column in zip(by_column, columns, strict=True):
        array, wrong = _array(values, column)
        arrays.append(array)
        if wrong is not None:
            bad[column.name] = wrong
    arrays.append(bad_values(bad, len(rows)))
    return pa.RecordBatch.from_arrays(arrays, schema=delivered_schema(columns))


def _array(values: Sequence[Any], column: SourceColumn) -> tuple[pa.Array, pa.Array | None]:
    kind = column.arrow
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return _times(_texts(values), kind)
    if pa.types.is_decimal(kind):
        return decimals(_texts(values), kind)
    if pa.types.is_string(kind):
        return _texts(values), None
    if pa.types.is_integer(kind):
        return _integers(values, is_year=column.type == "year")
    if pa.types.is_boolean(kind):
        return pa.array([None if v is None else bool(v) for v in values], kind), None
    return pa.array(values, pa.float64()).cast(kind), None


def _texts(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else str(value)


def _integers(values: Sequence[Any], *, is_year: bool) -> tuple[pa.Array, pa.Array | None]:
    if not is_year:
        return pa.array(values, pa.int64()), None
    kept = [None if value is None else _carried(value, is_year=is_year) for value in values]
    wrong = [new is None and old is not None for new, old in zip(kept, values, strict=True)]
    return pa.array(kept, pa.int64()), pa.array(wrong, pa.bool_()) if any(wrong) else None


def _carried(value: int, *, is_year: bool) -> int | None:
    return value if _LEAST <= value <= _MOST and not (is_year and value == 0) else None


def _times(text: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """Texts as times; those that no calendar holds, or no year that is carried, are null."""
    text = pc.utf8_trim_whitespace(text)
    # SQL Server writes tenths of a microsecond.
    text = pc.replace_substring_regex(text, r"([.][0-9]{6})[0-9]+$", r"\1")
    typed = _parsed(text, kind)
    carried, far = within_range(typed, kind)
    unread = pc.and_(pc.is_valid(text), pc.is_null(typed))
    wrong = unread if far is None else pc.or_(unread, far)
    return carried, wrong if pc.any(wrong).as_py() else None


def _parsed(text: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = pa.date32() if pa.types.is_date32(kind) else pa.timestamp("us")
    try:
        parsed = text.cast(plain)
    except pa.ArrowInvalid:
        parsed = _parsed_apart(text, plain)
    if pa.types.is_timestamp(kind) and kind.tz:
        return pc.assume_timezone(parsed, "UTC")
    return parsed


def _parsed_apart(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same where some text is no date: zero dates first, which some offices are full of."""
    like = pc.fill_null(pc.match_substring_regex(text, _LIKE_A_DATE), False)
    text = pc.if_else(like, text, pa.scalar(None, pa.string()))
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        moments = [_moment(value) for value in text.to_pylist()]
        return pa.array(moments, pa.timestamp("us")).cast(kind)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
