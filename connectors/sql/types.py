"""The published table of types: what a database column becomes when it lands.

Landing demands the same schema in every append, so the type of a column has to follow from its
declaration alone. Whatever Arrow or Delta carry wrongly, or not at all, travels as text that the
database itself writes (measured: ADBC reads `money '12.50'` as 1250; Delta has no time, no
interval). `docs/types.md` is this module as a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from connectors.sql.casts import Cast

CursorKind = Literal["timestamptz", "timestamp", "date", "integer", "numeric", "text"]

FIRST_YEAR = 1900
LAST_YEAR = 2200
MAX_DECIMAL_DIGITS = 38

TIMESTAMP_UTC = pa.timestamp("us", tz="UTC")
TIMESTAMP = pa.timestamp("us")


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """One column of a table, view or query.

    Attributes:
        name: As the source spells it.
        type: In the source's own words.
        arrow: Type it is delivered as.
        cast: What the SELECT does with it.
        cursor: How its values are compared when it is a cursor; None: it can't be one.
    """

    name: str
    type: str
    arrow: pa.DataType
    cast: Cast = "none"
    cursor: CursorKind | None = None


@dataclass(frozen=True, kw_only=True)
class TypeRule:
    """One line of the published table.

    Attributes:
        names: Types in the source's words.
        arrow: Type they are delivered as.
        cast: What the SELECT does with them.
        how: The same for people.
        cursor: How values are compared when the column is a cursor.
    """

    names: tuple[str, ...]
    arrow: pa.DataType
    cast: Cast = "none"
    how: str = "as it is"
    cursor: CursorKind | None = None


RANGE = f"infinite, or outside {FIRST_YEAR}..{LAST_YEAR}: null, named in `_bad_values`"

POSTGRES: tuple[TypeRule, ...] = (
    TypeRule(names=("bool",), arrow=pa.bool_()),
    TypeRule(names=("int2", "int4", "int8"), arrow=pa.int64(), how="widened", cursor="integer"),
    TypeRule(names=("oid",), arrow=pa.int64(), cast="bigint", how="cast to bigint"),
    TypeRule(names=("float4",), arrow=pa.float32()),
    TypeRule(names=("float8",), arrow=pa.float64()),
    TypeRule(
        names=("numeric",),
        arrow=pa.string(),
        cast="text",
        how="exact text (no declared precision, more than 38 digits, or a scale outside it)",
        cursor="numeric",
    ),
    TypeRule(names=("money",), arrow=pa.string(), cast="money", how="cast to numeric, then text"),
    TypeRule(names=("text", "varchar", "name", "char"), arrow=pa.string(), cursor="text"),
    TypeRule(
        names=("bpchar",),
        arrow=pa.string(),
        cast="text",
        how="text without the padding",
        cursor="text",
    ),
    TypeRule(
        names=("timestamptz",), arrow=TIMESTAMP_UTC, how=f"UTC; {RANGE}", cursor="timestamptz"
    ),
    TypeRule(names=("timestamp",), arrow=TIMESTAMP, how=RANGE, cursor="timestamp"),
    TypeRule(names=("date",), arrow=pa.date32(), how=RANGE, cursor="date"),
    TypeRule(names=("interval",), arrow=pa.string(), cast="text", how="ISO 8601 text (P1DT2H)"),
    TypeRule(names=("bytea",), arrow=pa.string(), cast="hex", how="hexadecimal text"),
    TypeRule(
        names=("any array", "composite types"), arrow=pa.string(), cast="json", how="JSON text"
    ),
    TypeRule(
        names=(
            "uuid", "time", "timetz", "json", "jsonb", "inet", "cidr", "macaddr", "ranges",
            "multiranges", "bit", "xml", "enums", "geometry", "every other type",
        ),
        arrow=pa.string(),
        cast="text",
        how="cast to text in the SELECT (zone UTC, dates ISO)",
    ),
)  # fmt: skip
"""PostgreSQL, read through ADBC. `numeric(p,s)` with p up to 38 is `decimal128(p,s)`."""

SQLITE: tuple[TypeRule, ...] = (
    TypeRule(
        names=("declared …INT…",),
        arrow=pa.int64(),
        how="a value that is no whole number: null, named in `_bad_values`",
        cursor="integer",
    ),
    TypeRule(
        names=("declared REAL, FLOAT, DOUBLE",),
        arrow=pa.float64(),
        how="a value that is no number: null, named in `_bad_values`",
    ),
    TypeRule(
        names=("every other declaration", "columns of a `query:`"),
        arrow=pa.string(),
        how="text as stored; numbers in their shortest exact form, blobs in hexadecimal; bytes "
        "that are no UTF-8: null, named in `_bad_values`",
        cursor="text",
    ),
)
"""SQLite: any value may stand in any column, so the declaration decides and values are checked."""

_POSTGRES_BY_NAME = {name: rule for rule in POSTGRES for name in rule.names}
_POSTGRES_OTHER = POSTGRES[-1]
_POSTGRES_NESTED = next(rule for rule in POSTGRES if rule.cast == "json")


def postgres_column(name: str, type_name: str, *, modifier: int, category: str) -> SourceColumn:
    """How a PostgreSQL column is delivered.

    Args:
        name: Its name.
        type_name: `pg_type.typname`, or the formatted name of a type that has no rule of its own.
        modifier: `atttypmod`, -1 where there is none.
        category: `pg_type.typcategory` (A array, C composite) where known, else ''.
    """
    if type_name == "numeric" and modifier >= 0:
        precision, scale = _numeric_digits(modifier)
        words = f"numeric({precision},{scale})"
        if precision <= MAX_DECIMAL_DIGITS and 0 <= scale <= precision:
            arrow = pa.decimal128(precision, scale)
            return SourceColumn(name=name, type=words, arrow=arrow, cursor="numeric")
    else:
        words = type_name
    rule = _POSTGRES_BY_NAME.get(type_name, _POSTGRES_OTHER)
    if category in {"A", "C"}:
        rule = _POSTGRES_NESTED
    return SourceColumn(name=name, type=words, arrow=rule.arrow, cast=rule.cast, cursor=rule.cursor)


def _numeric_digits(modifier: int) -> tuple[int, int]:
    """Precision and scale out of a typmod (PostgreSQL: src/backend/utils/adt/numeric.c)."""
    bits = modifier - 4
    scale = bits & 0x7FF
    return (bits >> 16) & 0xFFFF, scale - 0x800 if scale & 0x400 else scale


def sqlite_column(name: str, declared: str) -> SourceColumn:
    """How a SQLite column of that declaration is delivered ('' for a column of a query)."""
    upper = declared.upper()
    if "INT" in upper and "POINT" not in upper:
        rule = SQLITE[0]
    elif any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        rule = SQLITE[1]
    else:
        rule = SQLITE[2]
    return SourceColumn(
        name=name, type=declared or "undeclared", arrow=rule.arrow, cursor=rule.cursor
    )
