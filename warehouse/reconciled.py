"""What comparisons of sources with their landing found: counts for analysts, keys for engineers.

`analysts/reconcile` grows by every comparison and holds no value of a row. The keys lie in
`restricted/reconcile`, those of a stream's last comparison alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.buckets import BUCKET
from warehouse.delta import Table, as_table, sql_text
from warehouse.races import retried

SUMMARY: Final = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("bucket", pa.string()),  # YYYY-MM, 'no date', or 'all' where no column tells a month
        ("kind", pa.string()),  # landed, missing, extra, differing
        ("rows", pa.int64()),  # keys (of rows without one: rows)
        ("is_repaired", pa.bool_()),
        ("sync_id", pa.string()),
        ("compared_at", pa.timestamp("us", tz="UTC")),
    ]
)
KEYS: Final = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("bucket", pa.string()),
        ("kind", pa.string()),
        ("_key", pa.string()),  # null: the row has none
        ("sync_id", pa.string()),
        ("compared_at", pa.timestamp("us", tz="UTC")),
    ]
)


class Reconciled:
    """The two tables of a warehouse."""

    def __init__(self, warehouse_uri: str) -> None:
        uri = warehouse_uri.rstrip("/")
        self.summary_uri = f"{uri}/analysts/reconcile"
        self.keys_uri = f"{uri}/restricted/reconcile"

    def summary(self) -> pl.DataFrame:
        """Every count of every comparison so far."""
        table = Table.open(self.summary_uri)
        return pl.DataFrame(SUMMARY.empty_table()) if table is None else table.scan().collect()

    def keys(self, source: str, stream: str) -> pl.DataFrame:
        """The keys that the last comparison of a stream found."""
        table = Table.open(self.keys_uri)
        rows = pl.LazyFrame(KEYS.empty_table()) if table is None else table.scan()
        mine = rows.filter(pl.col("source") == source, pl.col("stream") == stream)
        return mine.collect()

    def forget_keys(self) -> int:
        """Empties the table of keys: whose they are is soon found again by the next comparison.

        Returns:
            How many rows it had.
        """

        def empty() -> int:
            table = Table.open(self.keys_uri)
            rows = 0 if table is None else table.rows
            if table is not None and rows:
                table.replace(table.schema.empty_table(), where=None)
            return rows

        return retried(empty)

    def keep(
        self,
        *,
        source: str,
        stream: str,
        landed: dict[str, int],
        found: pl.DataFrame,
        is_repaired: bool,
        sync_id: str,
        at: datetime,
    ) -> None:
        """Keeps one comparison.

        Args:
            source: The source.
            stream: The stream.
            landed: Keys alive by bucket.
            found: `_key`, `bucket` and `kind` of the differences.
            is_repaired: All of them were repaired.
            sync_id: The run.
            at: When.
        """
        counts = found.group_by(BUCKET, "kind").agg(pl.len().cast(pl.Int64).alias("rows"))
        alive = pl.DataFrame(
            {BUCKET: list(landed), "kind": "landed", "rows": list(landed.values())},
            schema=counts.schema,
        )
        common = (
            pl.lit(source).alias("source"),
            pl.lit(stream).alias("stream"),
            pl.lit(sync_id).alias("sync_id"),
            pl.lit(at).cast(pl.Datetime("us", "UTC")).alias("compared_at"),
            pl.lit(is_repaired).alias("is_repaired"),
        )
        told = pl.concat([alive, counts.select(alive.columns)]).sort(BUCKET, "kind")
        rows = as_table(told.with_columns(common), SUMMARY)
        keys = as_table(found.select("_key", BUCKET, "kind").with_columns(common), KEYS)
        where = f"source = {sql_text(source)} AND stream = {sql_text(stream)}"
        retried(lambda: Table.open_or_create(self.keys_uri, KEYS).replace(keys, where=where))
        retried(lambda: Table.open_or_create(self.summary_uri, SUMMARY).append(rows))
