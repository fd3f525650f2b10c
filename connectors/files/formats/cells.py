"""Values of a spreadsheet's cells as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 2**53
_MIDNIGHT = time()


def text_column(values: Sequence[Any]) -> pa.Array:
    """A column of cells as text; what `cell_text` says of each, quicker where all are alike."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return pa.array(values, pa.string())
    if kinds == {float}:
        return _numbers(pa.array(values, pa.float64()))
    if kinds <= {datetime, date}:
        stamps = [v if type(v) is datetime else datetime.combine(v, _MIDNIGHT) for v in values]
        return _stamps(pa.array(stamps, pa.timestamp("ms")))
    if len(kinds) == 1:
        return pa.array(map(_TEXTS[kinds.pop()], values), pa.string())
    return pa.array([_TEXTS[type(value)](value) for value in values], pa.string())


def _numbers(values: pa.Array) -> pa.Array:
    """Arrow's text is right, unless it has more digits than Excel keeps, or an exponent."""
    texts = values.cast(pa.string())
    is_other = pc.or_(pc.greater(pc.utf8_length(texts), 15), pc.match_substring(texts, "e"))
    is_other = pc.or_(is_other, pc.equal(texts, "-0"))
    if not is_other.true_count:
        return texts
    others = pa.array(map(_number, values.filter(is_other).to_pylist()), pa.string())
    return pc.replace_with_mask(texts, is_other, others)


def _stamps(values: pa.Array) -> pa.Array:
    """Calamine gives a stamp at midnight as a date."""
    if pc.max(pc.millisecond(values)).as_py():
        is_date = pc.equal(pc.floor_temporal(values, unit="day"), values)
        texts = pa.array(map(_stamp, values.to_pylist()), pa.string())
    else:
        seconds = values.cast(pa.timestamp("s"))
        is_date = pc.equal(pc.floor_temporal(seconds, unit="day"), seconds)
        texts = pc.replace_substring(seconds.cast(pa.string()), " ", "T")
    return pc.if_else(is_date, pc.utf8_slice_codeunits(texts, 0, 10), texts)


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
