"""A stream that only goes forward, for a reader of TAR that likes to seek."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

MOST_AT_ONCE = 256 * 1024


class TooMuchAtOnceError(Exception):
    """More bytes were asked for in one read than any part of an honest archive's heads has."""


class Forward(io.RawIOBase):
    """Pieces of bytes as one stream.

    `tarfile` takes the length of a long name or of extended attributes from the archive, and reads
    that much into memory: a read of more than 256 KiB raises TooMuchAtOnceError.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0  # in the piece
        self._passed = 0  # bytes before it

    def readable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes passed."""
        return self._passed + self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes forward to a place; the stream ends before it where it is shorter."""
        left = offset - self.tell()
        if whence != os.SEEK_SET or left < 0:
            raise io.UnsupportedOperation("this stream goes forward only")
        while left > 0 and (got := len(self._some(left))):
            left -= got
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes; fewer at the end."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise TooMuchAtOnceError
        parts, left = [], size
        while left > 0 and (part := self._some(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        """The next bytes, at most `size` of them; none at the end."""
        while self._at >= len(self._piece):
            self._passed += len(self._piece)
            self._at = 0
            self._piece = next(self._pieces, b"")
            if not self._piece:
                return b""
        part = self._piece[self._at : self._at + size]
        self._at += len(part)
        return part
