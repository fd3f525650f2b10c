"""What a database has to offer to be read: the seam between the connector and its dialects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from connectors.protocol import Candidate
from connectors.registry import SqlStream
from connectors.sql.statements import Statement
from connectors.sql.types import SourceColumn


class Session(Protocol):
    """One read-only connection in one transaction: all of its statements see the same rows."""

    dialect: str  # as sqlglot names it
    zone: str  # IANA zone of times that carry none
    is_reading: bool  # a result was begun whose end wasn't reached
    sees_one_moment: bool  # every statement sees the same rows: no older ones than `now` says

    def describe(self, stream: SqlStream, source: sa.FromClause) -> tuple[SourceColumn, ...]:
        """Every column of the table, view or query, in order."""
        ...

    def tables(self, *, schema: str | None) -> tuple[Candidate, ...]:
        """The tables and views that the role may read; only those of a schema, if one is given."""
        ...

    def row(self, statement: Statement) -> tuple[Any, ...]:
        """The first row of a small statement."""
        ...

    def stream(
        self, statement: Statement, columns: Sequence[SourceColumn], *, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Starts the statement now and yields its rows as delivered, in bounded batches."""
        ...

    def now(self) -> datetime | None:
        """The database's clock (UTC), or None where time cursors aren't compared as times."""
        ...

    def snapshot(self) -> tuple[int, int] | None:
        """Oldest transaction still open and first id not given out, where there are such."""
        ...

    def notes(self, stream: SqlStream, source: sa.FromClause) -> tuple[str, ...]:
        """Sentences for `check`."""
        ...


class Database(Protocol):
    """A database that sessions are opened on."""

    def session(self, where: str) -> AbstractContextManager[Session]:
        """Opens a session; `where` begins every error it raises."""
        ...

    def close(self) -> None:
        """Gives back what it keeps between two sessions."""
        ...
