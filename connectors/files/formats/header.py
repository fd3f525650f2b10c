"""Where the header of a delimited text is, and which of its cells are the wanted columns."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from connectors.files.formats.records import Dialect, Splitter
from connectors.registry import FilesStream
from schemas.errors import ContractError, SourceError

SEARCHED_RECORDS = 50
_DELIMITERS = (b",", b";", b"\t", b"|")


@dataclass(frozen=True, kw_only=True)
class HeaderCells:
    """The names above a table.

    Attributes:
        names: Its cells, trimmed and in Unicode form NFC.
        line: Number of its first line, or row of a sheet.
    """

    names: tuple[str, ...]
    line: int

    def positions(
        self, wanted: Sequence[str], stream: FilesStream, *, place: str
    ) -> dict[str, int]:
        """Where the wanted columns stand: by name, else folded name, else folded alias.

        Returns:
            The wanted columns in their order; those of `optional:` that aren't there are left out.

        Raises:
            ContractError: One isn't there, or stands there twice.
        """
        folded = [fold(name) for name in self.names]
        found: dict[str, int] = {}
        missing: list[str] = []
        for column in wanted:
            spellings = {fold(s) for s in (column, *stream.aliases.get(column, ()))}
            places = [i for i, name in enumerate(self.names) if name == column]
            places = places or [i for i, name in enumerate(folded) if name in spellings]
            if len(places) > 1:
                message = f"{place}, line {self.line}: column {column!r} stands there twice"
                raise ContractError(message)
            other = next((c for c, at in found.items() if at in places), None)
            if other is not None:
                message = f"{place}, line {self.line}: {column!r} and {other!r} are one column"
                raise ContractError(message)
            if places:
                found[column] = places[0]
            elif column not in stream.optional:
                missing.append(column)
        if missing:
            raise ContractError(
                f"{place}, line {self.line}: {self._lacks(missing)}",
                missing=missing,
                # A line without any wanted column may be a row: its cells aren't told.
                found={name: "text" for name in self.names if name} if found else {},
            )
        return found

    def has_any(self, wanted: Sequence[str], stream: FilesStream) -> bool:
        """Whether one of the wanted columns is there: then it is a header, and no row."""
        return _score(self, wanted, stream)[0] > 0

    def _lacks(self, missing: Sequence[str]) -> str:
        by_fold = {fold(name): name for name in self.names}
        said = []
        for column in missing:
            near = difflib.get_close_matches(fold(column), by_fold, n=1)
            said.append(f"{column!r}" + (f" (there is {by_fold[near[0]]!r})" if near else ""))
        columns = f"no column {', '.join(said)} among the {len(self.names)} of the header"
        return f"{columns}; add the new spelling to `aliases:`, or say where the header is"


@dataclass(frozen=True, kw_only=True)
class Header(HeaderCells):
    """The header of a delimited text.

    Attributes:
        next_line: Number of the line behind it.
        bytes: Length of the text up to and with the header.
        dialect: How the text is cut.
    """

    next_line: int
    bytes: int
    dialect: Dialect = field(repr=False)


def is_likelier(
    header: HeaderCells, best: HeaderCells | None, wanted: Sequence[str], stream: FilesStream
) -> bool:
    """Whether it has more wanted columns than the best so far; of equals, more cells."""
    return best is None or _score(header, wanted, stream) > _score(best, wanted, stream)


def _score(header: HeaderCells, wanted: Sequence[str], stream: FilesStream) -> tuple[int, int]:
    cells = {fold(name) for name in header.names}
    spellings = ({fold(s) for s in (c, *stream.aliases.get(c, ()))} for c in wanted)
    return sum(not s.isdisjoint(cells) for s in spellings), sum(map(bool, header.names))


def may_be_header(header: HeaderCells, stream: FilesStream) -> bool:
    """Whether it is where `header_row`, or has what `header_contains` says."""
    if stream.header_row is not None:
        return header.line == stream.header_row
    cells = {fold(name) for name in header.names}
    return all(fold(name) in cells for name in stream.header_contains)


def fold(name: str) -> str:
    """A header cell as it is compared: NFC, case and runs of white space ignored."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def without_header(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The rows that don't repeat the header: all of their first cells are its names.

    Args:
        batch: Rows whose first columns are the wanted ones.
        names: What the header calls these.
    """
    repeats = None
    for column, name in zip(batch.columns, names, strict=False):
        same = pc.equal(pc.utf8_trim_whitespace(column), name)
        repeats = same if repeats is None else pc.and_kleene(repeats, same)
        if not repeats.true_count:
            return batch
    if repeats is None:
        return batch
    return batch.filter(pc.invert(pc.fill_null(repeats, False)))


def find_header(
    text: bytes,
    stream: FilesStream,
    wanted: Sequence[str],
    *,
    is_whole: bool,
    is_tsv: bool,
    place: str,
) -> Header:
    """Finds the header in the beginning of a text.

    `header_row` and `header_contains` decide; else it is the first record that has all the wanted
    columns, else the one that has most of them (and then `Header.positions` says what is missing).
    A delimiter that isn't stated is the one under which the header has most wanted columns.

    Args:
        text: The first mebibytes, in UTF-8; not more than one chunk.
        stream: The stream's options.
        wanted: The columns of the spec.
        is_whole: There is no more text behind it.
        is_tsv: The tab is the delimiter, unless another is stated.
        place: File, for errors.

    Raises:
        SourceError: There is no readable header.
    """
    stated = stream.delimiter or ("\t" if is_tsv else None)
    delimiters = (stated.encode(),) if stated else _DELIMITERS
    best: Header | None = None
    for delimiter in delimiters:
        dialect = Dialect(
            delimiter=delimiter,
            quote=stream.quote.encode(),
            max_record_bytes=stream.max_record_bytes,
        )
        for candidate in _candidates(text, stream, dialect, is_whole=is_whole):
            if is_likelier(candidate, best, wanted, stream):
                best = candidate
    if best is None:
        raise SourceError(f"{place}: {_why_none(stream)}")
    return best


def _candidates(
    text: bytes, stream: FilesStream, dialect: Dialect, *, is_whole: bool
) -> Iterator[Header]:
    splitter = Splitter(dialect)
    splitter.add(text, final=is_whole)
    for count, record in enumerate(splitter.records(final=is_whole)):
        if count >= max(SEARCHED_RECORDS, stream.header_row or 0):
            return
        if record.cells is None or record.rule is not None or not record.raw.strip():
            continue
        header = Header(
            names=tuple(_name(cell) for cell in record.cells),
            line=record.line,
            next_line=splitter.line,
            bytes=record.end,
            dialect=dialect,
        )
        if may_be_header(header, stream):
            yield header


def _name(cell: bytes) -> str:
    return unicodedata.normalize("NFC", cell.decode("utf-8", "replace")).strip()


def _why_none(stream: FilesStream) -> str:
    if stream.header_row is not None:
        return f"line {stream.header_row} is no header (`header_row`)"
    if stream.header_contains:
        return f"none of the first {SEARCHED_RECORDS} lines has all of `header_contains`"
    return (
        f"no line of cells among the first {SEARCHED_RECORDS}; is it delimited text, and is the "
        "first line shorter than `max_record_bytes`?"
    )
