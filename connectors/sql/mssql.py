"""SQL Server through pymssql (`pip install 'lienthong[mssql]'`).

Compiled and checked against the dialect; not run against a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.pool import NullPool

from connectors.registry import SqlOptions, SqlStream
from connectors.sql import statements
from connectors.sql.casts import applied
from connectors.sql.cursors import CursorSession, demand_driver, parsed_url, translated
from connectors.sql.errors import mssql_error
from connectors.sql.queries import SQL_SERVER
from connectors.sql.statements import Statement
from connectors.sql.types import SourceColumn
from connectors.sql.types_vendors import mssql_column

_DIALECT = mssql.dialect()  # type: ignore[no-untyped-call]
_MICROSECONDS = mssql.DATETIME2(6)  # type: ignore[no-untyped-call]


class MssqlDatabase:
    """One SQL Server database, opened with the intent to read."""

    def __init__(self, url: str, options: SqlOptions, *, timezone: str | None) -> None:
        demand_driver("pymssql", extra="mssql", database="SQL Server")
        self._options = options
        self._zone = timezone or "UTC"
        self._engine = sa.create_engine(
            parsed_url(url, driver="mssql+pymssql"),
            poolclass=NullPool,
            connect_args={
                "login_timeout": options.connect_timeout,
                "timeout": options.statement_timeout,
                "appname": "lienthong",
                "read_only": True,
            },
        )

    def close(self) -> None:
        """See `Database.close`."""
        self._engine.dispose()

    @contextmanager
    def session(self, where: str) -> Iterator[MssqlSession]:
        """See `Database.session`."""
        with translated(where, mssql_error):
            connection = self._engine.connect()
        with connection:
            yield MssqlSession(connection, where=where, zone=self._zone, translate=mssql_error)


class MssqlSession(CursorSession):
    """A `Session`. SQL Server has no read-only transaction: every statement is one SELECT."""

    dialect = SQL_SERVER

    def describe(self, stream: SqlStream, source: sa.FromClause) -> tuple[SourceColumn, ...]:
        """See `Session.describe`."""
        del stream
        with self._errors():
            rows = [tuple(row) for row in self._connection.execute(described(source))]
        if any(error is not None for _, _, error in rows):
            with self._errors():  # the statement itself says by a number what is wrong
                self._connection.execute(statements.everything(source)).close()
        return tuple(mssql_column(name, words or "") for name, words, _ in rows)

    def now(self) -> datetime | None:
        """See `Session.now`."""
        (text,) = self.row(clock())
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    def notes(self, stream: SqlStream, source: sa.FromClause) -> tuple[str, ...]:
        """See `Session.notes`."""
        del stream, source
        return (f"times without an offset are read as {self.zone}",)


def described(source: sa.FromClause) -> Statement:
    """Name, type and error of every column, as SQL Server would deliver them."""
    everything = statements.everything(source)
    text = str(everything.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    result = sa.func.sys.dm_exec_describe_first_result_set(
        sa.literal(text, sa.Unicode()), sa.null(), sa.literal_column("0")
    ).table_valued("name", "system_type_name", "error_number", "column_ordinal", "is_hidden")
    return (
        statements.selected(result.c.name, result.c.system_type_name, result.c.error_number)
        .where(result.c.is_hidden == sa.literal_column("0"))
        .order_by(result.c.column_ordinal)
    )


def clock() -> Statement:
    """The server's clock in UTC, as ISO 8601 text."""
    now = sa.cast(sa.func.sysutcdatetime(), _MICROSECONDS)
    return statements.selected(applied(now, "iso", name="now").label("now"))
