"""Parquet: rows to text, by row groups."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from connectors.composed import composed
from connectors.files.errors import os_error
from connectors.files.formats.batching import row_schema, without_long
from connectors.files.formats.header import HeaderCells
from connectors.files.formats.protocol import BAD_VALUES, Reader
from connectors.files.source_file import SourceFile, seekable
from connectors.registry import FilesStream
from schemas.errors import SourceError

_ROWS_AT_ONCE = 20_000
_BYTES_AT_ONCE = 64 * 1024 * 1024
_Result = TypeVar("_Result")


def open_readers(
    file: SourceFile,
    stream: FilesStream,
    columns: Sequence[str],
    *,
    kind: str,
    where: str,
    keep: bool,
) -> Sequence[Reader]:
    """See `connectors.files.formats.protocol.open_readers`."""
    del kind, keep
    return [ParquetReader(file, stream, columns, where=where)]


class ParquetReader:
    """Reads one Parquet file.

    Args:
        file: The file.
        stream: The stream's options.
        columns: The wanted columns.
        where: Beginning of every error.

    Raises:
        SourceError: It is no Parquet file.
        ContractError: A wanted column isn't in it.
    """

    part: str | None = None

    def __init__(
        self, file: SourceFile, stream: FilesStream, columns: Sequence[str], *, where: str
    ) -> None:
        self._file = file
        self._where = where
        self._place = f"{where}: {file.name!r}"
        self._longest = stream.max_record_bytes
        with self._opened() as parquet:
            self._types = parquet.schema_arrow
            self._rows = parquet.metadata.num_rows
        self.names = tuple(self._types.names)
        header = HeaderCells(names=self.names, line=0)
        self._positions = header.positions(columns, stream, place=self._place)
        self.schema = row_schema(self._positions)

    def described(self) -> str:
        """See `Reader.described`."""
        return f"{self._file.name}: Parquet, {len(self.names)} columns, {self._rows} rows"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Reader.batches`."""
        wanted = [self.names[position] for position in self._positions.values()]
        line = 1
        with self._opened() as parquet:
            batches = parquet.iter_batches(_ROWS_AT_ONCE, columns=wanted, use_threads=False)
            while (batch := self._guarded(lambda: next(batches, None))) is not None:
                for part in self._guarded(partial(_bounded, batch)):
                    yield self._texts(part, line)
                    line += part.num_rows
        if line != self._rows + 1:
            message = f"{self._place} has {line - 1} rows where it says {self._rows}"
            raise SourceError(message)

    def _texts(self, batch: pa.RecordBatch, line: int) -> pa.RecordBatch:
        rows = batch.num_rows
        columns, bad = [], {}
        for name, position in self._positions.items():
            column = batch[self.names[position]]
            text = self._guarded(partial(_text, column))
            columns.append(composed(text))
            lost = pc.and_(text.is_null(), column.is_valid())
            if lost.true_count:
                bad[name] = lost.to_pylist()
        marks = [[name for name, lost in bad.items() if lost[row]] or None for row in range(rows)]
        trail = [pa.arange(line, line + rows), *[pa.nulls(rows, pa.string())] * 2]
        bads = pa.array(marks, BAD_VALUES.type) if bad else pa.nulls(rows, BAD_VALUES.type)
        whole = pa.RecordBatch.from_arrays([*columns, *trail, bads], schema=self.schema)
        return without_long(whole, len(columns), longest=self._longest)

    def _opened(self) -> closing[pq.ParquetFile]:
        def opened() -> pq.ParquetFile:
            stream = seekable(self._file)
            try:
                texts = _text_columns(pq.read_schema(stream))
                stream.seek(0)
                return pq.ParquetFile(
                    stream, read_dictionary=texts, pre_buffer=False, page_checksum_verification=True
                )
            except BaseException:
                stream.close()
                raise

        return closing(self._guarded(opened))

    def _guarded(self, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except (pa.ArrowException, ValueError, OverflowError, MemoryError):
            pass
        except OSError as error:
            if error.errno:
                raise os_error(self._where, self._file.name, error) from None
        raise SourceError(f"{self._place} is no Parquet file, or a broken one")


def _text_columns(schema: pa.Schema) -> list[str]:
    """Columns to read as dictionaries: a text repeated a million times is held once."""
    return [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]


def _bounded(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch in slices whose texts aren't too long altogether."""
    batch.validate(full=True)  # a broken file may point outside of its dictionaries
    lengths = pa.nulls(batch.num_rows, pa.int64()).fill_null(0)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            sizes = pc.binary_length(column.dictionary).cast(pa.int64())
            lengths = pc.add(lengths, sizes.take(column.indices).fill_null(0))
    ends = pc.divide(pc.cumulative_sum(lengths), _BYTES_AT_ONCE).to_pylist()
    parts = []
    start = 0
    while start < batch.num_rows:
        end = bisect_right(ends, ends[start])
        parts.append(batch.slice(start, end - start))
        start = end
    return parts


def _text(column: pa.Array) -> pa.Array:
    """The canonical text of a column; null where a value can't be text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return _stamps(column)
    if pa.types.is_nested(kind):
        values = (None if v is None else json.dumps(v, **_AS_JSON) for v in column.to_pylist())
        return pa.array(values, pa.string())
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array(map(_one, column.to_pylist()), pa.string())


def _stamps(column: pa.Array) -> pa.Array:
    zone = "Z" if column.type.tz else ""
    naive = column.cast(pa.timestamp(column.type.unit, "UTC" if zone else None))
    if zone:
        naive = naive.cast(pa.int64()).cast(pa.timestamp(column.type.unit))
    text = pc.replace_substring(naive.cast(pa.string()), " ", "T")
    text = pc.replace_substring_regex(text, r"\.0+$", "")
    return pc.binary_join_element_wise(text, zone, "")


def _one(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    return None if value is None else str(value)


def _plain(value: object) -> object:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


_AS_JSON: dict[str, Any] = {
    "ensure_ascii": False, "default": _plain, "separators": (",", ":"), "skipkeys": True
}  # fmt: skip
