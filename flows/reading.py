"""Reading an interval into landing: the first of the two primitives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime

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
from flows.claims import Claims
from flows.context import Context, follower_of
from flows.faults import told
from flows.lines import Line
from flows.months import months_of
from flows.parts import CutOff, Part, cut, parts
from flows.peeking import PeekedRead
from flows.receipts import RunStatus, SyncOptions
from flows.rejections import rejected_only
from flows.screens import allowed_rows, screen_of
from flows.vanishing import finder
from schemas.errors import LienThongError
from warehouse.following import Follower
from warehouse.intervals import Interval
from warehouse.landing import Landing
from warehouse.landing_read import Checkpoint, LandingRead, LandOutcome, ReadEnd, Screening
from warehouse.landing_stamp import ReadStamp
from warehouse.races import retried
from warehouse.state import LandedFile, StreamState

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
    line: Line | None = None,
) -> LandResult:
    """Reads one stream, from where its coverage ends, and lands what is new.

    Args:
        context: Catalog and warehouse.
        source_name: The source.
        stream_name: The stream.
        options: What the person asked for.
        sync_id: The run.
        line: The reader's connection; None: one of its own.

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
    with ExitStack() as stack:
        line = line or stack.enter_context(Line())
        connector = stack.enter_context(line.to(source))
        reading = _Reading(context, source, stream, connector, options, sync_id)
        try:
            # Another run that lands rows of the stream meanwhile makes this one read again.
            outcome = retried(reading.run)
        except LienThongError as error:
            broken = reading.broken(error, seconds=time.monotonic() - started)
            if broken is None:
                raise
            line.hang_up()
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
        self._claims: Claims
        self._parts: list[Part] = [Part()]
        self._summary = ReadSummary()
        self._known_rows = 0
        self._rows = 0
        self._told_at = 0.0
        self._claimed: tuple[LandOutcome, Interval] | None = None
        self._before: LandOutcome | None = None
        self._last = Part()
        self._left_out = 0

    def run(self) -> LandOutcome:
        # Before anything is asked of the source: what others land from now on is not overlooked.
        table = self._landing.table()
        state = self._landing.state_of(table)
        read_at = state.stamp(self._context.clock())
        self._claims = Claims(self._stream, self._options, connector=self._connector, state=state)
        self._keep()
        self._summary, self._rows, self._left_out = ReadSummary(), 0, 0
        self._parts = parts(
            self._claims.intervals, self._connector, self._spec, limit=self._options.limit
        )
        follower = follower_of(self._context, self._of, self._stream, sync_id=self._sync_id)
        self._follow(follower)
        with self._opened(self._request(self._parts[0], state), state) as read, follower:
            is_whole = self._claims.is_whole and not self._skipped_files(read, state)
            return self._landing.land(
                LandingRead(
                    stamp=self._stamp(read_at),
                    schema=read.schema,
                    batches=self._batches(read, state),
                    is_whole=is_whole,
                    finds_deletes=self._spec.mode == "snapshot" and self._options.limit is None,
                    sums_keys=read.summary.sums_keys,
                    cursor=self._lower_bound(read.schema),
                    accept_deletes=self._options.accept_deletes,
                    months=months_of(self._stream),
                    files={} if is_whole else {path: f.rows for path, f in state.files.items()},
                    ended=lambda: self._ended(state, read_at),
                    claimed=self._claim,
                    arrived=follower.arrived,
                    landed=follower.landed,
                    screen=self._screen,
                    watched=rejected_only(self._context, self._source, self._stream),
                ),
                at=None if table is None else (table, state),
            )

    def _follow(self, follower: Follower) -> None:
        """Leaves the follower to the integration, with what one before it has merged."""
        place = (self._source, self._stream.name)
        if (earlier := self._context.followed.get(place)) is not None:
            earlier.forget()
            follower.counts |= earlier.counts
        self._context.followed[place] = follower

    def _screen(self) -> Screening | None:
        """What keeps rows of forgotten people out; None where nobody is forgotten."""
        screen = screen_of(self._context, self._source, self._stream)
        if not screen.marks:
            return None

        def screened(chunk: pa.Table, stamped: pa.Table) -> pa.Table:
            allowed = allowed_rows(self._context, screen, chunk, stamped)
            self._left_out += chunk.num_rows - allowed.num_rows
            return allowed

        return screened

    def _stamp(self, read_at: datetime) -> ReadStamp:
        return ReadStamp(key=self._spec.key, read_at=read_at, sync_id=self._sync_id)

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
            new_columns=before.new_columns or outcome.new_columns,
        )

    def _request(self, part: Part, state: StreamState) -> ReadRequest:
        left = self._options.limit
        return part.request(
            ReadRequest(
                known_files=self._known_files(state),
                limit=None if left is None else max(left - self._rows, 0),
                stop=self._context.stop,
            )
        )

    def _batches(
        self, first: PeekedRead, state: StreamState
    ) -> Iterator[pa.RecordBatch | Checkpoint]:
        """The rows of every part; behind each but the last a checkpoint that claims it."""
        if self._claims.is_backfill and self._claims.intervals:
            yield self._claims.asking()
        yield from self._rows_of(first, 0)
        for number, part in enumerate(self._parts[1:], start=1):
            if not self._summary.is_complete:
                return
            if self._options.limit is None:
                covered = self._parts[number - 1].interval
                yield self._claims.checkpoint(covered, is_apart=self._summary.is_exact)
            elif self._rows >= self._options.limit:
                return
            with PeekedRead(self._connector.read(self._spec, self._request(part, state))) as read:
                yield from self._rows_of(read, number)

    def _rows_of(self, read: PeekedRead, number: int) -> Iterator[pa.RecordBatch | Checkpoint]:
        """The rows of a part; of one that comes in the cursor's order, every piece is claimed."""
        part, cursor = self._parts[number], self._spec.cursor
        self._claims.saw(read.summary)
        if read.summary.is_ordered and cursor is not None and part.high is not None:
            low = part.low
            for piece in cut(self._told(read, part), cursor, part):
                if not isinstance(piece, CutOff):
                    yield piece
                    continue
                yield self._claims.checkpoint(Interval.of(low, piece.at), is_apart=True)
                low = piece.at
        else:
            yield from self._told(read, part)
        self._add(read.summary, part)

    def _claim(self, outcome: LandOutcome) -> None:
        """Keeps what is landed for good, should a later part break."""
        if self._claims.covered is not None:
            self._claimed = (outcome, self._claims.covered)

    def _add(self, part_summary: ReadSummary, part: Part) -> None:
        """The summary of a part, added to that of the read."""
        notes = list(dict.fromkeys([*self._summary.notes, *part_summary.notes]))
        null = self._summary.null_cursor + part_summary.null_cursor
        future = self._summary.future_cursor + part_summary.future_cursor
        self._summary = replace(part_summary, notes=notes, null_cursor=null, future_cursor=future)
        self._last = part

    def _lower_bound(self, schema: pa.Schema) -> tuple[str, CursorValue] | None:
        """Where the landed rows begin that the read may repeat; None: anywhere.

        A time that landed as text, in whatever form the source writes it, can't be compared; nor
        can a text that a person gave, whose order is the source's. A night's text is the greatest:
        what lies behind it is new.
        """
        cursor = self._spec.cursor
        low = self._claims.low
        if cursor is None or low is None:
            return None
        is_text = pa.types.is_string(schema.field(cursor.column).type)
        if is_text and isinstance(low, datetime | date):
            return None
        if isinstance(low, str) and self._claims.is_backfill:
            return None
        return cursor.column, low

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

    def _told(self, read: PeekedRead, part: Part) -> Iterator[pa.RecordBatch]:
        self._tell(part)
        for batch in read.batches():
            if self._context.stop.is_set():
                raise LienThongError("interrupted: run the same command again to go on")
            self._rows += batch.num_rows
            if time.monotonic() - self._told_at >= _TELL_EVERY:
                self._tell(part)
            yield batch
        self._tell(part)

    def _tell(self, part: Part) -> None:
        self._told_at = time.monotonic()
        where = "" if len(self._parts) == 1 else str(part)
        self._context.tell(self._source, self._stream.name, "reading", self._rows, where)

    def _ended(self, state: StreamState, read_at: datetime) -> ReadEnd:
        self._known_rows = sum(
            _rows_of(state, file) for file in self._summary.files if file.unchanged
        )
        cursor, top = self._spec.cursor, self._claims.top
        return ReadEnd(
            is_complete=self._summary.is_complete and self._options.limit is None,
            advance=lambda now: self._advanced(now, read_at),
            source_rows=self._summary.source_rows,
            keys=lambda: self._connector.keys(self._spec),
            below=None if cursor is None or top is None else (cursor.column, top),
            files=frozenset(file.path for file in self._summary.files if not file.unchanged),
            vanished=finder(self._connector, self._spec, self._stamp(read_at)),
        )

    def _advanced(self, state: StreamState, read_at: datetime) -> StreamState:
        summary = self._summary
        files = None
        if summary.files:
            seen = {f.path: LandedFile(hash=f.hash, rows=_rows_of(state, f)) for f in summary.files}
            files = {**state.files, **seen} if self._spec.mode == "increment" else seen
        return self._claims.ended(state, self._last.interval, read_at=read_at, files=files)

    def broken(self, error: LienThongError, *, seconds: float) -> LandResult | None:
        """What had landed for good when a later part broke; None where nothing had."""
        if self._claimed is None:
            return None
        outcome, covered = self._claimed
        self._claimed = None
        fault = told(error)
        result = self.result(outcome, seconds=seconds, covered=covered)
        return replace(result, status="failed", error=fault.what, note=fault.step)

    def result(
        self, outcome: LandOutcome, *, seconds: float, covered: Interval | None = None
    ) -> LandResult:
        outcome = self._with_before(outcome)
        interval = None
        asked = self._claims.intervals
        if asked and self._options.limit is None:  # a taste covers nothing
            interval = (asked[0].shown[0], (covered or asked[-1]).shown[1])
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
            # Behind where a person said to stop lies no future.
            future_cursor=0 if self._claims.is_backfill else self._summary.future_cursor,
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
        if self._left_out:
            yield f"{self._left_out} rows of people who are forgotten were left out"
        if outcome.new_columns:
            names = ", ".join(repr(name) for name in outcome.new_columns)
            yield (
                f"new columns ({names}): rows that had landed before have none of them; "
                f"`lienthong sync {self._source} --stream {self._stream.name} --full` brings them"
            )
        # Beside a backfill there may be gaps; and rows come between the parts of a read.
        if outcome.surplus and not self._claims.is_backfill and len(self._parts) == 1:
            yield (
                f"the source counts {outcome.surplus} rows more than there are landed keys: keys "
                "repeat, or rows came late or out of order; "
                f"`lienthong reconcile {self._source} --stream {self._stream.name}` finds those"
            )
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
