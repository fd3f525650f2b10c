"""Comparing one stream with its landing, and repairing what differs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl
import pyarrow as pa

from connectors.comparing import Comparing, Comparison, ReadComparison, Scope
from connectors.protocol import Connector, CursorValue, ReadRequest
from flows.catalog import Source, Stream
from flows.context import Context
from flows.months import months_of
from flows.parts import parts
from flows.reading import LandResult
from flows.reconciliation import By, ReconcileOptions
from flows.screens import allowed_rows, screen_of
from schemas.errors import LienThongError
from warehouse.comparing import Against, Differences, Landed
from warehouse.delta import Table
from warehouse.hashing import row_hashes
from warehouse.intervals import Interval
from warehouse.landing_read import LandingRead, LandOutcome, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.races import retried
from warehouse.screening import Screen
from warehouse.state import StreamState, decode_cursor

_CHANGED_SINCE: Final = timedelta(days=1)
"""Behind the source's now: see `connectors.comparing.Scope`."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One stream after its comparison.

    Attributes:
        by: How it was compared.
        why: Why the source didn't compute checksums, where it didn't.
        read: Rows read of the source.
        landed: The landed side.
        differences: What differs.
        outcome: What the repair landed; None: nothing was repaired.
    """

    by: By
    why: str | None
    read: int
    landed: Landed
    differences: Differences
    outcome: LandOutcome | None


def compare(
    context: Context,
    source_name: str,
    stream_name: str,
    *,
    options: ReconcileOptions,
    sync_id: str,
) -> Compared | None:
    """Compares one stream, and lands what differs where that was asked for.

    Returns:
        None for a stream that was never read whole.

    Raises:
        ConfigError: No such source or stream, or a reference of its YAML can't be filled in.
        TransientSourceError: The source could not be reached.
        SourceError: It refused.
        ContractError: It changed its shape.
        WarehouseError: Landing could not be read or written.
    """
    source = context.catalog.source(source_name)
    stream = source.stream(stream_name)
    context.tell(source_name, stream_name, "connecting", 0)
    with closing(source.connect()) as connector:
        work = _Comparing(context, source, stream, connector, options, sync_id)
        # A sync that lands rows of the stream meanwhile makes a repair compare again.
        return retried(work.run)


class _Comparing:
    """One stream under comparison."""

    def __init__(
        self,
        context: Context,
        source: Source,
        stream: Stream,
        connector: Connector,
        options: ReconcileOptions,
        sync_id: str,
    ) -> None:
        self._context = context
        self._source = source.name
        self._stream = stream
        self._spec = stream.spec
        self._connector = connector
        self._options = options
        self._sync_id = sync_id
        self._months = months_of(stream)
        self._screen: Screen
        self._rows = 0

    def run(self) -> Compared | None:
        landing = self._context.warehouse.landing(self._source, self._stream.name)
        table = landing.table()
        state = StreamState.from_json(None if table is None else table.newest_state())
        is_covered = self._spec.cursor is None or bool(state.coverage)
        if table is None or state.last_read_at is None or not is_covered:
            return None
        # Behind the table: whoever is forgotten from now on makes a repair compare again.
        self._screen = screen_of(self._context, self._source, self._stream)
        self._rows = 0
        read_at = state.stamp(self._context.clock())
        stamp = ReadStamp(key=self._spec.key, read_at=read_at, sync_id=self._sync_id)
        landed = Landed.load(
            table,
            version=landing.version_of(table),
            columns=self._spec.columns,
            months=self._months,
            keeps_all=self._stream.adds_only,
            tells_gone=self._spec.mode == "snapshot",
        )
        with self._opened(state) as comparison:
            why = comparison.cannot("rows")
            by: By = "rows" if why is not None else "checksums"
            differences = self._differences(comparison, landed, stamp, table, state, why)
            outcome = None
            if self._options.repair and differences.keys.height:
                known = frozenset(file.hash for file in state.files.values())
                outcome = landing.land(self._repair(comparison, landed, stamp, differences, known))
        return Compared(
            by=by, why=why, read=self._rows, landed=landed, differences=differences,
            outcome=outcome,
        )  # fmt: skip

    def _opened(self, state: StreamState) -> AbstractContextManager[Comparison]:
        """The source: what it can compute itself, or by reads."""
        cursor = self._spec.cursor
        start = None if cursor is None else cursor.start
        high = decode_cursor(state.coverage[-1].high) if cursor is not None else None
        if isinstance(self._connector, Comparing):
            return self._connector.comparison(self._spec, Scope(low=start, high=high))
        now = None if cursor is None else self._connector.high(self._spec)
        pending = None
        if isinstance(high, datetime) and isinstance(now, datetime):
            # A row that changes while the windows are read leaves the one that it lay in.
            until = max(high, now) + _CHANGED_SINCE
            pending = ReadRequest(low=high, high=until, stop=self._context.stop)
        intervals = () if high is None else (Interval.of(start, high),)
        asked = ReadRequest(stop=self._context.stop)
        return ReadComparison(
            self._connector,
            self._spec,
            requests=[
                part.request(asked)
                for part in parts(intervals, self._connector, self._spec, limit=None)
            ],
            pending=pending,
        )

    def _differences(
        self,
        comparison: Comparison,
        landed: Landed,
        stamp: ReadStamp,
        table: Table,
        state: StreamState,
        why: str | None,
    ) -> Differences:
        found: tuple[str, ...] | None = None
        if why is None:
            self._tell("comparing checksums")
            found = landed.unequal(comparison.digest("rows", landed.digits))
        against = Against(
            landed,
            found=found,
            stamp=stamp,
            schema=comparison.schema,
            due=self._due(state, table.schema),
            screen=self._allowed if self._screen.marks else None,
        )
        pending = stamp.keys([])
        if found is None or found:
            for batch in comparison.rows(found):
                self._heard(batch)
                against.add(batch)
            # After the rows: what changed while they came is among these.
            pending = stamp.keys(b.select(list(dict.fromkeys(stamp.key)))
                                 for b in comparison.pending())  # fmt: skip
        return against.differences(pending)

    def _due(
        self, state: StreamState, schema: pa.Schema
    ) -> tuple[str, CursorValue, CursorValue] | None:
        """The cursor, where the next read begins and the coverage ends, where values tell that."""
        cursor = self._spec.cursor
        low = None if cursor is None else state.next_low(cursor.window)
        if cursor is None or low is None or cursor.column not in schema.names:
            return None
        is_text = pa.types.is_string(schema.field(cursor.column).type)
        # Nothing behind the last text is in scope, and how texts are ordered only the source knows.
        if is_text and not isinstance(low, int):
            return None
        return cursor.column, low, decode_cursor(state.coverage[-1].high)

    def _repair(
        self,
        comparison: Comparison,
        landed: Landed,
        stamp: ReadStamp,
        found: Differences,
        known_files: frozenset[str],
    ) -> LandingRead:
        """A read of exactly the keys that differ, and of those that are gone."""
        gone = found.of("extra").select("_key")
        again = self._again(comparison, stamp, found)
        return LandingRead(
            stamp=stamp,
            schema=comparison.schema,
            batches=self._in_order(again, stamp, found, known_files),
            is_whole=False,
            finds_deletes=self._spec.mode == "snapshot",
            accept_deletes=self._options.accept_deletes,
            months=self._months,
            lands_all=True,
            expected=landed.version,
            screen=lambda: self._allowed if self._screen.marks else None,
            ended=lambda: ReadEnd(is_complete=True, advance=lambda state: state, gone=gone),
        )

    def _allowed(self, chunk: pa.Table, stamped: pa.Table) -> pa.Table:
        """Rows without those of people who are forgotten: they are no difference."""
        return allowed_rows(self._context, self._screen, chunk, stamped)

    def _again(
        self, comparison: Comparison, stamp: ReadStamp, found: Differences
    ) -> Iterator[pa.RecordBatch]:
        wanted = found.of("missing", "differing")["_key"].drop_nulls().implode()
        if not len(wanted[0]) and not found.hashes:
            return
        for batch in comparison.rows(found.slots):
            self._heard(batch)
            rows = pa.Table.from_batches([batch])
            marks = stamp.key_frame(rows)
            chosen = marks["_key"].is_in(wanted).fill_null(value=False)
            if found.hashes:
                columns = [n for n in rows.schema.names if n not in _NOT_HASHED]
                hashes = pl.Series(pl.from_arrow(row_hashes(rows, columns)))
                chosen |= marks["_key"].is_null() & hashes.is_in(list(found.hashes))
            yield batch.filter(chosen.to_arrow())

    def _in_order(
        self,
        batches: Iterator[pa.RecordBatch],
        stamp: ReadStamp,
        found: Differences,
        known_files: frozenset[str],
    ) -> Iterator[pa.RecordBatch]:
        """Rows of increments as they came: what a new file says counts, whatever its name is."""
        if self._spec.mode != "increment" or not known_files:
            yield from batches
            return
        differing = found.of("differing")["_key"].implode()
        held: list[pa.RecordBatch] = []
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            is_new = ~pl.Series(pl.from_arrow(rows["_file_hash"])).is_in(list(known_files))
            is_new &= stamp.key_frame(rows)["_key"].is_in(differing).fill_null(value=False)
            yield batch.filter((~is_new).to_arrow())
            held.append(batch.filter(is_new.to_arrow()))
        yield from held

    def _heard(self, batch: pa.RecordBatch) -> None:
        if self._context.stop.is_set():
            raise LienThongError("interrupted: run the same command again")
        self._rows += batch.num_rows
        self._tell("comparing")

    def _tell(self, phase: str) -> None:
        self._context.tell(self._source, self._stream.name, phase, self._rows)


_NOT_HASHED = {"_file", "_file_hash", "_line"}


def as_land(
    compared: Compared, *, source: str, stream: str, sync_id: str, started: float
) -> LandResult:
    """The repair as a read that landed, for the integration."""
    outcome = compared.outcome
    return LandResult(
        source=source,
        stream=stream,
        sync_id=sync_id,
        interval=None,
        read=outcome.read if outcome else 0,
        landed=outcome.landed if outcome else 0,
        same=outcome.same if outcome else 0,
        unreadable=outcome.unreadable if outcome else 0,
        tombstones=outcome.tombstones if outcome else 0,
        null_cursor=0,
        future_cursor=0,
        landing_version=outcome.landing_version if outcome else compared.landed.version,
        seconds=time.monotonic() - started,
        status="degraded" if outcome and outcome.waiting_deletes else "done",
        note="repaired by `reconcile`",
    )
