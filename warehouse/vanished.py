"""Which landed keys a source doesn't have any more, and how many of them are believed to be gone.

The rule: keys wait for a person where more than 5 % of all keys are gone, or none is left; and,
month by month, where more than 5 % of a month's keys are gone and more than ten of them. Ten may
always go: otherwise one deleted dossier of a month with five would wait for ever. Where a month
waits the others don't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.buckets import BUCKET
from warehouse.duck import md5_of
from warehouse.landing_stamp import ReadStamp
from warehouse.prior import NO_KEYS
from warehouse.slots import (
    LISTED,
    digits_for,
    in_slot,
    marks,
    numbers,
    slots,
    slots_of,
    unequal_slots,
)
from warehouse.state import KeySum

_HASHED_AT_ONCE: Final = 500_000  # keys

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


@dataclass(frozen=True, kw_only=True)
class LandedKeys:
    """The landed keys of a stream, as frames with one column `_key`.

    Attributes:
        known: The source's keys when it last had every landed one; None: nobody knows.
        fresh: Those that this read brings and that weren't landed, or were buried.
        alive: All that aren't buried.
        arrived: Those of this read that aren't committed yet.
    """

    known: KeySum | None
    fresh: Callable[[], pl.DataFrame]
    alive: Callable[[], pl.DataFrame]
    arrived: Callable[[], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Vanished:
    """What was found of them.

    Attributes:
        gone: The alive ones that the source doesn't have.
        keys: The keys that it has; None where a landed one beside these isn't among them.
    """

    gone: pl.DataFrame
    keys: KeySum | None


def key_hashes(keys: pl.DataFrame) -> pl.DataFrame:
    """`_key` and `_hash`, the MD5 (hex) of its text."""
    texts = keys.select("_key")
    if not texts.height:
        return texts.with_columns(pl.lit(None, pl.String).alias("_hash"))
    hashes = md5_of("_key", texts.to_arrow().cast(pa.schema([("_key", pa.string())])))
    return texts.with_columns(pl.Series("_hash", pl.from_arrow(hashes)))


def _marked(keys: pl.DataFrame) -> pl.DataFrame:
    """The `marks` of each key, in their order; no more of their hashes is held than has to be."""
    parts = [marks(key_hashes(part)["_hash"]) for part in keys.iter_slices(_HASHED_AT_ONCE)]
    return pl.concat([marks(pl.Series(dtype=pl.String)), *parts])


class SeenKeys:
    """The keys of every row that a read of everything has seen.

    Once it has ended, those are the source's keys and the landed ones; the first night that only
    reads what changed has nothing else to compare the source with. Eight bytes a row are held, and
    as much again at the end, to count the different keys.
    """

    def __init__(self) -> None:
        self._numbers: list[pl.Series] = []
        self._total = 0

    def saw(self, keys: pl.DataFrame) -> None:
        """Takes in the `_key` of some rows; one without a key isn't counted by a source either."""
        found = numbers(key_hashes(keys.drop_nulls("_key"))["_hash"])
        self._total += int(found.cast(pl.Int128).sum())
        self._numbers.append(found)

    def sum(self) -> KeySum:
        """What the source's own sum is to be, and how many different keys these are."""
        every = pl.concat([pl.Series(dtype=pl.Int64), *self._numbers], rechunk=False)
        return KeySum(rows=len(every), total=self._total, landed=every.n_unique())


def vanished(landed: LandedKeys, *, source: KeyDigests, read: ReadStamp) -> Vanished:
    """The landed keys that the source doesn't have.

    Where its keys are those that it had when it had every landed one, and those that this read
    brings, none is gone and nothing is looked at. Else only slots that aren't equal are.

    Args:
        landed: The landed keys.
        source: The source.
        read: Makes keys of the source's columns.
    """
    differing = None
    if landed.known is not None:
        now = _summed(*source.digest("keys", 0))
        fresh = landed.fresh()
        expected = landed.known
        if fresh.height:
            expected = _summed(slots_of(_marked(fresh), 1), before=expected)
        if now == expected:
            return Vanished(gone=NO_KEYS, keys=now)
        differing = abs(now.rows - expected.rows) or 1  # and those that hide each other
    alive = landed.alive()
    every = pl.concat([alive, fresh_of(landed.arrived(), alive)])
    marked = _marked(every)
    most = digits_for(every.height)
    for digits in sorted({digits_for(every.height, differing=differing), most}):
        theirs = list(source.digest("keys", digits))
        now = _summed(*theirs)
        found = unequal_slots(slots_of(marked, digits), iter(theirs))
        # Keys that came and keys that went hide each other's number: many slots may differ.
        if len(found) * every.height <= LISTED * 16**digits:
            break
    if not found:
        return Vanished(gone=NO_KEYS, keys=now)
    is_suspect = marked.select(in_slot(digits).is_in([int(slot, 16) for slot in found]))
    suspects = every.filter(is_suspect.to_series())
    listed = read.keys_of_rows(source.keys(found)).drop_nulls()
    lost = suspects.join(listed, on="_key", how="anti")
    gone = alive.join(lost, on="_key", how="semi")
    # One that came with this read and went before its end is landed, and not looked for yet. And
    # where the sums are of another moment than the list, they may lack a key that is in it.
    is_one_moment = not unequal_slots(
        slots(key_hashes(listed)["_hash"], digits), _only(theirs, found)
    )
    is_sure = gone.height == lost.height and is_one_moment
    return Vanished(gone=gone, keys=now if is_sure else None)


def fresh_of(arrived: pl.DataFrame, alive: pl.DataFrame) -> pl.DataFrame:
    """The different keys of some rows that aren't among the alive ones."""
    keys = arrived.drop_nulls().unique()
    # The few are looked for among the many, and not the other way round: that would take room.
    return keys.join(alive.join(keys, on="_key", how="semi"), on="_key", how="anti")


def _only(batches: Sequence[pa.RecordBatch], found: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some slots of a digest."""
    wanted = pa.array(found, pa.string())
    for batch in batches:
        yield batch.filter(pc.is_in(batch.column("slot"), wanted))


def _summed(*slots: pl.DataFrame | pa.RecordBatch, before: KeySum | None = None) -> KeySum:
    """The sum of slots (`rows`, `total`), and of what was there before them."""
    rows, total = (0, 0) if before is None else (before.rows, before.total)
    for part in slots:
        counts, sums = part["rows"], part["total"]
        rows += sum(counts.to_list() if isinstance(counts, pl.Series) else counts.to_pylist())
        total += sum(map(int, sums.to_list() if isinstance(sums, pl.Series) else sums.to_pylist()))
    return KeySum(rows=rows, total=total)


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
