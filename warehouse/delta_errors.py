"""What the Delta library says, in our words and without the values that it may print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from schemas.errors import LostRaceError, WarehouseError

_DISK_FULL_HINT: Final = "free space, then run the same command again: what was committed is kept"
_COMMIT_GONE: Final = re.compile(r"not found: \S*/_delta_log/|/_delta_log/\S* not found")


def in_our_words(uri: str, error: Exception, *, commits: bool) -> LostRaceError | WarehouseError:
    """The error that a failure of the library is.

    Args:
        uri: The table.
        error: What the library raised; a cast that fails is a bare Exception with the value.
        commits: A commit was made, or its precondition read, from a table that was opened before.
    """
    text = str(error)
    if "No space left" in text or "os error 28" in text:
        return WarehouseError(f"{uri}: the disk is full; {_DISK_FULL_HINT}")
    if "Permission denied" in text or "os error 13" in text:
        return WarehouseError(f"{uri}: no permission to read or write here")
    # `forget` has deleted commits that were to be looked through since the table was opened.
    is_purged = "Invalid table version" in text or _COMMIT_GONE.search(text) is not None
    if (commits and is_purged) or "Concurrent" in text or "conflict" in text.lower():
        return LostRaceError(f"{uri}: another run wrote to this table first")
    kind = type(error).__name__
    return WarehouseError(f"{uri}: the table could not be read or written ({kind})")


@contextmanager
def unless_purged(uri: str) -> Iterator[None]:
    """For reading files of a table that was opened before, in the course of a run that writes it.

    Raises:
        LostRaceError: A file is gone: `forget` or `maintain` has deleted it since.
    """
    try:
        yield
    except FileNotFoundError:
        raise LostRaceError(f"{uri}: files of this table were deleted meanwhile") from None
