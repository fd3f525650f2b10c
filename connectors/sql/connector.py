"""One connector for every database: checks, bounds, reads and keys over a `Database`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from types import TracebackType
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa

from connectors.comparing import Scope
from connectors.protocol import (
    Candidate,
    Cursor,
    CursorValue,
    Found,
    ReadRequest,
    ReadSummary,
    StreamSpec,
    cursor_value,
)
from connectors.registry import SqlOptions
from connectors.sampling import SAMPLE_ROWS
from connectors.sql import statements
from connectors.sql.begun import Begun, Table, where
from connectors.sql.bounds import BEHIND
from connectors.sql.comparison import Compared, SqlComparison, sums_keys
from connectors.sql.cutting import ORDERED, Cut
from connectors.sql.session import Database, Session
from connectors.sql.types import SourceColumn
from connectors.sql.values import delivered_schema
from schemas.errors import ConfigError

_BATCH_ROWS = 50_000
_NUMBER = re.compile(r"-?[0-9]+(?:[.][0-9]+)?")


class SqlConnector:
    """A `Connector` over one database.

    Every operation has a session of its own. But a read goes on in the session in which its bound
    was told, and a comparison behind it in that of the read, where the session sees one moment: to
    connect and to look at the table anew costs more than what they ask.
    """

    def __init__(self, database: Database, options: SqlOptions) -> None:
        self._database = database
        self._options = options
        self._open: set[SqlRead] = set()
        self._begun: Begun | None = None
        self._reads = 0  # since the bound was told
        self._last: SqlRead | None = None

    def tables(self) -> tuple[Candidate, ...]:
        """The tables and views that the role may read, with the keys that they declare."""
        with self._database.session("the tables of the database") as session:
            return session.tables(schema=self._options.default_schema)

    def check(self, spec: StreamSpec, *, sample_rows: int = SAMPLE_ROWS) -> Found:
        """See `Connector.check`."""
        with self._database.session(where(spec)) as session:
            table = Table(spec, session, self._options)
            columns = table.wanted(spec.columns)
            batches: list[pa.RecordBatch] = []
            if columns:  # a survey asks for the names and types alone
                statement = statements.rows(table.source, columns, limit=sample_rows)
                at_once = min(sample_rows, _BATCH_ROWS)
                batches = list(session.stream(statement, columns, batch_rows=at_once))
            return Found(
                columns={column.name: column.type for column in table.columns},
                sample=pa.Table.from_batches(batches, schema=delivered_schema(columns)),
                notes=session.notes(table.stream, table.source),
            )

    def high(self, spec: StreamSpec) -> CursorValue | None:
        """See `Connector.high`.

        A time cursor, and a number with a `unit`: the database's clock minus the lag. A date:
        tomorrow, or today where the late window is shorter than a day. A number: the greatest plus
        one (what is no number, like NaN or a text in SQLite, lies past it); a text: just past the
        greatest. None without a cursor and, for numbers and texts, while there is no row.
        """
        self._leave()
        self._reads = 0
        if spec.cursor is None:
            return None
        with self._session(spec) as begun:
            bound = _bound(spec.cursor, begun)
            if begun.session.sees_one_moment:
                self._begun = begun.kept()
        return bound

    def low(self, spec: StreamSpec) -> CursorValue | None:
        """See `Connector.low`. Times that aren't carried, and texts, have no least one."""
        self._leave()
        if spec.cursor is None:
            return None
        with self._database.session(where(spec)) as session:
            table = Table(spec, session, self._options)
            column = table.wanted([spec.cursor.column])[0]
            if column.cursor not in ORDERED:
                return None
            is_carried = [sa.not_(statements.without(column))]
            least = statements.rows(table.source, [column], where=is_carried, order=column, limit=1)
            for batch in session.stream(least, [column], batch_rows=1):
                for cell in batch.column(0):
                    return cursor_value(cell.as_py())
        return None

    def count(self, spec: StreamSpec, *, low: CursorValue, high: CursorValue) -> int | None:
        """See `Connector.count`."""
        self._leave()
        if spec.cursor is None:
            return None
        with self._database.session(where(spec)) as session:
            table = Table(spec, session, self._options)
            column = table.wanted([spec.cursor.column])[0]
            inside = [
                statements.at_least(column, low, session.zone),
                statements.below(column, high, session.zone),
            ]
            return int(session.row(statements.counted(table.source, inside))[0])

    def read(self, spec: StreamSpec, request: ReadRequest) -> SqlRead:
        """See `Connector.read`."""
        with self._going_on(spec) as begun:
            session, columns = begun.session, begun.table.wanted(spec.columns)
            summary, wanted = _asked(spec, request, session=session, table=begun.table)
            parts = (session.stream(one, columns, batch_rows=request.batch_rows) for one in wanted)
            first = next(parts, iter(()))  # what is wrong with the statement is told now
            read = SqlRead(
                schema=delivered_schema(columns),
                summary=summary,
                batches=chain(first, chain.from_iterable(parts)),
                limit=request.limit,
                begun=begun.kept(),
            )
        self._open.add(read)
        read.begun.stack.callback(self._open.discard, read)
        self._reads += 1
        self._last = read
        return read

    def keys(
        self, spec: StreamSpec, *, below: CursorValue | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See `Connector.keys`."""
        with self._database.session(where(spec)) as session:
            table = Table(spec, session, self._options)
            columns = table.wanted(spec.key)
            conditions = []
            if below is not None and spec.cursor is not None:
                cursor = table.wanted([spec.cursor.column])[0]
                conditions = [statements.below(cursor, below, session.zone)]
            statement = statements.rows(table.source, columns, where=conditions)
            yield from session.stream(statement, columns, batch_rows=_BATCH_ROWS)

    @contextmanager
    def comparison(self, spec: StreamSpec, scope: Scope) -> Iterator[SqlComparison]:
        """See `Comparing.comparison`: one transaction, so its statements agree."""
        with self._beside(spec) as begun:
            session, table = begun.session, begun.table
            inside, pending = _scoped(spec, scope, session=session, table=table)
            compared = Compared(
                source=table.source,
                columns=table.wanted(spec.columns),
                key=table.wanted(spec.key),
                scope=inside,
                pending=pending,
            )
            yield SqlComparison(session, compared)

    def close(self) -> None:
        """See `Connector.close`."""
        self._leave()
        for read in list(self._open):
            read.close()
        self._database.close()

    @contextmanager
    def _session(self, spec: StreamSpec) -> Iterator[Begun]:
        """A session of its own; it ends here, unless it is kept."""
        with ExitStack() as stack:
            session = stack.enter_context(self._database.session(where(spec)))
            yield Begun(spec, stack, session, Table(spec, session, self._options))

    @contextmanager
    def _going_on(self, spec: StreamSpec) -> Iterator[Begun]:
        """The session in which the stream's bound was told just now, else one of its own."""
        begun, self._begun = self._begun, None
        if begun is None or begun.spec != spec:
            if begun is not None:
                begun.stack.close()
            with self._session(spec) as one:
                yield one
            return
        with begun.stack:
            yield begun

    @contextmanager
    def _beside(self, spec: StreamSpec) -> Iterator[Begun]:
        """The session of the only read since the bound was told, if it has ended; else a new one.

        What was read and what is compared are then of one moment. A read that came in parts is of
        several: what came with a later one, an earlier one doesn't have.
        """
        last = self._last
        is_one = last in self._open and self._reads == 1
        if last is not None and is_one and last.begun.goes_on(spec):
            yield last.begun
            return
        with self._session(spec) as one:
            yield one

    def _leave(self) -> None:
        """Ends a session that nobody went on with."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.stack.close()


class SqlRead:
    """A `Read` of one statement."""

    def __init__(
        self,
        *,
        schema: pa.Schema,
        summary: ReadSummary,
        batches: Iterator[pa.RecordBatch],
        limit: int | None,
        begun: Begun,
    ) -> None:
        self.schema = schema
        self.summary = summary
        self.begun = begun
        self._batches = batches
        self._limit = limit

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Read.batches`."""
        rows = 0
        for batch in self._batches:
            rows += batch.num_rows
            yield batch
        self.summary.is_complete = self._limit is None or rows < self._limit

    def close(self) -> None:
        """Ends the statement and its session."""
        self.begun.stack.close()

    def __enter__(self) -> SqlRead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _bound(cursor: Cursor, begun: Begun) -> CursorValue | None:
    """The upper bound of a read; see `SqlConnector.high`."""
    session, table = begun.session, begun.table
    column = table.wanted([cursor.column])[0]
    now = session.now()
    if cursor.unit is not None:
        _demand_number(cursor, column)
        return cursor.ticks((now or datetime.now(UTC)) - cursor.lag)
    if column.cursor in {"timestamptz", "timestamp", "date"} and now is not None:
        return _clock_bound(cursor, column, now=now - cursor.lag, zone=session.zone)
    highest = session.row(statements.highest(table.source, column))[0]
    if column.cursor in {"integer", "numeric"} and not _NUMBER.fullmatch(highest or "0"):
        only = statements.highest(table.source, column, numbers_of=session.dialect)
        highest = session.row(only)[0]
    return _next_after(column, highest)


def _scoped(
    spec: StreamSpec, scope: Scope, *, session: Session, table: Table
) -> tuple[tuple[sa.ColumnElement[bool], ...], sa.ColumnElement[bool] | None]:
    """What is compared, and what changed since the last read."""
    if spec.cursor is None or scope.high is None:
        return (), None
    cursor = table.wanted([spec.cursor.column])[0]
    pending = statements.at_least(cursor, scope.high, session.zone)
    inside = statements.below(cursor, scope.high, session.zone)
    future = _future(spec.cursor, cursor, session)
    if future is not None:
        inside = sa.or_(inside, statements.at_least(cursor, future, session.zone))
        pending = sa.and_(pending, statements.below(cursor, future, session.zone))
    elif (number := statements.is_number(cursor, dialect=session.dialect)) is not None:
        inside = sa.or_(inside, sa.not_(number))
        pending = sa.and_(pending, number)
    if scope.low is None:
        inside = sa.or_(statements.without(cursor), inside)
        return (inside,), pending
    return (statements.at_least(cursor, scope.low, session.zone), inside), pending


def _future(cursor: Cursor, column: SourceColumn, session: Session) -> CursorValue | None:
    """A day after the source's now: what is dated later is no change that the next read brings."""
    now = session.now()
    if cursor.unit is not None:
        return cursor.ticks((now or datetime.now(UTC)) + timedelta(days=1))
    if now is None or column.cursor not in {"timestamptz", "timestamp", "date"}:
        return None
    return _clock_bound(cursor, column, now=now + timedelta(days=1), zone=session.zone)


def _asked(
    spec: StreamSpec, request: ReadRequest, *, session: Session, table: Table
) -> tuple[ReadSummary, list[statements.Statement]]:
    """What is counted beside the rows of a request, and the statements that give them."""
    columns = table.wanted(spec.columns)
    summary = ReadSummary()
    if (snapshot := session.snapshot()) is not None:
        summary.snapshot_xmin, summary.snapshot_xmax = snapshot
    if spec.cursor is None:
        return summary, [statements.rows(table.source, columns, limit=request.limit)]
    cut = Cut(column=table.wanted([spec.cursor.column])[0], request=request, zone=session.zone)
    summary.is_exact = True
    key = table.wanted(spec.key)
    summary.sums_keys = spec.cursor.deletes and sums_keys(session.dialect, key)
    if request.is_last or request.ordered_from is not None:
        counts = statements.counts(
            table.source, cut.column, key=key, high=request.high,
            zone=session.zone, inside=cut.conditions,
        )  # fmt: skip
        found, without, *rest = session.row(counts)
        past, below = rest or (0, None)
        if request.is_last:
            summary.null_cursor, summary.future_cursor = without, past
            summary.source_rows = below if spec.cursor.deletes else None
        if not found:
            return summary, []
        if cut.is_ordered(found):
            summary.is_ordered = True
            return summary, cut.ordered(table.source, columns, has_outside=without + past > 0)
    rows = statements.rows(table.source, columns, where=cut.conditions, limit=request.limit)
    return summary, [rows]


def _demand_number(cursor: Cursor, column: SourceColumn) -> None:
    if column.cursor not in {"integer", "numeric"}:
        message = (
            f"cursor {column.name!r} is {column.type}: `unit: {cursor.unit}` is for a column of "
            "numbers; leave it out"
        )
        raise ConfigError(message)


def _clock_bound(cursor: Cursor, column: SourceColumn, *, now: datetime, zone: str) -> CursorValue:
    if column.cursor == "timestamptz":
        return now
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if column.cursor == "timestamp":
        return local
    reread = isinstance(cursor.late_window, timedelta) and cursor.late_window >= timedelta(days=1)
    today: date = local.date()
    return today + timedelta(days=1) if reread else today


def _next_after(column: SourceColumn, highest: str | None) -> CursorValue | None:
    if highest is None:
        return None
    if column.cursor in {"integer", "numeric"}:
        return int(highest.partition(".")[0]) + 1
    if column.cursor == "text":
        return highest + BEHIND
    message = f"column {column.name!r} is {column.type}: it can't be a cursor"
    raise ConfigError(message)
