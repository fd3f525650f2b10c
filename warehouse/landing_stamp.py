"""What every landed row is given: key, hash, time and place of its read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa

from schemas.keys import key_text
from schemas.rows import CONNECTOR_COLUMNS, LANDING
from warehouse.hashing import row_hashes

_NOT_HASHED = {"_file", "_file_hash", "_line"}


@dataclass(frozen=True, kw_only=True)
class ReadStamp:
    """What the rows of one read have in common.

    Attributes:
        key: The stream's key columns.
        read_at: Start of the read, UTC.
        sync_id: The run.
    """

    key: tuple[str, ...]
    read_at: datetime
    sync_id: str

    def key_frame(self, rows: pa.Table) -> pl.DataFrame:
        """One column `_key` for the rows."""
        frame = pl.DataFrame(rows.select(list(dict.fromkeys(self.key))))
        return frame.select(key_text([pl.col(c) for c in self.key]).alias("_key"))

    def keys(self, batches: Iterable[pa.RecordBatch]) -> pl.DataFrame:
        """One column `_key` with the distinct keys of some batches."""
        return self.keys_of_rows(batches).unique()

    def keys_of_rows(self, batches: Iterable[pa.RecordBatch]) -> pl.DataFrame:
        """One column `_key` with the key of every row of some batches."""
        frames = [self.key_frame(pa.Table.from_batches([batch])) for batch in batches]
        return pl.concat([pl.DataFrame(schema={"_key": pl.String}), *frames])


def hashed(rows: pa.Table) -> pa.Array:
    """The hash of every row, as delivered or as landed: a column without a value counts nothing."""
    own = [n for n in rows.schema.names if n not in LANDING]
    marks = [n for n in CONNECTOR_COLUMNS if n in rows.schema.names and n not in _NOT_HASHED]
    return row_hashes(rows, own + marks)


def stamp(chunk: pa.Table, schema: pa.Schema, read: ReadStamp, *, first_row: int) -> pa.Table:
    """The rows in the form of the landing table; the landing version is set at the commit.

    Args:
        chunk: Rows as the connector delivered them.
        schema: Schema of the landing table; columns that the chunk lacks become null.
        read: What the rows have in common.
        first_row: Ordinal of the chunk's first row in its read.
    """
    count = chunk.num_rows
    filled: dict[str, pa.Array | pa.ChunkedArray] = {}
    for field in schema:
        if field.name in chunk.schema.names:
            filled[field.name] = chunk.column(field.name).cast(field.type)
        else:
            filled[field.name] = pa.nulls(count, field.type)
    delivered = pa.table([filled[n] for n in chunk.schema.names], names=chunk.schema.names)
    filled["_row_hash"] = hashed(delivered)
    filled["_key"] = read.key_frame(chunk).to_arrow().column("_key").cast(pa.string())
    filled["_read_at"] = pa.repeat(pa.scalar(read.read_at, LANDING["_read_at"]), count)
    filled["_sync_id"] = pa.repeat(pa.scalar(read.sync_id, pa.string()), count)
    filled["_tombstone"] = pa.repeat(pa.scalar(value=False, type=pa.bool_()), count)
    filled["_row"] = pa.arange(first_row, first_row + count)
    return pa.table([filled[n] for n in schema.names], schema=schema)
