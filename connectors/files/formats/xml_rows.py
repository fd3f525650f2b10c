"""XML: the elements at a path to rows, as a stream.

Nothing in a file is expanded or fetched: a DOCTYPE, in which entities would be declared, is refused
before the parser sees it, and libxml2 keeps its own bounds (10 MB a text, 256 levels).
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice

import pyarrow as pa
from lxml import etree

from connectors.files.errors import os_error
from connectors.files.formats.batching import Rows, raise_if_absent, row_schema
from connectors.files.formats.protocol import Reader
from connectors.files.formats.xml_paths import (
    Element,
    field_path,
    local_name,
    row_path,
)
from connectors.files.formats.xml_stream import NotXmlError, RowStream
from connectors.files.source_file import SourceFile
from connectors.files.text import TextFile, marked
from connectors.registry import FilesStream
from schemas.errors import ConfigError, ContractError, SourceError

SAMPLED_ROWS = 200
_PROLOG_BYTES = 1024 * 1024
_LOOKED_AT = 1 << 20  # bytes that are searched for what may be a row
_DECLARED = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._:\-]+)[\"']")
_BEFORE_ROOT = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)


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
    return [XmlReader(file, stream, columns, where=where)]


class XmlReader:
    """Reads one XML file.

    Args:
        file: The file.
        stream: The stream's options.
        columns: The wanted columns.
        where: Beginning of every error.

    Raises:
        ConfigError: A path can't be understood, or `rows:` isn't stated.
        SourceError: Its beginning isn't XML, or has a DOCTYPE.
        ContractError: It has no rows there.
    """

    part: str | None = None

    def __init__(
        self, file: SourceFile, stream: FilesStream, columns: Sequence[str], *, where: str
    ) -> None:
        self._name = file.name
        self._where = where
        self._place = f"{where}: {file.name!r}"
        self._text = _text_of(file, stream.encoding, where=where)
        if stream.rows is None:
            likely = likely_rows(xml_pieces(self._text, where=where))
            hint = f"; it may be {likely}" if likely else ""
            message = f"{where}: `rows:` has to say which element of {file.name!r} is a row{hint}"
            raise ConfigError(message)
        self._rows = row_path(stream.rows, where=where)
        self._columns = tuple(columns)
        self._fields = [
            tuple(
                field_path(path, column, where=where)
                for path in (stream.fields.get(column, column), *stream.aliases.get(column, ()))
            )
            for column in columns
        ]
        self._optional = stream.optional
        self._longest = stream.max_record_bytes
        self.schema = row_schema(columns)
        self._look()

    def _look(self) -> None:
        """Reads the first rows, to know what there is."""
        paths: dict[str, None] = {}

        def note(row: Element) -> None:
            if len(paths) < SAMPLED_ROWS:
                paths.update(dict.fromkeys(_paths_of(row)))

        with closing(self._cells(pending=SAMPLED_ROWS, look=note)) as cells:
            sample = list(islice(cells, SAMPLED_ROWS))
        self._looked_at = len(sample)
        there = {
            column
            for column, values in zip(self._columns, zip(*sample, strict=True), strict=False)
            if any(value is not None for value in values)
        }
        self._absent = [c for c in self._columns if c not in there] if sample else []
        self.names = tuple(dict.fromkeys([*(c for c in self._columns if c in there), *paths]))

    def described(self) -> str:
        """See `Reader.described`."""
        said = f"{self._name}: XML, {self._text.encoding}"
        if self._absent:
            absent = ", ".join(map(repr, self._absent))
            said += f"; none of the first {self._looked_at} rows has {absent}"
        return said

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Reader.batches`."""
        rows = Rows(self._columns, longest=self._longest)
        absent = dict.fromkeys(range(len(self._columns)))
        ordinal = 0
        for ordinal, cells in enumerate(self._cells(), 1):
            if absent:
                for column in [c for c in absent if cells[c] is not None]:
                    del absent[column]
            rows.add(ordinal, cells)
            if rows.is_full:
                yield rows.take()
        if len(rows):
            yield rows.take()
        if ordinal:
            what = "say in `fields:` where it is"
            missing = [self._columns[column] for column in absent]
            raise_if_absent(missing, self._optional, what=what, place=self._place)

    def _cells(
        self, *, pending: int = 20_000, look: Callable[[Element], None] | None = None
    ) -> Generator[list[str | None]]:
        stream = RowStream(self._rows, self._fields, where=self._where, pending=pending, look=look)
        try:
            yield from stream.rows(xml_pieces(self._text, where=self._where))
        except NotXmlError as error:
            raise SourceError(f"{self._place} {error}") from None
        if not stream.count:
            self._explain_none(stream.root)

    def _explain_none(self, root: Element | None) -> None:
        """Raises ContractError for a file without rows, unless it has where they would be."""
        holders = [] if root is None else [e for e in root.iter() if self._rows.fits(e, up=1)]
        if holders and not (self._rows.is_anywhere and len(self._rows.names) == 1):
            return
        if root is not None and self._rows.is_anywhere and len(root) == 0:
            return
        likely = likely_rows(xml_pieces(self._text, where=self._where))
        hint = f"; it may be {likely}" if likely else ""
        raise ContractError(f"{self._place} has no element where `rows:` says{hint}")


def _text_of(file: SourceFile, stated: str | None, *, where: str) -> TextFile:
    """The file with its encoding: its mark, else as stated, else as it declares, else UTF-8."""
    try:
        with file.open() as stream:
            first = stream.read(4096)
    except OSError as error:
        raise os_error(where, file.name, error) from None
    encoding = marked(first)
    if encoding is not None:
        return TextFile(file=file, encoding=encoding, has_mark=True)
    declared = _DECLARED.match(first)
    name = stated or (declared[1].decode() if declared else "utf-8")
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        message = (
            f"{where}: {file.name!r} declares an encoding that nobody knows; state `encoding:`"
        )
        raise SourceError(message) from None
    codec = "utf-8" if codec in {"utf-8-sig", "ascii"} else codec
    return TextFile(file=file, encoding=codec, has_mark=False)


def xml_pieces(text: TextFile, *, where: str) -> Iterator[bytes]:
    """The text in UTF-8, from its first element on.

    Raises:
        SourceError: It has a DOCTYPE, or no element.
    """
    chunks = text.chunks(where)
    beginning = b""
    for chunk in chunks:
        beginning += chunk
        match = _BEFORE_ROOT.match(beginning)
        end = match.end() if match else 0
        after = beginning[end : end + 9]
        if after[:1] == b"<" and len(after) == 9 and after[1:2] not in b"!?":
            yield beginning
            yield from chunks
            return
        if after[:9].upper() == b"<!DOCTYPE":
            message = (
                f"{where}: {text.file.name!r} has a DOCTYPE; such files are refused, since they "
                "can make a reader expand or fetch things. Export it without"
            )
            raise SourceError(message)
        if len(beginning) > _PROLOG_BYTES:
            break
    if re.match(rb"\s*<[^!?]", beginning[_end_of_prolog(beginning) :]):
        yield beginning
        return
    raise SourceError(f"{where}: {text.file.name!r} isn't XML: no element at its beginning")


def _end_of_prolog(beginning: bytes) -> int:
    match = _BEFORE_ROOT.match(beginning)
    return match.end() if match else 0


def likely_rows(pieces: Iterator[bytes]) -> str | None:
    """The path of the element that holds most of the values in the first piece."""
    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
    )
    way: list[str] = []
    seen: Counter[str] = Counter()
    try:
        parser.feed(next(pieces, b"")[:_LOOKED_AT])
        for event, element in parser.read_events():
            if event == "start":
                way.append(local_name(element))
            else:
                if len(way) > 1 and (values := sum(not len(child) for child in element)):
                    seen["/" + "/".join(way)] += values
                way.pop()
    except etree.XMLSyntaxError:
        pass
    return seen.most_common(1)[0][0] if seen else None


def _paths_of(row: Element) -> Iterator[str]:
    """The paths that the values of a row have, as `fields:` writes them."""
    for name in row.keys():  # noqa: SIM118  an element isn't a mapping
        yield f"@{name.rpartition('}')[2]}"
    for child in row:
        name = local_name(child)
        if child.get("key") is not None and child.get("value") is not None:
            yield f"{name}[@key='{child.get('key')}']/@value"
        elif name:
            yield name
