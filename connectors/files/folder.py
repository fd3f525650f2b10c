"""Which files of a folder are a stream's."""

from __future__ import annotations

import fnmatch
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.errors import SourceError, TransientSourceError

_TEMPORARY = (".", "~$")  # hidden files, and the locks that office programs leave


def find(folder: Path, patterns: Sequence[str], *, where: str) -> list[str]:
    """The files that match one of the globs, as paths below `folder`, sorted.

    Case and Unicode form of names are ignored, as the systems do that the files come from.

    Raises:
        SourceError: The folder isn't there, may not be read, or a link leads out of it.
    """
    depth = None if any("/" in pattern or "**" in pattern for pattern in patterns) else 1
    wanted = [_folded(pattern).split("/") for pattern in patterns]
    found = [
        name
        for name in _walk(folder, folder, depth=depth, where=where)
        if any(_matches(_folded(name).split("/"), pattern) for pattern in wanted)
    ]
    inside = folder.resolve()
    for name in found:
        if not (folder / name).resolve().is_relative_to(inside):
            message = f"{where}: {name!r} is a link that leads out of the folder; copy the file in"
            raise SourceError(message)
    return sorted(found)


def _walk(top: Path, folder: Path, *, depth: int | None, where: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise os_error(where, _below(top, folder) or folder.name, error) from None
    for entry in listed:
        if entry.name.startswith(_TEMPORARY):
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if depth is None:
                yield from _walk(top, path, depth=depth, where=where)
        elif entry.is_file():
            yield _below(top, path)


def _below(top: Path, path: Path) -> str:
    name = path.relative_to(top).as_posix()
    return "" if name == "." else name


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    if not parts:
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def os_error(where: str, name: str, error: OSError) -> SourceError:
    """Our error for one of the operating system's."""
    if isinstance(error, PermissionError):
        sentence = "may not be read; give the user that runs this the permission"
    elif isinstance(error, FileNotFoundError):
        sentence = "isn't there; check `path`"
    elif isinstance(error, NotADirectoryError):
        sentence = "is no folder; `path` names the folder and `files` what is in it"
    else:
        return TransientSourceError(f"{where}: {name!r} can't be read ({error.strerror})")
    return SourceError(f"{where}: {name!r} {sentence}")
