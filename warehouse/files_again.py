"""Files that are added to others and come again, longer or corrected: what of them is new.

Where a stream names no version, the later read wins. That a row stands in its file still is nothing
new that the office says: else every night in which a journal grows would bring its older lines
back, over what later lines and later files say of the same keys. A file's word on a key is its last
row of it. New is a row that never landed of the file, and the word where it is another one than
before, or has to stay behind a row that is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table

_PLACE: Final = ["_file", "_key"]
_ROW: Final = [*_PLACE, "_row_hash"]


class FilesAgain:
    """What landed of files that were read before, and what they have said in this read.

    Args:
        table: The landing table.
        paths: The files that were read before; a sheet of a workbook is `PATH#SHEET`.
    """

    def __init__(self, table: Table, paths: Iterable[str]) -> None:
        self._table = table
        self._paths = frozenset(paths)
        self._looked: set[str] = set()
        self._landed = pl.DataFrame(schema=dict.fromkeys(_ROW, pl.String))
        self._words = pl.DataFrame(schema=dict.fromkeys([*_PLACE, "word"], pl.String))

    def are_new(self, rows: pa.Table, otherwise: pl.Series) -> pl.Series:
        """For each row whether its file says something new by it.

        Args:
            rows: Stamped; a chunk of the read, in order.
            otherwise: What holds of rows without a key, and of keys that landed of no such file.
        """
        marks = pl.DataFrame(rows.select(_ROW))
        self._look(marks["_file"].unique().drop_nulls().to_list())
        if not self._words.height:
            return otherwise
        landed = self._landed.with_columns(has_landed=pl.lit(value=True))
        known = marks.join(self._words, on=_PLACE, how="left", maintain_order="left")
        known = known.join(landed, on=_ROW, how="left", maintain_order="left")
        has_word = pl.col("word").is_not_null()
        told = known.with_columns(
            is_last=pl.int_range(pl.len()).over(_PLACE) == pl.len().over(_PLACE) - 1,
            is_fresh=has_word & pl.col("has_landed").is_null(),
        )
        moved = (pl.col("_row_hash") != pl.col("word")) | pl.col("is_fresh").any().over(_PLACE)
        new = pl.col("is_fresh") | (pl.col("is_last") & moved)
        self._said(told.filter(has_word))
        return told.select(pl.when(has_word).then(new).otherwise(otherwise).alias("new"))["new"]

    def _said(self, told: pl.DataFrame) -> None:
        self._landed = pl.concat([self._landed, told.filter("is_fresh").select(_ROW)]).unique()
        words = told.filter("is_last").select(*_PLACE, word="_row_hash")
        self._words = self._words.update(words, on=_PLACE)

    def _look(self, files: Iterable[str]) -> None:
        wanted = [
            name
            for name in files
            if name not in self._looked and {name, name.rpartition("#")[0]} & self._paths
        ]
        self._looked |= set(files)
        if not wanted:
            return
        order = ["_landing_version", "_row"]
        held = self._table.scan().filter(
            pl.col("_file").is_in(wanted), pl.col("_key").is_not_null()
        )
        rows = held.select(*_ROW, *order, "_tombstone").collect(engine="streaming").sort(order)
        last = rows.group_by(_PLACE).last().filter(~pl.col("_tombstone"))
        words = last.select(*_PLACE, word="_row_hash")
        landed = rows.filter(~pl.col("_tombstone")).join(words, on=_PLACE, how="semi")
        self._words = pl.concat([self._words, words])
        self._landed = pl.concat([self._landed, landed.select(_ROW).unique()])
