"""What became of a rejection: open, superseded by what came later, or discarded by a person.

Nothing of it is stored but the words of a discard: it follows from core, landing and quarantine.

- A row whose key is its stream's key is superseded once its key has a newer copy: core's, or
  another rejected one, which then is the open one.
- A row of a list, or one that repeats its parent, or whose key says nothing: once a newer copy of
  its landed record is integrated, whatever became of that.
- A landed row without a key: once a read missed it (its tombstone has landed).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl
import pyarrow as pa

from warehouse.delta import Table
from warehouse.feeds import Feed
from warehouse.landing import Landing
from warehouse.merge_plan import ORDER

Status = Literal["open", "superseded", "discarded", "deleted"]
"""`deleted`: not a row that the office sent, but the mark that it took one away."""

SUMMARY: Final = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("entity", pa.string()),
        ("rule", pa.string()),
        ("rows", pa.int64()),
        ("oldest", pa.timestamp("us", tz="UTC")),
        ("agency", pa.string()),
        ("oldest_days", pa.int64()),
    ]
)
SUMMARY_COLUMNS: Final = {
    "source": "Name of the source.",
    "stream": "Name of its stream.",
    "entity": "The table that the rows were for; empty for records that no column was found in.",
    "rule": "The rule that they broke.",
    "rows": "Rejected rows that are open: neither superseded by a later copy nor discarded.",
    "oldest": "Since when the oldest of them waits (UTC).",
    "agency": "Code of the office that owns them.",
    "oldest_days": "Whole days that the oldest had waited when this was counted.",
}
"""What the columns of `quarantine_summary` say."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What decides about rejections beside themselves.

    Attributes:
        core: Entity to its core table.
        landing: Source and stream to their landing.
        feeds: Source, stream and entity to the feed; None where the YAML has none any more.
    """

    core: Callable[[str], Table | None]
    landing: Callable[[str, str], Landing]
    feeds: Callable[[str, str, str], Feed | None]


def with_status(rows: pl.DataFrame, around: Surroundings) -> pl.DataFrame:
    """Adds `status` (see `Status`) to quarantined rows.

    Args:
        rows: SCHEMA; whole sources, since a rejection may be superseded by another one.
        around: What decides.
    """
    parts = [rows.clear().with_columns(pl.lit("", pl.String).alias("status"))]
    for (entity,), mine in rows.group_by("entity", maintain_order=True):
        core = around.core(str(entity)) if entity else None
        newest = _newest_of_keys(mine, core)
        for (source, stream), part in mine.group_by("source", "stream", maintain_order=True):
            place = (str(source), str(stream))
            feed = around.feeds(*place, str(entity)) if entity else None
            by_line = pl.col("_key").is_null() | (feed is not None and feed.is_many)
            keyed = part.filter(pl.col("_landing_key").is_not_null())
            parts += [
                _gone(part.filter(pl.col("_landing_key").is_null()), around.landing(*place)),
                _behind_lines(keyed.filter(by_line), feed, core),
                _behind_keys(keyed.filter(~by_line), newest),
            ]
    return pl.concat(parts).with_columns(
        pl.when("_tombstone")
        .then(pl.lit("deleted"))
        .when(pl.col("discarded_at").is_not_null())
        .then(pl.lit("discarded"))
        .otherwise("status")
        .alias("status")
    )


def _behind_keys(rows: pl.DataFrame, newest: pl.DataFrame) -> pl.DataFrame:
    """Rows of which `newest` (the key, and ORDER as a struct) knows a newer copy are superseded."""
    known = rows.join(newest, on=["source", "_key"], how="left", maintain_order="left")
    later = pl.col("newest").is_not_null() & (pl.struct(ORDER) != pl.col("newest"))
    return known.with_columns(_superseded(later)).drop("newest")


def _behind_lines(rows: pl.DataFrame, feed: Feed | None, core: Table | None) -> pl.DataFrame:
    """Rows whose landed record was read again, as something newer, are superseded.

    Several rows of one record that came in one read stand beside each other.
    """
    to = 0 if feed is None or core is None else core.txn(feed.app)
    if feed is None or not rows.height or not to:
        return rows.with_columns(_superseded(pl.lit(value=False)))
    wanted = rows.select(pl.col("_landing_key").alias("_wanted")).unique()
    landed = feed.landing.history(wanted, by=None, to=to)
    landed = landed.filter(pl.col("_unreadable").is_null())
    newest = (
        feed.orders(landed)
        .with_columns(landed["_sync_id"].alias("newest_sync"))
        .sort(ORDER)
        .group_by("_landing_key")
        .last()
        .select("_landing_key", "newest_sync")
    )
    known = rows.join(newest, on="_landing_key", how="left", maintain_order="left")
    later = (pl.col("_sync_id") != pl.col("newest_sync")).fill_null(value=False)
    return known.with_columns(_superseded(later)).drop("newest_sync")


def _superseded(later: pl.Expr) -> pl.Expr:
    words = pl.when(later).then(pl.lit("superseded")).otherwise(pl.lit("open"))
    return words.alias("status")


def _newest_of_keys(rows: pl.DataFrame, core: Table | None) -> pl.DataFrame:
    """The newest copy of every key, accepted or not."""
    key = ["source", "_key"]
    copies = rows.filter(pl.col("_key").is_not_null()).select(*key, *ORDER)
    if core is not None and copies.height:
        keys = copies.select(key).unique()
        accepted = (
            core.scan()
            .filter(pl.col("_source").is_in(keys["source"].unique().to_list()))
            .select(pl.col("_source").alias("source"), "_key", *ORDER)
            .join(keys.lazy(), on=key, how="semi")
        )
        copies = pl.concat([copies, accepted.collect(engine="streaming")])
    newest = copies.sort(ORDER).group_by(key).last()
    return newest.select(*key, pl.struct(ORDER).alias("newest"))


def _gone(rows: pl.DataFrame, landing: Landing) -> pl.DataFrame:
    """Rows without a key are superseded where a later read missed them."""
    table = landing.table() if rows.height else None
    if table is None:
        return rows.with_columns(_superseded(pl.lit(value=False)))
    marks = ["_landing_version", "_row", "_row_hash", "_tombstone"]
    landed = table.scan().filter(pl.col("_key").is_null()).select(marks).collect()
    place = ["_landing_version", "_row"]
    graves = landed.filter("_tombstone").sort(place).group_by("_row_hash").last()
    hashes = landed.select(*place, "_row_hash").unique(place)
    known = rows.join(hashes, on=place, how="left", maintain_order="left").join(
        graves.select("_row_hash", pl.struct(place).alias("grave")),
        on="_row_hash",
        how="left",
        maintain_order="left",
    )
    version, row = (pl.col("grave").struct.field(name) for name in place)
    own_version, own_row = (pl.col(name) for name in place)
    later = (version > own_version) | ((version == own_version) & (row > own_row))
    return known.with_columns(_superseded(later.fill_null(value=False))).drop("_row_hash", "grave")


def summary(
    rows: pl.DataFrame, *, agencies: Mapping[str, str | None], now: datetime
) -> pl.DataFrame:
    """Open rows per source, stream, entity and rule, with the age of the oldest.

    Args:
        rows: From `with_status`.
        agencies: Source to the code of its agency.
        now: The moment that ages are counted to, UTC.

    Returns:
        Columns of SUMMARY.
    """
    counted = (
        rows.filter(pl.col("status") == "open")
        .explode("rules")
        .group_by("source", "stream", "entity", pl.col("rules").alias("rule"))
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("quarantined_at").min().alias("oldest"),
        )
        .sort("source", "stream", "entity", "rule")
    )
    codes = pl.DataFrame(
        {"source": list(agencies), "agency": list(agencies.values())},
        schema={"source": pl.String, "agency": pl.String},
    )
    age = (pl.lit(now).cast(pl.Datetime("us", "UTC")) - pl.col("oldest")).dt.total_days()
    return (
        counted.join(codes, on="source", how="left", maintain_order="left")
        .with_columns(age.cast(pl.Int64).alias("oldest_days"))
        .select(SUMMARY.names)
    )
