"""An interval that a person asks for, in the words of a stream's cursor."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from connectors.protocol import Cursor, CursorValue
from schemas.errors import ConfigError
from warehouse.intervals import Interval, encode_cursor, shown_cursor


def asked_interval(
    asked: tuple[str, str], cursor: Cursor, *, high: CursorValue, zone: str
) -> Interval:
    """The interval `[from, to)`, not past what the source can be read up to.

    Args:
        asked: From and to, as they were typed: ISO 8601 days or times (one without an offset is
            one of the source's zone), or numbers for a cursor of numbers.
        cursor: The stream's cursor.
        high: Up to where the source can be read now: it shows what kind its values are of.
        zone: IANA zone of the source.

    Raises:
        ConfigError: One of them is no such value, or nothing lies between them. Which of two texts
            comes first only the source knows.
    """
    low, to = (_bound(text, cursor, like=high, zone=zone) for text in asked)
    if isinstance(high, str):
        return Interval.of(low, to)
    if low >= to:  # type: ignore[operator]
        message = (
            f"--from {asked[0]} --to {asked[1]}: nothing lies between them; --from comes first"
        )
        raise ConfigError(message)
    if low >= high:  # type: ignore[operator]
        top = in_time(cursor, shown_cursor(encode_cursor(high)))
        message = (
            f"--from {asked[0]}: the source can be read up to {top} now; what comes later is read "
            "by the next sync"
        )
        raise ConfigError(message)
    return Interval.of(low, min(to, high))


def in_time(cursor: Cursor | None, shown: str | None) -> str | None:
    """A value of a cursor for a person: a time, where the cursor counts one as a number."""
    if shown is None or cursor is None or cursor.unit is None or not shown.lstrip("-").isdigit():
        return shown
    return cursor.moment(int(shown)).isoformat()


def shown_interval(cursor: Cursor | None, interval: Interval) -> tuple[str | None, str | None]:
    """The bounds of an interval for a person."""
    low, high = interval.shown
    return in_time(cursor, low), in_time(cursor, high)


def _bound(text: str, cursor: Cursor, *, like: CursorValue, zone: str) -> CursorValue:
    match like:
        case int():
            return _number(text, cursor, zone)
        case datetime():
            moment = _moment(text, cursor, zone)
            return moment.astimezone(UTC) if like.tzinfo else moment.replace(tzinfo=None)
        case date():
            return _day(text, cursor, zone)
        case _:
            return text


def _number(text: str, cursor: Cursor, zone: str) -> int:
    if text.removeprefix("-").isdecimal():
        return int(text)
    if cursor.unit is None:
        message = f"cursor {cursor.column!r} counts in whole numbers; {text!r} is none"
        raise ConfigError(message)
    return cursor.ticks(_moment(text, cursor, zone))


def _day(text: str, cursor: Cursor, zone: str) -> date:
    moment = _moment(text, cursor, zone)
    if moment.time() != time():
        message = f"cursor {cursor.column!r} is a day; {text!r} is a time. Write 2026-01-31"
        raise ConfigError(message)
    return moment.date()


def _moment(text: str, cursor: Cursor, zone: str) -> datetime:
    """A day or time as the time of the source's zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = (
            f"cursor {cursor.column!r} is a time; {text!r} is none. Write a day (2026-01-31) or a "
            "time (2026-01-31T18:00)"
        )
        raise ConfigError(message) from None
    local = ZoneInfo(zone)
    return moment.astimezone(local) if moment.tzinfo else moment.replace(tzinfo=local)
