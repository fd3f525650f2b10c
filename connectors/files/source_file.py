"""A file as the readers see it, wherever its bytes come from.

A store (a folder, an archive in it, a bucket, ...) finds files, and `connectors.files.gathering`
gives each as a `SourceFile`; a reader of a format knows nothing else of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO, cast

PIECE_BYTES = 1024 * 1024
_IN_MEMORY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file as it was when it was found.

    Attributes:
        name: Path below the source's folder; of a member of an archive, the archive's path, `!`
            and the member's. Decides the format by its ending.
        hash: sha256 of the content, hex.
        size: Bytes of the content (of the unpacked one, for what was packed).
        open: Opens the content from its beginning, for reading bytes; each call opens anew. The
            stream need not seek (`seekable` gives one that does). It raises OSError, or our
            errors, and gives no more than `size` bytes.
        raise_if_changed: Raises TransientSourceError, beginning with its argument, when the file
            isn't the one that was found any more.
    """

    name: str
    hash: str
    size: int
    open: Callable[[], BinaryIO] = field(repr=False)
    raise_if_changed: Callable[[str], None] = field(repr=False)


def seekable(file: SourceFile) -> BinaryIO:
    """The content as a stream that can seek: the file itself, else a copy that vanishes on close.

    Raises:
        OSError: It can't be read, or the disk is full.
    """
    stream = file.open()
    if stream.seekable():
        return stream
    copy = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))  # noqa: SIM115
    with closing(stream):
        left = file.size
        while left > 0 and (piece := stream.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            copy.write(piece)
    copy.seek(0)
    return copy
