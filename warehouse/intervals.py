"""Intervals of a cursor, and sets of them: what is covered, what is missing.

Values are kept as text that says its kind, so that a state reads back what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce

CursorValue = datetime | date | int | str


def encode_cursor(value: CursorValue) -> str:
    """A cursor value as text that `decode_cursor` reads back with its type."""
    if isinstance(value, datetime):
        return "timestamp:" + value.isoformat()
    if isinstance(value, date):
        return "date:" + value.isoformat()
    if isinstance(value, int):
        return f"integer:{value}"
    return "text:" + value


def decode_cursor(text: str) -> CursorValue:
    """The cursor value that `encode_cursor` wrote."""
    kind, _, value = text.partition(":")
    match kind:
        case "timestamp":
            return datetime.fromisoformat(value)
        case "date":
            return date.fromisoformat(value)
        case "integer":
            return int(value)
        case _:
            return value


def shown_cursor(text: str | None) -> str | None:
    """The value of an encoded cursor for a person, without its type.

    The bound behind a text is the text and U+0001 (see `connectors.sql`): that isn't shown.
    """
    return None if text is None else text.partition(":")[2].rstrip("\x01")


def is_comparable(one: CursorValue, other: CursorValue) -> bool:
    """Whether two values are of one kind; a time with a zone isn't of the kind of one without."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        return (one.tzinfo is None) == (other.tzinfo is None)
    return type(one) is type(other)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """What a read covered of the cursor, `[low, high)`, as encoded values; None: from the start."""

    low: str | None
    high: str

    @classmethod
    def of(cls, low: CursorValue | None, high: CursorValue) -> Interval:
        """The interval between two values."""
        return cls(low=None if low is None else encode_cursor(low), high=encode_cursor(high))

    @property
    def bounds(self) -> tuple[CursorValue | None, CursorValue]:
        """Its bounds as values."""
        return None if self.low is None else decode_cursor(self.low), decode_cursor(self.high)

    @property
    def shown(self) -> tuple[str | None, str | None]:
        """Its bounds for a person."""
        return shown_cursor(self.low), shown_cursor(self.high)


Intervals = tuple[Interval, ...]
"""A set of intervals in order, none of which touches another."""


def joined(intervals: Iterable[Interval]) -> Intervals:
    """The set of what lies in any of the intervals."""
    found: list[Interval] = []
    for interval in sorted(intervals, key=_place):
        last = found[-1] if found else None
        if last is None or _is_before(last.high, interval.low):
            found.append(interval)
        elif _less(last.high, interval.high):
            found[-1] = Interval(low=last.low, high=interval.high)
    return tuple(found)


def without(intervals: Iterable[Interval], taken: Iterable[Interval]) -> Intervals:
    """The set of what lies in any of `intervals` and in none of `taken`."""
    return reduce(_cut, taken, joined(intervals))


def not_before(intervals: Sequence[Interval], start: CursorValue | None) -> Intervals:
    """What of some intervals doesn't lie before a value (None: everything), in order."""
    every = joined(intervals)
    if start is None:
        return every
    kept: list[Interval] = []
    for one in every:
        low, high = one.bounds
        if low is None or not is_comparable(low, start) or low >= start:  # type: ignore[operator]
            kept.append(one)
        elif high > start:  # type: ignore[operator]
            kept.append(Interval.of(start, high))
    return tuple(kept)


def within(intervals: Iterable[Interval], others: Iterable[Interval]) -> Intervals:
    """The set of what lies in any of `intervals` and in any of `others`."""
    every = joined(intervals)
    return without(every, without(every, others))


def _cut(intervals: Intervals, taken: Interval) -> Intervals:
    kept: list[Interval] = []
    for one in intervals:
        if taken.low is not None and (one.low is None or _less(one.low, taken.low)):
            kept.append(Interval(low=one.low, high=_least(one.high, taken.low)))
        if _less(taken.high, one.high):
            begins_later = one.low is not None and _less(taken.high, one.low)
            kept.append(Interval(low=one.low if begins_later else taken.high, high=one.high))
    return joined(kept)


def _place(interval: Interval) -> tuple[bool, CursorValue]:
    return (interval.low is not None, 0 if interval.low is None else decode_cursor(interval.low))


def _is_before(high: str, low: str | None) -> bool:
    """Whether something lies between an interval's end and the next one's beginning."""
    return low is not None and _less(high, low)


def _least(one: str, other: str) -> str:
    return one if _less(one, other) else other


def _less(one: str, other: str) -> bool:
    return decode_cursor(one) < decode_cursor(other)  # type: ignore[operator]
