"""A window whose rows may move between pages, read until it can be believed.

Offset paging over a list in which rows appear, vanish or change their place loses some rows and
repeats others, without any error. A window is believed when its rows, by key, are as many as the
API's total said on every page; where it states none, when it came in one page or its pages keep
their place; or when two reads in a row hold the same rows. Every version of a row that came is
kept, in the order it came: the newest one wins later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from connectors.rest.errors import RepeatedPageError
from connectors.rest.paging.protocol import Page

MOST_PASSES = 5


@dataclass(kw_only=True)
class Settled:
    """The rows of a window.

    Attributes:
        rows: Every distinct row that came, in the order of its last appearance.
        is_settled: They can be believed; else rows may be missing.
        is_short: Two reads agreed on fewer rows than the API says there are.
        notes: What was seen, for the receipt.
    """

    rows: pa.Table
    is_settled: bool
    is_short: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Pass:
    rows: pl.DataFrame
    pages: int
    totals: tuple[int, ...]  # distinct ones, in order

    def is_counted(self, seen: pl.DataFrame, key: Sequence[str]) -> bool:
        """Whether the rows by key are as many as a total that didn't move."""
        return len(self.totals) == 1 and _keys(seen, key) == self.totals[0]


def settled(
    read: Callable[[], Iterator[Page]],
    *,
    schema: pa.Schema,
    key: Sequence[str],
    keeps_place: Callable[[], bool] = lambda: False,
) -> Settled:
    """Reads a window until it can be believed, at most `MOST_PASSES` times.

    Args:
        read: Reads the window once.
        schema: Schema of the pages' batches.
        key: The columns that identify a row.
        keeps_place: Whether the pages that were read are told apart so that no row moves.

    Raises:
        ContractError: A page repeats another in the last read too.
    """
    before: _Pass | None = None
    seen: pl.DataFrame | None = None
    notes: dict[str, None] = {}
    for number in range(1, MOST_PASSES + 1):
        try:
            this = _once(read, schema)
        except RepeatedPageError:
            if number == MOST_PASSES:
                raise
            notes["a page repeated the one before it: the interval was read again"] = None
            before = None
            continue
        seen = this.rows if seen is None else _distinct(pl.concat([seen, this.rows]))
        if len(this.totals) > 1:
            ways = " -> ".join(map(str, this.totals))
            notes[f"the total moved while the pages were read ({ways})"] = None
        is_whole = this.is_counted(seen, key)
        if not this.totals:
            is_whole = this.pages <= 1 or keeps_place()
        is_agreed = before is not None and _agree(before.rows, this.rows)
        if is_whole or is_agreed:
            if number > 1:
                notes[f"rows moved between pages: read {number} times until it agreed"] = None
            done = Settled(rows=_arrow(seen, schema), is_settled=True, notes=list(notes))
            return done if is_whole else _compared(done, this, keys=_keys(this.rows, key))
        before = this
    notes[
        f"rows moved between pages and {MOST_PASSES} reads didn't agree: what came has landed, and "
        "the interval is read again next time"
    ] = None
    found = seen if seen is not None else pl.DataFrame(schema.empty_table())
    return Settled(rows=_arrow(found, schema), is_settled=False, notes=list(notes))


def miscounted(total: int, came: int) -> str:
    """The sentence for a list that isn't as long as it says."""
    return (
        f"the API says that there are {total} rows, and {came} came: does its total count "
        "something else (then leave out `total:`)?"
    )


def _compared(found: Settled, last: _Pass, *, keys: int) -> Settled:
    """What two reads agreed on, beside the total that the API states."""
    if not last.totals or keys == last.totals[-1]:
        return found
    found.is_short = keys < last.totals[-1]
    found.notes.append(miscounted(last.totals[-1], keys))
    return found


def _once(read: Callable[[], Iterator[Page]], schema: pa.Schema) -> _Pass:
    batches: list[pa.RecordBatch] = []
    totals: dict[int, None] = {}
    pages = 0
    for page in read():
        pages += 1
        batches.append(page.rows.batch)
        if page.hint.total is not None and page.count:
            totals[page.hint.total] = None
    table = pa.Table.from_batches(batches, schema=schema)
    return _Pass(rows=_distinct(pl.DataFrame(table)), pages=pages, totals=tuple(totals))


def _distinct(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.unique(keep="last", maintain_order=True)


def _agree(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two reads hold the same rows, whatever their order."""
    return one.height == other.height == pl.concat([one, other]).unique().height


def _keys(frame: pl.DataFrame, key: Sequence[str]) -> int:
    return frame.select(key).unique().height


def _arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return frame.to_arrow().cast(schema)
