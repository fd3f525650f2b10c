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
INSTANT = pl.Datetime("us", "UTC")

_FIRST_EPOCH_US = -2_208_988_800_000_000  # 1900-01-01: what lies before is no stamp but an error
_LAST_EPOCH_US = 7_258_118_400_000_000  # 2200-01-01
_EXCEL_EPOCH_US = -2_209_161_600_000_000  # 1899-12-30: serial 61 and later count from it
_DAY_US = 86_400_000_000
_FIRST_EXCEL_DAY = 61  # before it Excel counts a 29 February 1900 that never was

_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r" ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_OFFSET = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"


@dataclass(frozen=True, kw_only=True)
class TimeFormat:
    """One way to read a time.

    Attributes:
        name: The format as the YAML writes it.
        naive: Expression of the wall-clock time stated, null where it can't be read.
        offset: Expression of the stated offset from UTC as a duration, null where none is
            stated; or None when the format never states one.
        date_only: Expression telling a date without an hour, or a constant.
    """

    name: str
    naive: Callable[[pl.Expr], pl.Expr]
    offset: Callable[[pl.Expr], pl.Expr] | None = None
    date_only: Callable[[pl.Expr], pl.Expr] | bool = False


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
    has_hour = bool({"H", "I"} & set(directives))
    # polars reads %f as a count of nanoseconds; %.f is Python's fraction, with its point.
    chrono = text.replace(".%f", "%.f")
    if "%f" in chrono.replace("%%", ""):
        message = f"format '{text}': %f needs a point before it (.%f)"
        raise ValueError(message)
    if not has_hour:
        return TimeFormat(
            name=text,
            naive=lambda t: t.str.to_date(chrono, strict=False).cast(NAIVE),
            date_only=True,
        )
    if "z" not in directives:
        return TimeFormat(name=text, naive=lambda t: _read(t, chrono))
    return _zoned_pattern(text, chrono)


def _read(text: pl.Expr, chrono: str) -> pl.Expr:
    return text.str.to_datetime(chrono, time_unit="us", strict=False)


def _zoned_pattern(text: str, chrono: str) -> TimeFormat:
    def instant(value: pl.Expr) -> pl.Expr:
        # Python's %z takes Z, that of polars doesn't.
        return _read(value.str.replace(r"[Zz]$", "+00:00"), chrono).dt.replace_time_zone(None)

    return TimeFormat(
        name=text,
        naive=instant,
        offset=lambda value: pl.when(instant(value).is_not_null()).then(pl.duration(seconds=0)),
    )


def _iso_naive(text: pl.Expr) -> pl.Expr:
    shaped = pl.when(text.str.contains(_ISO)).then(text)
    day, clock = shaped.str.slice(0, 10), shaped.str.slice(11)
    clock = clock.str.replace(_OFFSET, "").str.strip_chars_end(" ")
    clock = clock.str.replace(",", ".", literal=True)
    length = clock.str.len_bytes()
    seconds = (
        pl.when(length == 0)
        .then(pl.lit("00:00:00"))
        .when(length == 5)
        .then(clock + ":00")
        .otherwise(clock)
    )
    return _read(day + "T" + seconds, "%Y-%m-%dT%H:%M:%S%.f")


def _iso_offset(text: pl.Expr) -> pl.Expr:
    stated = text.str.slice(16).str.extract(f"({_OFFSET})", 1)
    hours = stated.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = stated.str.slice(3).str.strip_prefix(":").cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(stated.str.starts_with("-")).then(-1).otherwise(1)
    total = pl.when(stated.str.len_bytes() == 1).then(0).otherwise(sign * (hours * 60 + minutes))
    return pl.when(stated.is_not_null()).then(pl.duration(minutes=total))


def _number(value: pl.Expr) -> pl.Expr:
    text = value.cast(pl.String)
    plain = pl.when(text.str.contains(r"^[+-]?[0-9]+(?:\.[0-9]*)?$")).then(text)
    return plain.cast(pl.Decimal(38, 9), strict=False)


def _epoch(per_second: int) -> TimeFormat:
    def naive(value: pl.Expr) -> pl.Expr:
        microseconds = (_number(value) * (1_000_000 // per_second)).cast(pl.Int64, strict=False)
        return _in_range(microseconds).cast(NAIVE)

    names = {1: "epoch_s", 1_000: "epoch_ms", 1_000_000: "epoch_us"}
    return TimeFormat(
        name=names[per_second],
        naive=naive,
        offset=lambda value: pl.when(value.is_not_null()).then(pl.duration(seconds=0)),
    )


def _in_range(microseconds: pl.Expr) -> pl.Expr:
    inside = microseconds.is_between(_FIRST_EPOCH_US, _LAST_EPOCH_US, closed="left")
    return pl.when(inside).then(microseconds)


def _excel_naive(value: pl.Expr) -> pl.Expr:
    days = _number(value)
    # A serial is a float of days: the nearest millisecond is what was meant.
    milliseconds = (days * (_DAY_US // 1_000)).round(0).cast(pl.Int64, strict=False)
    stamp = _in_range(milliseconds * 1_000 + _EXCEL_EPOCH_US)
    return pl.when(days >= _FIRST_EXCEL_DAY).then(stamp).cast(NAIVE)


_NAMED: dict[str, TimeFormat] = {
    "iso": TimeFormat(
        name="iso",
        naive=_iso_naive,
        offset=_iso_offset,
        date_only=lambda text: text.str.len_bytes() == 10,
    ),
    "epoch_s": _epoch(1),
    "epoch_ms": _epoch(1_000),
    "epoch_us": _epoch(1_000_000),
    "excel": TimeFormat(
        name="excel",
        naive=_excel_naive,
        date_only=lambda value: _number(value) == _number(value).floor(),
    ),
}
