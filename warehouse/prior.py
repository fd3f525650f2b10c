"""What is already landed of a stream, as far as a read has to know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table
from warehouse.delta_errors import unless_purged

_MARKS = {"_key": pl.String, "_row_hash": pl.String}
_NO_MARKS = pl.DataFrame(schema=_MARKS)
_ROWS_OF_A_READ: Final = 2**40  # more than one has; with it, four million landing versions fit

NO_KEYS: Final = _NO_MARKS.select("_key")


def cursor_values(table: Table, column: str, *, bound: Any) -> pl.Expr:  # noqa: ANN401
    """The values of a cursor column, comparable with a bound.

    A number without declared digits lands as text: as a text, 9 would be greater than 100.
    """
    is_text = pa.types.is_string(table.schema.field(column).type)
    if is_text and isinstance(bound, int):
        return pl.col(column).cast(pl.Float64, strict=False)
    return pl.col(column)


def alive_keys(table: Table) -> pl.DataFrame:
    """The keys that aren't buried, one column `_key`: what `Prior` tells of them, in less room.

    Raises:
        LostRaceError: Files of the table were deleted since it was opened.
    """
    place = pl.col("_landing_version") * _ROWS_OF_A_READ + pl.col("_row")
    newest = (place * 2 + pl.col("_tombstone")).max().alias("_newest")
    rows = table.scan().filter(pl.col("_key").is_not_null()).group_by("_key").agg(newest)
    with unless_purged(table.uri):
        return rows.filter(pl.col("_newest") % 2 == 0).select("_key").collect(engine="streaming")


class Prior:
    """For every key the rows of its newest sync, and whether it is alive.

    A key may stand in several rows (not every office has unique keys), so a key is compared by its
    set of hashes. Rows without a key are compared with the keyless rows landed, but for those that
    were seen to be gone.
    """

    def __init__(self, newest: pl.DataFrame, keyless: pl.DataFrame) -> None:
        self._newest = newest
        self._keyless = keyless
        live = newest.filter(~pl.col("_tombstone")).select(*_MARKS)
        self._known = pl.concat([live, keyless]).unique()

    @classmethod
    def load(
        cls,
        table: Table,
        *,
        cursor: tuple[str, Any] | None,
        values: Sequence[str] = (),
        keys: pl.DataFrame | None = None,
        to: int | None = None,
    ) -> Prior:
        """Reads the marks of a landing table.

        Args:
            table: The landing table.
            cursor: Only rows whose cursor column is at or past the bound (and rows without one).
            values: Further columns to keep for the condition of `alive_keys`.
            keys: Only rows with one of these keys (column `_key`).
            to: Only rows up to this landing version.

        Raises:
            LostRaceError: Files of the table were deleted since it was opened.
        """
        rows = table.scan()
        if to is not None:
            rows = rows.filter(pl.col("_landing_version") <= to)
        if keys is not None:
            rows = rows.join(keys.lazy(), on="_key", how="semi")
        if cursor is not None:
            column, low = cursor
            value = cursor_values(table, column, bound=low)
            rows = rows.filter((value >= low) | value.is_null())
        order = ["_landing_version", "_row"]
        others = (value for value in values if value not in _MARKS)
        with unless_purged(table.uri):
            frame = rows.select(*_MARKS, *order, "_sync_id", "_tombstone", *others).collect(
                engine="streaming"
            )
        keyed, keyless = frame.sort(order), cls.no_marks()
        if frame["_key"].null_count():
            nameless = keyed.filter(pl.col("_key").is_null()).group_by("_row_hash").last()
            keyless = nameless.filter(~pl.col("_tombstone")).select(*_MARKS)
            keyed = keyed.filter(pl.col("_key").is_not_null())
        last = keyed.group_by("_key").agg(
            pl.col("_sync_id").last().alias("_last_sync"),
            pl.col("_tombstone").last().alias("_is_gone"),
        )
        newest = keyed.join(last, on="_key").filter(
            pl.col("_sync_id") == pl.col("_last_sync"), pl.col("_tombstone") == pl.col("_is_gone")
        )
        return cls(newest, keyless)

    @classmethod
    def none(cls) -> Prior:
        """Nothing: every row is new."""
        marks = cls.no_marks().with_columns(pl.lit(value=False).alias("_tombstone"))
        return cls(marks, cls.no_marks())

    @staticmethod
    def no_marks() -> pl.DataFrame:
        """An empty frame of (key, hash)."""
        return _NO_MARKS

    @property
    def is_empty(self) -> bool:
        """Nothing is landed."""
        return not self._known.height and not self._newest.height and not self._keyless.height

    def add(self, marks: pl.DataFrame) -> None:
        """Takes (key, hash) rows that have landed meanwhile for known."""
        self._known = pl.concat([self._known, marks.select(*_MARKS)]).unique()

    def is_new(self, marks: pl.DataFrame) -> pl.Series:
        """For each (key, hash) row, in order, whether it differs from what is landed."""
        known = self._known.with_columns(pl.lit(value=True).alias("known"))
        joined = marks.join(
            known, on=["_key", "_row_hash"], how="left", nulls_equal=True, maintain_order="left"
        )
        return joined["known"].is_null()

    @property
    def keyless(self) -> pl.DataFrame:
        """The (key, hash) of the rows without a key that are there, as far as is known."""
        return self._keyless.unique()

    def alive_keys(self, condition: pl.Expr | None = None) -> pl.DataFrame:
        """The keys that aren't buried, one column `_key`.

        Args:
            condition: Over the kept values of a key's newest row.
        """
        if condition is not None:
            return self.alive_rows().filter(condition).select("_key")
        return self._newest.filter(~pl.col("_tombstone")).select("_key").unique()

    def alive_rows(self) -> pl.DataFrame:
        """The newest row of every key that isn't buried: `_key`, and the values that were kept."""
        return self._newest.filter(~pl.col("_tombstone")).group_by("_key").last()

    def last_of_several(self) -> pl.DataFrame:
        """The last row, as (key, hash), of every key whose newest sync brought different ones."""
        live = self._newest.filter(~pl.col("_tombstone")).group_by("_key", maintain_order=True)
        rows = live.agg(pl.col("_row_hash").last(), several=pl.col("_row_hash").n_unique() > 1)
        return rows.filter("several").select(*_MARKS)

    def newest_rows(self, keys: pl.DataFrame) -> pl.DataFrame:
        """The (key, hash) rows of the newest sync of some keys."""
        return self._newest.join(keys, on="_key", how="semi").select(*_MARKS)

    def partly_changed(self, seen: pl.DataFrame) -> pl.DataFrame:
        """Rows to land again although they are landed, as (key, hash).

        Where a key stands in several rows and one of them changed or vanished, its other rows
        belong to the new set too: without them the vanished one would stay the newest.

        Args:
            seen: Every (key, hash) of a whole read.
        """
        marks = ["_key", "_row_hash"]
        now = seen.filter(pl.col("_key").is_not_null()).select(marks).unique()
        then = self._newest.filter(~pl.col("_tombstone")).select(marks).unique()
        several = (
            pl.concat([now, then])
            .unique()
            .group_by("_key")
            .len()
            .filter(pl.col("len") > 1)
            .select("_key")
        )
        if not several.height:
            return self.no_marks()
        now, then = (f.join(several, on="_key", how="semi") for f in (now, then))
        vanished = then.join(now, on=marks, how="anti").select("_key")
        arrived = now.join(then, on=marks, how="anti").select("_key")
        changed = pl.concat([vanished, arrived]).unique()
        return now.join(changed, on="_key", how="semi").join(then, on=marks, how="semi")
