"""What is known of a stream: the fold that every landing commit carries.

The state is never kept beside the rows: a state in a write of its own doubles rows when a run dies
between the two (measured: 14,000 duplicates in 60 kills).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from schemas.errors import WarehouseError
from warehouse.intervals import (
    CursorValue,
    Interval,
    Intervals,
    decode_cursor,
    encode_cursor,
    is_comparable,
    joined,
    not_before,
    shown_cursor,
    within,
    without,
)
from warehouse.lacking import Lacking

__all__ = [
    "CursorValue",
    "Interval",
    "KeyCount",
    "KeySum",
    "LandedFile",
    "Snapshot",
    "StreamState",
    "Unfinished",
    "decode_cursor",
    "encode_cursor",
    "shown_cursor",
]

STATE_FORMAT: Final = 2
_KEPT_SNAPSHOTS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A read's upper bound with PostgreSQL's view of transactions at that read."""

    high: str
    xmin: int
    xmax: int


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A read that broke off behind one of its parts, or that was asked for and hasn't begun.

    Attributes:
        wanted: What of it is still to be read, in order.
        oldest: The snapshot of its oldest part. A transaction open then may commit rows behind
            every later part, however many runs it takes to read them all.
        is_full: It was to read everything again.
    """

    wanted: Intervals = ()
    oldest: Snapshot | None = None
    is_full: bool = False


@dataclass(frozen=True, kw_only=True)
class LandedFile:
    """One file whose records are landed."""

    hash: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class KeySum:
    """The keys of a source when it last was seen to have every landed one that isn't buried.

    While the source's keys differ from these by nothing but what a read brings, nothing is gone,
    and nobody has to look at what has landed.

    Attributes:
        rows: Rows that had a key.
        total: The sum over digits of their keys' hashes (see `warehouse.slots`).
        landed: Keys that were landed and not buried; None: nobody counted them.
    """

    rows: int
    total: int
    landed: int | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class KeyCount:
    """How many landed keys aren't buried, of a source that can only count its rows.

    Attributes:
        column: The cursor.
        keys: Those whose cursor lies below `high`; of a cursor of texts, those that have a value in
            it: how texts are ordered only the source knows.
        high: An encoded cursor value.
        beyond: The least cursor value of the others; None: of them none has one.
    """

    column: str
    keys: int
    high: str
    beyond: str | None = None


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """The whole fold over a stream's reads.

    Attributes:
        format: Version of this form.
        column: The cursor that the intervals are of; None in a state that is older than this.
        coverage: Intervals covered, in order, touching ones joined.
        unfinished: What a read has begun and not ended.
        snapshots: The reads that still matter for late commits, oldest first.
        files: Path to what is landed of it.
        last_read_at: Start of the last read that ended cleanly (ISO 8601 UTC).
        rows: Rows landed in all, tombstones included.
        pending_deletes: Keys that seemed gone and wait for `--accept-deletes`.
        stamped_at: Newest moment that rows were stamped with (ISO 8601 UTC).
        keys: What saves a look at all that has landed when vanished keys are looked for; None:
            look. Whoever lands rows and doesn't know what that does to it says None.
        lacking: Column to the landing versions that were read without it (`warehouse.lacking`).
    """

    format: int = STATE_FORMAT
    column: str | None = None
    coverage: Intervals = ()
    unfinished: Unfinished | None = None
    snapshots: tuple[Snapshot, ...] = ()
    files: dict[str, LandedFile] = field(default_factory=dict)
    last_read_at: str | None = None
    rows: int = 0
    pending_deletes: int = 0
    stamped_at: str | None = None
    keys: KeySum | KeyCount | None = None
    lacking: Lacking = field(default_factory=dict)

    def to_json(self) -> str:
        """The state as one line of JSON."""
        text = {**asdict(self), "format": STATE_FORMAT}
        return json.dumps(text, separators=(",", ":"), sort_keys=True)

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
            column=raw.get("column"),
            coverage=_intervals(raw["coverage"]),
            unfinished=_unfinished(raw.get("unfinished")),
            snapshots=tuple(Snapshot(**s) for s in raw["snapshots"]),
            files={path: LandedFile(**f) for path, f in raw["files"].items()},
            last_read_at=raw["last_read_at"],
            rows=raw["rows"],
            pending_deletes=raw["pending_deletes"],
            stamped_at=raw.get("stamped_at"),
            keys=_keys(raw.get("keys")),
            lacking={
                name: tuple((low, high) for low, high in ranges)
                for name, ranges in raw.get("lacking", {}).items()
            },
        )

    def of_cursor(self, column: str, *, high: CursorValue) -> StreamState:
        """The state for a read by this cursor: intervals of another one cover nothing of it.

        Args:
            column: The cursor's column.
            high: Upper bound of the read; values of another kind can't be compared with it.
        """
        known = [interval.bounds[1] for interval in (*self.coverage, *self._wanted)]
        is_same = self.column in {None, column} and all(is_comparable(k, high) for k in known)
        if not is_same:
            return replace(self, column=column, coverage=(), unfinished=None, snapshots=())
        return replace(self, column=column)

    def gaps(self, start: CursorValue | None = None) -> Intervals:
        """What was never read, up to the last value covered or asked for.

        Args:
            start: Where the stream begins; None: at its very first row.
        """
        if not self.coverage:
            return self._wanted
        known = joined([*self.coverage, *self._wanted])
        first = known[0].bounds[0]
        if first is None or (start is not None and not is_comparable(first, start)):
            start = first
        (_, last) = known[-1].bounds
        is_some = start is None or start < last  # type: ignore[operator]
        return without([Interval.of(start, last)], self.coverage) if is_some else ()

    @property
    def again(self) -> Intervals:
        """What was asked for once more, and hasn't been read since."""
        return within(self._wanted, self.coverage)

    @property
    def _wanted(self) -> Intervals:
        return () if self.unfinished is None else self.unfinished.wanted

    def to_read(
        self,
        *,
        high: CursorValue,
        late_window: timedelta | int,
        start: CursorValue | None = None,
        full: bool = False,
    ) -> Intervals:
        """What the next read has to cover, in order: the gaps, what was begun, what is new.

        Args:
            high: Upper bound of the read.
            late_window: How far behind a bound rows may have been committed late.
            start: Where the stream begins; None: at its very first row.
            full: Read everything again; one that was begun goes on where it broke off.
        """
        goes_on = self.unfinished is not None and self.unfinished.is_full
        everything = Interval.of(start, high)
        if not self.coverage or (full and not goes_on):
            return (everything,)
        low = self.next_low(late_window)
        if isinstance(high, str):
            # How texts are ordered is the database's affair ('a2' lies before 'B2' in MariaDB), so
            # nothing is reckoned with them: what comes behind the last read, or everything.
            is_plain = len(self.coverage) == 1 and self.coverage[0].low is None
            is_plain = is_plain and not self._wanted
            return (Interval.of(low, high),) if is_plain else (everything,)
        missing = within([*self.gaps(start), *self._wanted], [Interval.of(None, high)])
        # Rows may have come late to where an earlier read ended, and nowhere else.
        ends = {interval.high for interval in self.coverage}
        behind = [_begun_before(m, late_window) if m.low in ends else m for m in missing]
        tail = everything if low is None else Interval.of(_least(low, high), high)
        # The late window doesn't lead back behind the first row that there is.
        return not_before([*behind, tail], start)

    def next_low(self, late_window: timedelta | int) -> CursorValue | None:
        """Where the read of what is new starts: None reads everything.

        The bound goes back by the late window behind the last covered value. With PostgreSQL's
        snapshots it goes further back while a transaction is open that began before a read: rows it
        commits are stamped with a time already covered. Transactions open at the last read have ids
        of at least its xmin; a read whose xmax is not above that xmin came before all of them. A
        read that broke off is ended first, and goes back for the transactions of all its parts.
        """
        if not self.coverage:
            return None
        high = decode_cursor(self.coverage[-1].high)
        is_going_on = self.unfinished is not None and self.unfinished.oldest is not None
        if self.snapshots and not is_going_on:
            oldest_open = self.snapshots[-1].xmin
            before = [s for s in self.snapshots if s.xmax <= oldest_open]
            if not before and len(self.snapshots) < _KEPT_SNAPSHOTS:
                return None
            known = (before or self.snapshots[:1])[-1]
            high = _least(high, decode_cursor(known.high))
        return _back(high, late_window)

    def asking(self, interval: Interval) -> StreamState:
        """The state once somebody asks for an interval: it is read, if not now, then next."""
        known = self.unfinished or Unfinished()
        wanted = joined([*known.wanted, interval])
        return replace(self, unfinished=replace(known, wanted=wanted))

    def after_part(
        self,
        part: Interval,
        *,
        rest: Sequence[Interval] = (),
        oldest: Snapshot | None = None,
        is_full: bool = False,
    ) -> StreamState:
        """The state once a part of a read is added.

        Args:
            part: What it covered.
            rest: What of the read is to come.
            oldest: The snapshot of the read's first part.
            is_full: The read was begun to read everything again.
        """
        known = self.unfinished or Unfinished()
        begun = replace(
            known,
            wanted=without([*known.wanted, *rest], [part]),
            oldest=oldest if is_full else known.oldest or oldest,
            is_full=known.is_full or is_full,
        )
        covered = joined([*self.coverage, part])
        return replace(self, coverage=covered, unfinished=None if begun == Unfinished() else begun)

    def after_backfill(self, part: Interval, *, seen: Snapshot | None) -> StreamState:
        """The state once somebody's interval is read.

        Args:
            part: Its last part.
            seen: Its snapshot: where no night has one yet, what was open then may still commit rows
                into what is covered now.
        """
        state = self.after_part(part)
        if isinstance(part.bounds[1], str):  # where it lies in the coverage only the source knows
            state = replace(state, coverage=self.coverage)
        return state if self.snapshots or seen is None else replace(state, snapshots=(seen,))

    def stamp(self, now: datetime) -> datetime:
        """The moment (UTC) to stamp a read with that starts now: never before an earlier one.

        It orders the copies of a record whose source gives them no version: after a clock was set
        back, a changed row would lose to the copy that it replaces.
        """
        stamped = [at for at in (self.stamped_at, self.last_read_at) if at is not None]
        return max([now, *map(datetime.fromisoformat, stamped)])

    def stamped(self, at: datetime) -> StreamState:
        """The state once rows stamped with a moment have landed."""
        return replace(self, stamped_at=self.stamp(at).astimezone(UTC).isoformat())

    def not_below(self, high: CursorValue | None, *, column: str) -> CursorValue | None:
        """The upper bound of the next read: never below what is covered already.

        The newest row of a source may be deleted, or all of them, and a clock may be set back: what
        landed above the source's present bound is compared with the source all the same. Texts are
        left as they are, they are ordered by the database's collation.

        Args:
            high: The source's present bound; None where it has no row.
            column: The cursor's column.
        """
        if not self.coverage or self.column not in {None, column}:
            return high
        covered = decode_cursor(self.coverage[-1].high)
        if high is None:
            return covered
        if isinstance(high, str) or not is_comparable(high, covered):
            return high
        return max(high, covered)

    def after_read(
        self,
        *,
        low: CursorValue | None,
        high: CursorValue | None,
        read_at: datetime,
        snapshot: tuple[int, int] | None,
        files: dict[str, LandedFile] | None,
    ) -> StreamState:
        """The state once a read that ended cleanly is added.

        Args:
            low: Where its last part began; earlier ones were added by `after_part`.
            high: Upper bound of the read.
            read_at: Its start, UTC.
            snapshot: xmin and xmax of its first part.
            files: The files that it saw, with what is landed of them.
        """
        state = replace(self, last_read_at=read_at.astimezone(UTC).isoformat())
        if files is not None:
            state = replace(state, files=files)
        if high is None:
            return state
        part = Interval.of(low, high)
        oldest = None if self.unfinished is None else self.unfinished.oldest
        state = state.after_part(part)
        left = () if state.unfinished is None else state.unfinished.wanted
        if isinstance(high, str) and low is None:
            left = ()  # everything was read, however the database orders it
        # What the source has no value for any more (its last rows were deleted, its clock was put
        # back) will be new when it comes.
        state = replace(
            state,
            coverage=within(state.coverage, [Interval.of(None, high)]),
            unfinished=Unfinished(wanted=left) if left else None,
        )
        if snapshot is None:
            return state
        seen = oldest or Snapshot(high=part.high, xmin=snapshot[0], xmax=snapshot[1])
        kept = [s for s in self.snapshots if s.xmax > seen.xmin]
        older = [s for s in self.snapshots if s.xmax <= seen.xmin][-1:]
        return replace(state, snapshots=tuple([*older, *kept, seen][-_KEPT_SNAPSHOTS:]))


def _intervals(raw: Sequence[dict[str, Any]]) -> Intervals:
    return tuple(Interval(**interval) for interval in raw)


def _unfinished(raw: dict[str, Any] | None) -> Unfinished | None:
    if raw is None:
        return None
    oldest = raw["oldest"]
    return Unfinished(
        wanted=_intervals(raw["wanted"]),
        oldest=None if oldest is None else Snapshot(**oldest),
        is_full=raw["is_full"],
    )


def _keys(raw: dict[str, Any] | None) -> KeySum | KeyCount | None:
    if raw is None:
        return None
    return KeySum(**raw) if "total" in raw else KeyCount(**raw)


def _back(high: CursorValue, late_window: timedelta | int) -> CursorValue:
    if isinstance(high, datetime | date) and isinstance(late_window, timedelta):
        return high - late_window
    if isinstance(high, int):
        return high - (late_window if isinstance(late_window, int) else 0)
    return high


def _begun_before(gap: Interval, late_window: timedelta | int) -> Interval:
    """A gap with the late window in front."""
    low, high = gap.bounds
    return gap if low is None else Interval.of(_back(low, late_window), high)


def _least(one: CursorValue, other: CursorValue) -> CursorValue:
    return min(one, other)
