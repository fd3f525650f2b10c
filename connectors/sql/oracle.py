"""Oracle through python-oracledb in its thin mode (`pip install 'lienthong[oracle]'`).

Compiled and checked against the dialect; not run against a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from connectors.registry import SqlOptions, SqlStream
from connectors.sql import statements
from connectors.sql.casts import applied
from connectors.sql.cursors import CursorSession, demand_driver, parsed_url, translated
from connectors.sql.errors import oracle_error
from connectors.sql.statements import Statement
from connectors.sql.types import SourceColumn
from connectors.sql.types_vendors import oracle_column


class OracleDatabase:
    """One Oracle database, opened read-only."""

    def __init__(self, url: str, options: SqlOptions, *, timezone: str | None) -> None:
        demand_driver("oracledb", extra="oracle", database="Oracle")
        self._options = options
        self._zone = timezone or "UTC"
        self._engine = sa.create_engine(
            parsed_url(url, driver="oracle+oracledb"),
            poolclass=NullPool,
            connect_args={"tcp_connect_timeout": float(options.connect_timeout)},
        )

    def close(self) -> None:
        """See `Database.close`."""
        self._engine.dispose()

    @contextmanager
    def session(self, where: str) -> Iterator[OracleSession]:
        """See `Database.session`."""
        with translated(where, oracle_error):
            connection = self._engine.connect()
        with connection:
            with translated(where, oracle_error):
                raw: Any = connection.connection.dbapi_connection
                raw.call_timeout = self._options.statement_timeout * 1000  # of one round trip
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield OracleSession(connection, where=where, zone=self._zone, translate=oracle_error)


class OracleSession(CursorSession):
    """A `Session`: one read-only transaction, which sees the rows of its start."""

    dialect = "oracle"

    def describe(self, stream: SqlStream, source: sa.FromClause) -> tuple[SourceColumn, ...]:
        """See `Session.describe`."""
        del stream
        with self._errors():
            result = self._connection.execute(statements.everything(source))
            description: Any = getattr(result.cursor, "description", None) or ()
            columns = tuple(
                oracle_column(
                    name, kind.name.removeprefix("DB_TYPE_"), precision=precision, scale=scale
                )
                for name, kind, _, _, precision, scale, *_ in description
            )
            result.close()
        return columns

    def now(self) -> datetime | None:
        """See `Session.now`."""
        (text,) = self.row(clock())
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)

    def notes(self, stream: SqlStream, source: sa.FromClause) -> tuple[str, ...]:
        """See `Session.notes`."""
        del stream, source
        return (
            f"times without a zone are read as {self.zone}",
            "names that were created without quotes are in capital letters",
        )


def clock() -> Statement:
    """The server's clock in UTC, as ISO 8601 text."""
    now = applied(sa.literal_column("SYSTIMESTAMP"), "stamp_utc_text", name="now")
    return statements.selected(now.label("now"))
