"""Reading an interval into landing: the first of the two primitives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise

import pyarrow as pa

from connectors.protocol import (
    Connector,
    CursorValue,
    FileRead,
    ReadRequest,
    ReadSummary,
    StreamSpec,
)
from flows.catalog import Source, Stream
from flows.context import Context, follower_of
from flows.faults import told
from flows.parts import Span, parts
from flows.peeking import PeekedRead
from flows.receipts import RunStatus, SyncOptions
from schemas.errors import LienThongError
from warehouse.delta import retried
from warehouse.following import Follower
from warehouse.landing import Checkpoint, Landing, LandingRead, LandOutcome, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.state import LandedFile, StreamState, encode_cursor, shown_cursor

_TELL_EVERY = 0.25  # seconds


@dataclass(frozen=True, kw_only=True)
class LandResult:
    """What one read of one stream landed: a reference for the integration, and its counts.

    The counts are those of `flows.receipts.Receipt`.
    """

    source: str
    stream: str
    sync_id: str
    interval: tuple[str | None, str | None] | None
    read: int
    landed: int
    same: int
    unreadable: int
    tombstones: int
    null_cursor: int
    future_cursor: int
    landing_version: int
    seconds: float
    status: RunStatus = "done"
    error: str | None = None
    note: str | None = None


def read_and_land(
    context: Context,
    source_name: str,
    stream_name: str,
    *,
    options: SyncOptions,
    sync_id: str,
) -> LandResult:
    """Reads one stream, from where its coverage ends, and lands what is new.

    Raises:
        ConfigError: No such source or stream, or a reference of its YAML can't be filled in.
        TransientSourceError: The source could not be reached.
        SourceError: It refused.
        ContractError: It changed its shape; nothing was written.
        WarehouseError: Landing could not be written.
    """
    source = context.catalog.source(source_name)
    stream = source.stream(stream_name)
    started = time.monotonic()
    context.tell(source_name, stream_name, "connecting", 0)
    with closing(source.connect()) as connector:
        reading = _Reading(context, source, stream, connector, options, sync_id)
        try:
            # Another run that lands rows of the stream meanwhile makes this one read again.
            outcome = retried(reading.run)
        except LienThongError as error:
            broken = reading.broken(error, seconds=time.monotonic() - started)
            if broken is None:
                raise
            return broken
    context.tell(source_name, stream_name, "landed", outcome.read)
    return reading.result(outcome, seconds=time.monotonic() - started)


class _Reading:
    """One stream on its way into landing."""

    def __init__(
        self,
        context: Context,
        source: Source,
        stream: Stream,
        connector: Connector,
        options: SyncOptions,
        sync_id: str,
    ) -> None:
        self._context = context
        self._of = source
        self._source = source.name
        self._stream = stream
        self._spec: StreamSpec = stream.spec
        self._connector = connector
        self._options = options
        self._sync_id = sync_id
        self._landing: Landing = context.warehouse.landing(source.name, stream.name)
        self._low: CursorValue | None = None
        self._high: CursorValue | None = None
        self._summary = ReadSummary()
        self._known_rows = 0
        self._rows = 0
        self._told_at = 0.0
        self._claimed: tuple[LandOutcome, CursorValue | None] | None = None
        self._before: LandOutcome | None = None
        self._covered: CursorValue | None = None
        self._last: Span = (None, None)

    def run(self) -> LandOutcome:
        state = self._landing.state()
        read_at = self._context.clock()
        self._low, self._high = self._bounds(state)
        self._keep()
        self._summary, self._rows = ReadSummary(), 0
        spans = parts(self._spec.cursor, self._low, self._high, limit=self._options.limit)
        follower = follower_of(
            self._context, self._of, self._stream, sync_id=self._sync_id
        )
        self._follow(follower)
        with self._opened(self._request(spans[0], state), state) as read, follower:
            return self._landing.land(
                LandingRead(
                    stamp=ReadStamp(key=self._spec.key, read_at=read_at, sync_id=self._sync_id),
                    schema=read.schema,
                    batches=self._batches(read, spans, state, read_at),
                    is_whole=self._low is None and not self._skipped_files(read, state),
                    finds_deletes=self._spec.mode == "snapshot" and self._options.limit is None,
                    cursor=self._lower_bound(read.schema),
                    accept_deletes=self._options.accept_deletes,
                    ended=lambda: self._ended(state, read_at),
                    claimed=self._claim,
                    arrived=follower.arrived,
                    landed=follower.landed,
                )
            )

    def _follow(self, follower: Follower) -> None:
        """Leaves the follower to the integration, with what one before it has merged."""
        place = (self._source, self._stream.name)
        if (earlier := self._context.followed.get(place)) is not None:
            earlier.forget()
            follower.counts |= earlier.counts
        self._context.followed[place] = follower

    def _keep(self) -> None:
        """Counts what an attempt had claimed before another run got in its way."""
        if self._claimed is not None:
            self._before = self._with_before(self._claimed[0])
            self._claimed = None

    def _with_before(self, outcome: LandOutcome) -> LandOutcome:
        before = self._before
        if before is None:
            return outcome
        return replace(
            outcome,
            read=before.read + outcome.read,
            landed=before.landed + outcome.landed,
            same=before.same + outcome.same,
            unreadable=before.unreadable + outcome.unreadable,
        )

    def _request(self, span: Span, state: StreamState) -> ReadRequest:
        left = self._options.limit
        return ReadRequest(
            low=span[0],
            high=span[1],
            known_files=self._known_files(state),
            limit=None if left is None else max(left - self._rows, 0),
            stop=self._context.stop,
        )

    def _batches(
        self, first: PeekedRead, spans: Sequence[Span], state: StreamState, read_at: datetime
    ) -> Iterator[pa.RecordBatch | Checkpoint]:
        """The rows of every part; behind each but the last a checkpoint that claims it."""
        yield from self._told(first)
        self._add(first.summary, spans[0])
        for before, span in pairwise(spans):
            if not self._summary.is_complete:
                return
            if self._options.limit is None:
                yield self._checkpoint(before, read_at)
            elif self._rows >= self._options.limit:
                return
            with PeekedRead(self._connector.read(self._spec, self._request(span, state))) as read:
                yield from self._told(read)
                self._add(read.summary, span)

    def _checkpoint(self, span: Span, read_at: datetime) -> Checkpoint:
        low, high = span

        def advance(state: StreamState) -> StreamState:
            self._covered = high
            moved = state.after_read(low=low, high=high, read_at=read_at, snapshot=None, files=None)
            # The read as a whole hasn't ended yet.
            return replace(moved, last_read_at=state.last_read_at)

        return Checkpoint(advance=advance)

    def _claim(self, outcome: LandOutcome) -> None:
        """Keeps what is landed for good, should a later part break."""
        self._claimed = (outcome, self._covered)

    def _add(self, part: ReadSummary, span: Span) -> None:
        """The summary of a part, added to that of the read."""
        notes = list(dict.fromkeys([*self._summary.notes, *part.notes]))
        null = self._summary.null_cursor + part.null_cursor
        future = self._summary.future_cursor + part.future_cursor
        self._summary = replace(part, notes=notes, null_cursor=null, future_cursor=future)
        self._last = span

    def _bounds(self, state: StreamState) -> tuple[CursorValue | None, CursorValue | None]:
        cursor = self._spec.cursor
        if cursor is None:
            return None, None
        high = self._connector.high(self._spec)
        low = None if self._options.full else state.next_low(cursor.window)
        start = cursor.start
        # The late window doesn't lead back behind the first row that there is.
        is_before = start is not None and isinstance(low, datetime) and low < start
        return start if low is None or is_before else low, high

    def _lower_bound(self, schema: pa.Schema) -> tuple[str, CursorValue] | None:
        """Where the landed rows begin that the read may repeat; None: anywhere.

        A time that landed as text, in whatever form the source writes it, can't be compared.
        """
        cursor = self._spec.cursor
        if cursor is None or self._low is None:
            return None
        is_text = pa.types.is_string(schema.field(cursor.column).type)
        if is_text and isinstance(self._low, datetime | date):
            return None
        return cursor.column, self._low

    def _known_files(self, state: StreamState) -> frozenset[str]:
        """Files not to read again; all are read while deletes wait to be believed."""
        if self._options.full or self._options.accept_deletes or state.pending_deletes:
            return frozenset()
        return frozenset(file.hash for file in state.files.values())

    def _opened(self, request: ReadRequest, state: StreamState) -> PeekedRead:
        """The read; a snapshot of files of which any changed is read as a whole."""
        read = PeekedRead(self._connector.read(self._spec, request))
        if request.known_files and self._spec.mode == "snapshot" and not read.is_unchanged(state):
            read.close()
            whole = replace(request, known_files=frozenset())
            return PeekedRead(self._connector.read(self._spec, whole))
        return read

    def _skipped_files(self, read: PeekedRead, state: StreamState) -> bool:
        """Whether files that are landed already may be left out of this read."""
        is_partial = self._spec.mode == "increment" or read.is_unchanged(state)
        return is_partial and bool(self._known_files(state))

    def _told(self, read: PeekedRead) -> Iterator[pa.RecordBatch]:
        for batch in read.batches():
            if self._context.stop.is_set():
                raise LienThongError("interrupted: run the same command again to go on")
            self._rows += batch.num_rows
            if time.monotonic() - self._told_at >= _TELL_EVERY:
                self._told_at = time.monotonic()
                self._context.tell(self._source, self._stream.name, "reading", self._rows)
            yield batch
        self._context.tell(self._source, self._stream.name, "reading", self._rows)

    def _ended(self, state: StreamState, read_at: datetime) -> ReadEnd:
        self._known_rows = sum(
            _rows_of(state, file) for file in self._summary.files if file.unchanged
        )
        cursor = self._spec.cursor
        counted = cursor is not None and self._high is not None
        return ReadEnd(
            is_complete=self._summary.is_complete and self._options.limit is None,
            advance=lambda now: self._advanced(now, read_at),
            source_rows=self._summary.source_rows,
            keys=lambda: self._connector.keys(self._spec),
            below=(cursor.column, self._high) if cursor and counted and self._high else None,
        )

    def _advanced(self, state: StreamState, read_at: datetime) -> StreamState:
        summary = self._summary
        snapshot = None
        if summary.snapshot_xmin is not None and summary.snapshot_xmax is not None:
            snapshot = (summary.snapshot_xmin, summary.snapshot_xmax)
        files = None
        if summary.files:
            seen = {f.path: LandedFile(hash=f.hash, rows=_rows_of(state, f)) for f in summary.files}
            files = {**state.files, **seen} if self._spec.mode == "increment" else seen
        low, high = self._last
        return state.after_read(low=low, high=high, read_at=read_at, snapshot=snapshot, files=files)

    def broken(self, error: LienThongError, *, seconds: float) -> LandResult | None:
        """What had landed for good when a later part broke; None where nothing had."""
        if self._claimed is None:
            return None
        outcome, self._high = self._claimed
        self._claimed = None
        fault = told(error)
        result = self.result(outcome, seconds=seconds)
        return replace(result, status="failed", error=fault.what, note=fault.step)

    def result(self, outcome: LandOutcome, *, seconds: float) -> LandResult:
        outcome = self._with_before(outcome)
        interval = None
        if self._high is not None and self._options.limit is None:  # a taste covers nothing
            low = None if self._low is None else shown_cursor(encode_cursor(self._low))
            interval = (low, shown_cursor(encode_cursor(self._high)))
        is_waiting = outcome.waiting_deletes or self._is_unsettled
        return LandResult(
            source=self._source,
            stream=self._stream.name,
            sync_id=self._sync_id,
            interval=interval,
            read=outcome.read + self._known_rows,
            landed=outcome.landed,
            same=outcome.same + self._known_rows,
            unreadable=outcome.unreadable,
            tombstones=outcome.tombstones,
            null_cursor=self._summary.null_cursor,
            future_cursor=self._summary.future_cursor,
            landing_version=outcome.landing_version,
            seconds=seconds,
            status="degraded" if is_waiting else "done",
            note=". ".join(self._notes(outcome)) or None,
        )

    @property
    def _is_unsettled(self) -> bool:
        """The read ended, but not with all it was asked for."""
        return not self._summary.is_complete and self._options.limit is None

    def _notes(self, outcome: LandOutcome) -> Iterator[str]:
        yield from self._summary.notes
        if not outcome.waiting_deletes:
            return
        yield (
            f"{outcome.waiting_deletes} landed keys are missing from the source, too many to be "
            "believed: nothing was deleted. Ask the office; if they are really gone, "
            f"`lienthong sync {self._source} --stream {self._stream.name} --accept-deletes`"
        )


def _rows_of(state: StreamState, file: FileRead) -> int:
    """Records of a file: counted now, or when it was landed."""
    if not file.unchanged:
        return file.rows
    return next((known.rows for known in state.files.values() if known.hash == file.hash), 0)
