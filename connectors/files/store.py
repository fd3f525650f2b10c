"""What a place of files promises, and how long a file has to rest before it is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, Protocol

from connectors.files.source_file import PIECE_BYTES
from schemas.errors import TransientSourceError

_LONGEST_WAIT = 10.0  # seconds that a read waits for a file to settle


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What tells two states of a file apart without reading it.

    Attributes:
        size: Bytes.
        changed: Its last change in seconds since 1970, by the clock of the place; None where the
            place doesn't say.
        tag: Whatever else the place says: inode, etag, ...
    """

    size: int
    changed: float | None
    tag: str = ""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file where it lies.

    Attributes:
        name: Path below the source's `path`.
        size: Bytes.
        open: Opens it for reading bytes. Raises OSError or our errors.
        raise_if_changed: Raises TransientSourceError, beginning with its argument, when it isn't
            the one that was found any more.
        is_near: It can be read again and again in place, and from any byte on.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO] = field(repr=False)
    raise_if_changed: Callable[[str], None] = field(repr=False)
    is_near: bool

    def pieces(self) -> Iterator[bytes]:
        """Its content from the beginning, no more than `size` bytes of it."""
        left = self.size
        with closing(self.open()) as stream:
            while left > 0 and (piece := stream.read(min(left, PIECE_BYTES))):
                left -= len(piece)
                yield piece


class Store(Protocol):
    """A folder, bucket or server of files."""

    shown: str  # what errors call it; holds no secret

    def find(self, patterns: Sequence[str], *, where: str) -> list[str]:
        """The files that match one of the globs, as paths below the place, sorted.

        Raises:
            SourceError: The place isn't there, may not be read, or a match isn't a file of it.
            TransientSourceError: It can't be reached.
        """
        ...

    def get(self, name: str, *, where: str) -> StoredFile:
        """One of the files found.

        Raises:
            SourceError: It may not be read.
            TransientSourceError: Somebody is writing it, or did so just now.
        """
        ...

    def close(self) -> None:
        """Gives back connections."""
        ...


def settled(look: Callable[[], Stamp], *, settle: timedelta, place: str) -> Stamp:
    """Waits until a file has rested for `settle`, where that takes seconds.

    The clock of the place may differ from ours: a file is taken to rest as well when it didn't
    change while we waited for so long.

    Raises:
        TransientSourceError: It was changed just now, or while we waited.
    """
    stamp, rest = look(), settle.total_seconds()
    age = rest if stamp.changed is None else time.time() - stamp.changed
    if age >= rest:
        return stamp
    left = rest - age if age >= 0 else min(rest, _LONGEST_WAIT)
    if left > _LONGEST_WAIT:
        message = f"{place} was changed less than {settle} ago (`settle`); it is read again later"
        raise TransientSourceError(message)
    time.sleep(left)
    if look() != stamp:
        message = f"{place} is still being written; it is read again later"
        raise TransientSourceError(message)
    return stamp
