"""SQLite through the driver of the standard library; the statements are SQLAlchemy's.

Not ADBC: its SQLite driver types a column by the first batch and fails on the first value of
another kind (3,000 NULLs, then a text). Here the declaration decides (see `connectors.sql.types`).
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from connectors.protocol import Candidate
from connectors.registry import SqlOptions, SqlStream
from connectors.sql import statements
from connectors.sql.listing import inspected
from connectors.sql.statements import Statement
from connectors.sql.types import SourceColumn, sqlite_column
from connectors.sql.values import bad_values, delivered_schema
from schemas.errors import ConfigError, SourceError, TransientSourceError

_dialect = pysqlite.dialect()
_ERRORS = (SQLAlchemyError, sqlite3.Error)
_INSTRUCTIONS_BETWEEN_LOOKS = 50_000
_NAMED = re.compile(r"no such (table|column|function): ([\w.\" ]+)")
_SAID: tuple[tuple[str, type[SourceError], str], ...] = (
    ("locked|busy", TransientSourceError, "another program holds the database locked"),
    (
        "interrupted",
        TransientSourceError,
        "the statement took too long; raise `statement_timeout` or read less",
    ),
    ("not a database|malformed", SourceError, "the file is no SQLite database, or is damaged"),
    ("readonly|read-only", SourceError, "the statement tried to write; sources are only read"),
    ("unable to open", SourceError, "the file can't be opened; check its permissions"),
)
_INT64 = range(-(2**63), 2**63)


class SqliteDatabase:
    """One SQLite file, opened read-only."""

    def __init__(
        self, url: str, options: SqlOptions, *, timezone: str | None, base: Path | None
    ) -> None:
        path = unquote(url.partition("://")[2].partition("?")[0])
        if not path.startswith("/") or not path[1:]:
            message = (
                "connector sql: a SQLite URL is sqlite:///relative.db or sqlite:////full/path.db"
            )
            raise ConfigError(message)
        self._path = (base or Path.cwd()) / path[1:]
        self._options = options
        self._zone = timezone or "UTC"

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=ro",
            uri=True,
            timeout=self._options.connect_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        # Bytes that are no UTF-8 become lone surrogates, which Arrow refuses and we then report;
        # sqlite3 itself would put the value into its error.
        connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        connection.execute("PRAGMA query_only = ON")
        return connection

    def close(self) -> None:
        """See `Database.close`: nothing stays open."""

    @contextmanager
    def session(self, where: str) -> Iterator[SqliteSession]:
        """See `Database.session`."""
        if not self._path.is_file():
            message = f"{where}: there is no database file {self._path.name!r}; check its path"
            raise SourceError(message)
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(closing(self._connect()))
                connection.execute("BEGIN")
            except _ERRORS as error:
                raise _translated(where, error) from None
            yield SqliteSession(
                connection, self._connect, where=where, zone=self._zone,
                seconds=self._options.statement_timeout,
            )  # fmt: skip


class SqliteSession:
    """A `Session`: one read transaction."""

    dialect = "sqlite"
    sees_one_moment = True

    def __init__(
        self,
        connection: sqlite3.Connection,
        connect: Callable[[], sqlite3.Connection],
        *,
        where: str,
        zone: str,
        seconds: float,
    ) -> None:
        self.zone = zone
        self.is_reading = False
        self._connection = connection
        self._connect = connect
        self._where = where
        self._seconds = seconds

    def describe(self, stream: SqlStream, source: sa.FromClause) -> tuple[SourceColumn, ...]:
        """See `Session.describe`. Columns of a query have no declaration: they are text."""
        with self._errors():
            result = self._executed(statements.everything(source))
            names = [name for name, *_ in result.description]
            declared: dict[str, str] = {}
            if stream.table is not None and isinstance(source, sa.TableClause):
                declared = dict(self._executed(_declarations(source)).fetchall())
        return tuple(sqlite_column(name, declared.get(name, "")) for name in names)

    def tables(self, *, schema: str | None) -> tuple[Candidate, ...]:
        """See `Session.tables`."""
        with self._errors():
            engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
            with engine.connect() as connection:
                return tuple(inspected(connection, schema=schema))

    def row(self, statement: Statement) -> tuple[Any, ...]:
        """See `Session.row`."""
        with self._errors():
            self._limit_time()
            found = self._executed(statement).fetchone()
        return tuple(found) if found is not None else ()

    def stream(
        self, statement: Statement, columns: Sequence[SourceColumn], *, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """See `Session.stream`."""
        with self._errors():
            self._limit_time()
            result = self._executed(statement)
        self.is_reading = True
        return self._batches(result, columns, batch_rows)

    def _batches(
        self, result: sqlite3.Cursor, columns: Sequence[SourceColumn], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        while True:
            with self._errors():
                rows = result.fetchmany(batch_rows)
            if not rows:
                self.is_reading = False
                return
            yield _deliver(rows, columns)

    def now(self) -> datetime | None:
        """See `Session.now`: SQLite keeps times as texts or numbers."""
        return None

    def snapshot(self) -> tuple[int, int] | None:
        """See `Session.snapshot`."""
        return None

    def notes(self, stream: SqlStream, source: sa.FromClause) -> tuple[str, ...]:
        """See `Session.notes`."""
        if stream.table is None or not isinstance(source, sa.TableClause):
            return ("columns of a query have no declared type: they are read as text",)
        statement = (
            statements.selected(sa.column("name"))
            .select_from(sa.func.pragma_table_info(source.name))
            .where(sa.column("pk") > 0)
            .order_by(sa.column("pk"))
        )
        with self._errors():
            names = [name for (name,) in self._executed(statement)]
        return (f"primary key: {', '.join(names)}" if names else "no primary key",)

    def _limit_time(self) -> None:
        """Has SQLite give up once the statement's time is over."""
        deadline = time.monotonic() + self._seconds
        self._connection.set_progress_handler(
            lambda: time.monotonic() > deadline, _INSTRUCTIONS_BETWEEN_LOOKS
        )

    def _executed(self, statement: Statement) -> sqlite3.Cursor:
        return self._connection.execute(*_compiled(statement))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise _translated(self._where, error) from None


@lru_cache(maxsize=1_024)
def _declarations(table: sa.TableClause) -> Statement:
    """Names and declared types of a table's columns, generated ones too."""
    pragma = statements.selected(sa.column("name"), sa.column("type"))
    return pragma.select_from(sa.func.pragma_table_xinfo(table.name))


@lru_cache(maxsize=256)
def _compiled(statement: Statement) -> tuple[str, tuple[Any, ...]]:
    """The SQL of a statement and its values; of one that was compiled before, as it was."""
    made = statement.compile(dialect=_dialect, compile_kwargs={"render_postcompile": True})
    values = made.construct_params()
    return str(made), tuple(values[name] for name in made.positiontup or ())


def _translated(where: str, error: Exception) -> SourceError:
    """Our error for SQLite's; of its text only the names of tables and columns are kept."""
    text = str(getattr(error, "orig", None) or error)
    if named := _NAMED.search(text):
        sentence = f"there is no {named[1]} {named[2]!r}; compare with the database"
        return SourceError(f"{where}: {sentence}")
    for pattern, kind, sentence in _SAID:
        if re.search(pattern, text):
            return kind(f"{where}: {sentence}")
    return SourceError(f"{where}: SQLite refused the statement; `query:` must be one SELECT")


def _deliver(rows: Sequence[Any], columns: Sequence[SourceColumn]) -> pa.RecordBatch:
    arrays: list[pa.Array] = []
    bad: dict[str, pa.Array] = {}
    for values, column in zip(zip(*rows, strict=True), columns, strict=True):
        array, wrong = _column(values, column.arrow)
        arrays.append(array)
        if wrong is not None:
            bad[column.name] = wrong
    arrays.append(bad_values(bad, len(rows)))
    return pa.RecordBatch.from_arrays(arrays, schema=delivered_schema(columns))


def _column(values: Sequence[Any], kind: pa.DataType) -> tuple[pa.Array, pa.Array | None]:
    """A column of the type, the common case without a look at each value."""
    kinds = set(map(type, values))
    expected = {"int64": int, "double": float, "string": str}[str(kind)]
    if kinds <= {expected, type(None)}:
        try:
            return pa.array(values, kind), None
        except (UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
            kinds.add(bytes)  # some value doesn't fit: look at each
    convert = {"int64": _whole, "double": _real, "string": _text}[str(kind)]
    converted = [convert(value) for value in values]
    array = pa.array(converted, kind)
    wrong = [new is None and old is not None for new, old in zip(converted, values, strict=True)]
    return array, (pa.array(wrong, pa.bool_()) if any(wrong) else None)


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and value in _INT64 else None


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.hex()
    if value is None:
        return None
    text = str(value)  # int and float: the shortest form that reads back the same
    return text if _is_unicode(text) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
