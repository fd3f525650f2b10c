"""Quarantine: which landed rows broke which rules. It holds references, never values.

A rejected copy stays in the table for good: it is part of what core is made of. Whether anybody has
to mend it is another question, which `warehouse.quarantine_life` answers.

A replay moves rows between quarantine and core, two tables and two commits. Core's commit alone
makes it true: its rows here carry the replay's number before (`_replay_in`: they count from then
on; `_replay_out`: they count until then), and core carries that number as a txn. Until it does, a
reader sees quarantine as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table, as_table, sql_text

_STAMP: Final = pa.timestamp("us", tz="UTC")
_LIFE: Final = (
    ("discarded_at", _STAMP),
    ("discarded_by", pa.string()),
    ("discard_reason", pa.string()),
    ("_replay_in", pa.int64()),
    ("_replay_out", pa.int64()),
)
SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("entity", pa.string()),  # '' for a record that could not be split into columns
        ("rules", pa.list_(pa.string())),
        ("_key", pa.string()),
        ("_landing_key", pa.string()),
        ("_version", pa.int64()),
        ("_landing_version", pa.int64()),
        ("_row", pa.int64()),
        ("_read_at", pa.timestamp("us", tz="UTC")),
        ("_tombstone", pa.bool_()),
        ("_file", pa.string()),
        ("_line", pa.int64()),
        ("_sync_id", pa.string()),
        ("quarantined_at", _STAMP),
        *_LIFE,
    ]
)
UNSPLIT: Final = ""
"""The entity of records that could not be split into columns."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """The landing versions of one stream in one entity that a merge integrates: `(after, to]`."""

    source: str
    stream: str
    entity: str
    after: int
    to: int
    with_unsplit: bool  # this entity answers for the stream's unsplit records too

    @property
    def where(self) -> str:
        """The quarantine rows of the window, as a predicate."""
        entities = [self.entity, UNSPLIT] if self.with_unsplit else [self.entity]
        listed = ", ".join(sql_text(e) for e in entities)
        return (
            f"(source = {sql_text(self.source)} AND stream = {sql_text(self.stream)} "
            f"AND entity IN ({listed}) "
            f"AND _landing_version > {self.after} AND _landing_version <= {self.to})"
        )

    @property
    def selection(self) -> pl.Expr:
        """The same as a polars expression."""
        entities = [self.entity, UNSPLIT] if self.with_unsplit else [self.entity]
        return (
            (pl.col("source") == self.source)
            & (pl.col("stream") == self.stream)
            & pl.col("entity").is_in(entities)
            & (pl.col("_landing_version") > self.after)
            & (pl.col("_landing_version") <= self.to)
        )


class Quarantine:
    """The quarantine table of a warehouse.

    Args:
        uri: Where it lies.
        core_uri: Where the core table of an entity lies: its txn says which replays are done.
    """

    def __init__(self, uri: str, core_uri: Callable[[str], str] | None = None) -> None:
        self.uri = uri
        self._core_uri = core_uri

    def table(self) -> Table:
        """The Delta table, created empty where there is none."""
        return Table.open_complete(self.uri, SCHEMA, partition_by=["source"])

    def scan(self) -> pl.LazyFrame:
        """Every quarantined row, lazily; empty where nothing was ever quarantined."""
        table = Table.open(self.uri)
        if table is None or not table.files:
            return pl.LazyFrame(SCHEMA.empty_table())
        return self.settled(table)

    def settled(self, table: Table) -> pl.LazyFrame:
        """The rows of a handle, those of replays that core doesn't hold left out."""
        rows = complete(table.scan())
        moving = _moving(rows)
        if not moving.height:
            return rows
        done = moving.with_columns(
            pl.Series(
                "done", [self._replays(source, entity) for source, entity in moving.iter_rows()]
            )
        )
        settled = rows.join(done.lazy(), on=["source", "entity"], how="left").filter(
            (pl.col("_replay_in") <= pl.col("done")).fill_null(value=True)
            & (pl.col("_replay_out") > pl.col("done")).fill_null(value=True)
        )
        nothing = pl.lit(None, pl.Int64)
        return settled.with_columns(_replay_in=nothing, _replay_out=nothing).select(SCHEMA.names)

    def fence(self, table: Table, source: str) -> None:
        """Sees to it that no replay under way ends any more as it began; it begins again.

        Whoever rewrites rows of a source that some replay has numbered does this first, and reads
        the rows afterwards. A replay that has ended meanwhile wins.

        Raises:
            LostRaceError: A replay ended meanwhile: read everything again.
        """
        moving = _moving(complete(table.scan()).filter(pl.col("source") == source))
        for entity in moving["entity"]:
            if self._core_uri is None or (core := Table.open(self._core_uri(entity))) is None:
                continue
            app = replay_app(source)
            core.append(core.schema.empty_table(), txns={app: core.txn(app)})

    def _replays(self, source: str, entity: str) -> int:
        """Number of the last replay of a source that core holds."""
        core = None if self._core_uri is None else Table.open(self._core_uri(entity))
        return 0 if core is None else core.txn(replay_app(source))

    def replace(self, table: Table, windows: list[Window], rejected: pl.DataFrame) -> None:
        """Replaces what the windows hold by `rejected`, in one commit through a given handle.

        A run that died after this commit and before core's leaves rows beyond core's txn: the next
        run's windows cover them.

        Args:
            table: The handle, opened before core's txn was read.
            windows: What is integrated now.
            rejected: Columns of SCHEMA.
        """
        held = pl.any_horizontal([w.selection for w in windows])
        if not rejected.height and not table.scan().filter(held).head(1).collect().height:
            return
        where = " OR ".join(w.where for w in windows)
        txns = {f"{w.entity}/{w.source}/{w.stream}": w.to for w in windows}
        table.replace(as_table(rejected, SCHEMA), where=where, txns=txns)

    def rewrite(
        self,
        table: Table,
        rows: pl.DataFrame,
        *,
        source: str,
        entities: Sequence[str],
        txns: Mapping[str, int],
    ) -> None:
        """Replaces everything that a source has here for some entities, in one commit.

        Args:
            table: The handle that the rows were made from.
            rows: Columns of SCHEMA.
            source: The source.
            entities: The entities; UNSPLIT is one.
            txns: Apps to the versions that they keep: of two writers of one of them, one loses.
        """
        listed = ", ".join(sql_text(name) for name in entities)
        where = f"source = {sql_text(source)} AND entity IN ({listed})"
        table.replace(as_table(rows, SCHEMA), where=where, txns=txns)


def replay_app(source: str) -> str:
    """The app whose txn in core is the number of the last replay of a source."""
    return f":replay/{source}"


def _moving(rows: pl.LazyFrame) -> pl.DataFrame:
    """The (source, entity) of rows that a replay has numbered."""
    moved = pl.col("_replay_in").is_not_null() | pl.col("_replay_out").is_not_null()
    return rows.filter(moved).select("source", "entity").unique().collect()


def complete(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of the table in the columns of SCHEMA: a table of an older version lacks some."""
    there = rows.collect_schema().names()
    types = pl.DataFrame(SCHEMA.empty_table()).schema
    absent = [pl.lit(None, types[name]).alias(name) for name in SCHEMA.names if name not in there]
    return rows.with_columns(absent).select(SCHEMA.names)


def rejections(derived: pl.DataFrame, *, entity: str, now: datetime) -> pl.DataFrame:
    """The rejected rows of a derived frame, in the form of the table."""
    return _shaped(
        derived.filter(pl.col("_reasons").list.len() > 0),
        entity=entity,
        rules=pl.col("_reasons"),
        now=now,
    )


def unsplit(rows: pl.DataFrame, *, source: str, stream: str, now: datetime) -> pl.DataFrame:
    """Landing rows that could not be split into columns, in the form of the table."""
    broken = rows.filter(pl.col("_unreadable").is_not_null()).with_columns(
        pl.lit(source).alias("_source"),
        pl.lit(stream).alias("_stream"),
        pl.lit(None, pl.String).alias("_landing_key"),
        pl.col("_read_at").dt.timestamp("us").alias("_version"),
    )
    return _shaped(broken, entity=UNSPLIT, rules=pl.concat_list("_unreadable"), now=now)


def _shaped(rows: pl.DataFrame, *, entity: str, rules: pl.Expr, now: datetime) -> pl.DataFrame:
    life = [name for name, _ in _LIFE]
    carried = [c for c in SCHEMA.names if c.startswith("_") and c not in life]
    shaped = rows.select(
        pl.col("_source").alias("source"),
        pl.col("_stream").alias("stream"),
        pl.lit(entity).alias("entity"),
        rules.alias("rules"),
        *(pl.col(c) for c in carried),
        pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("quarantined_at"),
    )
    types = pl.DataFrame(SCHEMA.empty_table()).schema
    return shaped.with_columns(pl.lit(None, types[name]).alias(name) for name in life)
