"""What a read is to cover, and what of it counts as covered when."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from connectors.protocol import Connector, CursorValue, ReadSummary
from flows.asked import asked_interval
from flows.catalog import Stream
from flows.receipts import SyncOptions
from warehouse.intervals import Interval, Intervals, within
from warehouse.landing_read import Checkpoint
from warehouse.state import LandedFile, Snapshot, StreamState


class Claims:
    """The intervals of one read of one stream, and how they move the stream's state.

    Attributes:
        intervals: What is to be read; none without a cursor, or without a row.
        covered: What was claimed last.
        is_backfill: A person asked for an interval: nothing becomes fresher by it.
    """

    def __init__(
        self, stream: Stream, options: SyncOptions, *, connector: Connector, state: StreamState
    ) -> None:
        self.covered: Interval | None = None
        self.is_backfill = options.interval is not None
        self.intervals: Intervals = ()
        self._cursor = cursor = stream.spec.cursor
        self._first: Snapshot | None = None
        self._begins_full = False
        high = None if cursor is None else connector.high(stream.spec)
        if cursor is not None and options.interval is None:
            high = state.not_below(high, column=cursor.column)
        if cursor is None or high is None:
            return
        if options.interval is not None:
            zone = stream.mapping.timezone
            self.intervals = (asked_interval(options.interval, cursor, high=high, zone=zone),)
            return
        known = state.of_cursor(cursor.column, high=high)
        goes_on = known.unfinished is not None and known.unfinished.is_full
        self._begins_full = options.full and not goes_on
        self.intervals = known.to_read(
            high=high, late_window=cursor.window, start=cursor.start, full=options.full
        )

    @property
    def low(self) -> CursorValue | None:
        """Where the read begins; None: at the first row."""
        return self.intervals[0].bounds[0] if self.intervals else None

    @cached_property
    def top(self) -> CursorValue | None:
        """Where the read ends; None without a cursor, or without a row."""
        return self.intervals[-1].bounds[1] if self.intervals else None

    @property
    def is_whole(self) -> bool:
        """Whether the read covers every row of the stream."""
        return all(interval.low is None for interval in self.intervals)

    def saw(self, summary: ReadSummary) -> None:
        """Keeps PostgreSQL's snapshot of the first part: the one that late commits go by."""
        least, most = summary.snapshot_xmin, summary.snapshot_xmax
        if self._first is None and least is not None and most is not None and self.intervals:
            self._first = Snapshot(high=self.intervals[-1].high, xmin=least, xmax=most)

    @property
    def _oldest(self) -> Snapshot | None:
        """The snapshot that the next night goes by: a backfill moves no night."""
        return None if self.is_backfill else self._first

    def asking(self) -> Checkpoint:
        """Says what a person asked for: where the read breaks off, the next sync goes on."""
        return Checkpoint(
            advance=lambda state: self._of_cursor(state).asking(self.intervals[0]), is_urgent=True
        )

    def checkpoint(self, covered: Interval | None, *, is_apart: bool) -> Checkpoint:
        """Claims an interval; what lies behind it is still to be read."""

        def advance(state: StreamState) -> StreamState:
            if covered is None:
                return state
            self.covered = covered
            rest = within(
                self.intervals, [Interval(low=covered.high, high=self.intervals[-1].high)]
            )
            return self._of_cursor(state).after_part(
                covered, rest=rest, oldest=self._oldest, is_full=self._begins_full
            )

        return Checkpoint(advance=advance, is_apart=is_apart)

    def ended(
        self,
        state: StreamState,
        last: Interval | None,
        *,
        read_at: datetime,
        files: dict[str, LandedFile] | None,
    ) -> StreamState:
        """The state once the read has ended cleanly.

        Args:
            state: The state before.
            last: Its last part.
            read_at: Its start, UTC.
            files: The files that it saw, with what is landed of them.
        """
        known = self._of_cursor(state)
        if self.is_backfill:
            return state if last is None else known.after_backfill(last, seen=self._first)
        low, high = (None, None) if last is None else last.bounds
        oldest = self._oldest
        snapshot = None if oldest is None else (oldest.xmin, oldest.xmax)
        return known.after_read(low=low, high=high, read_at=read_at, snapshot=snapshot, files=files)

    def _of_cursor(self, state: StreamState) -> StreamState:
        """The state, as far as it is of the cursor that is read by."""
        if self._cursor is None or self.top is None:
            return state
        return state.of_cursor(self._cursor.column, high=self.top)
