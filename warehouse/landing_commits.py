"""The commits of one read into the landing table of its stream.

Each carries the txn of `APP`, so of two runs that go on from one version the later one loses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pyarrow as pa

from schemas.errors import LostRaceError
from schemas.rows import LANDING
from warehouse.delta import Table
from warehouse.lacking import after_rows, never_read
from warehouse.landing_read import Checkpoint, LandingRead
from warehouse.landing_schema import columns_to_add
from warehouse.phases import reached
from warehouse.state import StreamState

APP: Final = "landing"
Advance = Callable[[StreamState], StreamState]


class Commits:
    """What a read has committed, and what its next commit has to carry.

    Attributes:
        table: The landing table behind the last commit.
        version: The newest landing version.
        state: The stream's state.
        added: Columns that rows landed before don't have.
    """

    def __init__(
        self, read: LandingRead, schema: pa.Schema, table: Table, state: StreamState
    ) -> None:
        """Adds the columns that the table doesn't have yet.

        Args:
            read: The read.
            schema: Columns of the table that the read needs.
            table: The table that the read was made for.
            state: Its state.

        Raises:
            LostRaceError: Another run of the stream has committed since.
            ContractError: A column changed its type.
        """
        self.table = table
        self.version = table.txn(APP)
        self.state = state
        self._read = read
        self._columns = [name for name in schema.names if name not in LANDING]
        self._held: list[Checkpoint] = []
        self._is_behind = False  # of a commit of ours that held no row
        self.added: tuple[str, ...] = ()
        if read.expected is not None and read.expected != self.version:
            raise self._lost()
        if added := columns_to_add(table.schema, schema):
            if self.version:
                lacking = never_read(state.lacking, (column.name for column in added))
                self.state = replace(state, lacking=lacking)
                self.added = tuple(c.name for c in added if c.name in self._columns)
            table.add_columns(added, txns={APP: self.version}, state=self.state.to_json())

    @property
    def holds(self) -> bool:
        """Whether a part is read to its end and claimed by no commit yet."""
        return bool(self._held)

    def hold(self, checkpoint: Checkpoint) -> None:
        """Claims a part of the read by the next commit that moves the state."""
        self._held.append(checkpoint)

    def commit(self, rows: pa.Table, *, advance: Advance | None) -> None:
        """Commits rows, and the state that they lead to.

        Args:
            rows: Rows with the version behind `version`; without any there is nothing to
                integrate, so the state moves on and the version stays.
            advance: What the read claims by them, beside what is held; None: nothing.

        Raises:
            LostRaceError: Another run of the stream has committed since.
        """
        after = self._next(rows, advance)
        if after is None:
            return
        # Where no row is written another run's commit is met soon enough: the library refuses ours.
        if (rows.num_rows or self._is_behind) and self._caught_up():
            after = self._next(rows, advance)
            if after is None:
                return
        after = replace(after, rows=after.rows + rows.num_rows).stamped(self._read.stamp.read_at)
        reached("landing_commit")
        version = self.version + bool(rows.num_rows)
        if advance is not None:
            self._held = []
        if rows.num_rows:
            self.table.append(rows, txns={APP: version}, state=after.to_json())
        else:
            self.table.note(txns={APP: version}, state=after.to_json())
            self._is_behind = True
        self.version, self.state = version, after
        reached("landed")
        if rows.num_rows:
            self._read.landed(version, rows.num_rows)

    def _caught_up(self) -> bool:
        """Goes on to the table as it is now; whether somebody has written meanwhile."""
        schema = self.table.schema
        if not self.table.catch_up():
            return False
        self._is_behind = False
        if self.table.txn(APP) != self.version or self.table.schema != schema:
            raise self._lost()
        self.state = StreamState.from_json(self.table.newest_state())
        return True

    def _next(self, rows: pa.Table, advance: Advance | None) -> StreamState | None:
        """The state that a commit is to carry; None where there is nothing to commit."""
        before = after = self.state
        if rows.num_rows:
            columns = [name for name in self.table.schema.names if name not in LANDING]
            lacking = after_rows(
                before.lacking, self.version + 1, read=self._columns, columns=columns
            )
            after = replace(before, keys=None, lacking=lacking)
        if advance is not None:
            for checkpoint in self._held:
                after = checkpoint.advance(after)
            after = advance(after)
        is_known = replace(after, last_read_at=before.last_read_at) == before
        if not rows.num_rows and is_known and before.last_read_at is not None:
            return None
        return after

    def _lost(self) -> LostRaceError:
        return LostRaceError(f"{self.table.uri}: another run of this stream landed rows")
