"""What may be shown of a request and its answer: no secret, and no letter of a value."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"
_LEAST = 4  # a shorter secret would hide half of every sentence
_SHOWN = 80  # characters
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*")


class Secrets:
    """The secrets of one source, those learned on the way (tokens) included."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        for secret in known:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Remembers one more."""
        if len(secret) >= _LEAST:
            with self._lock:
                self._known.add(secret)

    def are_in(self, url: str) -> bool:
        """Whether an address holds one of them, in whatever way it is quoted."""
        with self._lock:
            known = tuple(self._known)
        ways = (url, unquote(url), unquote_plus(url))
        return any(secret in way for secret in known for way in ways)

    def hidden(self, text: str) -> str:
        """The text with every known secret replaced."""
        with self._lock:
            known = sorted(self._known, key=len, reverse=True)
        for secret in known:
            text = text.replace(secret, HIDDEN)
        return text


def masked_start(body: bytes) -> str:
    """The first characters of an answer: its form can be seen, no letter or digit of a value.

    Letters become x and digits 9; the names of HTML's tags stay, so that a page of maintenance is
    known from a list of rows.
    """
    text = body[: 4 * _SHOWN].decode("utf-8", "replace")
    text = " ".join(text.split())[:_SHOWN]
    if text.startswith("<"):
        parts: list[str] = []
        position = 0
        for tag in _TAG.finditer(text):
            parts += [_masked(text[position : tag.start()]), tag.group()]
            position = tag.end()
        return "".join(parts) + _masked(text[position:])
    return _masked(text)


def _masked(text: str) -> str:
    return "".join("9" if c.isdigit() else "x" if c.isalnum() else _plain(c) for c in text)


def _plain(char: str) -> str:
    return char if char.isascii() and char.isprintable() else "x"
