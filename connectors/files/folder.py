"""A folder of this machine, or one that is mounted on it."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast

from connectors.files.errors import os_error
from connectors.files.matching import Entry, found
from connectors.files.store import Stamp, StoredFile, settled
from schemas.errors import SourceError, TransientSourceError

_LINK_OUT = "is a link that leads out of the folder; copy the file in"
_DEAD_LINK = "is a link that leads nowhere"
_LINKED_FOLDER = "is a link to a folder; name the folder it leads to in `path` or `files`"
_NO_FILE = "is no file, but a device, pipe or socket"
_SETTLE_UNTOLD = timedelta(seconds=2)


class Folder:
    """A `Store` over one folder; nothing outside of it is ever read.

    Args:
        path: The folder.
        settle: How long a file has to rest. None: one that no program has open for writing is
            taken as it is, where the system can tell that; else two seconds.
    """

    def __init__(self, path: Path, *, settle: timedelta | None = None) -> None:
        self.shown = path.name
        self._path = path
        self._settle = settle

    def find(self, patterns: Sequence[str], *, where: str) -> list[str]:
        """See `Store.find`."""
        inside = self._path.resolve()

        def listed(folder: str) -> Iterator[Entry]:
            try:
                with os.scandir(self._path / folder) as entries:
                    there = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                raise os_error(where, folder or self.shown, error) from None
            return (_entry(entry, inside) for entry in there)

        return found(listed, patterns, where=where)

    def get(self, name: str, *, where: str) -> StoredFile:
        """See `Store.get`."""
        place = f"{where}: {name!r}"

        def look() -> Stamp:
            try:
                with self._open(name, place) as file:
                    if _is_being_written(file.fileno()):
                        raise _written(place)
                    return _stamp(file)
            except OSError as error:
                raise os_error(where, name, error) from None

        seen = settled(look, settle=self._rest(name, place, where), place=place)

        def opened() -> BinaryIO:
            file = self._open(name, place)
            if _stamp(file) != seen:
                file.close()
                raise _changed(place)
            return file

        def raise_if_changed(where: str) -> None:
            place = f"{where}: {name!r}"
            try:
                with self._open(name, place) as file:
                    if _stamp(file) != seen:
                        raise _changed(place)
            except OSError as error:
                raise os_error(where, name, error) from None

        return StoredFile(
            name=name, size=seen.size, open=opened, raise_if_changed=raise_if_changed, is_near=True
        )

    def close(self) -> None:
        """See `Store.close`: nothing stays open."""

    def _rest(self, name: str, place: str, where: str) -> timedelta:
        if self._settle is not None:
            return self._settle
        try:
            with self._open(name, place) as file:
                is_told = _is_being_written(file.fileno()) is not None
        except OSError as error:
            raise os_error(where, name, error) from None
        return timedelta(0) if is_told else _SETTLE_UNTOLD

    def _open(self, name: str, place: str) -> BinaryIO:
        """Opens a file of the folder; what it leads to is looked at anew each time."""
        path = (self._path / name).resolve()
        if not path.is_relative_to(self._path.resolve()):
            raise SourceError(f"{place} {_LINK_OUT}")
        # A pipe would wait for its writer, and the last part may have become a link meanwhile.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SourceError(f"{place} {_NO_FILE}")
        return cast("BinaryIO", os.fdopen(descriptor, "rb"))


def _entry(entry: os.DirEntry[str], inside: Path) -> Entry:
    if not entry.is_symlink():
        if entry.is_dir():
            return Entry(name=entry.name, kind="folder")
        return Entry(name=entry.name, kind="file", refusal=None if entry.is_file() else _NO_FILE)
    target = Path(entry.path).resolve()
    if not target.is_relative_to(inside):
        return Entry(
            name=entry.name, kind="folder" if target.is_dir() else "file", refusal=_LINK_OUT
        )
    if target.is_dir():
        return Entry(name=entry.name, kind="folder", refusal=_LINKED_FOLDER)
    if not target.exists():
        return Entry(name=entry.name, kind="file", refusal=_DEAD_LINK)
    return Entry(name=entry.name, kind="file", refusal=None if target.is_file() else _NO_FILE)


def _stamp(file: BinaryIO) -> Stamp:
    seen = os.fstat(file.fileno())
    return Stamp(size=seen.st_size, changed=seen.st_mtime, tag=f"{seen.st_ino} {seen.st_mtime_ns}")


def _is_being_written(descriptor: int) -> bool | None:
    """Whether any program has a file open for writing; None where the system doesn't tell.

    Linux gives a lease on a local file only while nobody writes it (fcntl(2), F_SETLEASE), to its
    owner and to root. It is given back at once; should a writer come in between, the signal that
    tells of it is one that is ignored by default, instead of one that ends the process.
    """
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415 - not on every platform

    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def _written(place: str) -> TransientSourceError:
    return TransientSourceError(f"{place} is still being written; it is read again later")


def _changed(place: str) -> TransientSourceError:
    return TransientSourceError(f"{place} changed while it was read; it is read again later")
