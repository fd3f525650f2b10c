"""Streams out of compressed ones, in bounded pieces."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from schemas.errors import SourceError

PIECE_BYTES = 1024 * 1024
MOST_RATIO = 200  # unpacked bytes to packed ones; text packs 5 to 50 times, a bomb 1,000
HARMLESS_BYTES = 64 * 1024 * 1024  # so much may come out of anything
_LZMA_MEMORY = 256 * 1024 * 1024  # of one decoder: what the strongest setting of xz needs, twice


class Budget:
    """What may come out of one packed file.

    Args:
        packed: Its size in bytes.
        room: Most bytes that there is room for.
        place: The file, for errors.
    """

    def __init__(self, packed: int, *, room: int, place: str) -> None:
        self._most = max(HARMLESS_BYTES, packed * MOST_RATIO)
        self._room = room
        self._place = place
        self._taken = 0

    def take(self, size: int) -> None:
        """Counts bytes that came out.

        Raises:
            SourceError: They are more than any honest file holds, or than there is room for.
        """
        self._taken += size
        if self._taken > self._most:
            message = (
                f"{self._place} unpacks to more than {MOST_RATIO} times its size, as an archive "
                "bomb does; it isn't read"
            )
            raise SourceError(message)
        if self._taken > self._room:
            message = (
                f"{self._place} unpacks to more than the {self._room // PIECE_BYTES} MiB that "
                "`max_temp_bytes` leaves for it"
            )
            raise SourceError(message)

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces, each counted."""
        for piece in pieces:
            self.take(len(piece))
            yield piece


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decoder with the manners of the two others."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        piece = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        self.needs_input = not self._decoder.unconsumed_tail and len(piece) < max_length
        return piece


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    ".gz": _Gzip,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY),
}
COMPRESSED = tuple(_DECODERS)


def unpacked(stream: BinaryIO, ending: str, *, place: str) -> Iterator[bytes]:
    """What a stream compressed by gzip, bzip2 or xz holds, in pieces of at most 1 MiB.

    Several compressed streams one behind the other are one text, as for `zcat`.

    Args:
        stream: The compressed bytes.
        ending: One of `COMPRESSED`.
        place: The file, for errors.

    Raises:
        SourceError: It isn't what its ending says, or is cut off.
        OSError: It can't be read.
    """
    decoder, pending = _DECODERS[ending](), b""
    while True:
        if decoder.needs_input and not pending:
            pending = stream.read(PIECE_BYTES)
            if not pending:
                raise SourceError(f"{place} is cut off: the end of its {ending} isn't there")
        try:
            piece = decoder.decompress(pending, PIECE_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, ValueError, MemoryError):
            message = f"{place} is broken, or isn't what its ending {ending} says"
            raise SourceError(message) from None
        if piece:
            yield piece
        pending = b""
        if decoder.eof:
            pending = _beyond(decoder.unused_data, stream)
            if not pending:
                return
            decoder = _DECODERS[ending]()


def _beyond(rest: bytes, stream: BinaryIO) -> bytes:
    """What follows a compressed stream, without the zeros that tapes are filled up with."""
    rest = rest.lstrip(b"\0")
    while not rest and (more := stream.read(PIECE_BYTES)):
        rest = more.lstrip(b"\0")
    return rest
