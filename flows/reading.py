"""Reading an interval into landing: the first of the two primitives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from connectors.protocol import (
    Connector,
    CursorValue,
    FileRead,
    Read,
    ReadRequest,
    ReadSummary,
    StreamSpec,
)
from flows.catalog import Stream
from flows.context import Context
from flows.receipts import RunStatus, SyncOptions
from schemas.errors import LienThongError
from warehouse.delta import retried
from warehouse.landing import Landing, LandingRead, LandOutcome, ReadEnd
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
        reading = _Reading(context, source_name, stream, connector, options, sync_id)
        # Another run that lands rows of the stream meanwhile makes this one read again.
        outcome = retried(reading.run)
    context.tell(source_name, stream_name, "landed", outcome.read)
    return reading.result(outcome, seconds=time.monotonic() - started)


class _Reading:
    """One stream on its way into landing."""

    def __init__(
        self,
        context: Context,
        source: str,
        stream: Stream,
        connector: Connector,
        options: SyncOptions,
        sync_id: str,
    ) -> None:
        self._context = context
        self._source = source
        self._stream = stream
        self._spec: StreamSpec = stream.spec
        self._connector = connector
        self._options = options
        self._sync_id = sync_id
        self._landing: Landing = context.warehouse.landing(source, stream.name)
        self._low: CursorValue | None = None
        self._high: CursorValue | None = None
        self._summary = ReadSummary()
        self._known_rows = 0

    def run(self) -> LandOutcome:
        state = self._landing.state()
        read_at = self._context.clock()
        self._low, self._high = self._bounds(state)
        request = ReadRequest(
            low=self._low,
            high=self._high,
            known_files=self._known_files(state),
            limit=self._options.limit,
        )
        with self._opened(request, state) as read:
            return self._landing.land(
                LandingRead(
                    stamp=ReadStamp(key=self._spec.key, read_at=read_at, sync_id=self._sync_id),
                    schema=read.schema,
                    batches=self._told(read),
                    is_whole=self._low is None and not self._skipped_files(read, state),
                    finds_deletes=self._spec.mode == "snapshot" and self._options.limit is None,
                    cursor=self._lower_bound(),
                    accept_deletes=self._options.accept_deletes,
                    ended=lambda: self._ended(read, state, read_at),
                )
            )

    def _bounds(self, state: StreamState) -> tuple[CursorValue | None, CursorValue | None]:
        cursor = self._spec.cursor
        if cursor is None:
            return None, None
        high = self._connector.high(self._spec)
        low = None if self._options.full else state.next_low(cursor.window)
        return low, high

    def _lower_bound(self) -> tuple[str, CursorValue] | None:
        if self._spec.cursor is None or self._low is None:
            return None
        return self._spec.cursor.column, self._low

    def _known_files(self, state: StreamState) -> frozenset[str]:
        """Files not to read again; all are read while deletes wait to be believed."""
        if self._options.full or self._options.accept_deletes or state.pending_deletes:
            return frozenset()
        return frozenset(file.hash for file in state.files.values())

    def _opened(self, request: ReadRequest, state: StreamState) -> _PeekedRead:
        """The read; a snapshot of files of which any changed is read as a whole."""
        read = _PeekedRead(self._connector.read(self._spec, request))
        if request.known_files and self._spec.mode == "snapshot" and not read.is_unchanged(state):
            read.close()
            whole = replace(request, known_files=frozenset())
            return _PeekedRead(self._connector.read(self._spec, whole))
        return read

    def _skipped_files(self, read: _PeekedRead, state: StreamState) -> bool:
        """Whether files that are landed already may be left out of this read."""
        is_partial = self._spec.mode == "increment" or read.is_unchanged(state)
        return is_partial and bool(self._known_files(state))

    def _told(self, read: _PeekedRead) -> Iterator[pa.RecordBatch]:
        rows, told = 0, 0.0
        for batch in read.batches():
            if self._context.stop.is_set():
                raise LienThongError("interrupted: run the same command again to go on")
            rows += batch.num_rows
            if time.monotonic() - told >= _TELL_EVERY:
                told = time.monotonic()
                self._context.tell(self._source, self._stream.name, "reading", rows)
            yield batch
        self._context.tell(self._source, self._stream.name, "reading", rows)

    def _ended(self, read: _PeekedRead, state: StreamState, read_at: datetime) -> ReadEnd:
        self._summary = read.summary
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
        return state.after_read(
            low=self._low, high=self._high, read_at=read_at, snapshot=snapshot, files=files
        )

    def result(self, outcome: LandOutcome, *, seconds: float) -> LandResult:
        interval = None
        if self._high is not None and self._options.limit is None:  # a taste covers nothing
            low = None if self._low is None else shown_cursor(encode_cursor(self._low))
            interval = (low, shown_cursor(encode_cursor(self._high)))
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
            status="degraded" if outcome.waiting_deletes else "done",
            note=self._note(outcome),
        )

    def _note(self, outcome: LandOutcome) -> str | None:
        if not outcome.waiting_deletes:
            return None
        return (
            f"{outcome.waiting_deletes} landed keys are missing from the source, too many to be "
            "believed: nothing was deleted. Ask the office; if they are really gone, "
            f"`lienthong sync {self._source} --stream {self._stream.name} --accept-deletes`"
        )


class _PeekedRead:
    """A read whose first batch was looked at, to see whether anything came at all."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._first: list[pa.RecordBatch] | None = None
        self._rest: Iterator[pa.RecordBatch] = iter(())

    @property
    def schema(self) -> pa.Schema:
        return self._read.schema

    @property
    def summary(self) -> ReadSummary:
        return self._read.summary

    def is_unchanged(self, state: StreamState) -> bool:
        """Nothing came, and the files seen are those that are landed."""
        self._peek()
        seen = {file.path: file.hash for file in self.summary.files}
        return not self._first and seen == {p: f.hash for p, f in state.files.items()}

    def batches(self) -> Iterator[pa.RecordBatch]:
        self._peek()
        yield from self._first or ()
        yield from self._rest

    def _peek(self) -> None:
        if self._first is None:
            self._rest = self._read.batches()
            first = next(self._rest, None)
            self._first = [] if first is None else [first]

    def close(self) -> None:
        self._read.__exit__(None, None, None)

    def __enter__(self) -> _PeekedRead:
        return self

    def __exit__(self, *exc: object) -> None:
        self._read.__exit__(*exc)


def _rows_of(state: StreamState, file: FileRead) -> int:
    """Records of a file: counted now, or when it was landed."""
    if not file.unchanged:
        return file.rows
    return next((known.rows for known in state.files.values() if known.hash == file.hash), 0)
