"""MariaDB and MySQL through PyMySQL's unbuffered cursor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import SSCursor
from sqlalchemy.pool import NullPool

from connectors.registry import SqlOptions, SqlStream
from connectors.sql import statements
from connectors.sql.cursors import CursorSession, parsed_url, translated
from connectors.sql.errors import mysql_error
from connectors.sql.types import SourceColumn
from connectors.sql.types_mysql import mysql_column

_SPARE_SECONDS = 30  # the server gives a statement up by itself before the client does
# Everything but whole and floating numbers stays the text that the server wrote.
_NUMBERS: dict[int, type] = {
    FIELD_TYPE.TINY: int, FIELD_TYPE.SHORT: int, FIELD_TYPE.INT24: int, FIELD_TYPE.LONG: int,
    FIELD_TYPE.LONGLONG: int, FIELD_TYPE.YEAR: int, FIELD_TYPE.FLOAT: float,
    FIELD_TYPE.DOUBLE: float,
}  # fmt: skip
_CONVERSIONS: dict[Any, Any] = {
    **{kind: encode for kind, encode in conversions.items() if not isinstance(kind, int)},
    **_NUMBERS,
}


class _Cursor(SSCursor):  # type: ignore[misc]
    """PyMySQL's unbuffered cursor, which has nothing to read to its end once it was hung up."""

    connection: Any

    def close(self) -> None:
        if self.connection is not None and not self.connection.open:
            if self._result is not None:
                self._result.unbuffered_active = False
            self.connection = None
        super().close()

    __del__ = close


class MysqlDatabase:
    """One MariaDB or MySQL database, opened read-only."""

    def __init__(self, url: str, options: SqlOptions, *, timezone: str | None) -> None:
        self._options = options
        self._zone = timezone or "UTC"
        self._engine = sa.create_engine(
            parsed_url(url, driver="mysql+pymysql"),
            poolclass=NullPool,
            connect_args={
                "charset": "utf8mb4",
                "connect_timeout": options.connect_timeout,
                "read_timeout": options.connect_timeout,  # of the greeting; see `_begin`
                "conv": _CONVERSIONS,
                "cursorclass": _Cursor,
                "program_name": "lienthong",
            },
        )

    def close(self) -> None:
        """See `Database.close`."""
        self._engine.dispose()

    @contextmanager
    def session(self, where: str) -> Iterator[MysqlSession]:
        """See `Database.session`."""
        with translated(where, mysql_error):
            connection = self._engine.connect()
        with connection:
            with translated(where, mysql_error):
                self._begin(connection)
            session = MysqlSession(connection, where=where, zone=self._zone, translate=mysql_error)
            try:
                yield session
            finally:
                if session.is_reading:
                    session.hang_up()

    def _begin(self, connection: sa.Connection) -> None:
        """Starts the one transaction: read-only, a consistent snapshot, times in UTC."""
        seconds = self._options.statement_timeout
        raw: Any = connection.connection.dbapi_connection
        raw._read_timeout = seconds + _SPARE_SECONDS
        limit = (
            f"max_statement_time = {seconds}"
            if getattr(connection.dialect, "is_mariadb", False)
            else f"max_execution_time = {seconds * 1000}"
        )
        # An empty mode: a comparison with a zero date is no error. The server waits while landing
        # writes a batch.
        connection.exec_driver_sql(
            "SET SESSION time_zone = '+00:00', sql_mode = '', "
            f"net_write_timeout = {seconds}, {limit}"
        )
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


class MysqlSession(CursorSession):
    """A `Session`: one read-only transaction."""

    dialect = "mysql"

    def describe(self, stream: SqlStream, source: sa.FromClause) -> tuple[SourceColumn, ...]:
        """See `Session.describe`."""
        del stream
        with self._errors():
            result = self._connection.execute(statements.everything(source))
            # DB-API's description has no flags: unsigned, and which bytes are text, are only here.
            fields = getattr(getattr(result.cursor, "_result", None), "fields", ())
            columns = tuple(mysql_column(field) for field in fields)
            result.close()
        return columns

    def now(self) -> datetime | None:
        """See `Session.now`."""
        (text,) = self.row(statements.selected(sa.func.utc_timestamp(sa.literal_column("6"))))
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    def notes(self, stream: SqlStream, source: sa.FromClause) -> tuple[str, ...]:
        """See `Session.notes`."""
        version, zone = self.row(
            statements.selected(
                sa.func.version(), sa.literal_column("@@GLOBAL.time_zone").label("zone")
            )
        )
        said = [f"server: {version}, time zone {zone}", f"datetime is read as {self.zone}"]
        if stream.table is not None and isinstance(source, sa.TableClause):
            said.append(self._primary_key(source))
        return tuple(said)

    def _primary_key(self, table: sa.TableClause) -> str:
        names = ("table_schema", "table_name", "column_name", "column_key", "ordinal_position")
        known = sa.table("columns", *map(sa.column, names), schema="information_schema")
        statement = (
            statements.selected(known.c.column_name)
            .where(
                known.c.table_schema == (table.schema or sa.func.database()),
                known.c.table_name == table.name,
                known.c.column_key == "PRI",
            )
            .order_by(known.c.ordinal_position)
        )
        with self._errors():
            found = [name for (name,) in self._connection.execute(statement)]
        return f"primary key: {', '.join(found)}" if found else "no primary key (a view has none)"
