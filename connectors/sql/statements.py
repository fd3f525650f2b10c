"""Every statement that a database is asked, built by SQLAlchemy Core.

Columns are named without their table because each statement reads from exactly one thing: a table
or view, or the YAML's `query:` as a subquery (which is also what keeps it to one SELECT).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mssql, oracle
from sqlalchemy.sql import quoted_name

from connectors.protocol import CursorValue
from connectors.registry import SqlStream
from connectors.sql.bounds import BEHIND, bound, first_carried
from connectors.sql.casts import applied
from connectors.sql.queries import from_query
from connectors.sql.types import SourceColumn
from schemas.errors import ConfigError

Statement = sa.Select[Any]

_KEPT = 1_024
"""Statements without a value that are kept, so that they are built and compiled once: many offices
run the same system, with the same tables."""

_NAME_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')

_TEXT = (
    sa.Text()
    .with_variant(mssql.NVARCHAR(4000), "mssql")
    .with_variant(oracle.VARCHAR2(4000), "oracle")
)


def split_name(table: str) -> tuple[str | None, str]:
    """Schema (or None) and name of a `table:` entry; double quotes keep a dot in a name.

    Raises:
        ConfigError: It has more than two parts, or a quote that isn't closed.
    """
    parts: list[str] = []
    position = 0
    while match := _NAME_PART.match(table, position):
        parts.append(match[1].replace('""', '"') if match[1] else match[2].strip())
        position = match.end()
        if table[position : position + 1] != ".":
            break
        position += 1
    if position != len(table) or len(parts) not in {1, 2} or not all(parts):
        message = f'table: {table!r} is no name; expected name, schema.name or "odd.name"'
        raise ConfigError(message)
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


@lru_cache(maxsize=_KEPT)
def source_of(stream: SqlStream, *, default_schema: str | None, dialect: str) -> sa.FromClause:
    """The table, view or query that a stream reads.

    Args:
        stream: The stream's options.
        default_schema: Schema of a table named without one.
        dialect: The database's, as sqlglot names it.
    """
    if stream.table is not None:
        schema, name = split_name(stream.table)
        return sa.table(name, schema=schema or default_schema)
    return from_query(stream.query or "", dialect=dialect)


def selected(*columns: sa.ColumnElement[Any]) -> Statement:
    """`sa.select` without the types of its columns, which nobody here uses."""
    statement: Statement = sa.select(*columns)
    return statement


@lru_cache(maxsize=_KEPT)
def everything(source: sa.FromClause) -> Statement:
    """All columns and no row: what a driver describes the columns from."""
    return sa.select(sa.literal_column("*")).select_from(source).limit(0)


def rows(
    source: sa.FromClause,
    columns: Sequence[SourceColumn],
    *,
    where: Sequence[sa.ColumnElement[bool]] = (),
    limit: int | None = None,
    order: SourceColumn | None = None,
) -> Statement:
    """The columns as they are delivered, under their own names; in the order of one of them."""
    statement = sa.select(*[_delivered(column) for column in columns]).select_from(source)
    if order is not None:
        statement = statement.order_by(_of_source(order, source))
    return statement.where(*where).limit(limit)


def _of_source(column: SourceColumn, source: sa.FromClause) -> sa.ColumnElement[Any]:
    """The column with its table: an ORDER BY would take the bare name for what is delivered."""
    named: sa.ColumnClause[Any] = sa.column(quoted_name(column.name, quote=True))
    named.table = source
    return named


def raw(column: SourceColumn) -> sa.ColumnElement[Any]:
    """The column under exactly its name: unquoted, Oracle would fold it."""
    return sa.column(quoted_name(column.name, quote=True))


def _delivered(column: SourceColumn) -> sa.ColumnElement[Any]:
    bare = raw(column)
    if column.cast == "none":
        return bare
    return applied(bare, column.cast, name=column.name).label(quoted_name(column.name, quote=True))


def at_least(column: SourceColumn, low: CursorValue, zone: str) -> sa.ColumnElement[bool]:
    """Cursor >= low; > where that is the place just behind a text."""
    if isinstance(low, str) and low.endswith(BEHIND):
        return raw(column) > bound(column, low.removesuffix(BEHIND), zone)
    return raw(column) >= bound(column, low, zone)


def below(column: SourceColumn, high: CursorValue, zone: str) -> sa.ColumnElement[bool]:
    """Cursor < high; <= where that is the place just behind a text."""
    if isinstance(high, str) and high.endswith(BEHIND):
        return raw(column) <= bound(column, high.removesuffix(BEHIND), zone)
    return raw(column) < bound(column, high, zone)


def without(column: SourceColumn) -> sa.ColumnElement[bool]:
    """The cursor has no value, or none that is carried: its row lies in no interval."""
    cursor = raw(column)
    none: sa.ColumnElement[bool] = cursor.is_(None)
    first = first_carried(column)
    return none if first is None else sa.or_(none, cursor < first)


def counted(source: sa.FromClause, where: Sequence[sa.ColumnElement[bool]]) -> Statement:
    """How many rows there are of those."""
    return selected(sa.func.count().label("found")).select_from(source).where(*where)


def counts(
    source: sa.FromClause,
    column: SourceColumn,
    *,
    key: Sequence[SourceColumn],
    high: CursorValue | None,
    zone: str,
    inside: Sequence[sa.ColumnElement[bool]] = (),
) -> Statement:
    """One row, from one scan: rows `inside`, without a cursor, at or past `high`, below `high`.

    Nothing limits what is inside where no condition is given. Of the rows below `high` those with
    a key count: they are held against landed keys, and counting a row with a null in its key would
    hide a deletion.

    A time before the first year that is carried lands as null, so it counts as no cursor: the
    `-infinity` of PostgreSQL, the zero date of MariaDB.
    """
    none = without(column)
    conditions = [none]
    if high is not None:
        keyed = [raw(part).is_not(None) for part in key]
        is_below = sa.and_(sa.not_(none), below(column, high, zone), *keyed)
        conditions += [at_least(column, high, zone), is_below]
    found: list[sa.ColumnElement[Any]] = [sa.func.count()]
    if inside:
        found = [sa.func.count(sa.case((sa.and_(*inside), 1)))]
    found += [sa.func.count(sa.case((condition, 1))) for condition in conditions]
    labels = ("inside", "without", "past", "below")
    named = [count.label(name) for count, name in zip(found, labels, strict=False)]
    return selected(*named).select_from(source)


def is_number(column: SourceColumn, *, dialect: str) -> sa.ColumnElement[bool] | None:
    """The value is a number to count from: PostgreSQL has NaN, SQLite keeps texts among numbers.

    None for a cursor of something else, and where a number can be nothing else.
    """
    cursor = raw(column)
    if column.cursor not in {"integer", "numeric"}:
        return None
    if dialect == "sqlite":
        inside = cursor.between(sa.literal_column(str(-(2**63))), sa.literal_column(str(2**63 - 1)))
        return sa.and_(sa.func.typeof(cursor).in_(["integer", "real"]), inside)
    if dialect != "postgres" or column.cursor != "numeric":
        return None
    return sa.cast(cursor, _TEXT).not_in(["NaN", "Infinity", "-Infinity"])


@lru_cache(maxsize=_KEPT)
def highest(
    source: sa.FromClause, column: SourceColumn, *, numbers_of: str | None = None
) -> Statement:
    """The greatest cursor value, as text.

    Args:
        source: The rows.
        column: The cursor.
        numbers_of: The dialect, where only values count that `is_number`.
    """
    only = None if numbers_of is None else is_number(column, dialect=numbers_of)
    where = [] if only is None else [only]
    cursor = raw(column)
    if column.cast == "bigint":
        cursor = sa.cast(cursor, sa.BigInteger)
    found = sa.cast(sa.func.max(cursor), _TEXT)
    return selected(found.label("highest")).select_from(source).where(*where)
