"""The parts that a long read is read and landed in, each of which counts by itself.

An interval is cut by the length that the YAML states (`cursor: {chunk: ...}`, for an API
`interval: {window: ...}`). Where none is stated, a source that can give many rows in the cursor's
order does so, and every `PART_ROWS` of them are a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from connectors.protocol import (
    Connector,
    Cursor,
    CursorValue,
    ReadRequest,
    StreamSpec,
    cursor_value,
)
from schemas.errors import ConfigError
from warehouse.intervals import Interval, Intervals, encode_cursor, shown_cursor

PART_ROWS: Final = 100_000
ORDERED_FROM: Final = 2 * PART_ROWS
"""A read of fewer rows isn't cut: what a failure costs it is soon read again."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a read: `[low, high)` of the cursor. Without `high` there is no cursor.

    Attributes:
        low: None: from the first row, with the rows that have no place in the cursor's order.
        high: Where it ends.
        top: Where the whole read ends.
        is_stated: It was cut by a stated length.
        is_last: No other part follows.
    """

    low: CursorValue | None = None
    high: CursorValue | None = None
    top: CursorValue | None = None
    is_stated: bool = False
    is_last: bool = True

    @property
    def interval(self) -> Interval | None:
        """What it covers once it is read."""
        return None if self.high is None else Interval.of(self.low, self.high)

    def request(self, request: ReadRequest) -> ReadRequest:
        """What is asked of the source for it.

        Args:
            request: What the parts of the read have in common.
        """
        from_the_first = self.low is None and self.high is not None
        return ReadRequest(
            low=self.low,
            high=self.top if from_the_first else self.high,
            until=self.high if from_the_first and not self._is_whole else None,
            known_files=request.known_files,
            batch_rows=min(request.batch_rows, PART_ROWS),
            limit=request.limit,
            stop=request.stop,
            ordered_from=None if self.is_stated else ORDERED_FROM,
            is_last=self.is_last,
        )

    @property
    def _is_whole(self) -> bool:
        return self.high == self.top

    def __str__(self) -> str:
        """Where it lies, for a person; nothing for a read that isn't cut."""
        if self.high is None or (self.low is None and self._is_whole):
            return ""
        low = "the first row" if self.low is None else _shown(self.low)
        return f"{low} to {_shown(self.high)}"


def parts(
    intervals: Intervals, connector: Connector, spec: StreamSpec, *, limit: int | None
) -> list[Part]:
    """The parts that some intervals are read in, in order; under a `limit` the newest first.

    Args:
        intervals: What to read; none for a stream without a cursor, or without a row.
        connector: The source, asked where it begins if a stated length needs that.
        spec: The stream.
        limit: Read at most so many rows.

    Raises:
        ConfigError: The stated length isn't counted in what the cursor is.
    """
    cursor = spec.cursor
    if cursor is None or not intervals:
        return [Part()]
    top = intervals[-1].bounds[1]
    found: list[Part] = []
    for interval in intervals:
        low, high = interval.bounds
        step = cursor.step
        demand_step(cursor, high)
        begin = low if low is not None or step is None else connector.low(spec)
        edges = _edges(begin, high, step)
        lows = [low, *edges]
        found += [
            Part(low=a, high=b, top=top, is_stated=step is not None, is_last=False)
            for a, b in zip(lows, [*edges, high], strict=True)
        ]
    if limit is not None:
        found.reverse()
    last = found.pop()
    return [*found, Part(low=last.low, high=last.high, top=top, is_stated=last.is_stated)]


def demand_step(cursor: Cursor, value: CursorValue) -> None:
    """Makes sure that the stated length, if there is one, can cut a cursor of such values.

    Raises:
        ConfigError: It can't.
    """
    if cursor.step is not None and _after(value, cursor.step) is None:
        raise ConfigError(_not_cut(cursor, value))


@dataclass(frozen=True, kw_only=True)
class CutOff:
    """Where a part of an ordered read ends: every row of the source before `at` has come."""

    at: CursorValue


def cut(
    batches: Iterator[pa.RecordBatch], cursor: Cursor, part: Part
) -> Iterator[pa.RecordBatch | CutOff]:
    """Batches in the cursor's order, with a `CutOff` in between about every `PART_ROWS` rows.

    Args:
        batches: The rows, those without a place in the order first.
        cursor: The cursor.
        part: What they are of.
    """
    rows, begun = 0, part.low
    for whole in batches:
        batch = whole
        while rows + batch.num_rows > PART_ROWS:
            head = PART_ROWS - rows
            # Rows that share the cut's value with those before it come again after a failure.
            at = cursor_value(batch.column(cursor.column)[head].as_py())
            if head:
                yield batch.slice(0, head)
            batch, rows = batch.slice(head), 0
            if at is not None and _is_between(begun, at, part.high):
                yield CutOff(at=at)
                begun = at
        rows += batch.num_rows
        yield batch


def _is_between(low: CursorValue | None, at: CursorValue, high: CursorValue | None) -> bool:
    """Whether a value lies behind `low` and before `high`: rows past `high` aren't in the order."""
    return (low is None or low < at) and high is not None and at < high  # type: ignore[operator]


def _edges(
    begin: CursorValue | None, high: CursorValue, step: timedelta | int | None
) -> list[CursorValue]:
    """Where `[begin, high)` is cut, in steps; nowhere if they can't be counted in them."""
    edges: list[CursorValue] = []
    at = None if step is None or begin is None else _after(begin, step)
    while at is not None and at < high:
        edges.append(at)
        at = _after(at, step)  # type: ignore[arg-type]
    return edges


def _after(value: CursorValue, step: timedelta | int) -> Any:  # noqa: ANN401 - of the value's kind
    if isinstance(value, datetime) and isinstance(step, timedelta):
        return value + step
    if isinstance(value, date) and not isinstance(value, datetime) and isinstance(step, timedelta):
        return value + max(step, timedelta(days=1))
    if isinstance(value, int) and isinstance(step, int):
        return value + step
    return None


def _not_cut(cursor: Cursor, value: CursorValue) -> str:
    if isinstance(value, str):
        return f"cursor {cursor.column!r} is a text, which no `chunk` can cut; leave it out"
    if isinstance(value, int):
        return f"cursor {cursor.column!r} is a number: its `chunk` has to be one, too"
    return f"cursor {cursor.column!r} is a time: its `chunk` has to be a length of it (30 days)"


def _shown(value: CursorValue) -> str:
    return shown_cursor(encode_cursor(value)) or ""
