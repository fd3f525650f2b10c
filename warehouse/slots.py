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
LISTED: Final = 20_000
"""Rows that may be read in vain where larger slots are thought to be enough."""
_MOST_DIGITS: Final = 5


def digits_for(rows: int, *, differing: int | None = None) -> int:
    """Digits that tell slots apart.

    Args:
        rows: How many there are.
        differing: About how many of them differ, if that is known: of a few, larger slots are
            enough, which a database sums in a third of the time.
    """
    wanted = rows / _BESIDE
    if differing is not None:
        wanted = min(wanted, rows * differing / LISTED)
    digits = 1
    while digits < _MOST_DIGITS and wanted > 16**digits:
        digits += 1
    return digits


def numbers(hashes: pl.Series) -> pl.Series:
    """What is summed of each hash (hex, 32 digits)."""
    return hashes.cast(pl.String).str.slice(*_SUMMED).str.to_integer(base=16, dtype=pl.Int64)


def marks(hashes: pl.Series) -> pl.DataFrame:
    """What slots are made of, of each hash (hex, 32 digits): 12 bytes instead of its text.

    Returns:
        `place`, the first digits as a number, as many as a slot may have; `number`, what is summed.
    """
    first = hashes.cast(pl.String).str.slice(0, _MOST_DIGITS)
    places = first.str.to_integer(base=16, dtype=pl.UInt32)
    return pl.DataFrame({"place": places, "number": numbers(hashes)})


def slots(hashes: pl.Series, digits: int) -> pl.DataFrame:
    """`slot`, `rows` and `total` (digits) of some hashes (hex, 32 digits)."""
    return slots_of(marks(hashes), digits)


def slots_of(marked: pl.DataFrame, digits: int) -> pl.DataFrame:
    """`slot`, `rows` and `total` (digits) of some `marks`."""
    found = marked.group_by(in_slot(digits).alias("slot")).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("number").cast(pl.Int128).sum().cast(pl.String).alias("total"),
    )
    names = [format(slot, f"0{digits}x") for slot in found["slot"]]
    return found.with_columns(pl.Series("slot", names, pl.String))


def in_slot(digits: int) -> pl.Expr:
    """The slot of a mark, as a number."""
    unit: int = 16 ** (_MOST_DIGITS - digits)
    return pl.col("place") // unit


def unequal_slots(ours: pl.DataFrame, theirs: Iterator[pa.RecordBatch]) -> list[str]:
    """The slots in which the sides don't agree, in order."""
    frames = [ours.clear(), *(pl.DataFrame(batch).select(ours.columns) for batch in theirs)]
    other = pl.concat(frames)
    marks = ours.columns
    one_sided = [ours.join(other, on=marks, how="anti"), other.join(ours, on=marks, how="anti")]
    return sorted(pl.concat(one_sided)["slot"].unique().to_list())
