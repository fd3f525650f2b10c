"""From the names that a store found to the files of a stream: unpacked, fetched, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from connectors.files.archives import Chooser, Packing, of_tar, of_zip, packing
from connectors.files.errors import os_error
from connectors.files.formats.protocol import ENDINGS
from connectors.files.source_file import PIECE_BYTES, SourceFile
from connectors.files.spool import Spool
from connectors.files.store import Store, StoredFile
from connectors.files.unpacking import Budget, unpacked
from connectors.registry import FilesStream
from schemas.errors import SourceError

_READ_ENDINGS = (*ENDINGS, ".csv", ".txt")


@dataclass(kw_only=True)
class Gathering:
    """Gathers the files of one read.

    Attributes:
        store: Where they lie.
        spool: Where the content of what is packed or far away is kept.
        stream: The stream's options.
        where: Beginning of every error.
        seen: Hashes of contents that nobody will read, or that came already: what has one of them
            isn't kept, and its file can't be opened.
        notes: Sentences worth a person's attention, once the files are gathered.
    """

    store: Store
    spool: Spool
    stream: FilesStream
    where: str
    seen: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def files(self, names: Sequence[str]) -> Iterator[SourceFile]:
        """The files of the stream: in the order of the names, members in that of their archive.

        A file of a folder is read in place, and once for its hash. The content of any other is
        kept, and is the same to its last byte whatever becomes of the file.

        Raises:
            SourceError: One may not be read, is empty, or is an archive that isn't unpacked.
            TransientSourceError: One changed meanwhile, or can't be fetched just now.
        """
        for name in names:
            place = f"{self.where}: {name!r}"
            packed = packing(name, place=place)
            stored = self.store.get(name, where=self.where)
            _raise_if_empty(stored.size, place)
            try:
                if packed is not None:
                    yield from self._unpacked(stored, packed, place)
                elif stored.is_near:
                    yield self._in_place(stored)
                else:
                    yield self._kept(name, stored.pieces(), place)
            except OSError as error:
                raise os_error(self.where, name, error) from None
            stored.raise_if_changed(self.where)

    def _in_place(self, stored: StoredFile) -> SourceFile:
        digest = hashlib.sha256()
        for piece in stored.pieces():
            digest.update(piece)
        stored.raise_if_changed(self.where)
        return SourceFile(
            name=stored.name, hash=digest.hexdigest(), size=stored.size, open=stored.open,
            raise_if_changed=stored.raise_if_changed,
        )  # fmt: skip

    def _kept(self, name: str, pieces: Iterator[bytes], place: str) -> SourceFile:
        kept = self.spool.keep(pieces, place=place)
        _raise_if_empty(kept.size, place)
        if kept.hash in self.seen:
            self.spool.forget(kept)
        self.seen.add(kept.hash)
        return SourceFile(
            name=name, hash=kept.hash, size=kept.size, open=partial(self.spool.open, kept),
            raise_if_changed=_never,
        )  # fmt: skip

    def _unpacked(self, stored: StoredFile, packed: Packing, place: str) -> Iterator[SourceFile]:
        with ExitStack() as stack:
            stream = stack.enter_context(closing(self._opened(stored, place, stack)))
            budget = Budget(stored.size, room=self.spool.room, place=place)
            if packed.archive is None:
                pieces = unpacked(stream, packed.compression or "", place=place)
                yield self._kept(stored.name, budget.counted(pieces), place)
                return
            endings = () if self.stream.format else _READ_ENDINGS
            chooser = Chooser(self.stream.member_patterns, endings, place=place)
            for name, pieces in _members(stream, packed, chooser, budget, place=place):
                member = f"{stored.name}!{name}"
                yield self._kept(member, pieces, f"{self.where}: {member!r}")
            if (told := chooser.told()) is not None:
                self.notes.append(f"{stored.name}: {told}")

    def _opened(self, stored: StoredFile, place: str, stack: ExitStack) -> BinaryIO:
        """A packed file as a stream that can seek; one from far away is fetched first."""
        if stored.is_near:
            return stored.open()
        fetched = Spool(self.spool.room)
        stack.callback(fetched.close)
        return fetched.open(fetched.keep(stored.pieces(), place=place))


def _members(
    stream: BinaryIO, packed: Packing, chooser: Chooser, budget: Budget, *, place: str
) -> Iterator[tuple[str, Iterator[bytes]]]:
    if packed.archive == "zip":
        return of_zip(stream, chooser, budget, place=place)
    pieces = iter(partial(stream.read, PIECE_BYTES), b"")
    if packed.compression is not None:
        pieces = unpacked(stream, packed.compression, place=place)
    return of_tar(pieces, chooser, budget, place=place)


def _raise_if_empty(size: int, place: str) -> None:
    if not size:
        raise SourceError(f"{place} is empty; a file has at least its header line")


def _never(where: str) -> None:
    """What is kept can't change."""
    del where
