"""One read on its way into landing: what it brings, what is known at its end, what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from warehouse.buckets import MonthOf
from warehouse.intervals import CursorValue
from warehouse.landing_stamp import ReadStamp
from warehouse.state import StreamState
from warehouse.vanished import LandedKeys, Vanished
from warehouse.withdrawn import Watched

Screening = Callable[[pa.Table, pa.Table], pa.Table]
"""Rows as delivered and as stamped to what may land of the delivered ones."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Stands among the batches where a part of the read ends that counts by itself.

    Attributes:
        advance: The stream's state once the part is added to it.
        is_urgent: Commit it now, also without a row.
        is_apart: No later part gives a row of this one again.
    """

    advance: Callable[[StreamState], StreamState]
    is_urgent: bool = False
    is_apart: bool = False


@dataclass(frozen=True, kw_only=True)
class LandingRead:
    """One read, ready to land.

    Attributes:
        stamp: What every row of the read carries.
        schema: The connector's schema.
        batches: The connector's batches, and the checkpoints between them.
        is_whole: The read covers every row of the stream.
        finds_deletes: A key that is gone becomes a tombstone (never in `mode: increment`).
        sums_keys: Later reads that aren't whole ask the source for the sum of its keys.
        cursor: Column and lower bound of an interval read, to compare only what overlaps it.
        accept_deletes: Believe that many keys, or all, are gone.
        months: Columns that may tell a row's month, for the guard of a month.
        lands_all: Land every row, also one that is landed already.
        files: Path of each file that was read before to the rows that it had; what one of them had
            then isn't new when it comes again. None of a whole read, which is the newest word on
            every row.
        expected: The landing version that the read was made for; None: any.
        ended: Called once the batches are exhausted: what the read found.
        claimed: Called after each checkpoint's commit, with the counts of what is landed by then.
        arrived: Called with rows as they will land, and the landing version that they will have.
        landed: Called after each commit, with its landing version and its rows.
        screen: Gives what takes rows of people out who are forgotten, None where nobody is. Asked
            once the table is open: whoever is forgotten later makes this read begin again. Rows
            that are taken out aren't counted.
        watched: See `warehouse.withdrawn`.
    """

    stamp: ReadStamp
    schema: pa.Schema
    batches: Iterable[pa.RecordBatch | Checkpoint]
    is_whole: bool
    finds_deletes: bool
    cursor: tuple[str, CursorValue] | None = None
    sums_keys: bool = False
    accept_deletes: bool = False
    months: Sequence[MonthOf] = ()
    lands_all: bool = False
    files: Mapping[str, int] = field(default_factory=dict)
    expected: int | None = None
    ended: Callable[[], ReadEnd]
    claimed: Callable[[LandOutcome], None] = lambda outcome: None
    arrived: Callable[[pa.Table, int], None] = lambda rows, version: None
    landed: Callable[[int, int], None] = lambda version, rows: None
    screen: Callable[[], Screening | None] = lambda: None
    watched: Watched | None = None


@dataclass(frozen=True, kw_only=True)
class ReadEnd:
    """What is known when a read has ended.

    Attributes:
        is_complete: Everything asked for was delivered.
        advance: The stream's state once this read is added to it.
        source_rows: Rows that the source has below `high`, where it was counted.
        keys: The keys of every row of the source, asked for only when rows seem to be gone.
        below: Column and upper bound that `source_rows` was counted with.
        files: Paths of the files that were read, those that are landed already left out.
        vanished: Of landed keys the ones that the source doesn't have any more; None from it:
            count, and list `keys`.
        gone: Keys that a comparison found gone, one column `_key`; None: nothing was compared.
    """

    is_complete: bool
    advance: Callable[[StreamState], StreamState]
    source_rows: int | None = None
    keys: Callable[[], Iterator[pa.RecordBatch]] | None = None
    below: tuple[str, CursorValue] | None = None
    files: frozenset[str] = frozenset()
    vanished: Callable[[LandedKeys], Vanished | None] | None = None
    gone: pl.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class LandOutcome:
    """Rows of one read by what became of them; `read = landed + same + unreadable`.

    `waiting_deletes` keys seem gone but were kept: too many at once to be believed. `surplus` is
    how many rows more the source counts than keys have landed, where it counts them.
    `new_columns` are those that rows landed before lack, where this read didn't bring them.
    """

    read: int
    landed: int
    same: int
    unreadable: int
    tombstones: int
    waiting_deletes: int
    landing_version: int
    surplus: int = 0
    new_columns: tuple[str, ...] = ()
