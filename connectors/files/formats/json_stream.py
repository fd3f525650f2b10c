"""A list of JSON cut into its elements, a piece of the text at a time."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_LEAST_PIECE = 1024 * 1024
_SKIPPED_LETTERS = 64 * 1024 * 1024  # longest value beside the list


class Number(str):
    """A number as it is written."""

    __slots__ = ()


DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)


class NotJsonError(Exception):
    """The text isn't JSON, or hasn't the list; says so without the file's name or any value."""


class Elements:
    """The elements of one list.

    Args:
        pieces: The text in UTF-8, cut anywhere.
        path: Keys (or positions in lists) that lead to the list; empty: the text is the list.
        longest: Letters of the longest element that is certainly read.
    """

    def __init__(self, pieces: Iterator[bytes], path: Sequence[str], *, longest: int) -> None:
        self._pieces = codecs.iterdecode(pieces, "utf-8", "surrogateescape")
        self._path = path
        self._longest = longest
        self._text = ""
        self._at = 0
        self._given = 0  # letters before the buffer
        self._is_final = False

    def all(self) -> Iterator[tuple[Any, str]]:
        """Yields each element, decoded, and as it is written.

        Raises:
            NotJsonError: The text isn't JSON from some letter on, or has no such list.
        """
        opened = [self._descend(part) for part in self._path]
        if self._peek() != "[":
            where = f"at {'.'.join(self._path)!r}" if self._path else "in it"
            message = f"has no list {where}; `rows:` is the path of the list, as in data.items"
            raise NotJsonError(message)
        self._take("[")
        yield from self._list()
        for kind in reversed(opened):
            self._finish(kind)
        if self._peek():
            raise self._broken("text behind its end,")

    def _list(self) -> Iterator[tuple[Any, str]]:
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            self._peek()
            value, start, end = self._value(self._longest)
            yield value, self._text[start:end]
            if self._peek() == "]":
                self._take("]")
                return
            self._take(",")

    def _descend(self, part: str) -> str:
        """Goes to what a key, or a position, of the path holds; gives what closes around it."""
        opening = self._peek()
        if opening == "{":
            self._take("{")
            while self._peek() != "}":
                key = self._key()
                if key == part:
                    return "}"
                self._skip("}")
        elif opening == "[" and part.isdigit():
            self._take("[")
            for _ in range(int(part)):
                if self._peek() == "]":
                    break
                self._skip("]")
            if self._peek() not in {"]", ""}:
                return "]"
        raise NotJsonError(f"has no {part!r} on the way of `rows:`")

    def _finish(self, closing: str) -> None:
        while self._peek() == ",":
            self._take(",")
            if closing == "}":
                self._key()
            self._peek()
            self._value(_SKIPPED_LETTERS)
        self._take(closing)

    def _key(self) -> str:
        self._peek()
        key, _, _ = self._value(self._longest)
        if not isinstance(key, str) or isinstance(key, Number):
            raise self._broken("a key that is no text,")
        self._peek()
        self._take(":")
        return key

    def _skip(self, closing: str) -> None:
        """Passes over a value and the comma behind it."""
        self._peek()
        self._value(_SKIPPED_LETTERS)
        if self._peek() != closing:
            self._take(",")

    def _value(self, longest: int) -> tuple[Any, int, int]:
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except ValueError:
                if len(self._text) - self._at > longest + _LEAST_PIECE:
                    message = (
                        f"a broken element, or one longer than `max_record_bytes` ({longest}),"
                    )
                    raise self._broken(message) from None
                if not self._more():
                    raise self._broken("it ends or breaks") from None
                continue
            except RecursionError:
                raise self._broken("a value nested too deep,") from None
            if end == len(self._text) and self._more():
                continue  # of a number there may be more
            start, self._at = self._at, end
            return value, start, end

    def _peek(self) -> str:
        """The next letter that isn't white space; '' at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, letter: str) -> None:
        if self._text[self._at : self._at + 1] != letter:
            raise self._broken(f"no {letter!r} where one should be,")
        self._at += 1

    def _more(self) -> bool:
        """Takes more text, and gives away what is behind; False at the end."""
        parts = [self._text[self._at :]]
        new = 0
        while new < _LEAST_PIECE and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            new += len(piece)
        if new:
            self._given += self._at
            self._text, self._at = "".join(parts), 0
        return bool(new)

    def _broken(self, what: str) -> NotJsonError:
        return NotJsonError(f"isn't JSON: {what} near letter {self._given + self._at + 1}")
