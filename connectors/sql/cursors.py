"""Databases read through a streaming SQLAlchemy cursor: what their sessions have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from connectors.protocol import Candidate
from connectors.sql.arrays import delivered
from connectors.sql.listing import inspected
from connectors.sql.statements import Statement
from connectors.sql.types import SourceColumn
from schemas.errors import ConfigError

Translate = Callable[[str, BaseException], Exception]


class CursorSession:
    """One read-only transaction, and the statements in it.

    Attributes:
        dialect: As sqlglot names it.
        zone: IANA zone of times that carry none.
        is_reading: A result is open whose end wasn't reached.
    """

    dialect: str
    sees_one_moment = False  # the clock may be read behind the moment that the rows are seen at

    def __init__(
        self, connection: sa.Connection, *, where: str, zone: str, translate: Translate
    ) -> None:
        self.zone = zone
        self.is_reading = False
        self._cursor: Any = None
        self._connection = connection
        self._where = where
        self._translate = translate

    def tables(self, *, schema: str | None) -> tuple[Candidate, ...]:
        """See `Session.tables`."""
        with self._errors():
            return tuple(inspected(self._connection, schema=schema))

    def row(self, statement: Statement) -> tuple[Any, ...]:
        """See `Session.row`."""
        with self._errors():
            found = self._connection.execute(statement).first()
        return tuple(found) if found is not None else ()

    def stream(
        self, statement: Statement, columns: Sequence[SourceColumn], *, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """See `Session.stream`."""
        with self._errors():
            result = self._connection.execute(statement)
        self._cursor = result.cursor
        self.is_reading = True
        return self._batches(iter(result.partitions(batch_rows)), columns)

    def _batches(
        self, parts: Iterator[Sequence[sa.Row[Any]]], columns: Sequence[SourceColumn]
    ) -> Iterator[pa.RecordBatch]:
        while True:
            with self._errors():
                rows = next(parts, None)
            if rows is None:
                self.is_reading = False
                return
            yield delivered(rows, columns)

    def snapshot(self) -> tuple[int, int] | None:
        """See `Session.snapshot`: only PostgreSQL tells."""
        return None

    def hang_up(self) -> None:
        """Gives up the connection in the middle of a result, instead of reading it to its end."""
        if not self._connection.invalidated:
            self._connection.invalidate()
        if self._cursor is not None:
            self._cursor.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with translated(self._where, self._translate):
            yield


@contextmanager
def translated(where: str, translate: Translate) -> Iterator[None]:
    """Turns what a driver or SQLAlchemy raises into our error, and keeps nothing of its text."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise translate(where, error) from None


def parsed_url(url: str, *, driver: str) -> URL:
    """The URL for a driver.

    Raises:
        ConfigError: It is no URL. Nothing of it is shown.
    """
    try:
        return make_url(url).set(drivername=driver)
    except (SQLAlchemyError, ValueError):
        message = (
            "connector sql: the URL can't be read; expected scheme://user:password@host:port/name "
            "(in a password, write % as %25, @ as %40, / as %2F)"
        )
    raise ConfigError(message)


def demand_driver(module: str, *, extra: str, database: str) -> None:
    """Makes sure that a driver is there.

    Raises:
        ConfigError: It isn't; it names the extra that brings it.
    """
    if find_spec(module) is None:
        message = (
            f"connector sql: {database} needs the driver {module}, which isn't installed: "
            f"pip install 'lienthong[{extra}]'"
        )
        raise ConfigError(message)
