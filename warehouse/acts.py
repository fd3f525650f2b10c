"""What people did to single rows: looked at their values, discarded them, replayed them.

It says who, when, what and why, and holds no value of a row: a row is its place in landing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl
import pyarrow as pa

from warehouse.delta import Table
from warehouse.races import retried

SCHEMA: Final = pa.schema(
    [
        ("at", pa.timestamp("us", tz="UTC")),
        ("who", pa.string()),
        ("act", pa.string()),  # reveal, discard, replay
        ("command", pa.string()),
        ("source", pa.string()),
        ("stream", pa.string()),
        ("entity", pa.string()),
        ("rows", pa.int64()),
        ("places", pa.list_(pa.string())),  # landing version : row
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Act:
    """Who does something, and why.

    Attributes:
        act: What.
        command: The command that it is done by.
        who: The person, as the system knows them.
        at: When, UTC.
        reason: Why, in the person's words.
    """

    act: Literal["reveal", "discard", "replay"]
    command: str
    who: str
    at: datetime
    reason: str | None


class Acts:
    """The table of acts of a warehouse."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def record(self, act: Act, rows: pl.DataFrame) -> None:
        """Writes down an act, in one commit, before its rows are shown.

        Args:
            act: The act.
            rows: `source`, `stream`, `entity`, `_landing_version`, `_row` of what it is about.
        """
        place = pl.format("{}:{}", "_landing_version", "_row")
        grouped = rows.group_by("source", "stream", "entity", maintain_order=True).agg(
            pl.len().cast(pl.Int64).alias("rows"), place.unique(maintain_order=True).alias("places")
        )
        said = {
            "at": act.at, "who": act.who, "act": act.act, "command": act.command,
            "reason": act.reason,
        }  # fmt: skip
        records = [{**said, **row} for row in grouped.iter_rows(named=True)]
        if records:
            written = pa.Table.from_pylist(records, SCHEMA)
            retried(lambda: Table.open_or_create(self.uri, SCHEMA).append(written))

    def of(self, source: str, stream: str, places: Sequence[str]) -> pl.DataFrame:
        """The acts on rows of one stream, oldest first (SCHEMA).

        Args:
            source: The source.
            stream: The stream.
            places: `version:row` of the rows.
        """
        table = Table.open(self.uri)
        if table is None:
            return pl.DataFrame(SCHEMA.empty_table())
        mine = (pl.col("source") == source) & (pl.col("stream") == stream)
        rows = table.scan().filter(mine).collect()
        wanted = pl.Series("wanted", list(places), dtype=pl.String)
        return rows.filter(
            pl.col("places").list.eval(pl.element().is_in(wanted.implode())).list.any()
        ).sort("at")
