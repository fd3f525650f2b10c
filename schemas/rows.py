"""The columns that travel with a row between the floors.

`LANDING` columns are added to every row as it lands; `DERIVED` columns are what mapping and
validation hand to the merge. Both are written down once, here, because connectors, warehouse and
mapping have to agree on them without importing each other.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

LANDING: dict[str, pa.DataType] = {
    "_key": pa.string(),  # canonical text of the stream's key columns; null where one is missing
    "_row_hash": pa.string(),  # 128 bits, hex, over the values in canonical form
    "_read_at": pa.timestamp("us", tz="UTC"),  # start of the read
    "_sync_id": pa.string(),
    "_landing_version": pa.int64(),  # 1, 2, 3, ... one per landing commit of the stream
    "_row": pa.int64(),  # ordinal in its read, from 1
    "_tombstone": pa.bool_(),  # the key is gone; the values are the last landed ones
    "_file": pa.string(),  # files only: path below the source's folder
    "_file_hash": pa.string(),  # files only: sha256 of the content
    "_line": pa.int64(),  # files only: first line of the record, from 1
    "_unreadable": pa.string(),  # rule name: the record could not be split into columns
    "_raw": pa.string(),  # files only, with `_unreadable`: the text as found (bounded)
    "_bad_values": pa.list_(pa.string()),  # columns whose value could not be carried over
}

CONNECTOR_COLUMNS: tuple[str, ...] = (
    "_file",
    "_file_hash",
    "_line",
    "_unreadable",
    "_raw",
    "_bad_values",
)
"""The LANDING columns that a connector may deliver itself; all others are added on landing."""

DERIVED: dict[str, pl.DataType] = {
    "_source": pl.String(),
    "_stream": pl.String(),
    "_key": pl.String(),  # null: the row has no usable key (it is then rejected)
    "_landing_key": pl.String(),
    "_version": pl.Int64(),
    "_landing_version": pl.Int64(),
    "_row": pl.Int64(),
    "_sync_id": pl.String(),
    "_read_at": pl.Datetime("us", "UTC"),
    "_tombstone": pl.Boolean(),  # buries its key: a copy of a vanished row, or marked as deleted
    "_is_copy": pl.Boolean(),  # landed because its key vanished: no row that the source sent
    "_file": pl.String(),
    "_line": pl.Int64(),
    "_month": pl.String(),  # 'YYYY-MM' of the anchor date in the source's zone, or null
    "_reasons": pl.List(pl.String()),  # rules that reject the row; empty = accepted
    "_warnings": pl.List(pl.String()),  # rules that only warn
}
"""System columns of a derived frame; the entity's own columns stand beside them."""
