"""CSV and TSV: one text to batches of rows with their line numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from connectors.composed import composed
from connectors.files.formats import blocks
from connectors.files.formats.header import Header, find_header, without_header
from connectors.files.formats.protocol import TRAIL, Reader
from connectors.files.formats.records import BAD_ENCODING, BROKEN, Record, Splitter
from connectors.files.source_file import SourceFile
from connectors.files.text import scan, shown
from connectors.registry import FilesStream
from schemas.errors import SourceError

_BEGINNING_BYTES = 1024 * 1024  # where the header is looked for
_ROWS_AT_ONCE = 20_000


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
    return [DelimitedReader(file, stream, columns, where=where, is_tsv=kind == "tsv")]


@dataclass(kw_only=True)
class _Rows:
    """Rows of the careful path on their way into a batch."""

    cells: list[list[bytes]]
    lines: list[int] = field(default_factory=list)
    rules: list[str | None] = field(default_factory=list)
    raws: list[str | None] = field(default_factory=list)


class DelimitedReader:
    """Reads one delimited file.

    Args:
        file: The file.
        stream: The stream's options.
        columns: The wanted columns.
        where: Beginning of every error.
        is_tsv: The tab is the delimiter, unless another is stated.

    Raises:
        SourceError: It has no readable header.
        ContractError: A wanted column isn't in the header.
    """

    part: str | None = None

    def __init__(
        self,
        file: SourceFile,
        stream: FilesStream,
        columns: Sequence[str],
        *,
        where: str,
        is_tsv: bool = False,
    ) -> None:
        place = f"{where}: {file.name!r}"

        def seen(text: bytes) -> Sequence[str]:
            """Its header under an encoding that is only proposed."""
            with contextlib.suppress(SourceError):
                header = find_header(
                    text, stream, columns, is_whole=True, is_tsv=is_tsv, place=place
                )
                return header.names if header.has_any(columns, stream) else ()
            return ()

        self._text = scan(file, encoding=stream.encoding, where=where, header=seen)
        self._size = file.size
        self._name = file.name
        self._where = where
        beginning, is_whole = self._beginning()
        self.header: Header = find_header(
            beginning, stream, columns, is_whole=is_whole, is_tsv=is_tsv, place=place
        )
        found = self.header.positions(columns, stream, place=place)
        self.positions = tuple(found.values())
        self.names = self.header.names
        self.schema = pa.schema([*(pa.field(name, pa.string()) for name in found), *TRAIL])
        self._repeated = tuple(self.names[position] for position in self.positions)

    def described(self) -> str:
        """One sentence on how the file is read, for `check`."""
        sign = self.header.dialect.delimiter.decode()
        delimiter = "tab" if sign == "\t" else sign
        return (
            f"{self._name}: {self._text.encoding}, delimiter {delimiter!r}, header in line "
            f"{self.header.line}, {len(self.header.names)} columns, {self._size} bytes"
        )

    def _beginning(self) -> tuple[bytes, bool]:
        beginning = b""
        for chunk in self._text.chunks(self._where):
            if len(beginning) >= _BEGINNING_BYTES:
                return beginning, False
            beginning += chunk
        return beginning, True

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Reader.batches`. A header that comes again is no row."""
        for batch in self._all_batches():
            kept = without_header(batch, self._repeated)
            if kept.num_rows:
                yield kept

    def _all_batches(self) -> Iterator[pa.RecordBatch]:
        splitter = Splitter(self.header.dialect, cells=len(self.header.names))
        skip = self.header.bytes
        pieces = self._text.chunks(self._where)
        final = False
        while not final:
            chunk = next(pieces, None)
            final = chunk is None
            splitter.add(chunk or b"", final=final)
            if skip > len(splitter.buffer):
                continue
            if skip:
                splitter.take(skip, lines=self.header.next_line - 1)
                skip = 0
            yield from self._fast(splitter, final=final)
            yield from self._careful(splitter, final=final)

    def _fast(self, splitter: Splitter, *, final: bool) -> Iterator[pa.RecordBatch]:
        if splitter.is_skipping or len(self.header.names) == 1:
            return
        dialect = self.header.dialect
        block = blocks.cut(splitter.buffer, dialect, final=final)
        if block is None:
            return
        parsed = blocks.parse(
            splitter.buffer,
            block,
            dialect,
            cells=len(self.header.names),
            wanted=self.positions,
        )
        if parsed is None:
            return
        first = splitter.line
        rows = parsed.cells.num_rows
        if parsed.starts is None:
            lines = pa.arange(first, first + rows)
        else:
            lines = pc.add(parsed.starts, first)
        splitter.take(block.size, lines=parsed.lines)
        nothing = pa.nulls(rows, pa.string())
        columns = [composed(column) for column in parsed.cells.columns]
        yield pa.RecordBatch.from_arrays([*columns, lines, nothing, nothing], schema=self.schema)

    def _careful(self, splitter: Splitter, *, final: bool) -> Iterator[pa.RecordBatch]:
        rows = self._empty()
        for record in splitter.records(final=final):
            if not record.raw.strip() and record.rule is None and self._is_blank(record):
                continue
            self._append(rows, record)
            if len(rows.lines) >= _ROWS_AT_ONCE:
                yield self._batch(rows)
                rows = self._empty()
        if rows.lines:
            yield self._batch(rows)

    def _is_blank(self, record: Record) -> bool:
        """A line of nothing, or of white space that isn't cells of this text."""
        return not record.raw or len(record.cells or ()) != len(self.header.names)

    def _empty(self) -> _Rows:
        return _Rows(cells=[[] for _ in self.positions])

    def _append(self, rows: _Rows, record: Record) -> None:
        rule = record.rule
        cells = record.cells or []
        if rule is None and len(cells) != len(self.header.names):
            rule = BROKEN
        if rule is None and not record.raw.isascii() and not self._is_text(cells):
            rule = BAD_ENCODING
        rows.lines.append(record.line)
        rows.rules.append(rule)
        rows.raws.append(None if rule is None else shown(record.raw))
        for column, position in zip(rows.cells, self.positions, strict=True):
            column.append(cells[position] if rule is None else b"")

    def _is_text(self, cells: Sequence[bytes]) -> bool:
        """The wanted cells are UTF-8; what stands in the others isn't asked."""
        try:
            for position in self.positions:
                cells[position].decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True

    def _batch(self, rows: _Rows) -> pa.RecordBatch:
        rules = pa.array(rows.rules, pa.string())
        nothing = pa.scalar(None, pa.string())
        columns = [
            pc.if_else(rules.is_null(), composed(_text(values)), nothing) for values in rows.cells
        ]
        trail = [pa.array(rows.lines, pa.int64()), rules, pa.array(rows.raws, pa.string())]
        return pa.RecordBatch.from_arrays([*columns, *trail], schema=self.schema)


def _text(values: list[bytes]) -> pa.Array:
    return pa.array(values, pa.binary()).cast(pa.string())
