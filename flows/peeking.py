"""A read whose first batch was looked at, to see whether anything came at all."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from connectors.protocol import Read, ReadSummary
from warehouse.state import StreamState


class PeekedRead:
    """A read whose first batch was looked at, to see whether anything came at all."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._first: list[pa.RecordBatch] | None = None
        self._rest: Iterator[pa.RecordBatch] = iter(())

    @property
    def schema(self) -> pa.Schema:
        """See `Read`."""
        return self._read.schema

    @property
    def summary(self) -> ReadSummary:
        """See `Read`."""
        return self._read.summary

    def is_unchanged(self, state: StreamState) -> bool:
        """Nothing came, and the files seen are those that are landed."""
        self._peek()
        seen = {file.path: file.hash for file in self.summary.files}
        return not self._first and seen == {p: f.hash for p, f in state.files.items()}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Read.batches`."""
        self._peek()
        yield from self._first or ()
        yield from self._rest

    def _peek(self) -> None:
        if self._first is None:
            self._rest = self._read.batches()
            first = next(self._rest, None)
            self._first = [] if first is None else [first]

    def close(self) -> None:
        """Leaves the read."""
        self._read.__exit__(None, None, None)

    def __enter__(self) -> PeekedRead:
        return self

    def __exit__(self, *exc: object) -> None:
        self._read.__exit__(*exc)
