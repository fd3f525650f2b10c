"""What is known of a stream: the fold that every landing commit carries.

The state is never kept beside the rows: a state in a write of its own doubles rows when a run dies
between the two (measured: 14,000 duplicates in 60 kills).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from schemas.errors import WarehouseError

STATE_FORMAT: Final = 1
CursorValue = datetime | date | int | str
_KEPT_SNAPSHOTS: Final = 64


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
    """The value of an encoded cursor for a person, without its type."""
    return None if text is None else text.partition(":")[2]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """What a read covered of the cursor, `[low, high)`, as encoded values; None: from the start."""

    low: str | None
    high: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A read's upper bound with PostgreSQL's view of transactions at that read."""

    high: str
    xmin: int
    xmax: int


@dataclass(frozen=True, kw_only=True)
class LandedFile:
    """One file whose records are landed."""

    hash: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """The whole fold over a stream's reads.

    Attributes:
        format: Version of this form.
        coverage: Intervals covered, in order, touching ones joined.
        snapshots: The reads that still matter for late commits, oldest first.
        files: Path to what is landed of it.
        last_read_at: Start of the last read that ended cleanly (ISO 8601 UTC).
        rows: Rows landed in all, tombstones included.
        pending_deletes: Keys that seemed gone and wait for `--accept-deletes`.
    """

    format: int = STATE_FORMAT
    coverage: tuple[Interval, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    files: dict[str, LandedFile] = field(default_factory=dict)
    last_read_at: str | None = None
    rows: int = 0
    pending_deletes: int = 0

    def to_json(self) -> str:
        """The state as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None) -> StreamState:
        """Reads a state back; None gives the state of a stream that was never read.

        Raises:
            WarehouseError: The state was written by a newer format.
        """
        if text is None:
            return cls()
        raw: dict[str, Any] = json.loads(text)
        if raw["format"] > STATE_FORMAT:
            raise WarehouseError(
                f"a stream's state has format {raw['format']}; this version reads up to "
                f"{STATE_FORMAT}: upgrade Liên Thông"
            )
        return cls(
            format=raw["format"],
            coverage=tuple(Interval(**i) for i in raw["coverage"]),
            snapshots=tuple(Snapshot(**s) for s in raw["snapshots"]),
            files={path: LandedFile(**f) for path, f in raw["files"].items()},
            last_read_at=raw["last_read_at"],
            rows=raw["rows"],
            pending_deletes=raw["pending_deletes"],
        )

    def next_low(self, late_window: timedelta | int) -> CursorValue | None:
        """Where the next read starts: None reads everything.

        The bound goes back by the late window behind the last covered value. With PostgreSQL's
        snapshots it goes further back while a transaction is open that began before a read: rows it
        commits are stamped with a time already covered. Transactions open at the last read have ids
        of at least its xmin; a read whose xmax is not above that xmin came before all of them.
        """
        if not self.coverage:
            return None
        high = self.coverage[-1].high
        if self.snapshots:
            oldest_open = self.snapshots[-1].xmin
            before = [s for s in self.snapshots if s.xmax <= oldest_open]
            if not before:
                return (
                    None
                    if len(self.snapshots) < _KEPT_SNAPSHOTS
                    else _back(decode_cursor(self.snapshots[0].high), late_window)
                )
            high = before[-1].high
        return _back(decode_cursor(high), late_window)

    def after_read(
        self,
        *,
        low: CursorValue | None,
        high: CursorValue | None,
        read_at: datetime,
        snapshot: tuple[int, int] | None,
        files: dict[str, LandedFile] | None,
    ) -> StreamState:
        """The state once a read that ended cleanly is added."""
        state = replace(self, last_read_at=read_at.astimezone(UTC).isoformat())
        if files is not None:
            state = replace(state, files=files)
        if high is None:
            return state
        covered = Interval(
            low=None if low is None else encode_cursor(low), high=encode_cursor(high)
        )
        state = replace(state, coverage=_joined([*self.coverage, covered]))
        if snapshot is not None:
            seen = Snapshot(high=covered.high, xmin=snapshot[0], xmax=snapshot[1])
            kept = [s for s in self.snapshots if s.xmax > snapshot[0]]
            older = [s for s in self.snapshots if s.xmax <= snapshot[0]][-1:]
            state = replace(state, snapshots=tuple([*older, *kept, seen][-_KEPT_SNAPSHOTS:]))
        return state

    @property
    def gaps(self) -> tuple[tuple[str, str], ...]:
        """The cursor ranges between covered intervals (encoded values)."""
        pairs = zip(self.coverage, self.coverage[1:], strict=False)
        return tuple((a.high, b.low) for a, b in pairs if b.low is not None)


def _back(high: CursorValue, late_window: timedelta | int) -> CursorValue:
    if isinstance(high, datetime | date) and isinstance(late_window, timedelta):
        return high - late_window
    if isinstance(high, int):
        return high - (late_window if isinstance(late_window, int) else 0)
    return high


def _joined(intervals: list[Interval]) -> tuple[Interval, ...]:
    def start(interval: Interval) -> tuple[bool, Any]:
        low = interval.low
        return (low is not None, 0 if low is None else decode_cursor(low))

    joined: list[Interval] = []
    for interval in sorted(intervals, key=start):
        last = joined[-1] if joined else None
        if last is None:
            joined.append(interval)
            continue
        low, last_high = interval.low, decode_cursor(last.high)
        if low is None or decode_cursor(low) <= last_high:  # type: ignore[operator]
            high = max(last_high, decode_cursor(interval.high))
            joined[-1] = Interval(low=last.low, high=encode_cursor(high))
        else:
            joined.append(interval)
    return tuple(joined)
