"""The hash of a row, as a database computes it itself.

The canonical form is the one of `warehouse.hashing`, letter by letter, over what a read would
deliver: MD5 over ``<length of name>:<name><length of value>:<value>`` of the columns with a value,
in the order of their names, lengths in bytes of UTF-8. What can't be carried (see
`connectors.sql.types`) has no value and is named in `_bad_values`, a column of its own. A form that
isn't equal costs a slot that is read for nothing; it never hides a difference of what is delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from connectors.sql.casts import applied
from connectors.sql.statements import raw
from connectors.sql.types import FIRST_YEAR, LAST_YEAR, SourceColumn

Column = sa.ColumnElement[Any]

_EMPTY: Column = sa.literal_column("''")
_HEX: Column = sa.literal_column("'hex'")
_LONG = "'2001-09-09 01:46:40+00'"  # 10^15 microseconds: from here on they have 16 digits
_MAX_SCALE = 6  # Arrow writes 0.0000001 as 1E-7
_BLANKS = " \t\n\r\x0b\x0c"
_UTF8MB4 = mysql.CHAR(charset="utf8mb4")
_TIMES: dict[str, tuple[str, str]] = {
    "postgres": ("{kind} '{year}-01-01{zone}'", "+00"),
    "mysql": ("'{year}-01-01'", ""),
}


@dataclass(frozen=True, kw_only=True)
class Value:
    """The canonical text of a column: NULL where nothing is delivered.

    Attributes:
        text: The text.
        bad: Where there is a value that can't be carried; None: nowhere.
        bytes: Its length as text, where that is told without writing it once more.
    """

    text: Column
    bad: Column | None = None
    bytes: Column | None = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """How one dialect writes the canonical form.

    Attributes:
        value: A column's canonical text; None where the dialect can't write an equal one.
        join: Texts after each other.
        text: Cast to text.
        bytes: Length of a text in bytes of UTF-8, as text.
        trim: Without the blanks around it.
        number: The value of some hexadecimal digits.
        fence: Keeps the database from computing a hash once for each use.
    """

    value: Callable[[SourceColumn], Value | None]
    join: Callable[[Sequence[Column]], Column]
    text: Callable[[Column], Column]
    bytes: Callable[[Column], Column]
    trim: Callable[[Column], Column]
    number: Callable[[Column], Column]
    fence: Callable[[sa.Select[Any]], sa.Select[Any]]


def unequal(form: Form, columns: Sequence[SourceColumn]) -> list[SourceColumn]:
    """The columns whose canonical text the dialect can't write."""
    return [column for column in columns if form.value(column) is None]


def row_hash(form: Form, columns: Sequence[SourceColumn]) -> Column:
    """The hash of a row over columns that are all equal (see `unequal`)."""
    parts: dict[str, Column] = {}
    bad: list[tuple[Column, Column]] = []
    for column in columns:
        value = form.value(column)
        if value is None:
            continue
        item: Column = sa.literal(_item(column.name))
        parts[column.name] = _part(form, item, value.text, value.bytes)
        if value.bad is not None:
            bad.append((value.bad, item))
    if bad:
        names = form.join([sa.case((is_bad, item), else_=_EMPTY) for is_bad, item in bad])
        told = _part(form, sa.literal(_item("_bad_values")), names, None)
        any_bad = sa.or_(*[is_bad for is_bad, _ in bad])
        parts["_bad_values"] = sa.case((any_bad, told), else_=_EMPTY)
    return sa.func.md5(form.join([part for _, part in sorted(parts.items())]))


def _part(form: Form, item: Column, text: Column, length: Column | None) -> Column:
    """A column's place in the canonical form, empty where it has no value."""
    length = form.bytes(text) if length is None else length
    return sa.func.coalesce(form.join([item, length, sa.literal(":"), text]), _EMPTY)


def key_hash(form: Form, columns: Sequence[SourceColumn]) -> Column:
    """The MD5 of `key_text`."""
    return sa.func.md5(key_text(form, columns))


def key_text(form: Form, columns: Sequence[SourceColumn]) -> Column:
    """The text of a key (see `schemas.keys`), NULL where a part has no value.

    Blanks that only Unicode knows as such are kept: such a key's slot is looked into every time.
    """
    parts: list[Column] = []
    for column in columns:
        value = form.value(column)
        if value is None:
            continue
        text: Column = sa.func.nullif(form.trim(value.text), _EMPTY)
        for mark in ("\\", "/"):
            text = sa.func.replace(text, sa.literal(mark), sa.literal("\\" + mark))
        parts += [sa.literal("/"), text] if parts else [text]
    return form.join(parts)


def is_plain_key(column: SourceColumn) -> bool:
    """Whether the canonical text of a key column is the text that makes its key."""
    kind = column.arrow
    plain = pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    return bool(plain)


def _item(text: str) -> str:
    return f"{len(text.encode())}:{text}"


def _carried(value: Column, kind: pa.DataType, dialect: str) -> Column:
    """Where a time lies in the years that are carried."""
    form, zone = _TIMES[dialect]
    name = "DATE" if pa.types.is_date32(kind) else "TIMESTAMP"
    if dialect == "postgres" and pa.types.is_timestamp(kind) and kind.tz:
        name = "TIMESTAMPTZ"
    shown = zone if name == "TIMESTAMPTZ" else ""
    bounds: list[Column] = [
        sa.literal_column(form.format(kind=name, year=year, zone=shown))
        for year in (FIRST_YEAR, LAST_YEAR + 1)
    ]
    return sa.and_(value >= bounds[0], value < bounds[1])


def _postgres(column: SourceColumn) -> Value | None:
    value, kind = raw(column), column.arrow
    if pa.types.is_boolean(kind):
        return Value(text=sa.case((value, "t"), (sa.not_(value), "f")))
    if pa.types.is_floating(kind):
        bits = sa.func.float8send(sa.cast(value, sa.Double))
        return Value(text=sa.cast(_signed(sa.func.encode(bits, _HEX), "bit(64)"), sa.Text))
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return _postgres_time(value, kind)
    if pa.types.is_decimal(kind):
        odd = value == sa.literal_column("'NaN'")
        told = sa.case((sa.not_(odd), sa.cast(value, sa.Text)))
        return None if kind.scale > _MAX_SCALE else Value(text=told, bad=odd)
    return Value(text=sa.cast(applied(value, column.cast, name=column.name), sa.Text))


def _postgres_time(value: Column, kind: pa.DataType) -> Value:
    inside = _carried(value, kind, "postgres")
    if pa.types.is_date32(kind):
        days = value.op("-")(sa.literal_column("DATE '1970-01-01'"))
        return Value(text=sa.case((inside, sa.cast(days, sa.Text))), bad=sa.not_(inside))
    # Whole numbers below 2^53, so exact; EXTRACT would reckon in `numeric`, at three times the
    # cost.
    minutes = sa.func.date_part("epoch", sa.func.date_trunc("minute", value))
    rest = sa.func.date_part("microseconds", value)
    number = sa.cast(minutes.op("*")(sa.literal_column("1000000")).op("+")(rest), sa.BigInteger)
    text = sa.case((inside, sa.cast(number, sa.Text)))
    is_long = value >= sa.literal_column(f"{'TIMESTAMPTZ' if kind.tz else 'TIMESTAMP'} {_LONG}")
    length = sa.case((is_long, "16"), else_=sa.cast(sa.func.octet_length(text), sa.Text))
    return Value(text=text, bad=sa.not_(inside), bytes=length)


def _signed(digits: Column, bits: str) -> Column:
    """Hexadecimal digits as the bits of a whole number."""
    text = sa.literal_column("'x'").op("||")(digits)
    return sa.cast(text.self_group().op("::")(sa.literal_column(bits)), sa.BigInteger)


def _mysql(column: SourceColumn) -> Value | None:
    value, kind = raw(column), column.arrow
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        epoch: Column = sa.literal_column("'1970-01-01'")
        number = (
            sa.func.datediff(value, epoch)
            if pa.types.is_date32(kind)
            else sa.func.timestampdiff(sa.literal_column("MICROSECOND"), epoch, value)
        )
        days = sa.case((_carried(value, kind, "mysql"), _mysql_text(number)))
        return Value(text=days, bad=sa.and_(value.is_not(None), days.is_(None)))
    if pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale > _MAX_SCALE):
        return None
    told = _mysql_text(applied(value, column.cast, name=column.name))
    if column.type == "year":
        zero = value == sa.literal_column("0")
        return Value(text=sa.case((sa.not_(zero), told)), bad=zero)
    return Value(text=told)


def _mysql_text(value: Column) -> Column:
    return sa.cast(value, _UTF8MB4)


def _bars(parts: Sequence[Column]) -> Column:
    return reduce(lambda before, after: before.op("||")(after), parts)


FORMS: Final[dict[str, Form]] = {
    "postgres": Form(
        value=_postgres,
        join=_bars,
        text=lambda c: sa.cast(c, sa.Text),
        bytes=lambda c: sa.cast(sa.func.octet_length(c), sa.Text),
        trim=lambda c: sa.func.btrim(c, sa.literal(_BLANKS)),
        number=lambda c: _signed(c, "bit(56)"),
        fence=lambda select: select.offset(0),
    ),
    "mysql": Form(
        value=_mysql,
        join=lambda parts: sa.func.concat(*parts),
        text=_mysql_text,
        bytes=lambda c: _mysql_text(sa.func.length(c)),
        trim=sa.func.trim,
        number=lambda c: sa.cast(sa.func.conv(c, 16, 10), mysql.BIGINT(unsigned=True)),
        fence=lambda select: select.limit(2**63 - 1),
    ),
}
"""By the dialect, as sqlglot names it. The others are read instead: SQLite is a file that is read
as fast as it is hashed, SQL Server and Oracle hash other bytes than UTF-8."""
