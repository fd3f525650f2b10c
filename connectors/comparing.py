"""How a source is compared with what was read of it: by checksums of its own, or by reading.

A row falls into a slot by the first hexadecimal digits of its hash, so a row that is missing, extra
or different shows in the slots of its hashes, and only those have to be read. The hash is the one
that landing stamps on a row (or the MD5 of a key's text): what a source computes is compared with
what is stored, and only equal rows are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import pyarrow as pa

from connectors.protocol import Connector, CursorValue, Read, ReadRequest, StreamSpec
from schemas.errors import SourceError

Of = Literal["rows", "keys"]

SUMMED: Final = (6, 14)
"""Position (from 1) and number of the hash's digits whose values `DIGEST.total` adds up."""

DIGEST: Final = pa.schema([("slot", pa.string()), ("rows", pa.int64()), ("total", pa.string())])
"""What a source says of a slot: its rows, and the sum over digits of their hashes, as text."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which rows of a stream with a cursor are compared; the defaults compare all.

    Rows of `[high, a day after the source's now)` changed since the last read: they are no
    difference. What is dated later than that (in the year 2099) is compared, as is NULL.

    Attributes:
        low: Rows before it were never asked for; with it, rows without a cursor weren't either.
        high: Where the coverage ends.
    """

    low: CursorValue | None = None
    high: CursorValue | None = None


class Comparison(Protocol):
    """One comparison under way; its statements see the same rows where the source can do that."""

    schema: pa.Schema  # of `rows`

    def cannot(self, of: Of) -> str | None:
        """Why the source can't compute checksums that equal ours, or None where it can."""
        ...

    def digest(self, of: Of, digits: int) -> Iterator[pa.RecordBatch]:
        """The slots (first so many digits of the hash) that aren't empty, as DIGEST.

        Of rows those in scope; of keys those of every row. Without a digit all are one slot, which
        is there without a row too, and which a database sums in a third of the time.
        """
        ...

    def rows(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The rows in scope, those of some slots or all, as a read delivers them."""
        ...

    def keys(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The key columns of every row, of some slots of keys or all."""
        ...

    def pending(self) -> Iterator[pa.RecordBatch]:
        """The key columns of the rows that changed since the last read (see `Scope`)."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """A connector whose source can be compared without reading it all."""

    def comparison(self, spec: StreamSpec, scope: Scope) -> AbstractContextManager[Comparison]:
        """Opens a comparison. Raises like `Connector.check`."""
        ...


class ReadComparison:
    """A `Comparison` of a source that only can be read."""

    def __init__(
        self,
        connector: Connector,
        spec: StreamSpec,
        *,
        requests: Sequence[ReadRequest],
        pending: ReadRequest | None,
    ) -> None:
        """Compares by reads.

        Args:
            connector: The source.
            spec: The stream.
            requests: The reads that make up what is compared.
            pending: What reads that which was added since the last read.
        """
        self._connector = connector
        self._spec = spec
        self._requests = requests
        self._pending = pending
        self._first: Read | None = connector.read(spec, requests[0])
        self.schema: pa.Schema = self._first.schema

    def cannot(self, of: Of) -> str | None:
        """See `Comparison.cannot`."""
        return f"no database computes checksums of its {of}"

    def digest(self, of: Of, digits: int) -> Iterator[pa.RecordBatch]:
        """See `Comparison.digest`: there is none. Raises SourceError."""
        raise SourceError(f"stream {self._spec.name!r}: {self.cannot(of)} ({digits} digits)")

    def rows(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """See `Comparison.rows`: all of them, whichever slots are wanted.

        Raises:
            SourceError: The source delivered less than it was asked for.
        """
        del slots
        for request in self._requests:
            first, self._first = self._first, None
            yield from self._all(first or self._connector.read(self._spec, request))

    def keys(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """See `Comparison.keys`."""
        del slots
        yield from self._connector.keys(self._spec)

    def pending(self) -> Iterator[pa.RecordBatch]:
        """See `Comparison.pending`."""
        if self._pending is not None:
            yield from self._all(self._connector.read(self._spec, self._pending))

    def _all(self, read: Read) -> Iterator[pa.RecordBatch]:
        with read:
            yield from read.batches()
            if not read.summary.is_complete:
                said = "; ".join(read.summary.notes)
                raise SourceError(
                    f"stream {self._spec.name!r}: the source delivered less than it has, so "
                    f"nothing can be compared. {said}"
                )

    def __enter__(self) -> ReadComparison:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._first is not None:
            self._first.__exit__(*exc)
            self._first = None
