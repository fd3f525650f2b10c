"""Files that commands write for people: whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def placed(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes its place once the block ends well.

    It is written beside its place under a name of its own, so that two writers don't meet. Until
    it is whole, what was there stays.

    Raises:
        OSError: There is no such folder, it may not be written to, or the disk is full.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
