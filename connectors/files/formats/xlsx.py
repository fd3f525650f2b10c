"""XLSX: the sheets of a workbook to batches of rows with their row numbers."""

from __future__ import annotations

import fnmatch
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from connectors.composed import composed
from connectors.files.errors import os_error
from connectors.files.formats.batching import row_schema, without_long
from connectors.files.formats.cells import cell_text, text_column
from connectors.files.formats.header import (
    SEARCHED_RECORDS,
    HeaderCells,
    fold,
    is_likelier,
    may_be_header,
    without_header,
)
from connectors.files.formats.merged import Filler, Span, filled, header_names, spans
from connectors.files.formats.protocol import BAD_VALUES, Reader
from connectors.files.formats.workbook import MOST_CELLS, NotAWorkbookError, Package
from connectors.files.source_file import SourceFile, seekable
from connectors.registry import FilesStream
from schemas.errors import ContractError, SourceError

_ROWS_AT_ONCE = 20_000
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet in memory.

    Attributes:
        cells: Its cells.
        top: Number of the first row that holds anything, from 1.
        left: Position of the first column that holds anything, from 0.
        spans: The merged cells, rows from 1, columns from 0.
        valueless: Row: columns with an error or an uncalculated formula.
        size: Rows times columns.
    """

    cells: CalamineSheet
    top: int
    left: int
    spans: tuple[Span, ...]
    valueless: dict[int, set[int]]
    size: int

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """Every row with its number, empty ones before `top` too; its cells from column `left`."""
        return enumerate(_guarded(self.cells.iter_rows), 1)


class Workbook:
    """The sheets of one file.

    Args:
        file: The file.
        where: Beginning of every error.

    Raises:
        SourceError: It is no workbook.
    """

    def __init__(self, file: SourceFile, *, where: str) -> None:
        self._file = file
        self._place = f"{where}: {file.name!r}"
        self._where = where
        self.visible: list[str] = []
        self.hidden: list[str] = []
        for sheet in self._with(lambda _, book: list(book.sheets_metadata)):
            if sheet.typ == SheetTypeEnum.WorkSheet:
                is_visible = sheet.visible == SheetVisibleEnum.Visible
                (self.visible if is_visible else self.hidden).append(sheet.name)

    def chosen(self, patterns: Sequence[str]) -> list[str]:
        """The sheets to read, in the workbook's order.

        Raises:
            ContractError: No sheet has such a name.
        """
        if not patterns:
            return self.visible
        wanted = [fold(pattern) for pattern in patterns]
        found = [
            *(s for s in self.visible if any(fnmatch.fnmatchcase(fold(s), w) for w in wanted)),
            *(s for s in self.hidden if fold(s) in wanted),
        ]
        if not found:
            there = ", ".join(map(repr, [*self.visible, *self.hidden]))
            message = f"{self._place}: no sheet {' or '.join(patterns)}; there are {there}"
            raise ContractError(message)
        return found

    def load(self, name: str) -> Sheet | None:
        """The sheet; None when nothing is in it.

        Raises:
            SourceError: It is broken, or out of all bounds.
        """
        return self._with(lambda package, book: _load(package, book, name))

    def _with(self, use: Callable[[Package, CalamineWorkbook], _Result]) -> _Result:
        try:
            with closing(seekable(self._file)) as stream:
                package = Package(stream)
                stream.seek(0)
                with _guarded(lambda: CalamineWorkbook.from_filelike(stream)) as book:
                    return use(package, book)
        except OSError as error:
            raise os_error(self._where, self._file.name, error) from None
        except NotAWorkbookError as error:
            raise SourceError(f"{self._place} {error}") from None


def _load(package: Package, book: CalamineWorkbook, name: str) -> Sheet | None:
    look = package.look(name)
    cells = _guarded(lambda: book.get_sheet_by_name(name))
    if cells.start is None:
        return None
    merged = spans(_guarded(lambda: cells.merged_cell_ranges or []))
    for span in merged:
        if span.column in look.valueless.get(span.row, ()):
            for row in range(span.row, span.last_row + 1):
                look.valueless.setdefault(row, set()).add(span.column)
    return Sheet(
        cells=cells,
        top=cells.start[0] + 1,
        left=cells.start[1],
        spans=merged,
        valueless=look.valueless,
        size=look.rows * look.columns,
    )


def _guarded(call: Callable[[], _Result]) -> _Result:
    """What the call gives; every way in which calamine fails is a broken workbook."""
    try:
        return call()
    except (CalamineError, ValueError, OverflowError, TypeError):
        pass
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's; it has no name to import
            raise
    raise NotAWorkbookError("is broken; open it, save it anew")


def open_readers(
    file: SourceFile,
    stream: FilesStream,
    columns: Sequence[str],
    *,
    kind: str,
    where: str,
    keep: bool,
) -> Sequence[Reader]:
    """See `connectors.files.formats.protocol.open_readers`: one reader a sheet."""
    del kind
    book = Workbook(file, where=where)
    chosen = book.chosen(stream.sheet_patterns)
    readers: list[SheetReader] = []
    room = MOST_CELLS if keep else 0
    for name in chosen:
        sheet = book.load(name)
        if sheet is None:
            continue
        place = f"{where}: {file.name!r}, sheet {name!r}"
        reader = SheetReader(book, name, sheet, stream, columns, place=place)
        if sheet.size <= room:
            room -= sheet.size
            reader.keep(sheet)
        readers.append(reader)
    if not readers:
        message = f"{where}: {file.name!r} has nothing in {' and '.join(map(repr, chosen))}"
        raise SourceError(message)
    for reader in readers:
        reader.part = reader.sheet_name if len(readers) > 1 else None
    return readers


class SheetReader:
    """Reads one sheet.

    Args:
        book: Its workbook.
        sheet_name: Its name.
        sheet: It, loaded; not kept unless `keep` says so.
        stream: The stream's options.
        columns: The wanted columns.
        place: File and sheet, for errors.

    Raises:
        SourceError: It has no header.
        ContractError: A wanted column isn't in the header.
    """

    def __init__(
        self,
        book: Workbook,
        sheet_name: str,
        sheet: Sheet,
        stream: FilesStream,
        columns: Sequence[str],
        *,
        place: str,
    ) -> None:
        self.part: str | None = None
        self.sheet_name = sheet_name
        self._book = book
        self._place = place
        self._longest = stream.max_record_bytes
        self._kept: Sheet | None = None
        header, self._data_row = _find_header(sheet, stream, columns, place=place)
        self._header_row = header.line
        self.names = tuple(name for name in header.names if name)
        self._positions = header.positions(columns, stream, place=place)
        self._repeated = tuple(header.names[p] for p in self._positions.values())
        self.schema = row_schema(self._positions)
        self._last_row = sheet.top + sheet.cells.height - 1
        self._valueless = sum(map(len, sheet.valueless.values()))

    def keep(self, sheet: Sheet) -> None:
        """Keeps the loaded sheet until its rows are read."""
        self._kept = sheet

    def described(self) -> str:
        """See `Reader.described`."""
        said = (
            f"{self._place.rpartition(': ')[2]}: header in row {self._header_row}, "
            f"{len(self.names)} columns, last row {self._last_row}"
        )
        if self._valueless:
            said += f"; {self._valueless} cells hold an error or a formula never calculated"
        if self._book.hidden:
            said += f"; hidden: {', '.join(map(repr, self._book.hidden))}"
        return said

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Reader.batches`. Blank rows and a header that comes again are no rows."""
        sheet, self._kept = self._kept or self._book.load(self.sheet_name), None
        if sheet is None:
            return
        fillers = filled(sheet.spans, set(self._positions.values()), first=self._data_row)
        rows = sheet.rows()
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            numbers, cells = zip(*some, strict=True)
            begin = bisect_left(numbers, self._data_row)
            if begin == len(numbers):
                continue
            values = list(zip(*cells[begin:], strict=True))
            batch = self._batch(numbers[begin:], values, sheet, fillers)
            if batch.num_rows:
                yield batch

    def _batch(
        self,
        numbers: Sequence[int],
        cells: Sequence[Sequence[Any]],
        sheet: Sheet,
        fillers: dict[int, Filler],
    ) -> pa.RecordBatch:
        columns = []
        is_row = None  # something is in one of the wanted columns
        for position in self._positions.values():
            at = position - sheet.left
            values = cells[at] if 0 <= at < len(cells) else [""] * len(numbers)
            texts = text_column(values)
            has_text = pc.not_equal(pc.utf8_trim_whitespace(texts), "")
            is_row = has_text if is_row is None else pc.or_(is_row, has_text)
            if position in fillers:
                texts = text_column(fillers[position](numbers, values))
            columns.append(composed(texts))
        rows = len(numbers)
        trail = [pa.array(numbers, pa.int64()), *[pa.nulls(rows, pa.string())] * 2]
        bad = self._bad(numbers, sheet)
        batch = pa.RecordBatch.from_arrays([*columns, *trail, bad], schema=self.schema)
        if is_row is None or is_row.false_count:
            batch = batch.filter(_with_any(is_row, numbers, cells, sheet))
        batch = without_header(batch, self._repeated)
        return without_long(batch, len(columns), longest=self._longest)

    def _bad(self, numbers: Sequence[int], sheet: Sheet) -> pa.Array:
        if not sheet.valueless:
            return pa.nulls(len(numbers), BAD_VALUES.type)
        wanted = self._positions.items()
        lists = []
        for number in numbers:
            there = sheet.valueless.get(number)
            lists.append(there and ([n for n, p in wanted if p in there] or None))
        return pa.array(lists, BAD_VALUES.type)


def _with_any(
    is_row: pa.Array | None,
    numbers: Sequence[int],
    cells: Sequence[Sequence[Any]],
    sheet: Sheet,
) -> pa.Array:
    """Which rows aren't blank: have something in a wanted column, or else in any other."""
    known = is_row.to_pylist() if is_row is not None else [False] * len(numbers)
    kept = [
        is_known
        or number in sheet.valueless
        or any(type(c[at]) is not str or c[at].strip() for c in cells)
        for at, (number, is_known) in enumerate(zip(numbers, known, strict=True))
    ]
    return pa.array(kept, pa.bool_())


def _find_header(
    sheet: Sheet, stream: FilesStream, columns: Sequence[str], *, place: str
) -> tuple[HeaderCells, int]:
    """The header, with names by position from column A, and the number of the row behind it."""
    searched = sheet.top + max(SEARCHED_RECORDS, stream.header_row or 0)
    rows = {
        number: [""] * sheet.left + [cell_text(value).strip() for value in row]
        for number, row in islice(sheet.rows(), searched)
    }
    best: HeaderCells | None = None
    following = 0
    for number, row in rows.items():
        if not any(row):
            continue
        last, names = header_names(rows, number, sheet.spans)
        candidate = HeaderCells(names=names, line=number)
        if may_be_header(candidate, stream) and is_likelier(candidate, best, columns, stream):
            best, following = candidate, last + 1
    if best is None:
        if stream.header_row is not None:
            why = f"row {stream.header_row} is no header (`header_row`)"
        elif stream.header_contains:
            why = f"none of the first {SEARCHED_RECORDS} rows has all of `header_contains`"
        else:
            why = "no header; name the sheets to read (`sheets:`)"
        raise SourceError(f"{place}: {why}")
    return best, following
