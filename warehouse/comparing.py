"""What is landed of a stream, held against what its source says: the exact differences.

A key's rows are those of its newest sync, as everywhere in landing. In `mode: increment` nothing is
extra: a key that isn't repeated isn't gone. Of increments of files every row that ever landed
counts as known: the files of older days are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from schemas.rows import CONNECTOR_COLUMNS, LANDING
from warehouse.buckets import BUCKET, MonthOf, month, month_column
from warehouse.delta import Table
from warehouse.hashing import row_hashes
from warehouse.landing_schema import columns_to_add, landing_schema
from warehouse.landing_stamp import ReadStamp, stamp
from warehouse.prior import cursor_values
from warehouse.slots import digits_for, slots, unequal_slots
from warehouse.state import CursorValue

_MARKS: Final = ["_key", "_row_hash"]
_NOT_HASHED: Final = {"_file", "_file_hash", "_line"}
_PLACES: Final = {**dict.fromkeys([*_MARKS, BUCKET], pl.String()), "due": pl.Boolean()}
_READ_ALL_ABOVE: Final = 0.5  # share of unequal slots: asking for them spares nothing any more

KINDS: Final = ("missing", "extra", "differing")


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The differences of one stream.

    Attributes:
        keys: `_key` (null for a row that has none), `bucket`, `kind` (see KINDS) and `due` (the
            next read's late window brings it), one row for each key.
        slots: Slots that hold every row of those keys on either side; None: they aren't told.
        hashes: `_row_hash` of missing rows without a key.
    """

    keys: pl.DataFrame
    slots: tuple[str, ...] | None
    hashes: frozenset[str] = frozenset()

    def of(self, *kinds: str) -> pl.DataFrame:
        """The keys of some kinds."""
        return self.keys.filter(pl.col("kind").is_in(list(kinds)))


@dataclass(frozen=True, kw_only=True)
class Landed:
    """The landed rows that are compared.

    Attributes:
        table: The landing table, at the version that is compared.
        version: The landing version.
        rows: `_key`, `_row_hash`, `bucket`; with `keeps_all` those of every sync.
        digits: Digits that make a slot.
        keeps_all: Every row that ever landed counts as known.
        tells_gone: A key that the source doesn't have is extra.
        month: What tells a row's month.
    """

    table: Table
    version: int
    rows: pl.DataFrame
    digits: int
    keeps_all: bool
    tells_gone: bool
    month: MonthOf | None = None

    @classmethod
    def load(
        cls,
        table: Table,
        *,
        version: int,
        columns: Sequence[str],
        months: Sequence[MonthOf],
        keeps_all: bool,
        tells_gone: bool,
    ) -> Landed:
        """Reads the marks of a landing table.

        Args:
            table: The table.
            version: Its landing version.
            columns: The columns that the stream reads today. Rows landed with others are hashed
                anew over these.
            months: What may tell a row's month.
            keeps_all: See the class.
            tells_gone: See the class.
        """
        chosen = month_column(table.schema, months)
        dropped = [n for n in table.schema.names if n not in LANDING and n not in columns]
        values = [*columns, *(n for n in CONNECTOR_COLUMNS if n not in _NOT_HASHED)]
        wanted = {*values} if dropped else set()
        wanted |= {chosen.column} if chosen else set()
        order = ["_landing_version", "_row", "_sync_id", "_tombstone"]
        held = [n for n in table.schema.names if n in wanted and n not in _MARKS]
        frame = table.scan().select(*_MARKS, *order, *held).collect(engine="streaming")
        alive = frame.filter(~pl.col("_tombstone")) if keeps_all else _newest(frame)
        if dropped:
            hashed = alive.select([n for n in values if n in alive.columns]).to_arrow()
            anew = pl.Series(pl.from_arrow(row_hashes(hashed, hashed.schema.names)))
            alive = alive.with_columns(anew.alias("_row_hash"))
        rows = alive.select(*_MARKS, month(table.schema, chosen))
        return cls(
            table=table, version=version, rows=rows, digits=digits_for(rows.height),
            keeps_all=keeps_all, tells_gone=tells_gone, month=chosen,
        )  # fmt: skip

    def unequal(self, digest: Iterator[pa.RecordBatch]) -> tuple[str, ...] | None:
        """The slots in which the source has other rows; None: so many that all are read."""
        ours = slots(self.rows["_row_hash"], self.digits)
        found = unequal_slots(ours, digest)
        return None if len(found) > _READ_ALL_ABOVE * max(ours.height, 16) else tuple(found)

    def per_bucket(self) -> dict[str, int]:
        """Keys by month."""
        keyed = self.rows.drop_nulls("_key").group_by(BUCKET).agg(pl.col("_key").n_unique())
        return {bucket: int(keys) for bucket, keys in keyed.sort(BUCKET).iter_rows()}

    def _in(self, found: Sequence[str] | None) -> pl.DataFrame:
        if found is None:
            return self.rows
        slot = pl.col("_row_hash").str.slice(0, self.digits)
        return self.rows.filter(slot.is_in(list(found)))


class Against:
    """Gathers what a source delivers of the unequal slots, and tells the differences."""

    def __init__(
        self,
        landed: Landed,
        *,
        found: tuple[str, ...] | None,
        stamp: ReadStamp,
        schema: pa.Schema,
        due: tuple[str, CursorValue, CursorValue] | None,
        screen: Callable[[pa.Table, pa.Table], pa.Table] | None = None,
    ) -> None:
        """Starts without a row of the source.

        Args:
            landed: What is landed.
            found: The unequal slots; None: all rows come.
            stamp: The stream's key.
            schema: Of the rows as the source delivers them.
            due: Cursor, where the next read begins, and where the coverage ends: what is compared
                and lies behind that is from the future, which no next read brings.
            screen: See `warehouse.landing.LandingRead`.

        Raises:
            ContractError: A column has another type than the landed one.
        """
        self._landed = landed
        self._found = found
        self._stamp = stamp
        self._schema = landing_schema(schema)
        self._due = due
        self._screen = screen
        columns_to_add(landed.table.schema, self._schema)
        self._seen: list[pl.DataFrame] = [pl.DataFrame(schema=_PLACES)]
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes rows of the source; of those that are landed only the marks are kept."""
        chunk = pa.Table.from_batches([batch])
        rows = stamp(chunk, self._schema, self._stamp, first_row=1)
        if self._screen is not None:
            allowed = self._screen(chunk, rows)
            if allowed is not chunk:
                rows = stamp(allowed, self._schema, self._stamp, first_row=1)
        self.rows += rows.num_rows
        frame = pl.DataFrame(rows)
        due: pl.Expr = pl.lit(value=False)
        if self._due is not None:
            column, low, high = self._due
            value = cursor_values(self._landed.table, column, bound=low)
            due = ((value >= low) & (value < high)).fill_null(value=False)
        bucket = month(self._schema, self._landed.month)
        self._seen.append(frame.select(*_MARKS, bucket, due.alias("due")))

    def differences(self, pending: pl.DataFrame) -> Differences:
        """The differences.

        Args:
            pending: One column `_key`: keys of rows that changed since the last read.
        """
        source = pl.concat(self._seen).unique(_MARKS, keep="last", maintain_order=True)
        ours = self._landed._in(self._found)
        theirs_only = source.join(self._landed.rows, on=_MARKS, how="anti", nulls_equal=True)
        ours_only = ours.clear()
        if self._landed.tells_gone:
            ours_only = ours.drop_nulls("_key").join(source, on=_MARKS, how="anti")
        keyless = theirs_only.filter(pl.col("_key").is_null())
        theirs_only = theirs_only.drop_nulls("_key").join(pending, on="_key", how="anti")
        ours_only = ours_only.join(pending, on="_key", how="anti")
        still = self._landed.rows.join(ours_only, on=_MARKS, how="anti").select("_key")
        known = self._landed.rows.select("_key").drop_nulls().unique()
        missing = theirs_only.join(known, on="_key", how="anti")
        absent = ours_only.join(theirs_only, on="_key", how="anti")
        extra = absent.join(still, on="_key", how="anti")
        changed = theirs_only.join(known, on="_key", how="semi")
        fewer = absent.join(still, on="_key", how="semi")
        no = pl.lit(value=False).alias("due")
        told = pl.concat([
            _told(pl.concat([missing, keyless]), "missing"),
            _told(extra.with_columns(no), "extra"),
            _told(pl.concat([changed, fewer.with_columns(no)]), "differing"),
        ])  # fmt: skip
        return Differences(
            keys=told.sort("kind", "_key"),
            slots=self._slots(told),
            hashes=frozenset(keyless["_row_hash"].to_list()),
        )

    def _slots(self, told: pl.DataFrame) -> tuple[str, ...] | None:
        """Unequal slots, and those of equal rows of keys that stand in several rows."""
        if self._found is None:
            return None
        beside = self._landed.rows.join(told.select("_key").drop_nulls(), on="_key", how="semi")
        more = beside["_row_hash"].str.slice(0, self._landed.digits).to_list()
        return tuple(sorted({*self._found, *more}))


def _told(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """One line for each key, and for each row without one."""
    keyed = rows.drop_nulls("_key").unique("_key", keep="last", maintain_order=True)
    every = pl.concat([keyed, rows.filter(pl.col("_key").is_null())])
    return every.select("_key", BUCKET, pl.lit(kind).alias("kind"), "due")


def _newest(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of the newest sync of every key that isn't buried, and the rows without a key."""
    order = ["_landing_version", "_row"]
    nameless = frame.filter(pl.col("_key").is_null()).sort(order)
    last_nameless = nameless.unique("_row_hash", keep="last", maintain_order=True)
    keyless = last_nameless.filter(~pl.col("_tombstone")).select(frame.columns)
    keyed = frame.filter(pl.col("_key").is_not_null()).sort(order)
    last = keyed.group_by("_key").agg(
        pl.col("_sync_id").last().alias("_last_sync"), pl.col("_tombstone").last().alias("_is_gone")
    )
    newest = keyed.join(last, on="_key").filter(
        pl.col("_sync_id") == pl.col("_last_sync"), ~pl.col("_tombstone"), ~pl.col("_is_gone")
    )
    return pl.concat([newest.select(frame.columns), keyless])
