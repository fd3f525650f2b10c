"""How fresh each stream is: what a release carries, so that a stale office is seen in the query."""

from __future__ import annotations

from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.runs import Runs

_STAMP: Final = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("last_good_sync", _STAMP),
        ("last_run", _STAMP),
        ("last_status", pa.string()),
        ("fresh_to", pa.string()),
        ("is_stale", pa.bool_()),
    ]
)
COLUMNS: Final = {
    "source": "Name of the source.",
    "stream": "Name of its stream.",
    "last_good_sync": "When it was last read without an error (UTC).",
    "last_run": "When it was last tried (UTC).",
    "last_status": "How that ended: done, degraded or failed.",
    "fresh_to": "Newest value of the cursor that was covered, where the stream has one.",
    "is_stale": "Its last run failed: the rows are those of the last good sync.",
}
"""What the columns say."""


def freshness(runs: Runs) -> pl.DataFrame:
    """Per stream: its last good sync, and how its last run ended.

    Returns:
        Columns of SCHEMA, by source and stream.
    """
    is_good = pl.col("status") != "failed"
    return (
        runs.scan()
        .filter(pl.col("kind") == "sync", pl.col("stream") != "")
        .sort("ended_at")
        .group_by("source", "stream")
        .agg(
            pl.col("ended_at").filter(is_good).max().alias("last_good_sync"),
            pl.col("ended_at").last().alias("last_run"),
            pl.col("status").last().alias("last_status"),
            pl.col("high").filter(is_good).drop_nulls().last().alias("fresh_to"),
        )
        .with_columns((pl.col("last_status") == "failed").alias("is_stale"))
        .sort("source", "stream")
        .select(SCHEMA.names)
        .collect()
    )
