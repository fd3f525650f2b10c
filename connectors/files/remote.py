"""Files on another machine, through fsspec."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from connectors.files.errors import os_error
from connectors.files.matching import Entry, found
from connectors.files.store import Stamp, StoredFile, settled
from schemas.errors import LienThongError, SourceError, TransientSourceError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SETTLE_UNTOLD = timedelta(seconds=2)
_CHANGES = ("mtime", "LastModified", "last_modified", "modified", "created")
_TAGS = ("ETag", "etag", "md5", "checksum", "version_id", "ino", "mtime", "LastModified")
_NO_FILE = "is no file, but a device, pipe or socket"
_A_LINK = "is a link; links on a server aren't followed, put the file itself there"
_AWS_CODE = re.compile(r"AWS Error ([A-Z_]+)")
_STATUS = re.compile(r"HTTP status(?: code)?:? (\d{3})")
_REFUSALS = frozenset({
    "ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID",
    "MISSING_AUTHENTICATION_TOKEN", "NO_SUCH_BUCKET", "UNRECOGNIZED_CLIENT", "NO_SUCH_KEY",
    "INVALID_SIGNATURE", "ACCOUNT_PROBLEM", "RESOURCE_NOT_FOUND",
})  # fmt: skip


class Remote:
    """A `Store` over an fsspec file system.

    Args:
        opened: Connects; gives the file system and the path of the top on it.
        shown: What errors call the place.
        settle: How long a file has to rest; None: two seconds.
    """

    def __init__(
        self,
        opened: Callable[[], tuple[AbstractFileSystem, str]],
        *,
        shown: str,
        settle: timedelta | None,
    ) -> None:
        self.shown = shown
        self._opened = opened
        self._settle = _SETTLE_UNTOLD if settle is None else settle
        self._system: AbstractFileSystem | None = None
        self._root = ""

    def find(self, patterns: Sequence[str], *, where: str) -> list[str]:
        """See `Store.find`."""

        def listed(folder: str) -> Iterator[Entry]:
            try:
                return iter(self._listed(folder))
            except Exception as error:  # noqa: BLE001 - each protocol has errors of its own
                raise remote_error(where, folder or self.shown, error) from None

        return found(listed, patterns, where=where)

    def get(self, name: str, *, where: str) -> StoredFile:
        """See `Store.get`."""
        place = f"{where}: {name!r}"

        def look() -> Stamp:
            try:
                return self._look(name)
            except Exception as error:  # noqa: BLE001 - each protocol has errors of its own
                raise remote_error(where, name, error) from None

        seen = settled(look, settle=self._settle, place=place)

        def opened() -> BinaryIO:
            try:
                stream = self._connected().open(self._path(name), "rb")
            except Exception as error:  # noqa: BLE001 - each protocol has errors of its own
                raise remote_error(where, name, error) from None
            return cast("BinaryIO", _Told(stream, where, name))

        def raise_if_changed(where: str) -> None:
            if look() != seen:
                message = "changed while it was read; it is read again later"
                raise TransientSourceError(f"{where}: {name!r} {message}")

        return StoredFile(
            name=name, size=seen.size, open=opened, raise_if_changed=raise_if_changed, is_near=False
        )

    def close(self) -> None:
        """See `Store.close`."""
        if self._system is not None:
            close = getattr(self._system, "close", None)
            if callable(close):
                close()
            self._system = None

    def _connected(self) -> AbstractFileSystem:
        if self._system is None:
            self._system, root = self._opened()
            self._root = root.rstrip("/")
        return self._system

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root or "/"

    def _listed(self, folder: str) -> list[Entry]:
        system = self._connected()
        path = self._path(folder)
        entries = []
        for info in system.ls(path, detail=True):
            full = str(info["name"]).rstrip("/")
            name = full.rpartition("/")[2]
            if full.strip("/") == path.strip("/"):
                if info["type"] == "file" and info.get("size"):
                    raise NotADirectoryError
                continue
            # A server may say any name; only one that lies in the folder is asked for.
            if name in {"", ".", ".."} or full.strip("/") != f"{path}/{name}".strip("/"):
                continue
            kind = "folder" if info["type"] == "directory" else "file"
            entries.append(Entry(name=name, kind=kind, refusal=_refusal(info)))  # type: ignore[arg-type]
        return sorted(entries, key=lambda entry: entry.name)

    def _look(self, name: str) -> Stamp:
        system = self._connected()
        system.invalidate_cache()
        info = system.info(self._path(name))
        changed = next((_seconds(info[key]) for key in _CHANGES if info.get(key)), None)
        tag = " ".join(str(info[key]) for key in _TAGS if info.get(key))
        return Stamp(size=int(info.get("size") or 0), changed=changed, tag=tag)


class _Told:
    """A stream whose errors are ours."""

    def __init__(self, stream: Any, where: str, name: str) -> None:  # noqa: ANN401 - fsspec's
        self._stream = stream
        self._where = where
        self._name = name

    def read(self, size: int) -> bytes:
        try:
            return cast("bytes", self._stream.read(size))
        except Exception as error:  # noqa: BLE001 - each protocol has errors of its own
            raise remote_error(self._where, self._name, error) from None

    def close(self) -> None:
        self._stream.close()


def remote_error(where: str, name: str, error: Exception) -> LienThongError:
    """Our error for one of a protocol's library, of which nothing is repeated but its kind.

    What such errors say may hold a URL with its password, or a signature.
    """
    if type(error) is SourceError and not str(error).startswith(where):
        return SourceError(f"{where}: {error}")
    if isinstance(error, LienThongError):
        return error
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        return os_error(where, name, error)
    code, status = _AWS_CODE.search(str(error)), _STATUS.search(str(error))
    told = code[1] if code else kind
    is_refusal = told in _REFUSALS or (status is not None and status[1] in {"401", "403", "404"})
    if is_refusal or kind == "AuthenticationException":
        message = f"{where}: {name!r} is refused ({told}); check `path` and `storage_options`"
        return SourceError(f"{message}, or ask for the right to list and to read")
    return TransientSourceError(f"{where}: {name!r} can't be reached or read just now ({told})")


def _refusal(info: Mapping[str, Any]) -> str | None:
    if info["type"] == "link" or info.get("islink"):
        return _A_LINK
    mode = info.get("mode")
    if (
        isinstance(mode, int)
        and stat.S_IFMT(mode)
        and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    ):
        return _NO_FILE
    return None if info["type"] in {"file", "directory"} else _NO_FILE


def _seconds(moment: object) -> float | None:
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment) if isinstance(moment, int | float) else None
