"""The parts that a long interval is read and landed in."""

from __future__ import annotations

from datetime import datetime

from connectors.protocol import Cursor, CursorValue

Span = tuple[CursorValue | None, CursorValue | None]


def parts(
    cursor: Cursor | None, low: CursorValue | None, high: CursorValue | None, *, limit: int | None
) -> list[Span]:
    """The intervals that `[low, high)` is read in, in order; under a `limit` the newest first.

    One, unless the cursor states a `chunk` and both bounds are times.
    """
    chunk = None if cursor is None else cursor.chunk
    if chunk is None or not isinstance(low, datetime) or not isinstance(high, datetime):
        return [(low, high)]
    spans: list[Span] = []
    start = low
    while high - start > chunk:
        spans.append((start, start + chunk))
        start += chunk
    spans.append((start, high))
    return spans if limit is None else spans[::-1]
