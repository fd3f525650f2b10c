"""Quarantine: which landed rows broke which rules. It holds references, never values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table, as_table, sql_text

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
        ("quarantined_at", pa.timestamp("us", tz="UTC")),
    ]
)
SUMMARY: Final = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("entity", pa.string()),
        ("rule", pa.string()),
        ("rows", pa.int64()),
        ("oldest", pa.timestamp("us", tz="UTC")),
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
    """The quarantine table of a warehouse."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def table(self) -> Table:
        """The Delta table, created empty where there is none."""
        return Table.open_or_create(self.uri, SCHEMA, partition_by=["source"])

    def scan(self) -> pl.LazyFrame:
        """Every quarantined row, lazily; empty where nothing was ever quarantined."""
        table = Table.open(self.uri)
        return pl.LazyFrame(SCHEMA.empty_table()) if table is None else table.scan()

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
    return rows.select(
        pl.col("_source").alias("source"),
        pl.col("_stream").alias("stream"),
        pl.lit(entity).alias("entity"),
        rules.alias("rules"),
        *(pl.col(c) for c in SCHEMA.names if c.startswith("_")),
        pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("quarantined_at"),
    )


def summary(rows: pl.LazyFrame) -> pl.DataFrame:
    """Rows per source, stream, entity and rule, with the age of the oldest.

    Tombstones don't count: the office deleted the record, nobody has to mend it.

    Returns:
        Columns of SUMMARY.
    """
    return (
        rows.filter(~pl.col("_tombstone"))
        .explode("rules")
        .group_by("source", "stream", "entity", pl.col("rules").alias("rule"))
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("quarantined_at").min().alias("oldest"),
        )
        .sort("source", "stream", "entity", "rule")
        .collect()
    )
