"""Which names a glob means, and the walk through a tree of folders that finds them."""

from __future__ import annotations

import fnmatch
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.errors import SourceError

MOST_ENTRIES = 200_000  # listed in one search
_TEMPORARY = (".", "~$")  # hidden files, and the locks that office programs leave
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp")  # uploads under way


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name in a folder.

    Attributes:
        name: The name alone.
        kind: What it is; of a link, what it leads to.
        refusal: Why it isn't read although it is there (behind its name in an error), or None.
    """

    name: str
    kind: Literal["file", "folder"]
    refusal: str | None = None


def found(
    listed: Callable[[str], Iterable[Entry]], patterns: Sequence[str], *, where: str
) -> list[str]:
    """The files of a tree that match one of the globs, as paths, sorted.

    Case and Unicode form of names are ignored, as the systems do that the files come from. Only
    folders that can hold a match are listed.

    Args:
        listed: Gives the entries of a folder; "" is the top.
        patterns: The globs.
        where: Beginning of every error.

    Raises:
        SourceError: A match is refused, or there are more entries than anybody means.
    """
    wanted = [_parts(pattern) for pattern in patterns]
    names: list[str] = []
    folders, seen = [""], 0
    while folders:
        folder = folders.pop()
        for entry in listed(folder):
            seen += 1
            if seen > MOST_ENTRIES:
                message = f"{where}: more than {MOST_ENTRIES} entries to look through; `files` asks"
                raise SourceError(f"{message} for too much of the tree, or `path` starts too high")
            if is_passed_over(entry.name):
                continue
            name = f"{folder}/{entry.name}" if folder else entry.name
            parts = _parts(name)
            matches = _matches if entry.kind == "file" else _may_hold
            if not any(matches(parts, pattern) for pattern in wanted):
                continue
            if not _is_text(entry.name):
                shown = name.encode("utf-8", "replace").decode()
                raise SourceError(f"{where}: {shown!r} has a name that isn't UTF-8; rename it")
            if entry.refusal is not None:
                raise SourceError(f"{where}: {name!r} {entry.refusal}")
            (names if entry.kind == "file" else folders).append(name)
    return sorted(names)


def _is_text(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)


def is_passed_over(name: str) -> bool:
    """Hidden, a lock of an office program, or an upload under way by its name."""
    return name.startswith(_TEMPORARY) or name.casefold().endswith(_UNFINISHED)


def matches_member(name: str, patterns: Sequence[str]) -> bool:
    """Whether a path in an archive matches; a glob without a slash means the name alone."""
    parts = _parts(name)
    return any(
        _matches(parts if len(pattern) > 1 else parts[-1:], pattern)
        for pattern in map(_parts, patterns)
    )


def _parts(name: str) -> list[str]:
    return unicodedata.normalize("NFC", name).casefold().split("/")


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    if not parts:
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _may_hold(folder: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a match can lie below a folder."""
    if not folder or not pattern:
        return bool(pattern)
    if pattern[0] == "**":
        return True
    return fnmatch.fnmatchcase(folder[0], pattern[0]) and _may_hold(folder[1:], pattern[1:])
