"""The published table of types for MariaDB and MySQL.

The type of a column is read from the description that the server sends with a result, which is the
same for tables, views and queries.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa
from pymysql.constants import FIELD_TYPE as T
from pymysql.constants import FLAG

from connectors.sql.types import (
    MAX_DECIMAL_DIGITS,
    RANGE,
    TIMESTAMP,
    TIMESTAMP_UTC,
    SourceColumn,
    TypeRule,
)

_BINARY = 63  # the character set of what is no text
_BIGGEST_SIGNED_BIT = 63
_BYTES_PER_CHARACTER = 4  # utf8mb4
_UNSIGNED = pa.decimal128(20, 0)

INTEGER = TypeRule(
    names=("tinyint", "smallint", "mediumint", "int", "bigint", "bool"),
    arrow=pa.int64(), how="widened; tinyint(1) stays a number", cursor="integer",
)  # fmt: skip
BIG_UNSIGNED = TypeRule(names=("bigint unsigned",), arrow=_UNSIGNED, how="exact", cursor="numeric")
BIT = TypeRule(
    names=("bit",), arrow=pa.int64(), cast="bigint", how="as a number; bit(64) as decimal(20,0)"
)
BIT_64 = TypeRule(names=("bit(64)",), arrow=_UNSIGNED, cast="unsigned")
YEAR = TypeRule(
    names=("year",), arrow=pa.int64(), how="0000: null, named in `_bad_values`", cursor="integer"
)
FLOAT = TypeRule(names=("float",), arrow=pa.float32(), cast="exact_float", how="all digits")
DOUBLE = TypeRule(names=("double",), arrow=pa.float64())
DECIMAL = TypeRule(
    names=("decimal",), arrow=pa.string(), cursor="numeric",
    how="`decimal128(p,s)` with up to 38 digits, else exact text",
)  # fmt: skip
DATE = TypeRule(names=("date",), arrow=pa.date32(), how=RANGE, cursor="date")
DATETIME = TypeRule(names=("datetime",), arrow=TIMESTAMP, how=RANGE, cursor="timestamp")
STAMP = TypeRule(
    names=("timestamp",), arrow=TIMESTAMP_UTC, how=f"UTC; {RANGE}", cursor="timestamptz"
)
TIME = TypeRule(names=("time",), arrow=pa.string(), how="text (-838:59:59.000000)")
TEXT = TypeRule(
    names=("char", "varchar", "text", "enum", "set", "json", "uuid", "inet"), arrow=pa.string(),
    how="text, utf8mb4", cursor="text",
)  # fmt: skip
BLOB = TypeRule(
    names=("binary", "varbinary", "blob"), arrow=pa.string(), cast="hex_lower",
    how="hexadecimal text",
)  # fmt: skip
GEOMETRY = TypeRule(names=("geometry",), arrow=pa.string(), cast="wkt", how="WKT text")

MARIADB: tuple[TypeRule, ...] = (
    INTEGER, BIG_UNSIGNED, BIT, YEAR, FLOAT, DOUBLE, DECIMAL, DATE, DATETIME, STAMP, TIME, TEXT,
    BLOB, GEOMETRY,
)  # fmt: skip
"""MariaDB and MySQL, through a streaming cursor."""

_INTEGERS = {T.TINY: "tinyint", T.SHORT: "smallint", T.INT24: "mediumint", T.LONG: "int"}
_PLAIN = {
    T.FLOAT: FLOAT, T.DOUBLE: DOUBLE, T.YEAR: YEAR, T.DATE: DATE, T.NEWDATE: DATE,
    T.DATETIME: DATETIME, T.TIMESTAMP: STAMP, T.TIME: TIME, T.GEOMETRY: GEOMETRY,
}  # fmt: skip
_TEXTS = {
    T.STRING: "char", T.VAR_STRING: "varchar", T.VARCHAR: "varchar", T.BLOB: "text",
    T.TINY_BLOB: "text", T.MEDIUM_BLOB: "text", T.LONG_BLOB: "text", T.JSON: "json",
    T.ENUM: "enum", T.SET: "set", T.NULL: "null",
}  # fmt: skip
_BLOBS = {"char": "binary", "varchar": "varbinary", "text": "blob"}


class Field(Protocol):
    """How the server describes a column of a result (protocol: column definition)."""

    name: str
    type_code: int
    flags: int
    length: int
    scale: int
    charsetnr: int


def mysql_column(field: Field) -> SourceColumn:
    """How a column of MariaDB or MySQL is delivered."""
    code, unsigned = field.type_code, bool(field.flags & FLAG.UNSIGNED)
    if code in _INTEGERS:
        return _column(field, INTEGER, _INTEGERS[code] + " unsigned" * unsigned)
    if code == T.LONGLONG:
        rule = BIG_UNSIGNED if unsigned else INTEGER
        return _column(field, rule, "bigint" + " unsigned" * unsigned)
    if code == T.BIT:
        rule = BIT if field.length <= _BIGGEST_SIGNED_BIT else BIT_64
        return _column(field, rule, f"bit({field.length})")
    if code in {T.NEWDECIMAL, T.DECIMAL}:
        return _decimal(field, unsigned=unsigned)
    if code in _PLAIN:
        return _column(field, _PLAIN[code], _PLAIN[code].names[0])
    return _text(field)


def _decimal(field: Field, *, unsigned: bool) -> SourceColumn:
    """The length counts the sign and the decimal point, too."""
    scale = field.scale
    precision = field.length - (scale > 0) - (not unsigned)
    words = f"decimal({precision},{scale})"
    if not 0 <= scale <= precision <= MAX_DECIMAL_DIGITS:
        return _column(field, DECIMAL, words)
    arrow = pa.decimal128(precision, scale)
    return SourceColumn(name=field.name, type=words, arrow=arrow, cursor="numeric")


def _text(field: Field) -> SourceColumn:
    words = _TEXTS.get(field.type_code, "text")
    if field.flags & FLAG.ENUM:
        return _column(field, TEXT, "enum")
    if field.flags & FLAG.SET:
        return _column(field, TEXT, "set")
    if field.charsetnr == _BINARY and words in _BLOBS:
        return _column(field, BLOB, _BLOBS[words])
    if words in {"char", "varchar"}:
        words = f"{words}({field.length // _BYTES_PER_CHARACTER})"
    return _column(field, TEXT, words)


def _column(field: Field, rule: TypeRule, words: str) -> SourceColumn:
    return SourceColumn(
        name=field.name, type=words, arrow=rule.arrow, cast=rule.cast, cursor=rule.cursor
    )
