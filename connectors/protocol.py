"""How a source is read: what every connector promises.

A connector reaches one source and reads its streams as Arrow record batches. It knows nothing of
mapping, warehouse or schedule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Any, Literal, Protocol

import pyarrow as pa

from connectors.sampling import SAMPLE_ROWS

CursorValue = datetime | date | int | str
CursorUnit = Literal["epoch_s", "epoch_ms", "epoch_us"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS: dict[CursorUnit, int] = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The column by which a stream is read in intervals.

    Attributes:
        column: Name of the column in the source.
        late_window: How far the next read goes back behind the last one.
        lag: Kept distance to the source's clock, so that rows committed this second aren't cut.
        deletes: Count the source's rows after the read and look for vanished keys when they
            are fewer than the ones landed.
        unit: What a whole number counts since 1970 (UTC), where it is a time; None: it is none.
        chunk: Longest interval of one read, as a length of time or in what a cursor of numbers
            counts. A longer one is read and landed chunk by chunk, so that a failure costs the
            chunk it came in. None: a source that can give many rows in the cursor's order is asked
            to.
        start: Where the first read begins; None: at the very first row, NULL cursors included.
    """

    column: str
    late_window: timedelta | int = timedelta(days=2)
    lag: timedelta = timedelta(seconds=10)
    deletes: bool = True
    unit: CursorUnit | None = None
    chunk: timedelta | int | None = None
    start: datetime | None = None

    @property
    def window(self) -> timedelta | int:
        """The late window in what the cursor's values are counted in."""
        if self.unit is None or isinstance(self.late_window, int):
            return self.late_window
        return self._ticks(self.late_window)

    @property
    def step(self) -> timedelta | int | None:
        """The longest interval of one read, in what the cursor's values are counted in."""
        if self.unit is None or not isinstance(self.chunk, timedelta):
            return self.chunk
        return self._ticks(self.chunk)

    def ticks(self, moment: datetime) -> int:
        """A moment (with a zone) as a value of a cursor with a unit."""
        return self._ticks(moment - _EPOCH)

    def moment(self, ticks: int) -> datetime:
        """The moment (UTC) that a value of a cursor with a unit stands for."""
        microseconds = ticks * 1_000_000 // _TICKS[self.unit or "epoch_s"]
        return _EPOCH + timedelta(microseconds=microseconds)

    def _ticks(self, length: timedelta) -> int:
        microseconds = length // timedelta(microseconds=1)
        return microseconds * _TICKS[self.unit or "epoch_s"] // 1_000_000


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """What to read of one stream. `options` are the connector's own (table, query, files, ...).

    Attributes:
        name: Name of the stream in its source.
        columns: The source columns that the mapping uses, each once, key, cursor and version
            included. Nothing else is read.
        key: The columns that identify a row.
        cursor: None for a stream that is read whole every time.
        mode: `snapshot`: what a whole read doesn't contain any more is gone. `increment`: a
            key that is missing deletes nothing.
        options: The connector's validated options model for this stream.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    cursor: Cursor | None = None
    mode: Literal["snapshot", "increment"] = "snapshot"
    options: Any = None


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """One read of one stream.

    Attributes:
        low: First cursor value to read (inclusive), or None to read everything, rows with a
            NULL or future cursor included.
        high: Fixed by `Connector.high` before the read; rows at or past it aren't read when
            `low` is given. None for a stream without a cursor.
        known_files: Content hashes (sha256, hex) of files already landed: they aren't read.
        batch_rows: Most rows in one batch.
        limit: Stop after so many rows (`sync --limit`), or None.
        stop: Set when the run is given up: a connector that waits stops waiting.
        until: With no `low`: leave out the rows from here to `high`, which other requests read.
            Rows without a cursor, or past `high`, are part of this one.
        ordered_from: A connector that can gives so many rows or more in the cursor's order (and
            before them those that have no place in it), so that a part of them counts.
        is_last: Whether it ends the read that it is a part of: what is counted of the whole source
            is counted with it, once.
    """

    low: CursorValue | None = None
    high: CursorValue | None = None
    known_files: frozenset[str] = frozenset()
    batch_rows: int = 50_000
    limit: int | None = None
    stop: Event | None = None
    until: CursorValue | None = None
    ordered_from: int | None = None
    is_last: bool = True


@dataclass(frozen=True, kw_only=True)
class FileRead:
    """One file as seen by a read."""

    path: str  # below the source's folder
    hash: str  # sha256, hex
    size: int  # bytes
    rows: int  # records found, broken ones included; 0 when it was known and not read
    unchanged: bool  # its content was in `known_files`


@dataclass(kw_only=True)
class ReadSummary:
    """What a read found beside its rows; complete once the batches are exhausted."""

    null_cursor: int = 0  # rows of the source whose cursor is NULL (counted, read or not)
    future_cursor: int = 0  # rows at or past `high`
    source_rows: int | None = None  # keyed rows below `high`, if they are counted (cursor.deletes)
    snapshot_xmin: int | None = None  # PostgreSQL: oldest transaction still open at the read
    snapshot_xmax: int | None = None  # PostgreSQL: first transaction id not yet given out
    files: list[FileRead] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what a person should know of this read
    is_ordered: bool = False  # known once it is opened: see `ReadRequest.ordered_from`
    sums_keys: bool = False  # known once it is opened: the source can sum its keys as we do
    is_exact: bool = False  # intervals that lie apart give no row twice
    is_complete: bool = False  # the whole of the request was delivered (False under `limit`)


class Read(Protocol):
    """A read under way. A context manager: leaving it closes cursors, files and connections."""

    schema: pa.Schema  # the spec's columns as they are delivered, then CONNECTOR_COLUMNS it uses
    summary: ReadSummary

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows, in bounded batches, once."""
        ...

    def __enter__(self) -> Read: ...

    def __exit__(self, *exc: object) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Found:
    """What `check` saw of a stream.

    Attributes:
        columns: Every column the source has, with its type in the source's own words.
        sample: The first rows of the mapped columns, as a read would deliver them.
        notes: Sentences worth a person's attention (encoding seen, primary key, time zone, ...).
    """

    columns: dict[str, str]
    sample: pa.Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something that could be a stream, as a survey of a source finds it.

    Attributes:
        name: Name of the table, view or set of files.
        kind: `table`, `view` or `files`.
        options: The connector's own keys of a stream that read it.
        keys: Keys that the source declares, the primary key first.
        rows: The source's own estimate of its rows, where it has one.
        mode: What the stream has to say of it, where it has to.
        sample: Keys that stand in for those of `options` when a sample is read.
        headers: The different headers that its files have, the newest file's first.
        notes: What speaks for the options, for a person.
    """

    name: str
    kind: str
    options: Mapping[str, object]
    keys: tuple[tuple[str, ...], ...] = ()
    rows: int | None = None
    mode: Literal["snapshot", "increment"] | None = None
    sample: Mapping[str, object] = field(default_factory=dict)
    headers: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


class Connector(Protocol):
    """One source, reachable. Built from the source's connector options by the registry."""

    def check(self, spec: StreamSpec, *, sample_rows: int = SAMPLE_ROWS) -> Found:
        """Reaches the source and looks at the stream; reads at most so many rows.

        Raises:
            TransientSourceError: It could not be reached.
            SourceError: It refused (wrong password, no permission, no such table or file).
            ContractError: A column of the spec isn't there; it carries those that are, where they
                could be told.
        """
        ...

    def high(self, spec: StreamSpec) -> CursorValue | None:
        """The upper bound for the next read.

        The source's clock minus the lag, or the greatest value of a cursor that isn't a time
        (plus one for integers). None without a cursor.
        """
        ...

    def low(self, spec: StreamSpec) -> CursorValue | None:
        """The least value of the cursor, where the source can tell; None where it can't."""
        ...

    def count(self, spec: StreamSpec, *, low: CursorValue, high: CursorValue) -> int | None:
        """Rows whose cursor lies in `[low, high)`; None where the source can't count them."""
        ...

    def read(self, spec: StreamSpec, request: ReadRequest) -> Read:
        """Opens a read. Raises like `check`; errors in mid-read come out of `batches`."""
        ...

    def keys(
        self, spec: StreamSpec, *, below: CursorValue | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The key columns of every row (with a cursor below `below`, where given)."""
        ...

    def close(self) -> None:
        """Gives back connections."""
        ...


def missing_columns(wanted: Sequence[str], found: Sequence[str]) -> list[str]:
    """The wanted columns that the source doesn't have, in their order."""
    there = set(found)
    return [name for name in wanted if name not in there]

def cursor_value(value: Any) -> CursorValue | None:  # noqa: ANN401 - a cell of any type
    """A delivered cell of an ordered cursor as a bound; a number with a fraction, rounded down.

    None for NaN and the infinities of PostgreSQL: nothing can be counted from them.
    """
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str | Decimal):
        number = Decimal(value)
        return int(number.to_integral_value("ROUND_FLOOR")) if number.is_finite() else None
    bound: CursorValue = value
    return bound
