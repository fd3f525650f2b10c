"""Where bytes wait that can't be read in place: one temporary file that nobody else can open.

It has no name, so that it is gone when the read ends, whatever ends it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

from schemas.errors import SourceError, TransientSourceError

_MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A part of a spool.

    Attributes:
        offset: Where it begins.
        size: Bytes.
        hash: sha256 of them, hex.
    """

    offset: int
    size: int
    hash: str


class Spool:
    """One temporary file that the contents of several files are kept in.

    Args:
        most_bytes: Most bytes at one time.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._file: BinaryIO | None = None
        self._end = 0

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self._most_bytes - self._end

    def keep(self, pieces: Iterable[bytes], *, place: str) -> Kept:
        """Keeps one content, read once.

        Args:
            pieces: The content. What it raises comes out, and nothing of it is kept.
            place: The file, for errors.

        Raises:
            SourceError: It doesn't fit.
            TransientSourceError: The disk is full.
        """
        start, digest = self._end, hashlib.sha256()
        try:
            for piece in pieces:
                if len(piece) > self.room:
                    message = (
                        f"{place} needs more than the {self._most_bytes // _MIB} MiB of temporary "
                        "files that `max_temp_bytes` allows for one read"
                    )
                    raise SourceError(message)
                digest.update(piece)
                self._write(piece, place=place)
        except BaseException:
            self._cut(start)
            raise
        return Kept(offset=start, size=self._end - start, hash=digest.hexdigest())

    def forget(self, kept: Kept) -> None:
        """Gives back the room of what was kept last; of anything else, when all is closed."""
        if kept.offset + kept.size == self._end:
            self._cut(kept.offset)

    def open(self, kept: Kept) -> BinaryIO:
        """A kept content as a stream of its own, which can seek."""
        if self._file is None and kept.size:
            raise OSError(errno.EBADF, "its temporary file is closed")
        return cast("BinaryIO", io.BufferedReader(_Window(self, kept), buffer_size=_MIB))

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes from a place of the whole."""
        if self._file is None:
            raise OSError(errno.EBADF, "its temporary file is closed")
        return os.pread(self._file.fileno(), size, offset)

    def close(self) -> None:
        """Gives everything back; what was opened can't be read any more."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._end = 0

    def _write(self, piece: bytes, *, place: str) -> None:
        try:
            if self._file is None:
                self._file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
            self._file.seek(self._end)
            left = memoryview(piece)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            message = (
                f"{place} can't be copied to {tempfile.gettempdir()} ({error.strerror}); make "
                "room there, or name another folder in TMPDIR"
            )
            raise TransientSourceError(message) from None
        self._end += len(piece)

    def _cut(self, end: int) -> None:
        self._end = end
        if self._file is not None:
            self._file.truncate(end)


class _Window(io.RawIOBase):
    """A part of a spool as a stream."""

    def __init__(self, spool: Spool, kept: Kept) -> None:
        self._spool = spool
        self._kept = kept
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._kept.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "a place before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = max(0, min(len(buffer), self._kept.size - self._at))
        got = self._spool.read_at(self._kept.offset + self._at, size) if size else b""
        buffer[: len(got)] = got
        self._at += len(got)
        return len(got)
