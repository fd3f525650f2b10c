"""Numbers, money and truth values of a source, from text or typed columns.

Money has two decimals. More are rounded half away from zero (0.125 is 0.13, -0.125 is -0.13), as
a cashier rounds. An integer that states a fraction other than zero is no integer: nothing is cut
off in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from schemas.codes import normalised
from schemas.fields import MONEY_PRECISION, MONEY_SCALE
from schemas.mapping.filled import nothing

MONEY = pl.Decimal(MONEY_PRECISION, MONEY_SCALE)

TRUE_WORDS = ("true", "1", "yes", "y", "t", "có", "co", "đúng", "x")
FALSE_WORDS = ("false", "0", "no", "n", "f", "không", "khong", "sai")

_WIDE = pl.Decimal(38, 18)
_BIGGEST = 10 ** (MONEY_PRECISION - MONEY_SCALE)
_PLAIN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"


@dataclass(frozen=True, kw_only=True)
class NumberMarks:
    """How a source writes numbers.

    Attributes:
        decimal: Decimal mark; None is a point, or a comma where points group thousands.
        thousands: Mark between groups of three digits, or None.
    """

    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'", "_"] | None = None

    @property
    def point(self) -> str:
        """The decimal mark."""
        return self.decimal or ("," if self.thousands == "." else ".")


def read_money(values: pl.Series, marks: NumberMarks) -> pl.Series:
    """Amounts as decimal(18,2); null where the value is none or has too many digits."""
    kind = values.dtype
    column = pl.col("value")
    frame = values.alias("value").to_frame()
    if kind.is_integer() or isinstance(kind, pl.Decimal) or kind == pl.Boolean:
        scale = kind.scale if isinstance(kind, pl.Decimal) else 0
        exact = column.cast(pl.Int8) if kind == pl.Boolean else column
        exact = exact.cast(pl.Decimal(38, max(scale, MONEY_SCALE)), strict=False)
    elif kind.is_float() or kind == pl.String:
        text = column.cast(pl.String)
        exact = _exact(_plain(text, marks) if kind == pl.String else _shaped(text))
    else:
        return nothing(MONEY, len(values))
    rounded = exact.round(MONEY_SCALE, mode="half_away_from_zero")
    inside = pl.when(rounded.abs() < _BIGGEST).then(rounded)
    return frame.select(inside.cast(MONEY, strict=False))["value"]


def read_integers(values: pl.Series, marks: NumberMarks) -> pl.Series:
    """Whole numbers as Int64; null where the value is none."""
    kind = values.dtype
    column = pl.col("value")
    frame = values.alias("value").to_frame()
    if kind.is_integer() or kind == pl.Boolean:
        whole = column
    elif kind.is_float() or isinstance(kind, pl.Decimal):
        whole = pl.when(column == column.floor()).then(column)
    elif kind == pl.String:
        text = _plain(column, marks)
        whole = text.str.replace(r"\.0*$", "").str.strip_prefix("+")
    else:
        return nothing(pl.Int64, len(values))
    return frame.select(whole.cast(pl.Int64, strict=False).alias("value"))["value"]


def read_booleans(
    values: pl.Series, *, true_words: tuple[str, ...], false_words: tuple[str, ...]
) -> pl.Series:
    """Truth values; null where the value is neither one of the words nor 0 or 1."""
    if values.dtype == pl.Boolean:
        return values
    text = whole_text(values)
    distinct = text.drop_nulls().unique()
    if distinct.is_empty():
        return nothing(pl.Boolean, len(text))
    word = normalised(pl.col("value"))
    true = pl.when(word.is_in(true_words)).then(pl.lit(value=True))
    read = true.when(word.is_in(false_words)).then(pl.lit(value=False))
    truths = distinct.alias("value").to_frame().select(read.alias("value"))["value"]
    return text.replace_strict(distinct, truths, default=None, return_dtype=pl.Boolean)


def whole_text(values: pl.Series) -> pl.Series:
    """Values as text; a float that is a whole number is written without its fraction."""
    if not values.dtype.is_float():
        return values if values.dtype == pl.String else values.cast(pl.String, strict=False)
    text = values.cast(pl.String)
    return text.str.replace(r"^(-?[0-9]+)\.0$", "${1}")


def _plain(text: pl.Expr, marks: NumberMarks) -> pl.Expr:
    """Numbers in the plain form `-1234.5`, null where they aren't written as the marks say."""
    if marks.thousands is not None:
        mark, point = _escaped(marks.thousands), _escaped(marks.point)
        grouped = rf"^[+-]?(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)(?:{point}[0-9]*)?$"
        text = pl.when(text.str.contains(grouped)).then(text)
        text = text.str.replace_all(mark, "")
    elif marks.point == ",":
        text = pl.when(~text.str.contains(".", literal=True)).then(text)
    if marks.point == ",":
        text = text.str.replace(",", ".", literal=True)
    return _shaped(text)


def _escaped(mark: str) -> str:
    # Excel and Word group by no-break spaces where a person sees a space.
    return r"[ \x{00A0}\x{202F}]" if mark == " " else f"[{mark}]"


def _shaped(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_PLAIN)).then(text)


def _exact(text: pl.Expr) -> pl.Expr:
    # The cast rounds half to even at its last digit: what decides our rounding is cut off before.
    cut = text.str.replace(r"^([^.eE]*\.[0-9]{3})[0-9]+$", "${1}")
    return cut.cast(_WIDE, strict=False)
