"""A session that was begun for a stream, and the stream's table as the session describes it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import sqlalchemy as sa

from connectors.protocol import StreamSpec, missing_columns
from connectors.registry import SqlOptions, SqlStream
from connectors.sql import statements
from connectors.sql.session import Session
from connectors.sql.types import SourceColumn
from schemas.errors import ConfigError, ContractError


@dataclass(frozen=True)
class Begun:
    """A session, and the table of a stream as it describes it."""

    spec: StreamSpec
    stack: ExitStack
    session: Session
    table: Table

    def kept(self) -> Begun:
        """The same, which outlives the `with` that it was begun in."""
        return replace(self, stack=self.stack.pop_all())

    def goes_on(self, spec: StreamSpec) -> bool:
        """Whether more of a stream can be asked in it, of the moment of what was asked before."""
        session = self.session
        return self.spec == spec and session.sees_one_moment and not session.is_reading


class Table:
    """What a stream reads, described by the session."""

    def __init__(self, spec: StreamSpec, session: Session, options: SqlOptions) -> None:
        if not isinstance(spec.options, SqlStream):
            message = f"{where(spec)}: its options aren't those of an sql stream"
            raise ConfigError(message)
        self.stream: SqlStream = spec.options
        self.source: sa.FromClause = statements.source_of(
            self.stream, default_schema=options.default_schema, dialect=session.dialect
        )
        self.columns = session.describe(self.stream, self.source)
        self._where = where(spec)

    def wanted(self, names: Sequence[str]) -> tuple[SourceColumn, ...]:
        """The columns of those names.

        Raises:
            ContractError: One isn't there (with the nearest that is), or stands there twice.
        """
        found = [column.name for column in self.columns]
        if missing := missing_columns(names, found):
            raise ContractError(
                f"{self._where}: {_missing(missing, found)}",
                missing=missing,
                found={column.name: column.type for column in self.columns},
            )
        if twice := [name for name in names if found.count(name) > 1]:
            message = f"{self._where}: column {twice[0]!r} stands there twice; name it in `query:`"
            raise ContractError(message)
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in names)


def _missing(missing: Sequence[str], found: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in found}
    said = []
    for name in missing:
        near = difflib.get_close_matches(name.casefold(), folded, n=1)
        said.append(f"{name!r}" + (f" (there is {folded[near[0]]!r})" if near else ""))
    return f"no column {', '.join(said)}; has the office renamed it? Adapt the YAML"


def where(spec: StreamSpec) -> str:
    """What every error about a stream begins with."""
    table = getattr(spec.options, "table", None)
    return f"stream {spec.name!r}, " + (f"table {table!r}" if table else "query")
