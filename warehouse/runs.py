"""What runs have reported, kept for people; no decision reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa

from warehouse.delta import Table
from warehouse.races import retried

_TEXT = ("kind", "source", "stream", "entity", "sync_id", "low", "high", "status", "error", "note")
_COUNTS = (
    "read",
    "landed",
    "same",
    "unreadable",
    "derived",
    "inserted",
    "updated",
    "unchanged",
    "superseded",
    "folded",
    "quarantined",
    "tombstoned",
    "null_cursor",
    "future_cursor",
    "landing_version",
    "core_version",
)
SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in _TEXT),
        *(pa.field(name, pa.int64()) for name in _COUNTS),
        pa.field("warnings", pa.string()),  # JSON: rule to rows
        pa.field("seconds", pa.float64()),
        pa.field("ended_at", pa.timestamp("us", tz="UTC")),
        pa.field("reason", pa.string()),
    ]
)


class Runs:
    """The table of receipts, one row per stream and entity of every run."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Appends receipts in the form of SCHEMA."""
        if records:
            rows = pa.Table.from_pylist(list(records), SCHEMA)
            retried(lambda: self._table().append(rows))

    def _table(self) -> Table:
        """The table with every column of today: an older warehouse lacks the latest."""
        table = Table.open_or_create(self.uri, SCHEMA)
        if added := [field for field in SCHEMA if field.name not in table.schema.names]:
            table.add_columns(added)
        return table

    def scan(self) -> pl.LazyFrame:
        """Every receipt, lazily."""
        table = Table.open(self.uri)
        return pl.LazyFrame(SCHEMA.empty_table()) if table is None else table.scan()
