"""Files as a source, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType

import pyarrow as pa

from connectors.files.formats.protocol import BAD_VALUES, TRAIL, Reader, open_readers
from connectors.files.gathering import Gathering
from connectors.files.source_file import SourceFile
from connectors.files.spool import Spool
from connectors.files.store import Store
from connectors.protocol import CursorValue, FileRead, Found, ReadRequest, ReadSummary, StreamSpec
from connectors.registry import FilesStream
from connectors.sampling import SAMPLE_ROWS
from schemas.errors import ConfigError, SourceError

_BATCH_ROWS = 50_000
_ORIGIN = (pa.field("_file", pa.string()), pa.field("_file_hash", pa.string()))


class FilesConnector:
    """A `Connector` over one place of files.

    Args:
        store: The place.
        max_temp_bytes: Most bytes of temporary files that one read may need.
    """

    def __init__(self, store: Store, *, max_temp_bytes: int) -> None:
        self._store = store
        self._max_temp_bytes = max_temp_bytes

    def check(self, spec: StreamSpec, *, sample_rows: int = SAMPLE_ROWS) -> Found:
        """See `Connector.check`. Looks at the header of every file."""
        at_once = min(sample_rows, _BATCH_ROWS)
        with self.read(spec, ReadRequest(limit=sample_rows, batch_rows=at_once)) as read:
            sample = pa.Table.from_batches(list(read.batches()), schema=read.schema)
            return Found(
                columns={name: "text" for reader in read.readers for name in reader.names},
                sample=sample,
                notes=(*_notes(read.readers, _options(spec)), *read.notes),
            )

    def high(self, spec: StreamSpec) -> CursorValue | None:
        """See `Connector.high`: files have none."""
        _options(spec)
        return None

    def low(self, spec: StreamSpec) -> CursorValue | None:
        """See `Connector.low`: files have no cursor."""
        _options(spec)
        return None

    def count(self, spec: StreamSpec, *, low: CursorValue, high: CursorValue) -> int | None:
        """See `Connector.count`: files have no cursor."""
        _options(spec)
        return None

    def read(self, spec: StreamSpec, request: ReadRequest) -> FilesRead:
        """See `Connector.read`. Every new file is scanned and its header found before a row."""
        options = _options(spec)
        where = _where(spec)
        names = self._store.find(options.patterns, where=where)
        if not names and spec.mode == "snapshot":
            wanted = " or ".join(options.patterns)
            message = f"{where}: no file {wanted} in {self._store.shown!r}; was it delivered?"
            raise SourceError(message)
        spool = Spool(self._max_temp_bytes)
        gathering = Gathering(
            store=self._store, spool=spool, stream=options, where=where,
            seen=set(request.known_files),
        )  # fmt: skip
        try:
            files = list(gathering.files(names))
            read = FilesRead(spec, request, files=files, spool=spool, where=where)
            read.notes = tuple(gathering.notes)
            return read
        except BaseException:
            spool.close()
            raise

    def keys(
        self, spec: StreamSpec, *, below: CursorValue | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See `Connector.keys`. Unreadable records have no key and are left out."""
        del below
        with self.read(replace(spec, columns=spec.key), ReadRequest()) as read:
            for batch in read.batches():
                yield batch.filter(batch["_unreadable"].is_null()).select(list(spec.key))

    def close(self) -> None:
        """See `Connector.close`: a read closes its own files."""
        self._store.close()


class FilesRead:
    """A `Read` over a set of files, in the order of their names."""

    def __init__(
        self,
        spec: StreamSpec,
        request: ReadRequest,
        *,
        files: Sequence[SourceFile],
        spool: Spool,
        where: str,
    ) -> None:
        self.summary = ReadSummary()
        self.notes: tuple[str, ...] = ()
        self._spool = spool
        self._request = request
        self._where = where
        self._files = files
        options = _options(spec)
        seen = set(request.known_files)
        new: list[SourceFile] = []
        for file in files:
            if file.hash not in seen:  # a copy under another name changes nothing
                seen.add(file.hash)
                new.append(file)
        self._by_name: dict[str, Sequence[Reader]] = {
            file.name: open_readers(file, options, spec.columns, where=where, keep=len(new) == 1)
            for file in new
        }
        columns = [pa.field(name, pa.string()) for name in spec.columns]
        has_bad = any(BAD_VALUES.name in reader.schema.names for reader in self.readers)
        self.schema = pa.schema([*columns, *_ORIGIN, *TRAIL, *[BAD_VALUES] * has_bad])

    @property
    def readers(self) -> list[Reader]:
        """The readers of the files that aren't known yet."""
        return [reader for readers in self._by_name.values() for reader in readers]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Read.batches`."""
        left = self._request.limit
        for file in self._files:
            readers = self._by_name.get(file.name)
            rows = 0
            if readers is not None:
                for batch in self._of_one(file, readers):
                    part = batch if left is None else batch.slice(0, left)
                    rows += part.num_rows
                    left = None if left is None else left - part.num_rows
                    yield part
                    if left == 0:
                        return
                file.raise_if_changed(self._where)
            seen = FileRead(
                path=file.name, hash=file.hash, size=file.size, rows=rows, unchanged=readers is None
            )
            self.summary.files.append(seen)
        self.summary.is_complete = True

    def _of_one(self, file: SourceFile, readers: Sequence[Reader]) -> Iterator[pa.RecordBatch]:
        most = self._request.batch_rows
        for reader in readers:
            name = file.name if reader.part is None else f"{file.name}#{reader.part}"
            for batch in reader.batches():
                whole = self._completed(batch, name=name, hash_=file.hash)
                for start in range(0, whole.num_rows, most):
                    yield whole.slice(start, most)

    def _completed(self, batch: pa.RecordBatch, *, name: str, hash_: str) -> pa.RecordBatch:
        """A reader's batch with its origin, and nulls where the file has no such column."""
        origin = {"_file": name, "_file_hash": hash_}
        arrays = []
        for wanted in self.schema:
            if wanted.name in origin:
                arrays.append(pa.repeat(origin[wanted.name], batch.num_rows))
            elif wanted.name in batch.schema.names:
                arrays.append(batch[wanted.name])
            else:
                arrays.append(pa.nulls(batch.num_rows, wanted.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def __enter__(self) -> FilesRead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives back the temporary file; nothing else stays open between two batches."""
        self._spool.close()


def _where(spec: StreamSpec) -> str:
    return f"stream {spec.name!r}"


def _options(spec: StreamSpec) -> FilesStream:
    if not isinstance(spec.options, FilesStream):
        message = f"{_where(spec)}: its options aren't those of a files stream"
        raise ConfigError(message)
    if spec.cursor is not None:
        message = f"{_where(spec)}: files have no cursor; take `cursor:` out, or say `mode:`"
        raise ConfigError(message)
    return spec.options


def _notes(readers: Sequence[Reader], options: FilesStream) -> tuple[str, ...]:
    if not readers:
        return (f"no file {' or '.join(options.patterns)} is there now",)
    return tuple(reader.described() for reader in readers)
