"""Which landing rows bury their key: rows of keys that vanished, and rows marked as deleted.

A source that marks a row instead of removing it still sends it: the row lands once, like any other,
and its own mark buries the key. The mark is read here, and not when the row lands, so that core
stays a function of landing under today's YAML: a mended `deleted:` reaches old rows by a rebuild.
"""

from __future__ import annotations

import polars as pl

from schemas.codes import normalised
from schemas.mapping.columns import prepared
from schemas.mapping.filled import nowhere
from schemas.mapping.models import StreamMapping
from schemas.mapping.numbers import TRUE_WORDS, whole_text


def buried(rows: pl.DataFrame, mapping: StreamMapping) -> pl.Series:
    """For each landing row, in order, whether it buries its key (`_tombstone`, never null)."""
    gone = rows["_tombstone"].fill_null(value=False)
    return (gone | _marked(rows, mapping)).alias("_tombstone")


def _marked(rows: pl.DataFrame, mapping: StreamMapping) -> pl.Series:
    deleted = mapping.deleted
    if deleted is None or deleted.column not in rows.columns:
        return nowhere(rows.height)
    values = prepared(rows, (deleted.column,), mapping.nulls)[deleted.column]
    if deleted.any_value:
        return values.is_not_null()
    words = TRUE_WORDS if deleted.when is None else deleted.when
    known = pl.Series(words, dtype=pl.String).to_frame("word").select(normalised(pl.col("word")))
    marks = known["word"].unique()
    text = _plain(values)
    distinct = text.drop_nulls().unique()
    if distinct.is_empty():
        return nowhere(len(text))
    is_mark = distinct.to_frame("word").select(normalised(pl.col("word")).is_in(marks.implode()))
    read = text.replace_strict(distinct, is_mark["word"], default=None, return_dtype=pl.Boolean)
    return read.fill_null(value=False)


def _plain(values: pl.Series) -> pl.Series:
    """Values as text; a whole number is written without a fraction, whatever its type."""
    text = whole_text(values)
    if isinstance(values.dtype, pl.Decimal):
        return text.str.replace(r"^(-?[0-9]+)\.0+$", "${1}")
    return text
