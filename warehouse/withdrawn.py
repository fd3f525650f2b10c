"""Rejected rows that their office took back: they get a tombstone, so that nobody waits for them.

A key that is gone is buried by every whole read. A row without a key has none, and a file that is
added to others deletes nothing: what was rejected there would wait for ever, although the office
has corrected its file.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from warehouse.delta import Table
from warehouse.prior import NO_KEYS, Prior

Watched = Callable[[frozenset[str]], pl.DataFrame]
"""Paths of files to the `_key` of records of theirs that were rejected, and never accepted."""

_NO_HASHES = pl.DataFrame(schema={"_row_hash": pl.String})


def stood_in(files: frozenset[str]) -> pl.Expr:
    """Whether a row stood in one of some files; a sheet of a workbook is `PATH#SHEET`."""
    place = pl.col("_file")
    sheets = [place.str.starts_with(f"{path}#") for path in sorted(files)]
    return pl.any_horizontal(place.is_in(sorted(files)), *sheets)


class Withdrawals:
    """What a read saw of rows that may have been taken back.

    Args:
        is_whole: The read covers every row of the stream.
        watched: Asked only for files that were read again; None where nothing is watched.
    """

    def __init__(self, *, is_whole: bool, watched: Watched | None) -> None:
        self._is_whole = is_whole
        self._watched = None if is_whole else watched
        self._hashes = [_NO_HASHES]
        self._keys = [NO_KEYS]

    def saw(self, marks: pl.DataFrame) -> None:
        """Takes note of rows (`_key`, `_row_hash`) that are there."""
        keyless = marks.filter(pl.col("_key").is_null())
        if keyless.height:
            self._hashes.append(keyless.select("_row_hash").unique())
        if self._watched is not None:
            self._keys.append(marks.select("_key").drop_nulls().unique())

    def found(self, prior: Prior, table: Table, files: frozenset[str]) -> pl.DataFrame:
        """The landed rows that were taken back, as (key, hash).

        Args:
            prior: What was landed before the read.
            table: The landing table.
            files: Paths of the files that the read has read.
        """
        return pl.concat([self._keyless(prior, table, files), self._keyed(prior, files)])

    def _keyless(self, prior: Prior, table: Table, files: frozenset[str]) -> pl.DataFrame:
        gone = prior.keyless.join(pl.concat(self._hashes), on="_row_hash", how="anti")
        if self._is_whole or not gone.height or not files:
            return gone if self._is_whole else Prior.no_marks()
        stood = (
            table.scan()
            .filter(pl.col("_key").is_null())
            .select("_row_hash", "_file", "_landing_version", "_row")
            .collect()
            .sort("_landing_version", "_row")
            .group_by("_row_hash")
            .last()
            .filter(stood_in(files))
        )
        return gone.join(stood, on="_row_hash", how="semi")

    def _keyed(self, prior: Prior, files: frozenset[str]) -> pl.DataFrame:
        if self._watched is None or not files:
            return Prior.no_marks()
        gone = self._watched(files).join(pl.concat(self._keys), on="_key", how="anti")
        alive = prior.alive_keys().join(gone, on="_key", how="semi")
        return prior.newest_rows(alive).unique()
