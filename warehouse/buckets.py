"""The months by which the rows of a stream are told apart: for people, and for the guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table

BUCKET: Final = "bucket"
NO_MONTH: Final = "no date"
ALL: Final = "all"
"""The one bucket of a stream without a time that tells a month."""

_ISO = r"^(\d{4}-(?:0[1-9]|1[0-2]))"
_MONTH = "%Y-%m"
_UNITS: dict[str, int] = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}  # microseconds


@dataclass(frozen=True, kw_only=True)
class MonthOf:
    """A source column that may tell a row's month.

    Attributes:
        column: Its name.
        zone: IANA zone in which a day begins.
        formats: How it writes a time, where the YAML says (strptime codes, `epoch_s`, ...).
    """

    column: str
    zone: str
    formats: tuple[str, ...] = ()


def month_column(schema: pa.Schema, candidates: Sequence[MonthOf]) -> MonthOf | None:
    """The first candidate that landed in a form in which a month can be read."""
    for one in candidates:
        position = schema.get_field_index(one.column)
        if position >= 0 and _is_readable(schema.field(position).type, one.formats):
            return one
    return None


def month(schema: pa.Schema, of: MonthOf | None) -> pl.Expr:
    """`YYYY-MM` of a landed row in the source's zone, `no date`, or `all` without a column.

    The same expression serves for rows that a source delivers, so both sides give one bucket.
    """
    if of is None:
        return pl.lit(ALL).alias(BUCKET)
    kind = schema.field(of.column).type
    value = pl.col(of.column)
    if pa.types.is_timestamp(kind) and kind.tz:
        told = value.dt.convert_time_zone(of.zone).dt.strftime(_MONTH)
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        told = value.dt.strftime(_MONTH)
    elif pa.types.is_integer(kind):
        factor = next(_UNITS[name] for name in of.formats if name in _UNITS)
        moment = (value * factor).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        told = moment.dt.convert_time_zone(of.zone).dt.strftime(_MONTH)
    else:
        told = _of_text(value, of.formats)
    return told.fill_null(NO_MONTH).alias(BUCKET)


def _of_text(value: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    text = value.str.strip_chars()
    tries = [
        text.str.to_datetime(form, strict=False, time_unit="us").dt.strftime(_MONTH)
        for form in formats
        if "%" in form and "%z" not in form
    ]
    return pl.coalesce(*tries, text.str.extract(_ISO))


def _is_readable(kind: pa.DataType, formats: Sequence[str]) -> bool:
    if pa.types.is_integer(kind):
        return any(name in _UNITS for name in formats)
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_string(kind))


def placed(table: Table, of: MonthOf) -> pl.DataFrame:
    """`_key` and `bucket` of the newest row of every key that landed."""
    rows = table.scan().filter(pl.col("_key").is_not_null())
    frame = rows.select("_key", "_landing_version", "_row", month(table.schema, of)).collect(
        engine="streaming"
    )
    newest = frame.sort("_landing_version", "_row").unique("_key", keep="last")
    return newest.select("_key", BUCKET)
