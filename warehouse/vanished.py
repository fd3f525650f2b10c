"""Which landed keys a source doesn't have any more, and how many of them are believed to be gone.

The rule: keys wait for a person where more than 5 % of all keys are gone, or none is left; and,
month by month, where more than 5 % of a month's keys are gone and more than ten of them. Ten may
always go: otherwise one deleted dossier of a month with five would wait for ever. Where a month
waits the others don't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, Protocol

import polars as pl
import pyarrow as pa

from warehouse.buckets import BUCKET
from warehouse.duck import md5_of
from warehouse.landing_stamp import ReadStamp
from warehouse.slots import digits_for, slots, unequal_slots

DELETE_GUARD: Final = 0.05
ALWAYS_BELIEVED: Final = 10
"""So many keys of one month may be gone without the month's own guard."""


class KeyDigests(Protocol):
    """A source that computes checksums of its keys (see `connectors.comparing.Comparison`)."""

    def digest(self, of: Literal["keys"], digits: int) -> Iterator[pa.RecordBatch]:
        """Slots of every key: `slot`, `rows`, `total`."""
        ...

    def keys(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The key columns of the rows in some slots."""
        ...


def key_hashes(keys: pl.DataFrame) -> pl.DataFrame:
    """`_key` and `_hash`, the MD5 (hex) of its text."""
    texts = keys.select("_key")
    if not texts.height:
        return texts.with_columns(pl.lit(None, pl.String).alias("_hash"))
    hashes = md5_of("_key", texts.to_arrow().cast(pa.schema([("_key", pa.string())])))
    return texts.with_columns(pl.Series("_hash", pl.from_arrow(hashes)))


def vanished(
    alive: pl.DataFrame, *, arrived: pl.DataFrame, source: KeyDigests, read: ReadStamp
) -> pl.DataFrame:
    """The keys of `alive` that the source doesn't have; only unequal slots are looked into.

    Args:
        alive: One column `_key`: the landed keys that aren't buried.
        arrived: Keys that this read brings, the same.
        source: The source.
        read: Makes keys of the source's columns.
    """
    every = pl.concat([alive.select("_key"), arrived.select("_key").drop_nulls()]).unique()
    hashed = key_hashes(every)
    digits = digits_for(hashed.height)
    found = unequal_slots(slots(hashed["_hash"], digits), source.digest("keys", digits))
    if not found:
        return alive.clear()
    suspects = hashed.filter(pl.col("_hash").str.slice(0, digits).is_in(found))
    gone = suspects.join(read.keys(source.keys(found)), on="_key", how="anti")
    return alive.join(gone, on="_key", how="semi").select("_key")


def believed(
    gone: pl.DataFrame, alive: pl.DataFrame, *, buckets: Callable[[], pl.DataFrame] | None
) -> tuple[pl.DataFrame, int]:
    """The gone keys that are buried, and how many wait. See the module for the rule.

    Args:
        gone: One column `_key`.
        alive: The same, of every key that isn't buried.
        buckets: `_key` and `bucket` of every key alive, asked for only where it matters; None: no
            month can be told.
    """
    if gone.height > DELETE_GUARD * alive.height:
        return gone.clear(), gone.height
    if buckets is None or gone.height <= ALWAYS_BELIEVED:
        return gone, 0
    placed = buckets().join(alive, on="_key", how="semi").unique("_key")
    is_gone = placed.join(gone.with_columns(pl.lit(1).alias("gone")), on="_key", how="left")
    counts = is_gone.group_by(BUCKET).agg(pl.len().alias("keys"), pl.col("gone").sum())
    doubted = counts.filter(
        pl.col("gone") > ALWAYS_BELIEVED, pl.col("gone") > DELETE_GUARD * pl.col("keys")
    )
    waiting = gone.join(placed.join(doubted, on=BUCKET, how="semi"), on="_key", how="semi")
    return gone.join(waiting, on="_key", how="anti"), waiting.height
