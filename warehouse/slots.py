"""Slots: rows put together by the first digits of their hash, so that sides can be compared.

Two sides hold the same rows of a slot where count and sum agree; a slot that doesn't agree is
looked into. A difference that hides itself is as likely as two random numbers of 56 bits being one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl
import pyarrow as pa

_SUMMED: Final = (5, 14)  # position (from 0) and number of digits
_BESIDE: Final = 64  # rows of a slot, about: more are read in vain, fewer make more slots
_MOST_DIGITS: Final = 5


def digits_for(rows: int) -> int:
    """Digits that tell slots apart when there are so many rows."""
    digits = 1
    while digits < _MOST_DIGITS and rows > _BESIDE * 16**digits:
        digits += 1
    return digits


def slots(hashes: pl.Series, digits: int) -> pl.DataFrame:
    """`slot`, `rows` and `total` (digits) of some hashes (hex, 32 digits)."""
    text = pl.col("h")
    return (
        pl.DataFrame({"h": hashes.cast(pl.String)})
        .lazy()
        .select(
            text.str.slice(0, digits).alias("slot"),
            text.str.slice(*_SUMMED).str.to_integer(base=16, dtype=pl.Int64).alias("value"),
        )
        .group_by("slot")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("value").cast(pl.Int128).sum().cast(pl.String).alias("total"),
        )
        .collect()
    )


def unequal_slots(ours: pl.DataFrame, theirs: Iterator[pa.RecordBatch]) -> list[str]:
    """The slots in which the sides don't agree, in order."""
    frames = [ours.clear(), *(pl.DataFrame(batch).select(ours.columns) for batch in theirs)]
    other = pl.concat(frames)
    marks = ours.columns
    one_sided = [ours.join(other, on=marks, how="anti"), other.join(ours, on=marks, how="anti")]
    return sorted(pl.concat(one_sided)["slot"].unique().to_list())
