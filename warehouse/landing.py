"""Landing: the rows of one stream as they were received.

A read lands in commits of at most `CHUNK_ROWS` new rows, each with the next landing version. The
last one carries the tombstones and the advanced state, so a run that dies in between has landed
evidence and claimed nothing: the next read finds those rows landed and goes on. A read that comes
in parts claims each of them at its `Checkpoint`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Final

import polars as pl
import pyarrow as pa

from schemas.errors import LienThongError, WarehouseError
from schemas.keys import key_text
from schemas.rows import LANDING
from warehouse.ahead import ahead
from warehouse.deletions import Deletions
from warehouse.delta import Table, as_table
from warehouse.delta_errors import unless_purged
from warehouse.files_again import FilesAgain
from warehouse.lacking import standing
from warehouse.landing_commits import APP, Advance, Commits
from warehouse.landing_read import Checkpoint, LandingRead, LandOutcome, ReadEnd, Screening
from warehouse.landing_schema import empty_like, landing_schema
from warehouse.landing_stamp import stamp
from warehouse.phases import reached
from warehouse.prior import Prior
from warehouse.state import StreamState
from warehouse.withdrawn import Withdrawals

CHUNK_ROWS: Final = 200_000
PIECE_ROWS: Final = 50_000
"""Rows that are stamped at once in a first load: whoever follows it begins early."""
_NOW: Final = "@now"  # no column of a table ends so
_CLAIM_EVERY: Final = 20  # seconds between two commits that hold no row


class Landing:
    """The landing table of one stream."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._opened: Table | None = None

    def table(self) -> Table | None:
        """The Delta table now, for whoever goes on to write; None where nothing has landed yet."""
        return Table.open(self.uri)

    def _current(self) -> Table | None:
        """The table as it is now, to read from; to open it is most of what a question costs."""
        table = self._opened
        if table is None or not table.is_newest:
            self._opened = table = self.table()
        return table

    def state(self) -> StreamState:
        """The fold over every read that has landed."""
        return self.state_of(self._current())

    @staticmethod
    def state_of(table: Table | None) -> StreamState:
        """The fold over every read that a table, opened before, holds."""
        return StreamState.from_json(None if table is None else table.newest_state())

    def version(self) -> int:
        """The newest landing version, 0 where nothing has landed."""
        table = self._current()
        return 0 if table is None else table.txn(APP)

    @staticmethod
    def version_of(table: Table) -> int:
        """The newest landing version that a table, opened before, holds."""
        return table.txn(APP)

    def standing(
        self,
        rows: pl.DataFrame,
        columns: Sequence[str],
        versions: Callable[[pl.DataFrame], pl.Series],
    ) -> pl.DataFrame:
        """Rows of it with the version of those that were read without theirs.

        See `warehouse.lacking.standing`.
        """
        table = self._current()
        if table is None:
            return rows
        return standing(
            rows, columns, table=table, newest=table.txn(APP),
            lacking=self.state_of(table).lacking, versions=versions,
        )  # fmt: skip

    def sizes(self, *, after: int, to: int) -> list[tuple[int, int]]:
        """(landing version, rows) for the versions in `(after, to]`, ascending."""
        if (table := self._current()) is None or after >= to:
            return []
        spans = table.spans("_landing_version")
        within = spans.filter(
            (pl.col("most") > after).fill_null(value=True),
            (pl.col("least") <= to).fill_null(value=True),
        )
        # The log tells it where no file is joined; of the first 32 columns, 5 of which are ours.
        is_told = within.select((pl.col("least") == pl.col("most")) & pl.col("rows").is_not_null())
        if is_told.to_series().fill_null(value=False).all():
            told = within.group_by("least").agg(pl.col("rows").sum()).sort("least")
            return [(int(version), int(rows)) for version, rows in told.iter_rows()]
        counts = (
            table.scan()
            .filter(pl.col("_landing_version") > after, pl.col("_landing_version") <= to)
            .group_by("_landing_version")
            .len()
            .sort("_landing_version")
            .collect(engine="streaming")
        )
        return [(int(version), int(rows)) for version, rows in counts.iter_rows()]

    def rows(self, *, after: int, to: int) -> pl.DataFrame:
        """The rows of the landing versions in `(after, to]`, in the order they came."""
        table = self._existing()
        return (
            table.scan()
            .filter(pl.col("_landing_version") > after, pl.col("_landing_version") <= to)
            .collect(engine="streaming")
            .sort("_landing_version", "_row")
        )

    def history(self, keys: pl.DataFrame, *, by: Sequence[str] | None, to: int) -> pl.DataFrame:
        """Every row up to a landing version whose key is one of `keys`, in the order they came.

        Args:
            keys: One column `_wanted`, distinct key texts.
            by: The columns whose key text is meant; None means the stream's own `_key`.
            to: Newest landing version to look at.
        """
        wanted = pl.col("_key") if by is None else key_text([pl.col(c) for c in by])
        return (
            self._existing()
            .scan()
            .filter(pl.col("_landing_version") <= to)
            .with_columns(wanted.alias("_wanted"))
            .join(keys.lazy(), on="_wanted", how="semi")
            .drop("_wanted")
            .collect(engine="streaming")
            .sort("_landing_version", "_row")
        )

    def at(self, places: pl.DataFrame) -> pl.DataFrame:
        """The rows at some places (`_landing_version`, `_row`), in the order they came."""
        return (
            self._existing()
            .scan()
            .join(places.lazy(), on=places.columns, how="semi")
            .collect(engine="streaming")
            .sort("_landing_version", "_row")
        )

    def _existing(self) -> Table:
        table = self._current()
        if table is None:
            raise WarehouseError(f"{self.uri}: nothing has landed here yet: sync the stream first")
        return table

    def land(
        self, read: LandingRead, *, at: tuple[Table, StreamState] | None = None
    ) -> LandOutcome:
        """Lands what is new of a read. See the module's words on commits.

        Args:
            read: The read.
            at: The table that the read was made for, opened before, and its state; by default as
                they are now.

        Raises:
            LostRaceError: Another run of the stream landed rows meanwhile: read again.
            ContractError: A column changed its type, or can't be held; nothing was written.
            WarehouseError: The table could not be written.
        """
        return _Landing(self, read, at).run()


class _Landing:
    """The landing of one read: its counters, its pending rows, what it has seen."""

    def __init__(
        self, landing: Landing, read: LandingRead, at: tuple[Table, StreamState] | None
    ) -> None:
        self._read = read
        self._schema = landing_schema(read.schema)
        table, state = at or (Table.open_or_create(landing.uri, self._schema), None)
        self._commits = Commits(read, self._schema, table, state or Landing.state_of(table))
        self._deletions = Deletions(read, self._commits.state, version=self._commits.version)
        self._files: FilesAgain | None = None
        if read.files:
            self._files = FilesAgain(table, read.files, prior=lambda: self._prior)
        self._seen: list[pl.DataFrame] = []
        self._taken_back = Withdrawals(is_whole=read.is_whole, watched=read.watched)
        self._rows = self._landed = self._same = self._unreadable = 0
        self._next_row = 1
        self._at_checkpoint = self._outcome()
        self._claimed_at = time.monotonic()

    @property
    def _table(self) -> Table:
        return self._commits.table

    @cached_property
    def _screen(self) -> Screening | None:
        """What keeps rows of forgotten people out, as it is now that the table is open."""
        return self._read.screen()

    @cached_property
    def _prior(self) -> Prior:
        """What had landed before, as far as the read has to know it: nothing, if nothing comes."""
        if self._read.lands_all:
            return Prior.none()
        return Prior.load(self._table, cursor=self._read.cursor)

    def run(self) -> LandOutcome:
        pending = empty_like(self._table.schema)
        chunks = self._chunks()
        try:
            first = next(chunks, None)
            if first is not None:
                _ = self._prior  # before anything of the read is committed
                with ahead(chain([first], chunks)) as parts:
                    for part in parts:
                        pending = self._taken(part, pending)
        except LienThongError:
            if self._commits.holds:  # parts without a row that were read to their end
                self._claimed(empty_like(self._table.schema))
            raise
        end = self._read.ended()
        tombstones, waiting = self._finish(pending, end)
        return self._outcome(tombstones=tombstones, waiting=waiting)

    def _outcome(self, *, tombstones: int = 0, waiting: int = 0) -> LandOutcome:
        return LandOutcome(
            read=self._rows,
            landed=self._landed,
            same=self._same,
            unreadable=self._unreadable,
            tombstones=tombstones,
            waiting_deletes=waiting,
            landing_version=self._commits.version,
            surplus=self._deletions.surplus,
            new_columns=() if self._read.is_whole else self._commits.added,
        )

    def _taken(self, part: pa.Table | Checkpoint, pending: pa.Table) -> pa.Table:
        """Takes in what comes next; returns the rows that wait for the next commit."""
        if isinstance(part, Checkpoint):
            return self._claim(part, pending)
        new = self._new_rows(part)
        if pending.num_rows and pending.num_rows + new.num_rows > CHUNK_ROWS:
            self._commits.commit(pending, advance=None)
            pending = empty_like(self._table.schema)
        return pa.concat_tables([pending, self._told(new)])

    def _claim(self, checkpoint: Checkpoint, pending: pa.Table) -> pa.Table:
        """Commits what is pending and the state that it completes; without rows not every time."""
        self._commits.hold(checkpoint)
        self._at_checkpoint = self._outcome()
        is_due = time.monotonic() - self._claimed_at >= _CLAIM_EVERY
        if pending.num_rows or is_due or checkpoint.is_urgent:
            self._claimed(pending)
            if not checkpoint.is_apart:
                self._prior.add(pl.DataFrame(pending.select(["_key", "_row_hash"])))
        return empty_like(self._table.schema)

    def _told(self, rows: pa.Table) -> pa.Table:
        """Rows with the landing version of the next commit."""
        version = self._commits.version + 1
        numbered = _numbered(rows, version)
        self._read.arrived(numbered, version)
        return numbered

    def _claimed(self, pending: pa.Table) -> None:
        self._commits.commit(pending, advance=lambda state: state)
        self._claimed_at = time.monotonic()
        self._read.claimed(replace(self._at_checkpoint, landing_version=self._commits.version))

    def _chunks(self) -> Iterator[pa.Table | Checkpoint]:
        held: list[pa.RecordBatch] = []
        rows = 0
        for batch in self._read.batches:
            reached("read")
            if isinstance(batch, Checkpoint):
                if held:
                    yield pa.Table.from_batches(held, self._read.schema)
                    held, rows = [], 0
                yield batch
                continue
            held.append(batch)
            rows += batch.num_rows
            # To compare with what is landed pays for many rows at once.
            if rows >= (PIECE_ROWS if self._prior.is_empty else CHUNK_ROWS):
                yield pa.Table.from_batches(held, self._read.schema)
                held, rows = [], 0
        if held:
            yield pa.Table.from_batches(held, self._read.schema)

    def _new_rows(self, chunk: pa.Table) -> pa.Table:
        rows = stamp(chunk, self._table.schema, self._read.stamp, first_row=self._next_row)
        if self._screen is not None:
            screened = self._screen(chunk, rows)
            if screened is not chunk:
                rows = stamp(
                    screened, self._table.schema, self._read.stamp, first_row=self._next_row
                )
        self._rows += rows.num_rows
        self._next_row += rows.num_rows
        self._deletions.saw(rows)
        unreadable = rows.column("_unreadable")
        if self._prior.is_empty:
            self._unreadable += rows.num_rows - unreadable.null_count
            self._landed += unreadable.null_count
            self._deletions.lands(rows)
            return rows
        marks = pl.DataFrame(rows.select(["_key", "_row_hash", "_row"]))
        if self._read.is_whole:
            self._seen.append(marks)
        self._taken_back.saw(marks)
        is_new, again = self._prior.is_new(marks), Prior.no_marks()
        if self._files is not None:
            is_new, again = self._files.are_new(rows, is_new)
        fresh = rows.filter(is_new.to_arrow())
        broken = fresh.num_rows - fresh.column("_unreadable").null_count
        self._unreadable += broken
        self._landed += fresh.num_rows - broken
        self._same += rows.num_rows - fresh.num_rows
        fresh = pa.concat_tables([self._again(again), fresh])
        self._deletions.lands(fresh)
        return fresh

    def _finish(self, pending: pa.Table, end: ReadEnd) -> tuple[int, int]:
        gone, waiting = self._deletions.find(
            end,
            self._table,
            pending=pending,
            prior=lambda: self._prior,
            seen=self._all_seen,
            is_screened=lambda: self._screen is not None,
        )
        parts = [pending]
        if end.is_complete and (copies := self._again(self._left())).num_rows:
            parts.append(self._told(copies))
        if gone.height:
            behind = pl.int_range(pl.len(), dtype=pl.Int64) + self._next_row
            parts.append(self._told(self._copies(gone, row=behind, tombstone=True)))
        if (back := self._withdrawn(end, waiting)).height:
            behind = pl.int_range(pl.len(), dtype=pl.Int64) + self._next_row
            behind += sum(part.num_rows for part in parts)
            parts.append(self._told(self._copies(back, row=behind, tombstone=True)))
            self._deletions.withdrawn()
        self._commits.commit(pa.concat_tables(parts), advance=self._advance(end, waiting))
        return gone["_key"].n_unique(), waiting

    def _advance(self, end: ReadEnd, waiting: int) -> Advance:
        def advance(state: StreamState) -> StreamState:
            # A read that was cut short hasn't seen what is gone: who waits goes on waiting.
            if not end.is_complete:
                return state
            keys = self._deletions.keys
            return replace(end.advance(state), pending_deletes=waiting, keys=keys)

        return advance

    def _withdrawn(self, end: ReadEnd, waiting: int) -> pl.DataFrame:
        """The (key, hash) of rejected rows that the office took back; of a read to be believed."""
        increments = not self._read.is_whole and end.files
        believed = end.is_complete and not waiting and self._rows > 0
        if not believed or not (self._read.finds_deletes or increments):
            return Prior.no_marks()
        return self._taken_back.found(self._prior, self._table, end.files)

    def _all_seen(self) -> pl.DataFrame:
        """Every (key, hash, row) of a whole read."""
        nothing = Prior.no_marks().with_columns(pl.lit(0, pl.Int64).alias("_row"))
        return pl.concat([nothing, *self._seen])

    def _again(self, marks: pl.DataFrame) -> pa.Table:
        """Landed rows that land once more (`warehouse.files_again.AGAIN`, or less)."""
        if not marks.height:
            return empty_like(self._table.schema)
        copies = self._copies(marks, row=pl.col("_place"), tombstone=False)
        self._landed += copies.num_rows
        self._same -= copies.num_rows
        return copies

    def _left(self) -> pl.DataFrame:
        """The landed rows to land once more at the end, as (key, hash, place in this read).

        Of several rows of a key the last one counts, so a corrected last row has to stay behind
        those that are as they were.
        """
        if self._files is not None:
            return self._files.left()
        if not self._seen:
            return Prior.no_marks()
        seen = self._all_seen()
        again = self._prior.partly_changed(seen)
        marks = again.columns
        places = seen.join(again, on=marks, how="semi").group_by(marks)
        return places.agg(pl.col("_row").max().alias("_place"))

    def _copies(self, marks: pl.DataFrame, *, row: pl.Expr, tombstone: bool) -> pa.Table:
        """Landed rows once more, as rows of this read.

        Args:
            marks: Which, as (key, hash). Further columns are there for `row`, or say where they
                stand now.
            row: Their ordinals in this read.
            tombstone: Whether they bury their keys.
        """
        order = ["_landing_version", "_row"]
        on, scan, wanted = ["_key", "_row_hash"], self._table.scan(), marks.lazy().unique()
        # To join whole rows would hold all of landing: which commits have them is found first.
        within = scan.select(*on, "_landing_version").join(
            wanted, on=on, how="semi", nulls_equal=True
        )
        with unless_purged(self._table.uri):
            versions = within.collect(engine="streaming")["_landing_version"].unique()
            own = scan.filter(pl.col("_landing_version").is_in(versions.implode()))
            landed = own.join(wanted, on=on, nulls_equal=True, suffix=_NOW).collect(
                engine="streaming"
            )
        rows = landed.sort(order).unique(["_key", "_row_hash"], keep="last", maintain_order=True)
        stamped = rows.with_columns(
            pl.lit(value=tombstone).alias("_tombstone"),
            pl.lit(self._read.stamp.read_at).cast(pl.Datetime("us", "UTC")).alias("_read_at"),
            pl.lit(self._read.stamp.sync_id).alias("_sync_id"),
            row.alias("_row"),
            *(pl.col(n).alias(n.removesuffix(_NOW)) for n in rows.columns if n.endswith(_NOW)),
        )
        return as_table(stamped, self._table.schema)


def _numbered(rows: pa.Table, version: int) -> pa.Table:
    position = rows.schema.get_field_index("_landing_version")
    numbers = pa.repeat(pa.scalar(version, LANDING["_landing_version"]), rows.num_rows)
    return rows.set_column(position, rows.schema.field(position), numbers)
