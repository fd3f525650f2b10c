"""Landing and core written through the warehouse's own door to Delta, for what a sync takes long.

An ordinary sync of a few rows comes first. The others are written behind it, in the very schemas
that it made: landing and core hold the same rows, landing's state goes on, and core's transaction
says that all of landing is integrated. Hashes are of the key alone; nothing that is measured
compares them with more than the rows that change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from warehouse.delta import Table

ZONE: Final = pl.duration(hours=7)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A stream's landing, and the core table that it goes into.

    Attributes:
        stream: `source/stream`.
        landing: Its landing.
        core: The core table.
    """

    stream: str
    landing: Table
    core: Table

    @classmethod
    def seeded(cls, folder: str, *, stream: str, entity: str) -> Written:
        """A new warehouse below a folder, behind a sync of what `sources/` says."""
        from flows.receipts import SyncOptions
        from flows.steps import open_context, sync
        from warehouse.delta import Table

        uri = f"{folder}/warehouse"
        context = open_context(warehouse_uri=uri, sources_dir=Path(folder, "sources"))
        (receipt,) = sync(context, [], SyncOptions())
        if receipt.error:
            raise RuntimeError(receipt.error)
        landing = Table.open(f"{uri}/restricted/landing/{stream}")
        core = Table.open(f"{uri}/analysts/core/{entity}")
        assert landing is not None
        assert core is not None
        return cls(stream=stream, landing=landing, core=core)

    def goes_on(
        self, frames: Iterable[pl.DataFrame], in_core: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> Iterator[int]:
        """Writes rows, a commit a frame; what comes next is made meanwhile.

        Args:
            frames: Rows as the office has them, with their `_key`.
            in_core: Makes core's columns of a frame as landing has it.

        Yields:
            The rows that core has behind each frame.
        """

        def made(version: int, frame: pl.DataFrame) -> tuple[pa.Table, pa.Table]:
            landed = _landed(frame, version=version)
            return _as(landed, self.landing.schema), _as(in_core(landed), self.core.schema)

        making: deque[Future[tuple[pa.Table, pa.Table]]] = deque()
        with ThreadPoolExecutor(1) as pool:
            for version, frame in enumerate(frames, self.landing.txn("landing") + 1):
                making.append(pool.submit(made, version, frame))
                if len(making) > 1:
                    yield self._append(*making.popleft().result())
            while making:
                yield self._append(*making.popleft().result())

    def knows_its_keys(self) -> None:
        """Leaves in the state what a read of everything would: the sum of the landed keys."""
        from warehouse.prior import alive_keys
        from warehouse.state import StreamState
        from warehouse.vanished import SeenKeys

        seen = SeenKeys()
        seen.saw(alive_keys(self.landing))
        state = replace(StreamState.from_json(self.landing.newest_state()), keys=seen.sum())
        version = self.landing.txn("landing")
        self.landing.note(txns={"landing": version}, state=state.to_json())

    def _append(self, landed: pa.Table, integrated: pa.Table) -> int:
        from warehouse.state import StreamState

        version = self.landing.txn("landing") + 1
        state = StreamState.from_json(self.landing.newest_state())
        moved = replace(state, rows=state.rows + landed.num_rows).to_json()
        land, integrate = self.landing.append, self.core.append
        with ThreadPoolExecutor(2) as pool:  # each is written by one core
            writes = [
                pool.submit(land, landed, txns={"landing": version}, state=moved),
                pool.submit(integrate, integrated, txns={self.stream: version}),
            ]
            for write in writes:
                write.result()
        return self.core.rows


def _landed(rows: pl.DataFrame, *, version: int) -> pl.DataFrame:
    """Rows as landing has them in its version `version`."""
    from warehouse.duck import md5_of

    keys = pa.table(rows.select("_key").to_arrow())
    return rows.with_columns(
        pl.Series("_row_hash", md5_of("_key", keys), pl.String),
        pl.lit(datetime(2026, 1, 2, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")).alias("_read_at"),
        pl.lit("made").alias("_sync_id"),
        pl.lit(version, pl.Int64).alias("_landing_version"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_row"),
        pl.lit(value=False).alias("_tombstone"),
    )


def same() -> list[pl.Expr]:
    """The system columns that have one form for every entity."""
    return [
        pl.col("_key"), pl.col("_key").alias("_landing_key"), pl.col("_landing_version"),
        pl.col("_row"), pl.col("_row_hash"), pl.col("_sync_id"),
        pl.lit(datetime(2026, 1, 2, tzinfo=UTC)).alias("_changed_at"),
        pl.lit(value=False).alias("_is_stale"),
        pl.lit([], pl.List(pl.String)).alias("_warnings"),
    ]  # fmt: skip


def pseudonymous(system: pl.DataFrame, columns: dict[str, str]) -> list[pl.Expr]:
    """Columns of an invented pseudonym each; every person is hashed once."""
    from warehouse.duck import md5_of

    made = []
    for ours, theirs in columns.items():
        people = system.select(theirs).unique()
        hashed = pl.Series(md5_of(theirs, pa.table(people.to_arrow())), dtype=pl.String)
        made.append(pl.col(theirs).replace_strict(people[theirs], hashed).alias(ours))
    return made


def _as(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """A frame in a table's columns and types; what it lacks is null."""
    made = rows.to_arrow()
    arrays = [
        made.column(field.name).cast(field.type)
        if field.name in made.column_names
        else pa.nulls(made.num_rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
