"""Files that are added to others and come again, longer or corrected: what of them is landed.

Where a stream names no version, the later read wins. That a row stands in its file still is nothing
new that the office says: else every night in which a journal grows would bring its older lines
back, over what later lines and later files say of the same keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table

_ROW: Final = ["_file", "_key", "_row_hash"]
_COUNTS: Final = {**dict.fromkeys(_ROW, pl.String), "rows": pl.UInt32}


class FilesAgain:
    """What landed of files that were read before, and what of them has come in this read.

    Args:
        table: The landing table.
        paths: The files that were read before; a sheet of a workbook is `PATH#SHEET`.
    """

    def __init__(self, table: Table, paths: Iterable[str]) -> None:
        self._table = table
        self._paths = frozenset(paths)
        self._looked: set[str] = set()
        self._landed = pl.DataFrame(schema=_COUNTS)
        self._came = pl.DataFrame(schema=_COUNTS)

    def are_new(self, rows: pa.Table, otherwise: pl.Series) -> pl.Series:
        """For each row whether its file says it for the first time, or once more than before.

        Args:
            rows: Stamped.
            otherwise: What holds of rows that never landed of their file.
        """
        marks = pl.DataFrame(rows.select(_ROW))
        self._look(marks["_file"].unique().drop_nulls().to_list())
        nth = pl.int_range(pl.len(), dtype=pl.UInt32).over(_ROW)
        told = marks.with_columns(nth.alias("nth"))
        for name, counts in (("came", self._came), ("landed", self._landed)):
            told = told.join(
                counts.rename({"rows": name}),
                on=_ROW, how="left", nulls_equal=True, maintain_order="left",
            )  # fmt: skip
        come = marks.join(self._landed, on=_ROW, how="semi", nulls_equal=True)
        counted = come.group_by(_ROW).len("rows")
        self._came = pl.concat([self._came, counted]).group_by(_ROW).sum()
        is_more = pl.col("nth") + pl.col("came").fill_null(0) >= pl.col("landed")
        return told.select(pl.coalesce(is_more, otherwise).alias("new"))["new"]

    def _look(self, files: Iterable[str]) -> None:
        wanted = [
            name
            for name in files
            if name not in self._looked and {name, name.rpartition("#")[0]} & self._paths
        ]
        self._looked |= set(files)
        if not wanted:
            return
        rows = self._table.scan().filter(pl.col("_file").is_in(wanted), ~pl.col("_tombstone"))
        # Copies for their keys' sake stand in the lines of the first; records may share a line.
        of_read = rows.group_by(*_ROW, "_sync_id").agg(pl.len(), pl.col("_line").unique())
        counts = of_read.group_by(_ROW).agg(
            pl.max_horizontal(pl.col("len").max(), pl.col("_line").explode().n_unique()).alias(
                "rows"
            )
        )
        self._landed = pl.concat([self._landed, counts.collect(engine="streaming")])
