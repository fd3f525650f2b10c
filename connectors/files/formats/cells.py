"""Values of a spreadsheet's cells as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 2**53


def text_column(values: Sequence[Any]) -> pa.Array:
    """A column of cells as text; what `cell_text` says of each, quicker where all are alike."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return pa.array(values, pa.string())
    if kinds == {float}:
        numbers = pa.array(values, pa.float64())
        is_whole = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), _EXACT))
        if is_whole.false_count == 0:
            return numbers.cast(pa.int64()).cast(pa.string())
    if kinds == {datetime}:
        stamps = pa.array(values, pa.timestamp("ms"))
        if pc.max(pc.millisecond(stamps)).as_py() == 0:
            return pc.replace_substring(stamps.cast(pa.timestamp("s")).cast(pa.string()), " ", "T")
    if len(kinds) == 1:
        return pa.array(map(_TEXTS[kinds.pop()], values), pa.string())
    return pa.array([_TEXTS[type(value)](value) for value in values], pa.string())


def cell_text(value: object) -> str:
    """The text of one cell: ISO 8601 for dates and times, numbers with Excel's 15 digits."""
    return _TEXTS[type(value)](value)


def _number(value: float) -> str:
    if value.is_integer() and -_EXACT < value < _EXACT:
        return str(int(value))
    return format(Decimal(f"{value:.15g}"), "f")


def _stamp(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")


def _duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    sign = "-" if seconds < 0 else ""
    minutes, seconds = divmod(abs(seconds), 60)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _truth(value: bool) -> str:
    return "true" if value else "false"


_TEXTS: dict[type, Callable[[Any], str]] = {
    str: str,
    float: _number,
    int: str,
    bool: _truth,
    datetime: _stamp,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _duration,
}
