"""The bounds of an interval, typed as each database compares them rightly.

A time is never compared as a text of the client's making, and never in a type that rounds it: SQL
Server's driver cuts a bound to milliseconds, Oracle's to seconds, and a CAST of MariaDB to seconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from connectors.protocol import CursorValue
from connectors.sql.types import FIRST_YEAR, CursorKind, SourceColumn
from schemas.errors import ConfigError

BEHIND: Final = "\x01"
"""Ends a text that stands for the place just behind it, wherever its collation puts other texts.

No text could stand there itself: where blanks are filled up, in half of MariaDB's collations, there
are texts between 'B2' and any longer one that is sure to be greater.
"""

_TYPES: dict[CursorKind, sa.types.TypeEngine[Any]] = {
    "timestamptz": sa.DateTime(timezone=True),
    "timestamp": sa.DateTime(),
    "date": sa.Date(),
    "integer": sa.BigInteger(),
    "numeric": sa.Numeric(),
    "text": sa.Text(),
}
_MSSQL = {"timestamptz": "DATETIMEOFFSET(6)", "timestamp": "DATETIME2(6)", "date": "DATE"}
_ORACLE = {
    "timestamptz": ("TO_TIMESTAMP_TZ", "YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM"),
    "timestamp": ("TO_TIMESTAMP", "YYYY-MM-DD HH24:MI:SS.FF6"),
    "date": ("TO_DATE", "YYYY-MM-DD"),
}


class Bound(sa.ColumnElement[Any]):
    """A cursor value in a statement.

    Attributes:
        kind: How it is compared.
        value: The value, fitting the kind.
        bind: The same as a bind parameter.
    """

    inherit_cache = False

    def __init__(self, kind: CursorKind, value: CursorValue) -> None:
        self.kind = kind
        self.value = value
        self.type = _TYPES[kind]
        self.bind = sa.literal(value, self.type)


@compiles(Bound)
def _cast(element: Bound, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401
    return compiler.process(sa.cast(element.bind, element.type), **how)


@compiles(Bound, "mysql")
def _plain(element: Bound, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401
    """A literal takes the column's type and collation; a CAST of a time would lose its fraction."""
    return compiler.process(element.bind, **how)


@compiles(Bound, "mssql")
def _sql_server(element: Bound, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401
    kind = _MSSQL.get(element.kind)
    if kind is None:
        return compiler.process(element.bind, **how)
    return f"CAST('{_iso(element.value)}' AS {kind})"


@compiles(Bound, "oracle")
def _oracle(element: Bound, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401
    known = _ORACLE.get(element.kind)
    if known is None:
        return compiler.process(element.bind, **how)
    function, form = known
    text = _iso(element.value).replace("T", " ")
    if element.kind == "timestamptz":
        text = f"{text[:-6]} {text[-6:]}"
    return f"{function}('{text}', '{form}')"


def _iso(value: CursorValue) -> str:
    """A time as text; it holds digits and marks only."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    message = f"a bound of times is a {type(value).__name__}"
    raise ConfigError(message)


def bound(column: SourceColumn, value: CursorValue, zone: str) -> Bound:
    """A cursor value, of the cursor's own type.

    Args:
        column: The cursor.
        value: The bound.
        zone: IANA zone of times that carry none.

    Raises:
        ConfigError: The value is of another kind than the column.
    """
    if column.cursor is None:
        message = f"column {column.name!r} is {column.type}: it can't be a cursor"
        raise ConfigError(message)
    return Bound(column.cursor, _fitting(column, value, zone))


def first_carried(column: SourceColumn) -> Bound | None:
    """The first time that is carried at all; None for a cursor that is no time."""
    match column.cursor:
        case "date":
            return Bound("date", date(FIRST_YEAR, 1, 1))
        case "timestamp":
            return Bound("timestamp", datetime(FIRST_YEAR, 1, 1))  # noqa: DTZ001 - has no zone
        case "timestamptz":
            return Bound("timestamptz", datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
        case _:
            return None


def _fitting(column: SourceColumn, value: CursorValue, zone: str) -> CursorValue:
    match column.cursor, value:
        case "timestamptz", datetime():
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        case "timestamp", datetime():
            return value.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if value.tzinfo else value
        case "date", datetime():
            return (value.astimezone(ZoneInfo(zone)) if value.tzinfo else value).date()
        case "timestamptz" | "timestamp", date():
            midnight = datetime(value.year, value.month, value.day, tzinfo=ZoneInfo(zone))
            has_zone = column.cursor == "timestamptz"
            return midnight.astimezone(UTC) if has_zone else midnight.replace(tzinfo=None)
        case ("date", date()) | ("text", str()):
            return value
        case "integer" | "numeric", int():
            return value
        case _:
            kind = type(value).__name__
            message = f"cursor {column.name!r} is {column.type} but its bound is a {kind}"
            raise ConfigError(message)
