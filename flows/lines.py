"""Who reads which stream next, and over which connection.

To connect costs a quiet stream more than its read. So a reader goes on with the source that it has
just read, over the same connection; nothing waits for that: where no other source is left, several
readers read streams of one.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from polars.exceptions import PanicException

from connectors.protocol import Connector
from flows.catalog import Source
from flows.faults import told
from flows.logs import event


class Line:
    """A reader's connection: kept for the next stream of the same source. A context manager."""

    def __init__(self) -> None:
        self._source: Source | None = None
        self._connector: Connector | None = None

    @contextmanager
    def to(self, source: Source) -> Iterator[Connector]:
        """A connector to a source; what broke isn't gone on with. Raises like `Source.connect`."""
        if self._connector is None or self._source is not source:
            self.hang_up()
            self._connector, self._source = source.connect(), source
        try:
            yield self._connector
        except BaseException:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Gives the connection back; what breaks then breaks nobody's read, and is logged."""
        connector, source = self._connector, self._source
        self._connector = self._source = None
        if connector is None or source is None:
            return
        try:
            connector.close()
        except (Exception, PanicException) as error:  # noqa: BLE001 - what was read of it has landed
            what = told(error).what
            event("not hung up", level=logging.WARNING, source=source.name, problem=what)

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hang_up()


class Turns:
    """Hands out the streams of a run, each once.

    Args:
        places: (source, stream) pairs, in the order in which they are to be begun.
    """

    def __init__(self, places: Sequence[tuple[str, str]]) -> None:
        self._left: dict[str, list[int]] = {}
        for number, (source, _) in enumerate(places):
            self._left.setdefault(source, []).append(number)
        self._readers: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._places = places

    def next(self, last: int | None) -> int | None:
        """The place in the list of what a reader reads next; None: nothing is left.

        Args:
            last: What it has read; None: nothing yet.
        """
        with self._lock:
            before = None if last is None else self._places[last][0]
            if before is not None:
                self._readers[before] -= 1
            if not self._left:
                return None
            source = before if before in self._left else self._least_read()
            numbers = self._left[source]
            number = numbers.pop(0)
            if not numbers:
                del self._left[source]
            self._readers[source] += 1
            return number

    def give_up(self) -> None:
        """Nothing more is begun."""
        with self._lock:
            self._left.clear()

    def _least_read(self) -> str:
        """The first of the sources that the fewest readers are at."""
        return min(self._left, key=lambda source: self._readers[source])
