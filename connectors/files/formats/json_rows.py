"""JSON and JSON Lines: objects to rows.

Numbers keep the digits they are written with. The decoder of the standard library takes one element
at a time, so that a file of any length is read in bounded memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from connectors.files.formats.batching import TOO_LONG, Rows, raise_if_absent, row_schema
from connectors.files.formats.header import fold
from connectors.files.formats.json_stream import DECODER, Elements, NotJsonError, Number
from connectors.files.formats.protocol import Reader
from connectors.files.source_file import SourceFile
from connectors.files.text import scan, shown
from connectors.registry import FilesStream
from schemas.errors import SourceError

BROKEN_LINE = "broken_line"
BROKEN_RECORD = "broken_record"
BAD_ENCODING = "bad_encoding"
SAMPLED_RECORDS = 200
_MOST_SHAPES = 1000

Record = dict[str, Any]
Path = tuple[str, ...]
Element = tuple[int, Record | None, str, str]  # ordinal, object, else rule and raw text


def json_text(value: object) -> str | None:
    """A decoded value as it lands: text as it is, the rest as JSON text, null as None."""
    if value is None:
        return None
    return str(value) if isinstance(value, str) else _nested(value)


def _nested(value: object) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        inside = (f"{json.dumps(k, ensure_ascii=False)}:{_nested(v)}" for k, v in value.items())
        return f"{{{','.join(inside)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_nested, value))}]"
    return json.dumps(value, ensure_ascii=False)


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
    del keep
    return [JsonReader(file, stream, columns, is_lines=kind == "jsonl", where=where)]


class JsonReader:
    """Reads one file of JSON, or of JSON Lines.

    Args:
        file: The file.
        stream: The stream's options.
        columns: The wanted columns.
        is_lines: It has one object on every line.
        where: Beginning of every error.

    Raises:
        SourceError: Its beginning isn't JSON, or has no list of objects at `rows:`.
    """

    part: str | None = None

    def __init__(
        self,
        file: SourceFile,
        stream: FilesStream,
        columns: Sequence[str],
        *,
        is_lines: bool,
        where: str,
    ) -> None:
        self._text = scan(file, encoding=stream.encoding, where=where)
        self._where = where
        self._name = file.name
        self._place = f"{where}: {file.name!r}"
        self._format = "JSON Lines" if is_lines else "JSON"
        self._elements = self._of_lines if is_lines else self._of_list
        self._rows = tuple(stream.rows.split(".")) if stream.rows else ()
        self._columns = tuple(columns)
        self._optional = stream.optional
        self._longest = stream.max_record_bytes
        self._paths = [(stream.fields.get(c, c), *stream.aliases.get(c, ())) for c in columns]
        self.schema = row_schema(columns)
        self._look()

    def _look(self) -> None:
        """Reads the first records, to know what there is."""
        elements = list(islice(self._elements(), SAMPLED_RECORDS))
        records = [record for _, record, _, _ in elements if record is not None]
        if elements and not records:
            message = f"{self._place} isn't {self._format} of objects: the first records are none"
            raise SourceError(message)
        taker = _Taker(self._columns, self._paths)
        for record in records:
            taker.cells(record)
        self._absent = tuple(taker.absent) if records else ()
        self._looked_at = len(records)
        there = [column for column in self._columns if column not in taker.absent]
        self.names = tuple(dict.fromkeys(chain(there, *records)))

    def described(self) -> str:
        """See `Reader.described`."""
        said = f"{self._name}: {self._format}, {self._text.encoding}"
        if self._absent:
            absent = ", ".join(map(repr, self._absent))
            said += f"; none of the first {self._looked_at} records has {absent}"
        return said

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Reader.batches`."""
        rows = Rows(self._columns, longest=self._longest)
        taker = _Taker(self._columns, self._paths)
        for ordinal, record, rule, raw in self._elements():
            if record is None:
                rows.add_unreadable(ordinal, rule, raw)
            else:
                rows.add(ordinal, taker.cells(record))
            if rows.is_full:
                yield rows.take()
        if len(rows):
            yield rows.take()
        if taker.records:
            what = "say in `fields:` where it is"
            raise_if_absent(taker.absent, self._optional, what=what, place=self._place)

    def _of_list(self) -> Iterator[Element]:
        pieces = self._text.chunks(self._where)
        elements = Elements(pieces, self._rows, longest=self._longest).all()
        try:
            for ordinal, (value, raw) in enumerate(elements, 1):
                if len(raw) > self._longest:
                    yield ordinal, None, TOO_LONG, raw
                elif isinstance(value, dict):
                    yield ordinal, value, "", ""
                else:
                    yield ordinal, None, BROKEN_RECORD, raw
        except NotJsonError as error:
            raise SourceError(f"{self._place} {error}") from None

    def _of_lines(self) -> Iterator[Element]:
        for number, line in _lines(self._text.chunks(self._where), self._longest):
            if len(line) > self._longest:
                yield number, None, TOO_LONG, shown(line)
            elif line and not line.isspace():
                record, rule = _decoded(line)
                yield number, record, rule, "" if record is not None else shown(line)


class _Taker:
    """Takes the wanted cells out of records, and notes which columns no record had.

    Args:
        columns: The wanted columns.
        paths: For each, the paths it may have; the first that is there counts.
    """

    def __init__(self, columns: Sequence[str], paths: Sequence[Sequence[str]]) -> None:
        self.absent = dict.fromkeys(columns)
        self.records = 0
        self._columns = columns
        self._paths = paths
        self._shapes: dict[Path, list[Path | None]] = {}

    def cells(self, record: Record) -> list[str | None]:
        """The wanted cells of a record."""
        self.records += 1
        shape = tuple(record)
        found = self._shapes.get(shape)
        if found is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            found = self._shapes[shape] = _resolved(self._paths, shape)
        if self.absent:
            for column, path in zip(self._columns, found, strict=True):
                if column in self.absent and path and _at(record, path) is not _NOTHING:
                    del self.absent[column]
        return [
            None
            if path is None
            else json_text(record[path[0]])
            if len(path) == 1
            else json_text(_or_none(_at(record, path)))
            for path in found
        ]


_NOTHING = object()


def _resolved(paths: Sequence[Sequence[str]], shape: Path) -> list[Path | None]:
    """For each column the path it has in records with these keys."""
    folded = {fold(key): key for key in reversed(shape)}

    def one(candidates: Sequence[str]) -> Path | None:
        for path in candidates:
            if path in shape:
                return (path,)
            if fold(path) in folded:
                return (folded[fold(path)],)
            first, *others = path.split(".")
            if others and fold(first) in folded:
                return (first if first in shape else folded[fold(first)], *others)
        return None

    return [one(candidates) for candidates in paths]


def _at(record: object, path: Path) -> object:
    """What the path leads to, or `_NOTHING`."""
    for part in path:
        if isinstance(record, dict):
            record = record.get(part, _NOTHING)
        elif isinstance(record, list) and part.isdigit() and int(part) < len(record):
            record = record[int(part)]
        else:
            return _NOTHING
    return record


def _or_none(value: object) -> object:
    return None if value is _NOTHING else value


def _decoded(line: bytes) -> tuple[Record | None, str]:
    try:
        value = DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None, BAD_ENCODING
    except (ValueError, RecursionError):
        return None, BROKEN_LINE
    return (value, "") if isinstance(value, dict) else (None, BROKEN_RECORD)


def _lines(pieces: Iterator[bytes], longest: int) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers; of one longer than `longest` bytes, a little more than that."""
    number, left, is_skipping = 1, b"", False
    for piece in chain(pieces, [None]):
        lines = (left + (piece or b"")).split(b"\n")
        left = b"" if piece is None else lines.pop()
        for line in lines:
            if not is_skipping:
                yield number, line
            is_skipping = False
            number += 1
        if len(left) > longest and not is_skipping:
            yield number, left[: longest + 1]
            is_skipping = True
        if is_skipping:
            left = b""
