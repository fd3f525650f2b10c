"""Files that are added to others: what of them is new.

Where a stream names no version, the later read wins, so what lands decides what counts. Files come
again, longer or corrected, and under new names with what others said before. A file's word on a key
is its last row of it.

- Of a file that comes again, a row is new that never landed of it; and its word, where that is
  another one than before, or has to stay behind a row that is new. That a row stands there still is
  nothing new that the office says: else every night in which a journal grows would bring its older
  lines back, over what later lines and later files say.
- Of other rows is new what differs from what is landed; and the word, where the newest word on its
  key is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table
from warehouse.delta_errors import unless_purged
from warehouse.prior import Prior

_PLACE: Final = ["_file", "_key"]
_MARKS: Final = ["_key", "_row_hash"]
_ROW: Final = [*_PLACE, "_row_hash"]
_ORDER: Final = ["_landing_version", "_row"]
_ORIGIN: Final = {"_file": pl.String, "_file_hash": pl.String, "_line": pl.Int64}
_SAID: Final = {**dict.fromkeys(_MARKS, pl.String), "_row": pl.Int64, **_ORIGIN}
AGAIN: Final = ("_key", "_row_hash", "_place", *_ORIGIN)
"""A landed row, by key and hash, to land once more: its place in the read, and where it stands."""


class FilesAgain:
    """What landed of files that were read before, and what files have said in this read.

    Args:
        table: The landing table before the read.
        files: Path of each file that was read before to the rows that it had. A sheet of a workbook
            is `PATH#SHEET`.
        prior: What had landed before the read.
    """

    def __init__(
        self, table: Table, files: Mapping[str, int], *, prior: Callable[[], Prior]
    ) -> None:
        self._table = table
        self._before = table.scan()
        self._files = files
        self._prior = prior
        self._looked: set[str] = set()
        self._counts: dict[str, int] = {}  # rows of each path that have come
        self._landed = pl.DataFrame(schema=dict.fromkeys(_ROW, pl.String))
        self._words = pl.DataFrame(schema=dict.fromkeys([*_PLACE, "word"], pl.String))
        # Of the file that hasn't ended yet, by its last row of each key so far:
        self._known = pl.DataFrame(schema={**_SAID, "is_fresh": pl.Boolean, "moved": pl.Boolean})
        self._other = pl.DataFrame(schema=_SAID)
        self._newest = pl.DataFrame(schema=dict.fromkeys(_MARKS, pl.String))  # of this read

    @cached_property
    def _last(self) -> pl.DataFrame:
        """The newest word before the read, where a key has more rows than that one."""
        return self._prior().last_of_several()

    def are_new(self, rows: pa.Table, otherwise: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
        """For each row whether its file says something new by it, and what lands in front of them.

        A file's word is known once the file has ended: it may have come in an earlier chunk,
        without landing.

        Args:
            rows: Stamped; a chunk of the read, in order. The rows of a file follow each other.
            otherwise: Whether each differs from what is landed.

        Returns:
            The answers; and landed rows of earlier chunks that land once more (AGAIN).
        """
        told = self._told(pl.DataFrame(rows.select(list(_SAID))).with_columns(is_fresh=otherwise))
        due = self._due(told, still_open=told["_file"][-1] if told.height else None)
        is_new = told["is_fresh"] | told["_row"].is_in(due["_row"].implode())
        return is_new, _again(due.filter(~pl.col("_row").is_in(told["_row"].implode())))

    def left(self) -> pl.DataFrame:
        """Landed rows that land once more at the end of the read (AGAIN)."""
        if not self._counts:
            return Prior.no_marks()  # no row has come
        nothing = pl.DataFrame(schema={**_SAID, "is_fresh": pl.Boolean})
        due = self._due(self._told(nothing), still_open=None)
        return _again(due.sort("_row").group_by(_MARKS).last())

    def _told(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `word`, the one that their file had before; and whether they are new at once.

        `is_old` are those that stood in it before, though they may have landed of another file that
        says the same: they are among as many rows as it had then.
        """
        self._look(rows["_file"].unique().drop_nulls().to_list())
        landed = self._landed.with_columns(has_landed=pl.lit(value=True))
        known = (
            self._placed(rows)
            .join(self._words, on=_PLACE, how="left", maintain_order="left")
            .join(landed, on=_ROW, how="left", maintain_order="left")
        )
        never = pl.when(pl.col("word").is_not_null()).then(pl.col("has_landed").is_null())
        known = known.with_columns(is_fresh=never.otherwise(pl.col("is_fresh")))
        was_there = (pl.col("place") <= pl.col("had")) & pl.col("_key").is_not_null()
        doubtful = known.filter(was_there & pl.col("is_fresh")).select(_MARKS).unique()
        repeated = self._ever_landed(doubtful).with_columns(is_repeated=pl.lit(value=True))
        marked = known.join(repeated, on=_MARKS, how="left", maintain_order="left")
        is_old = was_there & (~pl.col("is_fresh") | pl.col("is_repeated").is_not_null())
        marked = marked.with_columns(is_old=is_old.fill_null(value=False))
        is_fresh = pl.col("is_fresh") & ~pl.col("is_old")
        return marked.select(*_SAID, "word", "is_old", is_fresh=is_fresh)

    def _due(self, told: pl.DataFrame, *, still_open: str | None) -> pl.DataFrame:
        """The words, of files that have ended, that land although they have landed before."""
        is_open = pl.col("_file").eq(pl.lit(still_open, pl.String)).fill_null(value=False)
        keyed = told.filter(pl.col("_key").is_not_null())
        words = keyed.filter(pl.col("word").is_not_null()).with_columns(moved=pl.col("is_fresh"))
        words = pl.concat([self._known, words.select(self._known.columns)]).sort("_row")
        moved = words.group_by(_PLACE).agg(pl.col("moved").any())
        words = words.drop("moved").group_by(_PLACE).last().join(moved, on=_PLACE)
        self._known = words.filter(is_open).select(self._known.columns)
        ended = words.filter(~is_open & ~pl.col("is_fresh")).join(self._words, on=_PLACE)
        due = ended.filter(pl.col("moved") | (pl.col("_row_hash") != pl.col("word")))
        lands = pl.concat([keyed.filter("is_fresh").select(_SAID.keys()), due.select(_SAID.keys())])
        others = self._last_of_others(keyed)
        self._other = others.filter(is_open)
        return pl.concat([due.select(_SAID.keys()), self._newer(lands, others.filter(~is_open))])

    def _last_of_others(self, keyed: pl.DataFrame) -> pl.DataFrame:
        """Words of files that had none on their key, which haven't landed by themselves."""
        fresh = keyed.filter("is_fresh")
        known = [fresh.select("_key"), self._newest.select("_key"), self._last.select("_key")]
        own = keyed.filter(pl.col("word").is_null(), ~pl.col("is_fresh"), ~pl.col("is_old"))
        # Of any other key the newest word is the one that is landed.
        own = own.join(pl.concat(known), on="_key", how="semi").select(_SAID.keys())
        rows = pl.concat([self._other, own]).sort("_row").group_by(_PLACE).last()
        behind = fresh.group_by(_PLACE).agg(pl.col("_row").max().alias("later"))
        rows = rows.join(behind, on=_PLACE, how="left")
        is_last = pl.col("later").is_null() | (pl.col("later") < pl.col("_row"))
        return rows.filter(is_last).select(_SAID.keys())

    def _newer(self, lands: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
        """Those of some words that aren't the newest of their key by then."""
        every = pl.concat(
            [
                lands.with_columns(is_word=pl.lit(value=False)),
                words.with_columns(is_word=pl.lit(value=True)),
            ]
        ).sort("_row")
        before = pl.concat([self._last, self._newest]).group_by("_key", maintain_order=True)
        known = every.join(before.agg(before=pl.col("_row_hash").last()), on="_key", how="left")
        known = known.sort("_row").with_columns(
            before=pl.col("_row_hash").shift(1).over("_key").fill_null(pl.col("before"))
        )
        newest = every.select(_MARKS)
        self._newest = pl.concat([self._newest, newest]).unique(
            "_key", keep="last", maintain_order=True
        )
        is_newer = pl.col("is_word") & (pl.col("_row_hash") != pl.col("before"))
        return known.filter(is_newer).select(_SAID.keys())

    def _placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with their `place` in their file, from 1, and how many it `had` before."""
        names = rows["_file"].unique().drop_nulls().to_list()
        paths = {name: self._path(name) for name in names}
        counts = {path: self._counts.get(path, 0) for path in paths.values()}
        path = pl.col("_file").replace_strict(paths, default=None, return_dtype=pl.String)
        placed = rows.with_columns(path=path).with_columns(
            place=pl.int_range(1, pl.len() + 1).over("path")
            + pl.col("path").replace_strict(counts, default=0, return_dtype=pl.Int64),
            had=pl.col("path").replace_strict(self._files, default=0, return_dtype=pl.Int64),
        )
        for name, count in placed["path"].drop_nulls().value_counts().iter_rows():
            self._counts[name] = counts[name] + count
        return placed

    def _ever_landed(self, marks: pl.DataFrame) -> pl.DataFrame:
        """Those of some (key, hash) that landed before this read, of whatever file.

        None of a key that is buried: who comes again is new.
        """
        if not marks.height:
            return marks
        keys = marks.select("_key").unique()
        held = self._before.join(keys.lazy(), on="_key", how="semi")
        with unless_purged(self._table.uri):
            rows = held.select(*_MARKS, *_ORDER, "_tombstone").collect(engine="streaming")
        last = rows.sort(_ORDER).group_by("_key").last().filter("_tombstone")
        alive = rows.filter(~pl.col("_tombstone")).join(last, on="_key", how="anti")
        return marks.join(alive.select(_MARKS).unique(), on=_MARKS, how="semi")

    def _path(self, name: str) -> str:
        return name if name in self._files else name.rpartition("#")[0]

    def _look(self, files: Iterable[str]) -> None:
        wanted = [f for f in files if f not in self._looked and self._path(f) in self._files]
        self._looked |= set(files)
        if not wanted:
            return
        held = self._before.filter(pl.col("_file").is_in(wanted), pl.col("_key").is_not_null())
        with unless_purged(self._table.uri):
            found = held.select(*_ROW, *_ORDER, "_tombstone").collect(engine="streaming")
        rows = found.sort(_ORDER)
        last = rows.group_by(_PLACE).last().filter(~pl.col("_tombstone"))
        words = last.select(*_PLACE, word="_row_hash")
        landed = rows.filter(~pl.col("_tombstone")).join(words, on=_PLACE, how="semi")
        self._words = pl.concat([self._words, words])
        self._landed = pl.concat([self._landed, landed.select(_ROW).unique()])


def _again(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(*_MARKS, pl.col("_row").alias("_place"), *_ORIGIN)
