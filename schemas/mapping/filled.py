"""A column of one value.

`pl.repeat` runs a query for it, a fifth of a millisecond: as much as reading a column of a small
batch, and mapping needs dozens of them.
"""

from __future__ import annotations

from typing import Any

import polars as pl


def filled(value: Any, dtype: pl.DataType | type[pl.DataType], height: int) -> pl.Series:  # noqa: ANN401
    """`height` times a value, which may be None."""
    return pl.Series([value], dtype=dtype).new_from_index(0, height)


def nowhere(height: int) -> pl.Series:
    """A mask that is true in no row."""
    return filled(False, pl.Boolean, height)


def nothing(dtype: pl.DataType | type[pl.DataType], height: int) -> pl.Series:
    """Nulls."""
    return filled(None, dtype, height)
