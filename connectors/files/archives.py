"""Files in archives: each member is a file of its own.

Nothing is ever unpacked to a path: a member's bytes go to a nameless temporary file. Its name is
only a name, and yet an archive with a name that leads out of it is refused whole, as is one with a
device, or a link that leads out: nobody who exports records makes such.
"""

from __future__ import annotations

import posixpath
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Self, cast

from connectors.files.forward import MOST_AT_ONCE, Forward, TooMuchAtOnceError
from connectors.files.matching import is_passed_over, matches_member
from connectors.files.unpacking import COMPRESSED, PIECE_BYTES, Budget
from schemas.errors import SourceError

MOST_MEMBERS = 10_000
_MOST_DIRECTORY_BYTES = 16 * 1024 * 1024  # of the list at the end of a ZIP
_MOST_GLOBAL_HEADS = 100
_SHOWN_ENDINGS = 5
_LOCKED = 0x1  # the flag of a member with a password
_TARS = {".tgz": ".gz", ".tbz2": ".bz2", ".tbz": ".bz2", ".txz": ".xz"}
_FOREIGN = (".7z", ".rar", ".zst", ".lz4", ".lzma", ".z", ".cab", ".arj", ".lzh")
_DRIVE = re.compile(r"^[A-Za-z]:")
_NOISE = ("__macosx", ".ds_store", "thumbs.db", "desktop.ini")


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How a file is packed, by the ending of its name.

    Attributes:
        archive: `zip`, `tar`, or None for one compressed file.
        compression: `.gz`, `.bz2`, `.xz`, or None.
    """

    archive: str | None
    compression: str | None = None


def packing(name: str, *, place: str) -> Packing | None:
    """How a file is packed, or None for one that isn't.

    Raises:
        SourceError: It is packed in a way that isn't read.
    """
    stem, ending = posixpath.splitext(name.casefold())
    if ending in _FOREIGN:
        raise SourceError(f"{place}: {ending} files aren't read; deliver it as .zip or .gz")
    if ending == ".zip":
        return Packing(archive="zip")
    if ending == ".tar":
        return Packing(archive="tar")
    if ending in _TARS:
        return Packing(archive="tar", compression=_TARS[ending])
    if ending not in COMPRESSED:
        return None
    inner = posixpath.splitext(stem)[1]
    if inner == ".tar":
        return Packing(archive="tar", compression=ending)
    if inner == ".zip" or inner in (*_TARS, *COMPRESSED, *_FOREIGN):
        raise SourceError(f"{place} is an archive in an archive; unpack the outer one")
    return Packing(archive=None, compression=ending)


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in an archive, as its list of contents has it."""

    name: str
    is_file: bool
    refusal: str | None = None


class Chooser:
    """Says of each member whether it is one of the stream's files.

    Args:
        patterns: The stream's `members:`; empty where it has none.
        endings: Endings of formats that are read, for then; empty: any.
        place: The archive, for errors.
    """

    def __init__(self, patterns: Sequence[str], endings: Sequence[str], *, place: str) -> None:
        self._patterns = patterns
        self._endings = tuple(endings)
        self._place = place
        self._names: set[str] = set()
        self._passed: list[str] = []
        self._chosen = 0

    def takes(self, member: Member) -> bool:
        """Whether it is read.

        Raises:
            SourceError: The archive is out of bounds, or the member is nothing to be read.
        """
        name = self._checked(member.name)
        if member.refusal is not None and not self._is_wanted(name):
            return False
        if member.refusal is not None:
            raise SourceError(f"{self._place}: {name!r} in it {member.refusal}")
        if not member.is_file:
            return False
        if not self._is_wanted(name):
            self._passed.append(name)
            return False
        if packing(name, place=f"{self._place}: {name!r} in it") is not None:
            message = f"{self._place}: {name!r} in it is an archive itself; unpack the outer one"
            raise SourceError(message)
        self._chosen += 1
        return True

    def told(self) -> str | None:
        """A sentence on the files that were passed over, or None where there were none."""
        endings = {posixpath.splitext(name.casefold())[1] or "no ending" for name in self._passed}
        if not endings:
            return None
        shown = ", ".join(sorted(endings)[:_SHOWN_ENDINGS])
        return f"{len(self._passed)} of the files in it are passed over ({shown}): `members`"

    def raise_if_none(self) -> None:
        """Raises SourceError when no member was chosen."""
        if not self._chosen:
            asked = " or ".join(self._patterns) or f"*{', *'.join(self._endings)}"
            message = (
                f"{self._place}: none of the {len(self._names)} names in it is a file {asked}; "
                "say which with `members`"
            )
            raise SourceError(message)

    def _checked(self, name: str) -> str:
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in parts or "\0" in name:
            message = f"{self._place} holds {name[:80]!r}, a path outside of it; it isn't read"
            raise SourceError(message)
        clean = "/".join(part for part in parts if part not in {"", "."})
        if clean in self._names:
            raise SourceError(f"{self._place} holds {clean[:80]!r} twice; which one is true?")
        self._names.add(clean)
        if len(self._names) > MOST_MEMBERS:
            message = f"{self._place} holds more than {MOST_MEMBERS} files; it isn't read"
            raise SourceError(message)
        return clean

    def _is_wanted(self, name: str) -> bool:
        parts = name.split("/")
        if any(is_passed_over(part) or part.casefold() in _NOISE for part in parts):
            return False
        if self._patterns:
            return matches_member(name, self._patterns)
        ending = posixpath.splitext(name.casefold())[1]
        is_packed = ending in (".zip", ".tar", *_TARS, *COMPRESSED, *_FOREIGN)
        return is_packed or not self._endings or ending in self._endings


def of_zip(
    stream: BinaryIO, chooser: Chooser, budget: Budget, *, place: str
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The chosen members of a ZIP, with their content; each must be read before the next.

    Args:
        stream: The archive; must be able to seek.
        chooser: Says which members.
        budget: What may come out of it.
        place: The archive, for errors.

    Raises:
        SourceError: It is broken or out of bounds.
        OSError: It can't be read.
    """
    stated = _stated_members(stream, place)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) % 0x1_0000 != stated:
                raise SourceError(f"{place} is a broken ZIP archive: its list of members is cut")
            chosen = [info for info in members if chooser.takes(_zip_member(info))]
            chooser.raise_if_none()
            _raise_if_names_differ(archive, place)
            for info in chosen:
                yield info.filename, budget.counted(_of_one(archive, info, place))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError) as error:
        del error  # it may hold names
        raise SourceError(f"{place} is no ZIP archive, or a broken one") from None


def _raise_if_names_differ(archive: zipfile.ZipFile, place: str) -> None:
    """A member is passed over for its name; no sum protects that, but it stands there twice."""
    for info in archive.infolist():
        if not info.flag_bits & _LOCKED:
            try:
                archive.open(info).close()
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
                raise SourceError(f"{place} is a broken ZIP archive: {info.filename!r}") from None


def _of_one(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> Iterator[bytes]:
    try:
        with archive.open(info) as member:
            while piece := member.read(PIECE_BYTES):
                yield piece
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError):
        message = f"{place}: {info.filename!r} in it is broken, or packed in a way nobody can read"
        raise SourceError(message) from None


def _zip_member(info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode) if info.create_system == 3 else 0  # 3: made on Unix
    refusal = None
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        refusal = "is a link or a device, and no file"
    elif info.flag_bits & _LOCKED:
        refusal = "needs a password; deliver it without"
    return Member(name=info.filename, is_file=not info.is_dir(), refusal=refusal)


def _stated_members(stream: BinaryIO, place: str) -> int:
    """How many members the end of a ZIP states (its last 16 bits).

    Raises:
        SourceError: It is none, or its list would fill the memory: `zipfile` reads it whole.
    """
    size = stream.seek(0, 2)
    start = max(0, size - 66_000)
    stream.seek(start)
    tail = stream.read(size - start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(tail):
        raise SourceError(f"{place} is no ZIP archive, or a broken one")
    stated, length = struct.unpack_from("<HL", tail, at + 10)
    if at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":  # more than 65,535 members, or 4 GiB
        stream.seek(min(size, struct.unpack_from("<Q", tail, at - 12)[0]))
        record = stream.read(56)
        if len(record) == 56:
            stated, length = struct.unpack_from("<QQ", record, 32)
    if length > _MOST_DIRECTORY_BYTES:
        raise SourceError(f"{place} holds more than {MOST_MEMBERS} files; it isn't read")
    stream.seek(0)
    return int(stated) % 0x1_0000


def of_tar(
    pieces: Iterator[bytes], chooser: Chooser, budget: Budget, *, place: str
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The chosen members of a TAR, with their content; each must be read before the next.

    Args:
        pieces: The archive, no longer compressed.
        chooser: Says which members.
        budget: What may come out of it; what is passed over counts, too.
        place: The archive, for errors.

    Raises:
        SourceError: It is broken or out of bounds.
        OSError: It can't be read.
    """
    stream = Forward(budget.counted(pieces))
    try:
        with _Tar(fileobj=cast("BinaryIO", stream), tarinfo=_TarInfo, errors="replace") as archive:
            while (info := archive.next()) is not None:
                if chooser.takes(_tar_member(info, place)):
                    yield info.name, _of_member(archive, info, place)
                archive.forget()
    except (tarfile.TarError, ValueError, RecursionError, TooMuchAtOnceError) as error:
        del error  # it may hold names
        raise SourceError(f"{place} is no TAR archive, or a broken or cut one") from None
    chooser.raise_if_none()


class _TarInfo(tarfile.TarInfo):
    """The head of a member.

    `tarfile` takes a broken head in the middle for the end of the archive, and reads the map of a
    sparse file into memory, however long. Both are errors here.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the end, as it should be
                raise
            message = "a broken head"
            raise tarfile.ReadError(message) from None

    def _proc_sparse(self, archive: tarfile.TarFile) -> Self:
        del archive
        message = "a sparse file"
        raise tarfile.ReadError(message)

    def _proc_gnusparse_10(self, *_: object) -> None:
        message = "a sparse file"
        raise tarfile.ReadError(message)


class _Tar(tarfile.TarFile):
    """An archive that is gone through once."""

    members: list[tarfile.TarInfo]  # what `next` gave

    def forget(self) -> None:
        """Drops what is behind: heads can hold much, and there may be many."""
        self.members.clear()
        if len(self.pax_headers) > _MOST_GLOBAL_HEADS:
            message = "too many global heads"
            raise tarfile.ReadError(message)


def _of_member(archive: tarfile.TarFile, info: tarfile.TarInfo, place: str) -> Iterator[bytes]:
    member = archive.extractfile(info)
    left = info.size
    while member is not None and left > 0:
        try:
            piece = member.read(min(left, MOST_AT_ONCE))
        except tarfile.TarError:
            piece = b""
        if not piece:
            raise SourceError(f"{place} is cut off: the end of {info.name!r} isn't there")
        left -= len(piece)
        yield piece


def _tar_member(info: tarfile.TarInfo, place: str) -> Member:
    if info.issym() or info.islnk():
        # A symbolic link starts at its own folder, a hard one at the top of the archive.
        start = posixpath.dirname(info.name) if info.issym() else ""
        target = posixpath.normpath(posixpath.join(start, info.linkname))
        if target.startswith(("/", "..")) or _DRIVE.match(info.linkname):
            message = f"{place} holds {info.name[:80]!r}, a link that leads out; it isn't read"
            raise SourceError(message)
        return Member(name=info.name, is_file=False, refusal="is a link; pack the file itself")
    if info.isdev():
        raise SourceError(f"{place} holds {info.name[:80]!r}, a device or pipe; it isn't read")
    return Member(name=info.name, is_file=info.isfile())
