"""Files that are added to others: what of them is new.

Where a stream names no version, the later read wins, so what lands decides what counts. Files come
again, longer or corrected, and under new names with what others said before. A file's word on a key
is its last row of it.

- Of a file that comes again, a row is new that never landed of it; and its word, where that is
  another one than before, or has to stay behind a row that is new. That a row stands there still is
  nothing new that the office says: else every night in which a journal grows would bring its older
  lines back, over what later lines and later files say.
- Of other rows is new what differs from what is landed. The last of a read lands behind a new one
  of its key, even where it says what was landed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table
from warehouse.delta_errors import unless_purged

_PLACE: Final = ["_file", "_key"]
_MARKS: Final = ["_key", "_row_hash"]
_ROW: Final = [*_PLACE, "_row_hash"]
_SAID: Final = {**dict.fromkeys(_MARKS, pl.String), "_row": pl.Int64, "is_fresh": pl.Boolean}
_ORIGIN: Final = {"_file": pl.String, "_file_hash": pl.String, "_line": pl.Int64}
AGAIN: Final = {**dict.fromkeys(_MARKS, pl.String), "_place": pl.Int64, **_ORIGIN}
"""A landed row, by key and hash, to land once more: its place in the read, and where it stands."""


class FilesAgain:
    """What landed of files that were read before, and what they have said in this read.

    Args:
        table: The landing table before the read.
        files: Path of each file that was read before to the rows that it had. A sheet of a workbook
            is `PATH#SHEET`.
    """

    def __init__(self, table: Table, files: Mapping[str, int]) -> None:
        self._table = table
        self._before = table.scan().filter(~pl.col("_tombstone"))
        self._files = files
        self._looked: set[str] = set()
        self._counts: dict[str, int] = {}  # rows of each path that have come
        self._landed = pl.DataFrame(schema=dict.fromkeys(_ROW, pl.String))
        self._words = pl.DataFrame(schema=dict.fromkeys([*_PLACE, "word"], pl.String))
        self._said = pl.DataFrame(schema={**_ORIGIN, **_SAID, "has_fresh": pl.Boolean})
        self._new = [pl.DataFrame(schema={"_key": pl.String, "_row": pl.Int64})]
        self._same = [pl.DataFrame(schema=AGAIN)]

    def are_new(self, rows: pa.Table, otherwise: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
        """For each row whether its file says something new by it, and what lands in front of them.

        A word that stays behind a new row of its file is known as such once the file has ended: it
        may have come in an earlier chunk, without landing.

        Args:
            rows: Stamped; a chunk of the read, in order. The rows of a file follow each other.
            otherwise: Whether each differs from what is landed.

        Returns:
            The answers; and landed rows of earlier chunks that land once more (AGAIN).
        """
        marks = pl.DataFrame(rows.select([*_MARKS, "_row", *_ORIGIN]))
        marks = marks.with_columns(differs=otherwise)
        self._look(marks["_file"].unique().drop_nulls().to_list())
        landed = self._landed.with_columns(has_landed=pl.lit(value=True))
        known = marks.join(self._words, on=_PLACE, how="left", maintain_order="left")
        known = known.join(landed, on=_ROW, how="left", maintain_order="left")
        known = known.with_columns(has_word=pl.col("word").is_not_null())
        is_fresh = pl.when("has_word").then(pl.col("has_landed").is_null()).otherwise("differs")
        told = self._without_repeated(known.with_columns(is_fresh=is_fresh))
        due = self._due(told, still_open=told["_file"][-1] if told.height else None)
        is_new = told["is_fresh"] | told["_row"].is_in(due["_row"].implode())
        earlier = due.filter(~pl.col("_row").is_in(told["_row"].implode()))
        self._note(told.with_columns(is_new=is_new), earlier)
        return is_new, _again(earlier)

    def left(self) -> pl.DataFrame:
        """Landed rows that land once more at the end of the read (AGAIN)."""
        due = self._due(None, still_open=None)
        new = pl.concat([*self._new, due.select("_key", "_row")])
        last = new.group_by("_key").agg(pl.col("_row").max())
        same = pl.concat(self._same).sort("_place").group_by("_key").last()
        behind = same.join(last, on="_key").filter(pl.col("_place") > pl.col("_row"))
        again = pl.concat([_again(due), behind.select(AGAIN.keys())])
        return again.sort("_place").group_by(_MARKS).last().select(AGAIN.keys())

    def _due(self, told: pl.DataFrame | None, *, still_open: str | None) -> pl.DataFrame:
        """The words, of files that have ended, that land although they have landed before."""
        said = self._said
        if told is not None:
            words = told.filter("has_word").with_columns(has_fresh=pl.col("is_fresh"))
            words = pl.concat([said, words.select(said.columns)]).sort("_row")
            whether = words.group_by(_PLACE).agg(pl.col("has_fresh").any())
            said = words.drop("has_fresh").group_by(_PLACE).last().join(whether, on=_PLACE)
        is_open = pl.col("_file").eq(pl.lit(still_open, pl.String)).fill_null(value=False)
        self._said = said.filter(is_open).select(self._said.columns)
        ended = said.filter(~is_open).join(self._words, on=_PLACE)
        moved = (pl.col("_row_hash") != pl.col("word")) | pl.col("has_fresh")
        return ended.filter(~pl.col("is_fresh") & moved)

    def _note(self, told: pl.DataFrame, earlier: pl.DataFrame) -> None:
        """Remembers what lands of each key, and what comes behind it that has landed before."""
        keyed = told.filter(pl.col("_key").is_not_null())
        new = keyed.filter("is_new").select("_key", "_row")
        self._new += [new, earlier.select("_key", "_row")]
        keys = pl.concat(self._new).select("_key").unique()
        same = keyed.filter(~pl.col("is_new") & ~pl.col("has_word") & ~pl.col("is_repeated"))
        same = same.join(keys, on="_key", how="semi")
        self._same.append(_again(same))

    def _without_repeated(self, told: pl.DataFrame) -> pl.DataFrame:
        """The rows, of which those aren't fresh that their file repeats of another one.

        It said so before already and they landed of the other: that is told by their place among as
        many rows as it had then.
        """
        names = told["_file"].unique().drop_nulls().to_list()
        paths = {name: self._path(name) for name in names}
        path = pl.col("_file").replace_strict(paths, default=None, return_dtype=pl.String)
        counts = {path: self._counts.get(path, 0) for path in paths.values()}
        placed = told.with_columns(path=path).with_columns(
            place=pl.int_range(1, pl.len() + 1).over("path")
            + pl.col("path").replace_strict(counts, default=0, return_dtype=pl.Int64),
            had=pl.col("path").replace_strict(self._files, default=0, return_dtype=pl.Int64),
        )
        for name, rows in placed["path"].drop_nulls().value_counts().iter_rows():
            self._counts[name] = counts[name] + rows
        doubtful = pl.col("is_fresh") & ~pl.col("has_word") & (pl.col("place") <= pl.col("had"))
        suspects = placed.filter(doubtful, pl.col("_key").is_not_null()).select(_MARKS).unique()
        repeated = suspects
        if suspects.height:
            with unless_purged(self._table.uri):
                repeated = (
                    self._before.select(_MARKS)
                    .join(suspects.lazy(), on=_MARKS, how="semi")
                    .unique()
                    .collect(engine="streaming")
                )
        repeated = repeated.with_columns(is_repeated=pl.lit(value=True))
        marked = placed.join(repeated, on=_MARKS, how="left", maintain_order="left")
        is_repeated = doubtful & pl.col("is_repeated").fill_null(value=False)
        marked = marked.with_columns(is_repeated=is_repeated)
        return marked.with_columns(is_fresh=pl.col("is_fresh") & ~pl.col("is_repeated"))

    def _path(self, name: str) -> str:
        return name if name in self._files else name.rpartition("#")[0]

    def _look(self, files: Iterable[str]) -> None:
        wanted = [f for f in files if f not in self._looked and self._path(f) in self._files]
        self._looked |= set(files)
        if not wanted:
            return
        order = ["_landing_version", "_row"]
        held = self._table.scan().filter(
            pl.col("_file").is_in(wanted), pl.col("_key").is_not_null()
        )
        with unless_purged(self._table.uri):
            rows = held.select(*_ROW, *order, "_tombstone").collect(engine="streaming").sort(order)
        last = rows.group_by(_PLACE).last().filter(~pl.col("_tombstone"))
        words = last.select(*_PLACE, word="_row_hash")
        landed = rows.filter(~pl.col("_tombstone")).join(words, on=_PLACE, how="semi")
        self._words = pl.concat([self._words, words])
        self._landed = pl.concat([self._landed, landed.select(_ROW).unique()])


def _again(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(*_MARKS, pl.col("_row").alias("_place"), *_ORIGIN)
