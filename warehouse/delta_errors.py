"""What the Delta library says, in our words and without the values that it may print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deltalake.exceptions import CommitFailedError, SchemaMismatchError

from schemas.errors import LienThongError, LostRaceError, WarehouseError

_DISK_FULL_HINT: Final = "free space, then run the same command again: what was committed is kept"

_COMMIT_GONE: Final = re.compile(r"not found: \S*/_delta_log/|/_delta_log/\S* not found")


@contextmanager
def translated(uri: str, *, commits: bool = False) -> Iterator[None]:
    """Turns errors of the Delta library into ours, without the values that they may print.

    Args:
        uri: The table.
        commits: A commit is made, or its precondition read, from a table that was opened before.
    """
    try:
        yield
    except CommitFailedError:
        raise LostRaceError(f"{uri}: another run wrote to this table first") from None
    except SchemaMismatchError:
        raise WarehouseError(f"{uri}: the rows don't have the table's columns and types") from None
    except LienThongError:
        raise
    except Exception as error:  # noqa: BLE001 - a cast that fails is a bare Exception with the value
        text = str(error)
        if "No space left" in text or "os error 28" in text:
            raise WarehouseError(f"{uri}: the disk is full; {_DISK_FULL_HINT}") from None
        if "Permission denied" in text or "os error 13" in text:
            raise WarehouseError(f"{uri}: no permission to read or write here") from None
        # `forget` has deleted commits that were to be looked through since the table was opened.
        is_purged = "Invalid table version" in text or _COMMIT_GONE.search(text) is not None
        is_behind = commits and is_purged
        if is_behind or "Concurrent" in text or "conflict" in text.lower():
            raise LostRaceError(f"{uri}: another run wrote to this table first") from None
        kind = type(error).__name__
        raise WarehouseError(f"{uri}: the table could not be read or written ({kind})") from None


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
