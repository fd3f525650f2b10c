"""How a read finds landed keys that its source doesn't have any more, and which of them go.

Most nights nothing is gone. What the stream's state says of the keys (`KeySum`, `KeyCount`) then
tells so, by what the source sums up or counts and by the keys that the read brings. Only where
that doesn't agree, or the state says nothing, everything that has landed is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Any, Final

import polars as pl
import pyarrow as pa

from warehouse.buckets import month_column, placed
from warehouse.delta import Table
from warehouse.intervals import CursorValue, decode_cursor, encode_cursor, is_comparable
from warehouse.landing_read import LandingRead, ReadEnd
from warehouse.prior import NO_KEYS, Prior, alive_keys, cursor_values
from warehouse.state import KeyCount, KeySum, StreamState
from warehouse.vanished import LandedKeys, SeenKeys, Vanished, believed, fresh_of

MOST_BROUGHT: Final = 500_000
"""Rows of a read whose keys are remembered; where more land, everything is looked at."""


class Deletions:
    """The keys that one read brings, and those that it doesn't find.

    Attributes:
        keys: What the state is to say of the keys now.
        surplus: How many rows more the source counts than keys have landed; 0 where people are
            forgotten, whose rows it counts too.
    """

    def __init__(self, read: LandingRead, before: StreamState, *, version: int) -> None:
        """Nothing has come yet.

        Args:
            read: The read.
            before: The stream's state before it.
            version: The landing version before it.
        """
        self.keys = before.keys
        self.surplus = 0
        self._read = read
        looks, is_whole = read.finds_deletes, read.is_whole
        self._known = before.keys if looks and not is_whole else None
        self._seen = SeenKeys() if looks and is_whole and read.sums_keys else None
        self._version = version
        self._brought: list[pl.DataFrame] = []
        self._rows = 0

    def saw(self, rows: pa.Table) -> None:
        """Takes note of rows (columns of landing) that the read brings, new ones or not."""
        if self._seen is not None:
            self._seen.saw(pl.DataFrame(rows.select(["_key"])))

    def lands(self, rows: pa.Table) -> None:
        """Takes note of rows (columns of landing) that the read brings and that are going to land.

        What the state says of the keys doesn't hold any more then, until `find` has found anew.
        """
        if not rows.num_rows:
            return
        self.keys = None
        self._rows += rows.num_rows
        if self._rows > MOST_BROUGHT:
            self._known = None
            self._brought = []
        known = self._known
        if isinstance(known, KeySum):
            self._brought.append(_last(rows.select(["_key"])))
        elif isinstance(known, KeyCount) and known.column in rows.schema.names:
            self._brought.append(_last(rows.select(["_key", known.column])))

    def withdrawn(self) -> None:
        """Rows of landed keys are buried that weren't found by `find`."""
        self.keys = None

    def find(
        self,
        end: ReadEnd,
        table: Table,
        *,
        pending: pa.Table,
        prior: Callable[[], Prior],
        seen: Callable[[], pl.DataFrame],
        is_screened: Callable[[], bool],
    ) -> tuple[pl.DataFrame, int]:
        """The (key, hash) rows of vanished keys to bury, and how many keys wait for a person.

        Args:
            end: What is known at the read's end.
            table: Landing as it is now.
            pending: Rows of the read that aren't committed yet.
            prior: What had landed before a whole read.
            seen: Every (key, hash) of a whole read.
            is_screened: Whether rows of people are kept out: the source counts them too.
        """
        nothing = Prior.no_marks()
        if not (self._read.finds_deletes and end.is_complete):
            return nothing, 0
        now: KeySum | KeyCount | None = None
        if self._read.is_whole:
            alive, newest_rows = prior().alive_keys(), prior().newest_rows
            gone = alive.join(seen(), on="_key", how="anti")
            if self._seen is not None:
                self.keys = now = self._seen.sum()
        else:
            search = _Search(
                self._read, end, table, pending=pending, version=self._version,
                known=self._known, brought=self._brought, is_screened=is_screened,
            )  # fmt: skip
            found = search.found()
            self.surplus = search.surplus
            if found is None:
                return nothing, 0
            missing, now = found
            if not missing.height:
                self.keys = now
                return nothing, 0
            # The tombstone of a key that this read brings would be a copy of the row before: to
            # whoever orders copies by the source's versions, an older one. The next read buries it.
            arrived = pl.DataFrame(pending.select(["_key"])).drop_nulls()
            gone = missing.join(arrived, on="_key", how="anti")
            self.keys = now = now if gone.height == missing.height else None
            if not gone.height:
                return nothing, 0
            alive, newest_rows = search.alive, search.newest_rows
        if not gone.height:
            return nothing, 0
        waiting = 0
        if not self._read.accept_deletes:
            month = month_column(table.schema, self._read.months)
            buckets = None if month is None else lambda: placed(table, month)
            gone, waiting = believed(gone, alive, buckets=buckets)
        # A key that waits is landed and isn't in the source; one that is buried counted until now.
        is_still_so = not waiting if isinstance(now, KeySum) else not gone.height
        self.keys = now if is_still_so else None
        return (newest_rows(gone) if gone.height else nothing), waiting


class _Search:
    """The search for vanished keys at the end of a read that wasn't of every row."""

    def __init__(
        self,
        read: LandingRead,
        end: ReadEnd,
        table: Table,
        *,
        pending: pa.Table,
        version: int,
        known: KeySum | KeyCount | None,
        brought: Sequence[pl.DataFrame],
        is_screened: Callable[[], bool],
    ) -> None:
        self._read = read
        self._end = end
        self._table = table
        self._pending = pending
        self._version = version
        self._known = known
        self._brought = brought
        self._is_screened = is_screened
        self.surplus = 0

    @cached_property
    def alive(self) -> pl.DataFrame:
        """Every landed key that isn't buried: what a quiet night does without."""
        return alive_keys(self._table)

    def newest_rows(self, keys: pl.DataFrame) -> pl.DataFrame:
        """See `Prior.newest_rows`."""
        return Prior.load(self._table, cursor=None, keys=keys).newest_rows(keys)

    def found(self) -> tuple[pl.DataFrame, KeySum | KeyCount | None] | None:
        """The keys (`_key`) that the source doesn't have, and what the state may say of the others.

        None where nobody can tell.
        """
        end = self._end
        if end.gone is not None:
            if not end.gone.height:
                return None
            return self.alive.join(end.gone, on="_key", how="semi"), None
        if end.vanished is not None:
            found = end.vanished(
                LandedKeys(
                    known=self._known if isinstance(self._known, KeySum) else None,
                    fresh=lambda: self._fresh,
                    alive=lambda: self.alive,
                    arrived=lambda: pl.DataFrame(self._pending.select(["_key"])),
                )
            )
            if found is not None:
                return found.gone, self._with_landed(found)
        if end.keys is None or end.source_rows is None or end.below is None:
            return None
        count = self._counted(*end.below)
        # Of people who are forgotten the source counts rows that didn't land.
        if end.source_rows >= count.keys and not self._is_screened():
            self._told(count.keys)
            return NO_KEYS, count
        there = self._read.stamp.keys(end.keys())
        return self.alive.join(there, on="_key", how="anti"), count

    def _with_landed(self, found: Vanished) -> KeySum | None:
        """The source's keys with the number of landed ones, as far as that is known."""
        known = self._known
        if found.keys is None:
            return None
        if "alive" in self.__dict__:  # everything was looked at
            arrived = fresh_of(pl.DataFrame(self._pending.select(["_key"])), self.alive)
            landed = self.alive.height + arrived.height - found.gone.height
        elif isinstance(known, KeySum) and known.landed is not None:
            landed = known.landed + self._fresh.height
        else:
            return found.keys
        self._told(landed)
        return replace(found.keys, landed=landed)

    def _told(self, landed: int) -> None:
        """Sets the surplus over so many landed keys."""
        rows = self._end.source_rows
        if rows is not None and rows > landed and not self._is_screened():
            self.surplus = rows - landed

    @cached_property
    def _fresh(self) -> pl.DataFrame:
        """The keys that the read brings and that weren't landed and alive before."""
        if not self._brought:
            return NO_KEYS
        keys = pl.concat(self._brought).select("_key").unique()
        before = Prior.load(self._table, cursor=None, keys=keys, to=self._version)
        return keys.join(before.alive_keys(), on="_key", how="anti")

    def _counted(self, column: str, high: CursorValue) -> KeyCount:
        """The keys that are landed and alive once the read has landed."""
        value = cursor_values(self._table, column, bound=high)
        is_below, is_beyond = value < high, value >= high
        if isinstance(high, str):  # behind the last text, in whatever order, there is none
            is_below, is_beyond = value.is_not_null(), pl.lit(value=False)
        known = self._known_count(column, high)
        if known is None:
            arrived = _last(self._pending.select(["_key", column]))
            landed = Prior.load(self._table, cursor=None, values=[column])
            others = landed.alive_rows().join(arrived, on="_key", how="anti")
            every = pl.concat([others.select(arrived.columns), arrived])
            beyond = every.filter(is_beyond).select(value).min().item()
            told = None if beyond is None else encode_cursor(_rounded(beyond))
            keys = every.filter(is_below).height
            return KeyCount(column=column, keys=keys, high=encode_cursor(high), beyond=told)
        if not self._brought:
            return replace(known, high=encode_cursor(high))
        brought = pl.concat(self._brought).unique("_key", keep="last", maintain_order=True)
        before = Prior.load(
            self._table, cursor=None, values=[column], keys=brought.select("_key"),
            to=self._version,
        )  # fmt: skip
        were = before.alive_keys(is_below).height
        are = brought.filter(is_below).height
        beyond = brought.filter(is_beyond).select(value).min().item()
        least = [_rounded(beyond)] if beyond is not None else []
        if known.beyond is not None:
            least.append(decode_cursor(known.beyond))
        return KeyCount(
            column=column,
            keys=known.keys - were + are,
            high=encode_cursor(high),
            beyond=encode_cursor(min(least)) if least else None,
        )

    def _known_count(self, column: str, high: CursorValue) -> KeyCount | None:
        """What the state says, where no key has come to lie below `high` by its moving on."""
        known = self._known
        if not isinstance(known, KeyCount) or known.column != column:
            return None
        if isinstance(high, str):
            return known if isinstance(decode_cursor(known.high), str) else None
        if not _is_upto(known.high, high):
            return None
        is_passed = known.beyond is not None and not _is_from(known.beyond, high)
        return None if is_passed else known


def _last(rows: pa.Table) -> pl.DataFrame:
    """The last row of every key, in the order they came."""
    keyed = pl.DataFrame(rows).drop_nulls("_key")
    return keyed.unique("_key", keep="last", maintain_order=True)


def _is_upto(known: str, high: CursorValue) -> bool:
    value = decode_cursor(known)
    return is_comparable(value, high) and value <= high  # type: ignore[operator]


def _is_from(known: str, high: CursorValue) -> bool:
    value = decode_cursor(known)
    return is_comparable(value, high) and value >= high  # type: ignore[operator]


def _rounded(value: Any) -> CursorValue:  # noqa: ANN401 - a cell of a cursor
    """A cell as a bound; a number with a fraction, rounded down."""
    if isinstance(value, date | str | int):
        return value
    whole: int = math.floor(value)
    return whole
