"""Deriving and merging what lands while the read that lands it still goes on.

A read mostly waits for its source or holds Python's lock, while mapping and merging leave it: side
by side they take little more time than the longer of the two. What is made here is what landing
would give: derived rows are a function of the landed ones, whatever cut they come in.

Nothing depends on it. Rows that were not followed, or whose landing did not come about, are derived
from landing when they are integrated.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final

import polars as pl
import pyarrow as pa

from warehouse.core import Counts, Integration
from warehouse.feeds import Derived, Feed, derive_rows

KEPT_ROWS: Final = 500_000
"""Derived rows kept at most, over all streams of a run: what comes after waits in landing."""

ROUND_ROWS: Final = 100_000
"""Landed rows that are worth a merge of their own while the read goes on."""

_WAITING: Final = 1  # pieces that may wait: a read is held up rather than its rows heaped up


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a followed stream leads: one feed, and the integration that it goes through.

    Attributes:
        feed: The feed.
        integration: Makes the integration, stamped with the run and the time.
        one_writer: Held while core is written: one writer per entity.
    """

    feed: Feed
    integration: Callable[[], Integration]
    one_writer: threading.Lock


@dataclass
class _Version:
    """What is derived of one landing version."""

    rows: int = 0
    is_landed: bool = False
    is_partial: bool = False  # there was no room for all of it
    parts: dict[str, list[Derived]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    rows: pa.Table
    version: int


@dataclass(frozen=True, kw_only=True)
class _Landed:
    version: int
    rows: int


class Shelf:
    """The room for derived rows that all followers of a run share."""

    def __init__(self, rows: int = KEPT_ROWS) -> None:
        self._left = rows
        self._lock = threading.Lock()

    def take(self, rows: int) -> bool:
        """Takes room for some rows; False where there isn't so much."""
        with self._lock:
            if rows > self._left:
                return False
            self._left -= rows
            return True

    def give_back(self, rows: int) -> None:
        """Gives room back."""
        with self._lock:
            self._left += rows


class Follower:
    """Follows the landing of one stream, in a thread of its own. A context manager.

    Leaving it waits for what is under way; `derived` is for afterwards.

    Attributes:
        counts: Entity to what was merged while the read went on.
    """

    def __init__(self, targets: Sequence[Target], shelf: Shelf) -> None:
        self.counts: dict[str, Counts] = {}
        self._targets = targets
        self._shelf = shelf
        self._pipe: queue.Queue[_Piece | _Landed | None] = queue.Queue(maxsize=_WAITING)
        self._thread: threading.Thread | None = None
        self._versions: dict[int, _Version] = {}
        self._kept = 0
        self._unmerged = 0
        self._committed = 0
        self._is_off = False

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_off = self._is_off or error is not None
        if self._thread is not None:
            self._pipe.put(None)
            self._thread.join()
            self._thread = None
        if error is not None:
            self.forget()

    def forget(self) -> None:
        """Gives up what is derived."""
        self._versions.clear()
        self._shelf.give_back(self._kept)
        self._kept = 0

    def arrived(self, rows: pa.Table, version: int) -> None:
        """Rows as they will land.

        Args:
            rows: Columns of the landing table.
            version: The landing version that they will have.
        """
        if rows.num_rows:
            self._put(_Piece(rows=rows, version=version))

    def landed(self, version: int, rows: int) -> None:
        """A landing version is committed, with so many rows."""
        self._committed = version
        self._put(_Landed(version=version, rows=rows))

    def derived(self, feed: Feed, *, after: int, to: int) -> Derived | None:
        """What is derived of a window, or None where it isn't whole.

        Of a `many` feed only the first window is: a later one needs the history beside it. Once
        others have committed to landing, `forget` may have taken rows out: then nothing is.
        """
        if feed.is_many and after:
            return None
        versions = [self._versions.get(number) for number in range(after + 1, to + 1)]
        parts: list[Derived] = []
        for version in versions:
            if version is None or not version.is_landed or feed.entity.name not in version.parts:
                return None
            parts += version.parts[feed.entity.name]
        if not parts or feed.landing.version() != self._committed:
            return None
        return _joined(parts)

    def _put(self, item: _Piece | _Landed) -> None:
        if self._is_off:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="follow", daemon=True)
            self._thread.start()
        self._pipe.put(item)

    def _follow(self) -> None:
        while (item := self._pipe.get()) is not None:
            if self._is_off:
                continue
            try:
                if isinstance(item, _Piece):
                    self._derive(item)
                else:
                    self._land(item)
            except BaseException:  # noqa: BLE001 - the integration meets and reports it
                # Panics of Rust too, each library's of its own class: nobody would empty the pipe.
                self._is_off = True
                self.forget()

    def _derive(self, piece: _Piece) -> None:
        rows = piece.rows.num_rows * len(self._targets)
        version = self._versions.setdefault(piece.version, _Version())
        if version.is_partial or not self._shelf.take(rows):
            version.is_partial = True
            return
        self._kept += rows
        landed = pl.DataFrame(piece.rows)
        for target in self._targets:
            part = derive_rows(target.feed, landed, after=piece.version - 1)
            version.parts.setdefault(target.feed.entity.name, []).append(part)
        version.rows += piece.rows.num_rows

    def _land(self, landed: _Landed) -> None:
        version = self._versions.get(landed.version)
        if version is not None and version.rows == landed.rows:
            version.is_landed = True
        self._unmerged += landed.rows
        if self._unmerged >= ROUND_ROWS:
            self._merge()
            self._unmerged = 0

    def _merge(self) -> None:
        """Merges what has landed by now: of a long read, core needn't wait for the end."""
        for target in self._targets:
            feed = replace(target.feed, ready=self.derived)
            with target.one_writer:
                if feed.is_reordered(target.integration().table()):
                    self._is_off = True  # its rows aren't merged, but made anew with all others
                    break
                done = target.integration().integrate([feed])[feed.app]
            self.counts.setdefault(feed.entity.name, Counts()).join(done)
        self.forget()


def _joined(parts: Sequence[Derived]) -> Derived:
    lines = [part.lines for part in parts if part.lines is not None]
    return Derived(
        rows=pl.concat([part.rows for part in parts]),
        lines=pl.concat(lines) if lines else None,
        broken=pl.concat([part.broken for part in parts]),
    )
