"""What the SELECT does with a column so that its value arrives whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql

from schemas.errors import ConfigError

Cast = Literal[
    "none", "bigint", "text", "money", "json", "hex",
    "unsigned", "exact_float", "hex_lower", "wkt",
    "nvarchar", "guid", "rtrim", "iso", "iso_utc", "money_text", "varbinary_hex",
    "number_text", "day_text", "stamp_text", "stamp_utc_text", "char_text", "raw_hex", "xml_text",
    "refused",
]  # fmt: skip

Column = sa.ColumnElement[Any]

_DATETIME2 = mssql.DATETIME2()  # type: ignore[no-untyped-call]
_VARBINARY = mssql.VARBINARY("max")  # type: ignore[no-untyped-call]

_ISO: Column = sa.literal_column("126")  # CONVERT style: yyyy-mm-ddThh:mi:ss.mmm
_FOUR_DECIMALS: Column = sa.literal_column("2")  # CONVERT style of money
_PLAIN_HEX: Column = sa.literal_column("2")  # CONVERT style of varbinary: no 0x in front
_NUMBER: tuple[Column, Column] = (
    sa.literal_column("'TM9'"),
    sa.literal_column("'NLS_NUMERIC_CHARACTERS=''.,'''"),
)
_DAY: Column = sa.literal_column("""'SYYYY-MM-DD"T"HH24:MI:SS'""")
_STAMP: Column = sa.literal_column("""'SYYYY-MM-DD"T"HH24:MI:SS.FF6'""")


def applied(column: Column, cast: Cast, *, name: str) -> Column:
    """The column as the SELECT delivers it.

    Args:
        column: The raw column.
        cast: One of the casts.
        name: Its name, for the error.

    Raises:
        ConfigError: No cast carries a value of its type.
    """
    if cast == "refused":
        message = (
            f"column {name!r}: no value of its type can be carried; leave it out, or turn it into "
            "text by `query:`"
        )
        raise ConfigError(message)
    return _CASTS[cast](column)


def _convert(kind: str, value: Column, style: Column) -> Column:
    return sa.func.convert(sa.literal_column(kind), value, style)


def _utc_stamp(column: Column) -> Column:
    shifted = sa.func.switchoffset(column, sa.literal_column("'+00:00'"))
    return _convert("NVARCHAR(33)", sa.cast(shifted, _DATETIME2), _ISO)


_CASTS: dict[Cast, Callable[[Column], Column]] = {
    "none": lambda c: c,
    # PostgreSQL
    "bigint": lambda c: sa.cast(c, sa.BigInteger),
    "text": lambda c: sa.cast(c, sa.Text),
    "money": lambda c: sa.cast(sa.cast(c, sa.Numeric), sa.Text),
    "json": lambda c: sa.cast(sa.func.to_json(c), sa.Text),
    "hex": lambda c: sa.func.encode(c, sa.literal_column("'hex'")),
    # MariaDB, MySQL. A FLOAT is sent with six digits unless it takes part in a computation.
    "unsigned": lambda c: sa.cast(c, mysql.BIGINT(unsigned=True)),
    "exact_float": lambda c: c.op("+")(sa.literal_column("0e0")),
    "hex_lower": lambda c: sa.func.lower(sa.func.hex(c)),
    "wkt": sa.func.ST_AsText,
    # SQL Server
    "nvarchar": lambda c: sa.cast(c, mssql.NVARCHAR()),
    "guid": lambda c: sa.func.lower(sa.cast(c, mssql.NVARCHAR(36))),
    "rtrim": sa.func.rtrim,
    "iso": lambda c: _convert("NVARCHAR(33)", c, _ISO),
    "iso_utc": _utc_stamp,
    "money_text": lambda c: _convert("NVARCHAR(40)", c, _FOUR_DECIMALS),
    "varbinary_hex": lambda c: sa.func.lower(
        _convert("NVARCHAR(max)", sa.cast(c, _VARBINARY), _PLAIN_HEX)
    ),
    # Oracle
    "number_text": lambda c: sa.func.to_char(c, *_NUMBER),
    "day_text": lambda c: sa.func.to_char(c, _DAY),
    "stamp_text": lambda c: sa.func.to_char(c, _STAMP),
    "stamp_utc_text": lambda c: sa.func.to_char(sa.func.sys_extract_utc(c), _STAMP),
    "char_text": sa.func.to_char,
    "raw_hex": lambda c: sa.func.lower(sa.func.rawtohex(c)),
    "xml_text": sa.func.xmltype.getclobval,
}
