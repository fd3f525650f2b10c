"""Delimited text cut into records, one at a time: the careful path, and the law of the format.

RFC 4180, with three latitudes that real files need: any of the line ends CRLF, LF, CR, also mixed;
any delimiter and quote character; a quote inside a cell that doesn't begin with one is a letter.
A record that can't be cut costs exactly its first line: reading goes on at the next line, so a
quote that nobody closed doesn't swallow the rows behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

BROKEN = "broken_line"
TOO_LONG = "line_too_long"
BAD_ENCODING = "bad_encoding"
ZERO_BYTE = "zero_byte"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a text is cut: one-byte delimiter, one-byte quote (or none), longest record in bytes."""

    delimiter: bytes
    quote: bytes
    max_record_bytes: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record, or what stands where one should.

    Attributes:
        line: Number of its first line, from 1.
        cells: Its cells in UTF-8; None when it couldn't be cut.
        raw: Its bytes, or those of its first line.
        rule: Why it is unreadable, or None.
        end: Where the next record begins in the buffer.
    """

    line: int
    cells: list[bytes] | None
    raw: bytes
    rule: str | None
    end: int


class Splitter:
    """Cuts a text that arrives in pieces into records.

    Feed it with `add`, take with `records`; what is left is an unfinished record.

    Args:
        dialect: How the text is cut.
        cells: Cells of a right record. One of several lines with another number of them is
            taken for a quote gone astray.
    """

    def __init__(self, dialect: Dialect, *, cells: int | None = None) -> None:
        self.buffer = b""
        self.line = 1
        self._cells = cells
        self._dialect = dialect
        self._skipping = False  # in the rest of a line that was too long
        quote, delimiter = re.escape(dialect.quote or b'"'), re.escape(dialect.delimiter)
        self._plain = re.compile(rb"[^%b\r\n]*+" % delimiter)
        self._quoted = re.compile(rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b" % ((quote,) * 6))
        self._line_end = re.compile(rb"\r\n|\n|\r")

    @property
    def is_skipping(self) -> bool:
        """The buffer's end is inside a line that was too long."""
        return self._skipping

    def add(self, chunk: bytes, *, final: bool) -> None:
        """Takes the next piece of the text; `final` when there is no other."""
        self.buffer = self.buffer + chunk if self.buffer else chunk
        if final and self.buffer and not self.buffer.endswith((b"\n", b"\r")):
            self.buffer += b"\n"
        if self._skipping:
            self._skip(final=final)

    def take(self, end: int, *, lines: int) -> None:
        """Gives away the first `end` bytes, which somebody else has cut into records."""
        self.buffer = self.buffer[end:]
        self.line += lines

    def records(self, *, final: bool) -> Iterator[Record]:
        """Yields every record that is complete in the buffer, and takes it out of it."""
        position = 0
        while position < len(self.buffer):
            record = self._next(position, final=final)
            if record is None:
                break
            self.line += _line_ends(self.buffer[position : record.end])
            position = record.end
            yield record
            if record.rule == TOO_LONG and self._skipping:
                break
        self.buffer = self.buffer[position:]

    def _next(self, start: int, *, final: bool) -> Record | None:
        """The record that begins at `start`; None when more text is needed to tell."""
        limit = start + self._dialect.max_record_bytes
        cells: list[bytes] = []
        position = start
        while True:
            end, cell = self._cell(position, limit)
            if end is None:  # a quote that is closed nowhere
                if len(self.buffer) <= limit and not final:
                    return None
                return self._broken(start, limit, final=final)
            cells.append(cell)
            after = self.buffer[end : end + 1]
            if end < limit and after == self._dialect.delimiter:
                position = end + 1
                continue
            if end < limit and not after and not final:
                return None
            raw = self.buffer[start:end]
            is_astray = self._cells not in {None, len(cells)} and self._line_end.search(raw)
            if end >= limit or after not in {b"\r", b"\n", b""} or is_astray:
                return self._broken(start, limit, final=final)
            following = self._after_line_end(end, final=final)
            if following is None:
                return None
            rule = ZERO_BYTE if b"\0" in raw else None
            return Record(line=self.line, cells=cells, raw=raw, rule=rule, end=following)

    def _cell(self, position: int, limit: int) -> tuple[int | None, bytes]:
        quote = self._dialect.quote
        if quote and self.buffer.startswith(quote, position):
            match = self._quoted.match(self.buffer, position, limit)
            if match is None:
                return None, b""
            inside = self.buffer[position + 1 : match.end() - 1]
            return match.end(), inside.replace(quote + quote, quote)
        match = self._plain.match(self.buffer, position, limit)
        end = match.end() if match else position
        return end, self.buffer[position:end]

    def _broken(self, start: int, limit: int, *, final: bool) -> Record | None:
        """The first line of a record that can't be cut."""
        match = self._line_end.search(self.buffer, start, limit)
        if match is None:
            if len(self.buffer) < limit and not final:
                return None
            return self._too_long(start, limit)
        following = self._after_line_end(match.start(), final=final)
        if following is None:
            return None
        raw = self.buffer[start : match.start()]
        return Record(line=self.line, cells=None, raw=raw, rule=BROKEN, end=following)

    def _too_long(self, start: int, limit: int) -> Record:
        """A line that doesn't end: its beginning is kept as evidence, the rest is skipped."""
        match = self._line_end.search(self.buffer, limit)
        raw = self.buffer[start : start + 8192]
        if match is not None and match.end() < len(self.buffer):
            return Record(line=self.line, cells=None, raw=raw, rule=TOO_LONG, end=match.end())
        self._skipping = True
        end = match.start() if match is not None else len(self.buffer)
        return Record(line=self.line, cells=None, raw=raw, rule=TOO_LONG, end=end)

    def _skip(self, *, final: bool) -> None:
        match = self._line_end.search(self.buffer)
        following = None if match is None else self._after_line_end(match.start(), final=final)
        if following is None:
            self.buffer = self.buffer[match.start() :] if match else b""
            return
        self._skipping = False
        self.buffer = self.buffer[following:]
        self.line += 1

    def _after_line_end(self, end: int, *, final: bool) -> int | None:
        if self.buffer.startswith(b"\r\n", end):
            return end + 2
        if end + 1 >= len(self.buffer) and self.buffer.endswith(b"\r") and not final:
            return None  # its LF may be in the next piece
        return min(end + 1, len(self.buffer))


def _line_ends(text: bytes) -> int:
    if b"\r" not in text:
        return text.count(b"\n")
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
