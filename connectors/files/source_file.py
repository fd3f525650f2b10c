"""A file as the readers see it, wherever its bytes come from.

A store (a folder, an archive in it, a bucket, ...) finds files and gives each as a `SourceFile`;
a reader of a format knows nothing else of it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from connectors.files.folder import os_error
from schemas.errors import SourceError, TransientSourceError

PIECE_BYTES = 1024 * 1024
_IN_MEMORY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file as it was when it was found.

    Attributes:
        name: Path below the source's folder; of a member of an archive, the archive's path, `/`
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


def local_file(path: Path, name: str, *, where: str) -> SourceFile:
    """A file of a local folder; reads it once for its hash.

    Raises:
        SourceError: It is empty, or may not be read.
        TransientSourceError: It changed while it was read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise os_error(where, name, error) from None
    if not before.st_size:
        message = f"{where}: {name!r} is empty; a file has at least its header line"
        raise SourceError(message)
    seen = (before.st_size, before.st_mtime_ns)

    def raise_if_changed(where: str) -> None:
        try:
            now = path.stat()
        except OSError as error:
            raise os_error(where, name, error) from None
        if (now.st_size, now.st_mtime_ns) != seen:
            message = f"{where}: {name!r} changed while it was read; it is read again later"
            raise TransientSourceError(message)

    raise_if_changed(where)
    return SourceFile(
        name=name,
        hash=digest.hexdigest(),
        size=before.st_size,
        open=lambda: path.open("rb"),
        raise_if_changed=raise_if_changed,
    )
