"""Formats of dates and times: the words that the YAML's `format:` takes.

A format is a strptime pattern with Python's directives, or one of the named ones: `iso`,
`epoch_s`, `epoch_ms`, `epoch_us`, `excel`. Each turns text (or numbers) into a naive time or, if
the text states an offset, into an instant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import polars as pl

DIRECTIVES = "YymdHIMSfpbBjz"
"""The directives of Python's strptime that a format may use (and `%%`)."""

NAIVE = pl.Datetime("us")

_FIRST_EPOCH_US = -2_208_988_800_000_000  # 1900-01-01: what lies before is no stamp but an error
_LAST_EPOCH_US = 7_258_118_400_000_000  # 2200-01-01
_EXCEL_EPOCH_US = -2_209_161_600_000_000  # 1899-12-30: serial 61 and later count from it
_DAY_US = 86_400_000_000
_FIRST_EXCEL_DAY = 61  # before it Excel counts a 29 February 1900 that never was

_OFFSET = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"


STATED: dict[str, pl.DataType] = {
    "naive": NAIVE,
    "offset": pl.Duration("us"),
    "date_only": pl.Boolean(),
}
"""What a stamp states: its wall-clock time (null where it can't be read), its offset from UTC (null
where it states none), and whether it is a date without an hour."""


@dataclass(frozen=True, kw_only=True)
class TimeFormat:
    """One way to read a time.

    Attributes:
        name: The format as the YAML writes it.
        read: From texts to a frame of `STATED`, row for row.
    """

    name: str
    read: Callable[[pl.Series], pl.DataFrame]


@cache
def time_format(text: str) -> TimeFormat:
    """The format of that name or pattern.

    Raises:
        ValueError: It is neither a named format nor a pattern of the directives there are.
    """
    if text in _NAMED:
        return _NAMED[text]
    if "%" not in text:
        message = f"'{text}' is no format; named ones are {', '.join(_NAMED)}, patterns have a %"
        raise ValueError(message)
    return _pattern(text)


def format_names() -> tuple[str, ...]:
    """The named formats."""
    return tuple(_NAMED)


def _pattern(text: str) -> TimeFormat:
    directives = re.findall(r"%(.)", text.replace("%%", ""), re.DOTALL)
    for letter in directives:
        if letter not in DIRECTIVES:
            valid = " ".join(f"%{d}" for d in DIRECTIVES)
            message = f"format '{text}' uses %{letter}; directives are {valid} %%"
            raise ValueError(message)
    if not any(set(day) <= set(directives) for day in ("dm", "db", "dB", "j")):
        message = f"format '{text}' states no day and month"
        raise ValueError(message)
    # polars reads %f as a count of nanoseconds; %.f is Python's fraction, with its point.
    chrono = text.replace(".%f", "%.f")
    if "%f" in chrono.replace("%%", ""):
        message = f"format '{text}': %f needs a point before it (.%f)"
        raise ValueError(message)
    is_day = not {"H", "I"} & set(directives)
    has_offset = "z" in directives and not is_day
    return TimeFormat(
        name=text, read=lambda values: _by_pattern(values, chrono, is_day, has_offset=has_offset)
    )


def _by_pattern(values: pl.Series, chrono: str, is_day: bool, *, has_offset: bool) -> pl.DataFrame:
    value = pl.col("value")
    if is_day:
        naive = value.str.to_date(chrono, strict=False).cast(NAIVE)
    elif has_offset:
        # Python's %z takes Z, that of polars doesn't.
        text = value.str.replace(r"[Zz]$", "+00:00")
        naive = _parsed(text, chrono).dt.replace_time_zone(None)
    else:
        naive = _parsed(value, chrono)
    frame = values.alias("value").to_frame().select(naive=naive)
    known = pl.when(pl.col("naive").is_not_null())
    none = pl.lit(None, dtype=pl.Duration("us"))
    return frame.select(
        "naive",
        offset=known.then(pl.duration(seconds=0, time_unit="us")) if has_offset else none,
        date_only=known.then(pl.lit(is_day)),
    )


def wall_clock(text: pl.Expr, pattern: str) -> pl.Expr:
    """The wall-clock time of texts by a strptime pattern, as an expression; null where none."""
    chrono = pattern.replace(".%f", "%.f")
    if "%H" in pattern or "%I" in pattern:
        return _parsed(text, chrono)
    return text.str.to_date(chrono, strict=False).cast(NAIVE)


def _parsed(text: pl.Expr, chrono: str) -> pl.Expr:
    return text.str.to_datetime(chrono, time_unit="us", strict=False)


def _iso(values: pl.Series) -> pl.DataFrame:
    """ISO 8601, extended: a date, or date and time with or without fraction and offset.

    Nearly all stamps have seconds: their first 19 characters are read at one go, and the few
    different endings (a fraction, an offset) once each. The rest is brought into that form first.
    """
    value = pl.col("value")
    frame = values.alias("value").to_frame()
    has_seconds = (value.str.len_bytes() > 10) & (value.str.slice(16, 1) == ":")
    short = frame.select((~has_seconds).fill_null(value=False).alias("short"))["short"]
    if short.any():
        frame = frame.select(pl.when(pl.lit(short)).then(_lengthened(value)).otherwise(value))
    split = frame.select(start=value.str.slice(0, 19), ending=value.str.slice(19))
    endings = _endings(split["ending"].drop_nulls().unique())
    joined = split.join(endings, on="ending", how="left", maintain_order="left")
    start = pl.col("start").str.replace(" ", "T", literal=True)
    read = joined.select(
        naive=pl.when(pl.col("is_ending")).then(_parsed(start, "%Y-%m-%dT%H:%M:%S"))
        + pl.col("fraction"),
        offset=pl.col("offset"),
    )
    days = values.str.len_bytes() == 10
    known = pl.when(pl.col("naive").is_not_null())
    return read.select(
        "naive", offset=known.then(pl.col("offset")), date_only=known.then(pl.lit(days))
    )


def _lengthened(text: pl.Expr) -> pl.Expr:
    """A date, or a time without seconds, with all of them; other texts are null."""
    day = pl.when(text.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")).then(text + "T00:00:00")
    minute = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2})( ?(?:[Zz]|[+-][0-9:]{2,5})?)$"
    clock = pl.when(text.str.contains(minute)).then(text.str.replace(minute, "${1}:00${2}"))
    return pl.coalesce(day, clock)


def _endings(distinct: pl.Series) -> pl.DataFrame:
    """What stands behind the seconds: fraction and offset, for each different ending."""
    ending = pl.col("ending")
    digits = ending.str.extract(r"^[.,]([0-9]{1,9})", 1).str.head(6).str.pad_end(6, "0")
    stated = ending.str.extract(rf"({_OFFSET})", 1)
    hours = stated.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = stated.str.slice(3).str.strip_prefix(":").cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(stated.str.starts_with("-")).then(-1).otherwise(1)
    offset = pl.duration(minutes=sign * (hours * 60 + minutes), time_unit="us")
    microseconds = digits.cast(pl.Int64, strict=False).fill_null(0)
    return distinct.alias("ending").to_frame().select(
        ending,
        is_ending=ending.str.contains(rf"^(?:[.,][0-9]{{1,9}})? ?(?:{_OFFSET})?$"),
        fraction=pl.duration(microseconds=microseconds, time_unit="us"),
        offset=pl.when(stated.is_not_null()).then(offset),
    )  # fmt: skip


def _number(value: pl.Expr) -> pl.Expr:
    text = value.cast(pl.String)
    plain = pl.when(text.str.contains(r"^[+-]?[0-9]+(?:\.[0-9]*)?$")).then(text)
    return plain.cast(pl.Decimal(38, 9), strict=False)


def _epoch(values: pl.Series, per_second: int) -> pl.DataFrame:
    ticks = _number(pl.col("value")) * (1_000_000 // per_second)
    stamp = _in_range(ticks.cast(pl.Int64, strict=False)).cast(NAIVE)
    frame = values.alias("value").to_frame().select(naive=stamp)
    known = pl.when(pl.col("naive").is_not_null())
    return frame.select(
        "naive",
        offset=known.then(pl.duration(seconds=0, time_unit="us")),
        date_only=known.then(pl.lit(value=False)),
    )


def _in_range(microseconds: pl.Expr) -> pl.Expr:
    inside = microseconds.is_between(_FIRST_EPOCH_US, _LAST_EPOCH_US, closed="left")
    return pl.when(inside).then(microseconds)


def _excel(values: pl.Series) -> pl.DataFrame:
    """Excel's serial: days since 1899-12-30, the hour as their fraction."""
    days = _number(pl.col("value"))
    # A serial is a float of days: the nearest millisecond is what was meant.
    milliseconds = (days * (_DAY_US // 1_000)).round(0).cast(pl.Int64, strict=False)
    stamp = _in_range(milliseconds * 1_000 + _EXCEL_EPOCH_US)
    frame = values.alias("value").to_frame().select(
        naive=pl.when(days >= _FIRST_EXCEL_DAY).then(stamp).cast(NAIVE), whole=days == days.floor()
    )  # fmt: skip
    known = pl.when(pl.col("naive").is_not_null())
    return frame.select(
        "naive",
        offset=pl.lit(None, dtype=pl.Duration("us")),
        date_only=known.then(pl.col("whole")),
    )


_NAMED: dict[str, TimeFormat] = {
    "iso": TimeFormat(name="iso", read=_iso),
    "epoch_s": TimeFormat(name="epoch_s", read=lambda values: _epoch(values, 1)),
    "epoch_ms": TimeFormat(name="epoch_ms", read=lambda values: _epoch(values, 1_000)),
    "epoch_us": TimeFormat(name="epoch_us", read=lambda values: _epoch(values, 1_000_000)),
    "excel": TimeFormat(name="excel", read=_excel),
}
