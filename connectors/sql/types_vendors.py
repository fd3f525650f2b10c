"""The published tables of types for SQL Server and Oracle.

Their statements are compiled and checked against the dialect, but no server of theirs was asked:
the page says so.
"""

from __future__ import annotations

import re

import pyarrow as pa

from connectors.sql.types import (
    MAX_DECIMAL_DIGITS,
    RANGE,
    TIMESTAMP,
    TIMESTAMP_UTC,
    SourceColumn,
    TypeRule,
)

_REFUSED = "refused when it is mapped: turn it into text by `query:`"
_INT64_DIGITS = 18
_EXACT = "`decimal128(p,s)` with up to 38 digits"

MSSQL: tuple[TypeRule, ...] = (
    TypeRule(
        names=("tinyint", "smallint", "int", "bigint"), arrow=pa.int64(), how="widened",
        cursor="integer",
    ),
    TypeRule(
        names=("timestamp", "rowversion"), arrow=pa.int64(), cast="bigint",
        how="cast to bigint: grows with every change, a good cursor", cursor="integer",
    ),
    TypeRule(names=("bit",), arrow=pa.bool_()),
    TypeRule(names=("real",), arrow=pa.float32()),
    TypeRule(names=("float",), arrow=pa.float64()),
    TypeRule(
        names=("decimal", "numeric"), arrow=pa.string(), cast="nvarchar", how=_EXACT,
        cursor="numeric",
    ),
    TypeRule(
        names=("money", "smallmoney"), arrow=pa.decimal128(19, 4), cast="money_text",
        how="by its text, four decimals",
    ),
    TypeRule(
        names=("varchar", "nvarchar", "sysname"), arrow=pa.string(), cast="nvarchar",
        how="cast to nvarchar(max)", cursor="text",
    ),
    TypeRule(
        names=("char", "nchar"), arrow=pa.string(), cast="rtrim", how="text without the padding",
        cursor="text",
    ),
    TypeRule(
        names=("datetime", "datetime2", "smalldatetime"), arrow=TIMESTAMP, cast="iso", how=RANGE,
        cursor="timestamp",
    ),
    TypeRule(
        names=("datetimeoffset",), arrow=TIMESTAMP_UTC, cast="iso_utc", how=f"UTC; {RANGE}",
        cursor="timestamptz",
    ),
    TypeRule(names=("date",), arrow=pa.date32(), cast="iso", how=RANGE, cursor="date"),
    TypeRule(
        names=("uniqueidentifier",), arrow=pa.string(), cast="guid", how="text, small letters"
    ),
    TypeRule(
        names=("binary", "varbinary", "image"), arrow=pa.string(), cast="varbinary_hex",
        how="hexadecimal text",
    ),
    TypeRule(
        names=("time", "text", "ntext", "xml", "sql_variant", "hierarchyid", "geography",
               "geometry", "every other type"),
        arrow=pa.string(), cast="nvarchar", how="cast to nvarchar(max)",
    ),
)  # fmt: skip
"""SQL Server, through pymssql."""

ORACLE: tuple[TypeRule, ...] = (
    TypeRule(
        names=("NUMBER(p,0) with p up to 18",), arrow=pa.int64(), cursor="integer",
    ),
    TypeRule(
        names=("NUMBER(p,s)",), arrow=pa.string(), cast="number_text", how=_EXACT,
        cursor="numeric",
    ),
    TypeRule(
        names=("NUMBER", "FLOAT"), arrow=pa.string(), cast="number_text", how="exact text (.5)"
    ),
    TypeRule(names=("BINARY_FLOAT",), arrow=pa.float32()),
    TypeRule(names=("BINARY_DOUBLE",), arrow=pa.float64()),
    TypeRule(names=("BOOLEAN",), arrow=pa.bool_()),
    TypeRule(names=("VARCHAR", "NVARCHAR"), arrow=pa.string(), cursor="text"),
    TypeRule(
        names=("CHAR", "NCHAR"), arrow=pa.string(), cast="rtrim", how="text without the padding"
    ),
    TypeRule(names=("CLOB", "NCLOB"), arrow=pa.string()),
    TypeRule(
        names=("DATE",), arrow=TIMESTAMP, cast="day_text", how=f"it has an hour; {RANGE}",
        cursor="timestamp",
    ),
    TypeRule(
        names=("TIMESTAMP",), arrow=TIMESTAMP, cast="stamp_text", how=RANGE, cursor="timestamp"
    ),
    TypeRule(
        names=("TIMESTAMP_TZ", "TIMESTAMP_LTZ"), arrow=TIMESTAMP_UTC, cast="stamp_utc_text",
        how=f"UTC; {RANGE}", cursor="timestamptz",
    ),
    TypeRule(
        names=("INTERVAL_DS", "INTERVAL_YM", "ROWID"), arrow=pa.string(), cast="char_text",
        how="text",
    ),
    TypeRule(names=("RAW",), arrow=pa.string(), cast="raw_hex", how="hexadecimal text"),
    TypeRule(names=("XMLTYPE",), arrow=pa.string(), cast="xml_text", how="text"),
    TypeRule(
        names=("BLOB", "BFILE", "LONG", "JSON", "OBJECT", "every other type"), arrow=pa.string(),
        cast="refused", how=_REFUSED,
    ),
)  # fmt: skip
"""Oracle, through python-oracledb; the names are those of its DB_TYPE_ constants."""

_MSSQL_BY_NAME = {name: rule for rule in MSSQL for name in rule.names}
_ORACLE_BY_NAME = {name: rule for rule in ORACLE for name in rule.names}
_DIGITS = re.compile(r"^\w+\((\d+),\s*(\d+)\)$")


def mssql_column(name: str, words: str) -> SourceColumn:
    """How a column of SQL Server is delivered.

    Args:
        name: Its name.
        words: `system_type_name`, such as `decimal(18,2)`.
    """
    rule = _MSSQL_BY_NAME.get(words.partition("(")[0].strip(), MSSQL[-1])
    arrow = rule.arrow
    if rule.cursor == "numeric" and (digits := _DIGITS.match(words)):
        arrow = pa.decimal128(int(digits[1]), int(digits[2]))
    return SourceColumn(name=name, type=words, arrow=arrow, cast=rule.cast, cursor=rule.cursor)


def oracle_column(
    name: str, kind: str, *, precision: int | None, scale: int | None
) -> SourceColumn:
    """How a column of Oracle is delivered.

    Args:
        name: Its name.
        kind: Name of its type, as python-oracledb has it, without `DB_TYPE_`.
        precision: Digits of a NUMBER, 0 or None where none are declared.
        scale: Digits behind the point.
    """
    whole, exact, loose = ORACLE[:3]
    if kind != "NUMBER":
        rule = _ORACLE_BY_NAME.get(kind, ORACLE[-1])
        return SourceColumn(
            name=name, type=kind, arrow=rule.arrow, cast=rule.cast, cursor=rule.cursor
        )
    digits, behind = precision or 0, scale or 0
    words = f"NUMBER({digits},{behind})" if digits else "NUMBER"
    if not digits or not 0 <= behind <= digits <= MAX_DECIMAL_DIGITS:
        return SourceColumn(name=name, type=words, arrow=loose.arrow, cast=loose.cast)
    if not behind and digits <= _INT64_DIGITS:
        return SourceColumn(name=name, type=words, arrow=whole.arrow, cursor=whole.cursor)
    arrow = pa.decimal128(digits, behind)
    return SourceColumn(name=name, type=words, arrow=arrow, cast=exact.cast, cursor=exact.cursor)
