"""The package of an XLSX workbook, looked at before a library unpacks it.

python-calamine is fast, but it trusts its input: it lays a sheet out as a dense table (one value in
XFD1048576 asks for 17 billion cells, which ends the process), it unpacks whatever the archive
holds, and it gives an error cell and an uncalculated formula as an empty one. So each part that it
will read is unpacked here first, in pieces: within bounds, with its checksum right, and with the
cells noted that hold no value to carry over.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from lxml import etree

MOST_UNPACKED_BYTES = 1024 * 1024 * 1024
MOST_CELLS = 28_000_000  # Excel's 1,048,576 rows of 26 columns
_MOST_TEXT_BYTES = 2 * 1024 * 1024 * 1024  # of one sheet, repeated texts counted
_PIECE_BYTES = 4 * 1024 * 1024
_MOST_ROW_BYTES = 32 * 1024 * 1024
_PARTS = re.compile(r"(?i)(\.xml|\.rels)$")
_SHEET = re.compile(r"(?i)/(worksheets|chartsheets|dialogsheets|macrosheets)/[^/]*$")
_DRAWN = re.compile(r"(?i)/(drawings|charts|media|embeddings|theme|printerSettings)/")

_ROW_NUMBER = re.compile(rb'<row r="(\d{1,9})"')
_ROW = re.compile(rb"<row[\s>/]")
_CELL = re.compile(rb"<c[\s>/]")
_PREFIXED = re.compile(rb"<[\w.-]+:(?:c|row)[\s>/]")
_SECOND_LETTER = re.compile(rb'<c r="[A-Z][A-Z]')
_FAR_COLUMN = re.compile(rb'<c r="([A-Z]{2,3})\d')
_END_OF_TEXT = re.compile(rb"</(?:\w+:)?si>")
_ROOT_PREFIX = re.compile(rb"<([A-Za-z]\w*):worksheet[\s>]")
_VALUE = re.compile(rb"<(?:\w+:)?v>(\d{1,9})</")
_PLACE = re.compile(rb"([A-Z]{1,3})(\d{1,7})")
_ERROR = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"[^>]*\st="e"')
_UNCALCULATED = re.compile(
    rb'<c r="([A-Z]{1,3})(\d{1,7})"([^>]*)>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)(<v/>|<v></v>)?</c>'
)


class NotAWorkbookError(Exception):
    """The file isn't a workbook that can be read; the text says why, without the file's name."""


@dataclass(kw_only=True)
class SheetCells:
    """What a look at a sheet's XML told.

    Attributes:
        rows: Last row, from 1.
        columns: Last column, from 1, or a bound of it.
        count: Cells.
        valueless: Row (from 1): its columns (from 0) that hold an error, or a formula that was
            never calculated.
    """

    rows: int = 0
    columns: int = 0
    count: int = 0
    valueless: dict[int, set[int]] = field(default_factory=dict)

    def note(self, row: int, column: bytes) -> None:
        """Notes a cell without a value by its row and the letters of its column."""
        self.valueless.setdefault(row, set()).add(_column(column))


class Package:
    """The parts of a workbook.

    Args:
        stream: The file; stays open as long as this is used.

    Raises:
        NotAWorkbookError: It is none, or one that unpacks out of all bounds.
    """

    def __init__(self, stream: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError):
            message = "is no .xlsx workbook; with a password, or of another format, save it anew"
            raise NotAWorkbookError(message) from None
        names = self._zip.namelist()
        if len({name.casefold() for name in names}) != len(names):
            raise NotAWorkbookError("holds a part twice")
        if sum(info.file_size for info in self._zip.infolist()) > MOST_UNPACKED_BYTES:
            raise NotAWorkbookError(_bomb())
        self._names = {name.casefold().lstrip("/"): name for name in names}
        self._sheets = self._sheet_parts()
        self._lengths = array("Q", [0])
        for name in names:
            if _PARTS.search(name) and not _SHEET.search(name) and not _DRAWN.search(name):
                for piece in self._pieces(name):
                    if name.casefold().endswith("sharedstrings.xml"):
                        self._note_lengths(piece)

    def look(self, sheet: str) -> SheetCells:
        """Unpacks a sheet's XML once, for its size and the cells without a value.

        Raises:
            NotAWorkbookError: It is out of bounds, or broken.
        """
        part = self._sheets.get(sheet)
        if part is None:
            raise NotAWorkbookError(f"names a sheet {sheet!r} that it doesn't hold")
        cells = self._quick_look(part) or self._careful_look(part)
        if cells.rows * cells.columns > MOST_CELLS:
            message = (
                f"spreads sheet {sheet!r} over {cells.rows} rows and {cells.columns} columns: a "
                "stray cell far outside? Delete the empty rows and columns behind the table"
            )
            raise NotAWorkbookError(message)
        longest = max(self._lengths, default=0)
        if cells.count * longest > _MOST_TEXT_BYTES and self._text_bytes(part) > _MOST_TEXT_BYTES:
            raise NotAWorkbookError(_bomb())
        return cells

    def _quick_look(self, part: str) -> SheetCells | None:
        look = _Look()
        return look.cells if all(map(look.take, self._whole_rows(part))) else None

    def _careful_look(self, part: str) -> SheetCells:
        look = _CarefulLook()
        for piece in self._pieces(part):
            look.feed(piece)
        return look.cells

    def _text_bytes(self, part: str) -> int:
        """Length of the shared texts of a sheet's cells, each as often as it is used."""
        lengths = self._lengths
        return sum(
            lengths[int(number)] if int(number) < len(lengths) else 0
            for rows in self._whole_rows(part)
            for number in _VALUE.findall(rows)
        )

    def _note_lengths(self, piece: bytes) -> None:
        """Notes how long each shared text is, with its markup."""
        first, *others = map(len, _END_OF_TEXT.split(piece))
        self._lengths[-1] += first
        self._lengths.extend(others)

    def _sheet_parts(self) -> dict[str, str]:
        """Name of each sheet: its part."""
        try:
            book = self._parsed("xl/workbook.xml")
            links = self._parsed("xl/_rels/workbook.xml.rels")
        except (KeyError, etree.XMLSyntaxError):
            raise NotAWorkbookError("is no .xlsx workbook, or a broken one") from None
        targets = {
            link.get("Id"): posixpath.normpath(
                posixpath.join("xl", link.get("Target", "")).lstrip("/")
            )
            for link in links.iter("{*}Relationship")
        }
        parts = {}
        for sheet in book.iter("{*}sheet"):
            reference = next((v for k, v in sheet.items() if k.endswith("}id")), None)
            part = self._names.get(targets.get(reference, "").casefold())
            if part is not None:
                parts[sheet.get("name", "")] = part
        return parts

    def _parsed(self, part: str) -> etree._Element:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        for piece in self._pieces(self._names[part]):
            parser.feed(piece)
        root: etree._Element = parser.close()
        return root

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as part:
                while piece := part.read(_PIECE_BYTES):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError,
                ValueError, OSError):  # fmt: skip
            raise NotAWorkbookError(f"holds a broken part {name!r}; save it anew") from None

    def _whole_rows(self, name: str) -> Iterator[bytes]:
        """The XML cut before or behind rows; without the prefix where all elements have one."""
        left = b""
        prefix = None
        for piece in self._pieces(name):
            if prefix is None:
                match = _ROOT_PREFIX.search(piece, 0, 4096)
                prefix = match[1] + b":" if match else b""
            left += piece
            cut = max(left.rfind(b"</%brow>" % prefix), left.rfind(b"<%brow" % prefix))
            if cut > 0:
                yield _without(prefix, left[:cut])
                left = left[cut:]
            elif len(left) > _MOST_ROW_BYTES:
                raise NotAWorkbookError("holds a row of more than 32 MiB")
        yield _without(prefix or b"", left)


def _without(prefix: bytes, xml: bytes) -> bytes:
    if not prefix:
        return xml
    return xml.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</")


class _Look:
    """What a sheet's XML tells in the form that Excel writes: quick, by its letters."""

    def __init__(self) -> None:
        self.cells = SheetCells(columns=26)
        self._row_tags = 0

    def take(self, xml: bytes) -> bool:
        """Takes whole rows; False when they aren't in that form."""
        cells = xml.count(b'<c r="')
        if xml.count(b"<c") != cells and len(_CELL.findall(xml)) != cells:
            return False
        if (b":c" in xml and _PREFIXED.search(xml)) or b"<!" in xml:
            return False
        numbers = _ROW_NUMBER.findall(xml)
        if xml.count(b"<row") != len(numbers) and len(_ROW.findall(xml)) != len(numbers):
            return False
        found = self.cells
        found.count += cells
        found.rows = max(found.rows, *map(int, numbers), 0)
        if _SECOND_LETTER.search(xml):
            far = max(map(_column, set(_FAR_COLUMN.findall(xml))), default=0)
            found.columns = max(found.columns, far + 1)
        if b't="e"' in xml:
            for column, row in _ERROR.findall(xml):
                found.note(int(row), column)
        if b"<f" in xml:
            for column, row, attributes, value in _UNCALCULATED.findall(xml):
                if not (value and b't="str"' in attributes):  # that is an empty text
                    found.note(int(row), column)
        return True


class _CarefulLook:
    """The same of a sheet in any form of XML, by a parser."""

    def __init__(self) -> None:
        self.cells = SheetCells()
        self._parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=("{*}c", "{*}row"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
        )
        self._row = self._column = 0

    def feed(self, piece: bytes) -> None:
        """Takes a piece of the XML."""
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError:
            raise NotAWorkbookError("holds a broken sheet; save it anew") from None
        for event, element in self._parser.read_events():
            if element.tag.endswith("}row") or element.tag == "row":
                if event == "start":
                    self._row = _number(element.get("r"), self._row + 1)
                    self._column = 0
                    self.cells.rows = max(self.cells.rows, self._row)
                else:
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
            elif event == "end":
                self._take(element)

    def _take(self, cell: etree._Element) -> None:
        place = _PLACE.fullmatch((cell.get("r") or "").encode())
        if place:
            self._column, self._row = _column(place[1]), int(place[2])
        found = self.cells
        found.count += 1
        found.rows = max(found.rows, self._row)
        found.columns = max(found.columns, self._column + 1)
        value = cell.find("{*}v")
        is_uncalculated = cell.find("{*}f") is not None and (
            value is None or (not value.text and cell.get("t") != "str")
        )
        if cell.get("t") == "e" or is_uncalculated:
            found.valueless.setdefault(self._row, set()).add(self._column)
        self._column += 1


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else otherwise


def _column(letters: bytes) -> int:
    """Position of a column, from 0: A, B, ..., Z, AA, ..."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _bomb() -> str:
    return "unpacks to more than 1 GiB; a workbook of an office doesn't. Split it"
