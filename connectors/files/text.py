"""From the bytes of a file to UTF-8: its encoding, its text in bounded chunks.

What can't be decoded is never replaced in silence: in a file of UTF-8 the bytes stay as they are,
in any other encoding they become lone surrogates (U+DC00 + byte). Neither is valid UTF-8, so the
reader finds the records they stand in.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from connectors.encodings.proposing import proposals
from connectors.files.errors import os_error
from connectors.files.evidence import SeenHeader, advice
from connectors.files.source_file import SourceFile
from schemas.errors import SourceError

CHUNK_BYTES = 8 * 1024 * 1024
RAW_BYTES = 2048
_SNIFFED_BYTES = 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-16", "utf-32")
_UNDECODED = re.compile(rb"\xed([\xb0-\xb3])([\x80-\xbf])")


def _keep_undecoded(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error("lienthong-keep", _keep_undecoded)


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """The text of one file.

    Attributes:
        file: Where its bytes come from.
        encoding: Python codec.
        has_mark: It begins with a byte order mark.
    """

    file: SourceFile
    encoding: str
    has_mark: bool

    def chunks(self, where: str) -> Iterator[bytes]:
        """The text in UTF-8, without the byte order mark, in pieces cut anywhere."""
        decoder = None
        if self.encoding != "utf-8":
            decoder = codecs.getincrementaldecoder(self.encoding)("lienthong-keep")
        left = self.file.size  # what was appended since it was found is not read
        try:
            with self.file.open() as stream:
                if self.has_mark and decoder is None:
                    left -= len(stream.read(len(codecs.BOM_UTF8)))
                while left > 0 and (chunk := stream.read(min(left, CHUNK_BYTES))):
                    left -= len(chunk)
                    yield chunk if decoder is None else _utf8(decoder.decode(chunk))
        except OSError as error:
            raise os_error(where, self.file.name, error) from None
        except UnicodeError:
            message = f"{where}: {self.file.name!r} isn't {self.encoding}: its decoder gave up"
            raise SourceError(message) from None
        if decoder is not None:
            yield _utf8(decoder.decode(b"", final=True))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def scan(
    file: SourceFile, *, encoding: str | None, where: str, header: SeenHeader | None = None
) -> TextFile:
    """Finds the encoding of a file: its mark, else as stated, else UTF-8, which is proved.

    Args:
        file: The file.
        encoding: As stated, or None.
        where: Beginning of every error.
        header: Finds the cells of the header, as evidence for the encoding that is proposed.

    Raises:
        SourceError: It holds no text, isn't UTF-8 while no encoding is stated (an encoding is
            proposed), or may not be read.
    """
    name = file.name
    try:
        with file.open() as stream:
            first = stream.read(_SNIFFED_BYTES)
            found, has_mark = _encoding(first, encoding)
            if not found.startswith(_WIDE) and b"\0" in first:
                if encoding is None and proposals(first):
                    raise _no_utf8(where, name, advice(first, beginning=first, header=header))
                message = f"{where}: {name!r} holds no text (a zero byte in the first MiB)"
                raise SourceError(message)
            if not (encoding or has_mark):
                proof = _Utf8Proof()
                chunk = first
                while proof.take(chunk, final=not chunk) and chunk:
                    chunk = stream.read(_SNIFFED_BYTES)
                if proof.is_refuted:
                    sample = first if chunk.isascii() or not first.isascii() else chunk
                    said = advice(sample, beginning=first, header=header)
                    raise _no_utf8(where, name, said)
    except OSError as error:
        raise os_error(where, name, error) from None
    return TextFile(file=file, encoding=found, has_mark=has_mark)


def marked(first: bytes) -> str | None:
    """The encoding whose byte order mark a text begins with, or None."""
    return next((codec for mark, codec in _MARKS if first.startswith(mark)), None)


def _encoding(first: bytes, stated: str | None) -> tuple[str, bool]:
    found = marked(first)
    if found is not None:
        return found, True
    if stated is None or codecs.lookup(stated).name in {"utf-8", "utf-8-sig"}:
        return "utf-8", False
    return stated, False


class _Utf8Proof:
    """Proves piece by piece that a file is UTF-8."""

    def __init__(self) -> None:
        self.is_refuted = False
        self._pending = b""

    def take(self, chunk: bytes, *, final: bool) -> bool:
        """Whether it still may be UTF-8; a character that a piece cuts waits for the next one."""
        text = self._pending + chunk
        self._pending = b""
        if not text.isascii():
            whole = len(text) if final else _before_cut_character(text)
            self.is_refuted = not _is_utf8(text, whole)
            self._pending = text[whole:]
        return not self.is_refuted


def _before_cut_character(text: bytes) -> int:
    """Length of the text without a character whose last bytes aren't there yet."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte >= 0xC0:  # a first byte: of 2, 3 or 4
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(text) - back if length > back else len(text)
        if byte < 0x80:
            break
    return len(text)


def _is_utf8(text: bytes, size: int) -> bool:
    offsets = pa.py_buffer(struct.pack("<qq", 0, size))
    value = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(text)])
    try:
        value.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _no_utf8(where: str, name: str, said: str) -> SourceError:
    return SourceError(f"{where}: {name!r} isn't UTF-8; {said}")


def shown(raw: bytes) -> str:
    r"""The beginning of a record for people, at most 2 KiB; what isn't text as \xNN."""
    cut = _UNDECODED.sub(_escaped, raw[: RAW_BYTES + 2])[:RAW_BYTES]
    return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(cut)


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % ((match[1][0] - 0xB0) << 6 | (match[2][0] - 0x80))
