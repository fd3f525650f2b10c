"""Leaving nothing of a table's past: old files, old commits, old statistics.

A commit names the least and greatest value of every column of its files, so the log of a table is
shortened to a checkpoint of one version, and everything before that is deleted.
"""

from __future__ import annotations

import math
import shutil
import time
import uuid
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Final

from schemas.errors import WarehouseError
from warehouse.delta import Table
from warehouse.landing_commits import APP
from warehouse.phases import reached
from warehouse.races import retried

COPIES: Final = "analysts/released"
"""Where tables lie that only a release shows, below the warehouse."""

_LOG: Final = "_delta_log"


class Past:
    """The past of a table in a folder, as it was when writers that were at work were shut out."""

    def __init__(self, uri: str, *, is_landing: bool) -> None:
        """Makes every writer lose that has begun; what it has written so far counts as past.

        Raises:
            WarehouseError: The table can't be read or written.
        """
        self._log = Path(uri) / _LOG
        self._files = [path for path in Path(uri).rglob("*") if path.is_file()]

        def shut() -> Table:
            table = _opened(uri)
            table.fence(uuid.uuid4().hex)
            if not is_landing:
                return table
            # The state of a stream lies in its newest commit that carries one: it has to be in a
            # commit that stays.
            table = _opened(uri)
            empty = table.schema.empty_table()
            table.append(empty, txns={APP: table.txn(APP)}, state=table.newest_state())
            return table

        self.table = retried(shut)

    def delete(self) -> int:
        """Deletes it: files that the version at the shutting doesn't have, and its log.

        Returns:
            The number of files of rows that were deleted.
        """
        reached("forget_purge")
        version = self.table.version
        self._keep()
        shown = {Path(name) for name in self.table.files}
        rows = 0
        for path in self._files:
            if path.parent.name == _LOG:
                if _number(path) < version or path.suffix in {".tmp", ".crc"}:
                    path.unlink(missing_ok=True)
            elif path not in shown:
                path.unlink(missing_ok=True)
                rows += path.suffix == ".parquet"
        # Behind the commits: whoever writes a checkpoint of one looks whether it is still there.
        for path in self._log.iterdir():
            if _number(path) < version:
                path.unlink(missing_ok=True)
        reached("forget_purged")
        return rows

    def _keep(self) -> None:
        """Writes checkpoints of what stays: the version at the shutting, and the newest.

        A release may show the first, and commits before it go. Where another run has purged it
        since, what it says of values is past, and no release shows it.
        """
        commit = self._log / f"{self.table.version:020}.json"
        try:
            if commit.exists():
                self.table.checkpoint()
        except WarehouseError:
            if commit.exists():
                raise
        # Last: whoever opens the table begins with it.
        newest = _opened(self.table.uri)
        newest.checkpoint()
        if newest.version > self.table.version and not commit.exists():
            for path in self._log.glob(f"{commit.stem}.checkpoint*"):
                path.unlink(missing_ok=True)


def copies(uri: str, *, older_than: float = 0) -> list[str]:
    """Paths, below the warehouse, of the tables that were copied for a release.

    Args:
        uri: The warehouse; one in a bucket has no copies.
        older_than: Only those begun so many seconds ago: others may be about to be released.
    """
    root = Path(uri)
    return [
        log.parent.relative_to(root).as_posix()
        for log in sorted((root / COPIES).glob("*/*/_delta_log"))
        if time.time() - log.stat().st_mtime >= older_than
    ]


def drop_copies(uri: str, found: Iterable[str], kept: Container[str]) -> None:
    """Deletes copies that no kept release shows.

    Args:
        uri: The warehouse.
        found: From `copies`, before it was made sure that nobody publishes one of them any more.
        kept: Paths of the tables that kept releases show.
    """
    for path in found:
        if path not in kept:
            shutil.rmtree(Path(uri) / path, ignore_errors=True)


def _number(path: Path) -> float:
    """The version that a file of a log is of; infinite where it is of none."""
    number = path.name.split(".", 1)[0]
    return int(number) if number.isdigit() else math.inf


def _opened(uri: str) -> Table:
    table = Table.open(uri)
    if table is None:
        raise WarehouseError(f"{uri}: the table is gone; `lienthong audit` looks")
    return table
