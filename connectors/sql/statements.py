"""Every statement that a database is asked, built by SQLAlchemy Core.

Columns are named without their table because each statement reads from exactly one thing: a table
or view, or the YAML's `query:` as a subquery (which is also what keeps it to one SELECT).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connectors.protocol import CursorValue
from connectors.registry import SqlStream
from connectors.sql.types import CursorKind, SourceColumn
from schemas.errors import ConfigError

Statement = sa.Select[Any]

_NAME_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')

_BIND_TYPES: dict[CursorKind, sa.types.TypeEngine[Any]] = {
    "timestamptz": sa.DateTime(timezone=True),
    "timestamp": sa.DateTime(),
    "date": sa.Date(),
    "integer": sa.BigInteger(),
    "numeric": sa.Numeric(),
    "text": sa.Text(),
}


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


def source_of(stream: SqlStream, *, default_schema: str | None) -> sa.FromClause:
    """The table, view or subquery that a stream reads."""
    if stream.table is not None:
        schema, name = split_name(stream.table)
        return sa.table(name, schema=schema or default_schema)
    query = (stream.query or "").strip().rstrip(";").rstrip()
    return sa.text(query.replace(":", r"\:")).columns().subquery("stream")


def selected(*columns: sa.ColumnElement[Any]) -> Statement:
    """`sa.select` without the types of its columns, which nobody here uses."""
    statement: Statement = sa.select(*columns)
    return statement


def everything(source: sa.FromClause) -> Statement:
    """All columns and no row: what a driver describes the columns from."""
    return sa.select(sa.literal_column("*")).select_from(source).limit(0)


def rows(
    source: sa.FromClause,
    columns: Sequence[SourceColumn],
    *,
    where: Sequence[sa.ColumnElement[bool]] = (),
    limit: int | None = None,
) -> Statement:
    """The columns as they are delivered, under their own names."""
    statement = sa.select(*[_delivered(column) for column in columns]).select_from(source)
    return statement.where(*where).limit(limit)


def _delivered(column: SourceColumn) -> sa.ColumnElement[Any]:
    raw: sa.ColumnElement[Any] = sa.column(column.name)
    match column.cast:
        case "none":
            return raw
        case "bigint":
            raw = sa.cast(raw, sa.BigInteger)
        case "text":
            raw = sa.cast(raw, sa.Text)
        case "money":
            raw = sa.cast(sa.cast(raw, sa.Numeric), sa.Text)
        case "json":
            raw = sa.cast(sa.func.to_json(raw), sa.Text)
        case "hex":
            raw = sa.func.encode(raw, sa.literal_column("'hex'"))
    return raw.label(column.name)


def at_least(column: SourceColumn, low: CursorValue, zone: str) -> sa.ColumnElement[bool]:
    """Cursor >= low."""
    return sa.column(column.name) >= typed(column, low, zone)


def below(column: SourceColumn, high: CursorValue, zone: str) -> sa.ColumnElement[bool]:
    """Cursor < high."""
    return sa.column(column.name) < typed(column, high, zone)


def counts(
    source: sa.FromClause, column: SourceColumn, *, high: CursorValue | None, zone: str
) -> Statement:
    """One row, from one scan: rows without a cursor, at or past `high`, below `high`.

    PostgreSQL's `-infinity` is before every interval: it counts as no cursor.
    """
    cursor: sa.ColumnElement[Any] = sa.column(column.name)
    none: sa.ColumnElement[bool] = cursor.is_(None)
    if column.cursor in {"timestamptz", "timestamp", "date"}:
        kind = _BIND_TYPES[column.cursor]
        none = sa.or_(none, cursor == sa.cast(sa.literal_column("'-infinity'"), kind))
    conditions = [none]
    if high is not None:
        limit = typed(column, high, zone)
        conditions += [cursor >= limit, sa.and_(sa.not_(none), cursor < limit)]
    found = [sa.func.count(sa.case((condition, 1))) for condition in conditions]
    labels = ("without", "past", "below")
    named = [count.label(name) for count, name in zip(found, labels, strict=False)]
    return selected(*named).select_from(source)


def highest(source: sa.FromClause, column: SourceColumn) -> Statement:
    """The greatest cursor value, as text."""
    cursor: sa.ColumnElement[Any] = sa.column(column.name)
    found = sa.func.max(cursor)
    return sa.select(sa.cast(found, sa.Text).label("highest")).select_from(source)


def typed(column: SourceColumn, value: CursorValue, zone: str) -> sa.ColumnElement[Any]:
    """A cursor value as a bind of the cursor's own type (never text against a time).

    Raises:
        ConfigError: The value is of another kind than the column.
    """
    if column.cursor is None:
        message = f"column {column.name!r} is {column.type}: it can't be a cursor"
        raise ConfigError(message)
    kind = _BIND_TYPES[column.cursor]
    return sa.cast(sa.literal(_fitting(column, value, zone), kind), kind)


def _fitting(column: SourceColumn, value: CursorValue, zone: str) -> CursorValue:
    match column.cursor, value:
        case "timestamptz", datetime():
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        case "timestamp", datetime():
            return value.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if value.tzinfo else value
        case "date", datetime():
            return (value.astimezone(ZoneInfo(zone)) if value.tzinfo else value).date()
        case "timestamptz" | "timestamp", date():
            midnight = datetime(value.year, value.month, value.day, tzinfo=ZoneInfo(zone))
            return midnight if column.cursor == "timestamptz" else midnight.replace(tzinfo=None)
        case ("date", date()) | ("text", str()):
            return value
        case "integer" | "numeric", int():
            return value
        case _:
            kind = type(value).__name__
            message = f"cursor {column.name!r} is {column.type} but its bound is a {kind}"
            raise ConfigError(message)
