"""TCVN3, TCVN 5712, VISCII and VNI as Python codecs.

What is decoded may hold combining marks, as cp1258 does too; it is the same text in Unicode form
NFC. Sources of the tables: TCVN 5712:1993 (VN1, VN2, VN3), RFC 1456 (VISCII), and for VNI the
table that its keyboard programs share. glibc's iconv has the first and the second; a test compares.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Table = Mapping[int, str]

_UNDEFINED = "\N{REPLACEMENT CHARACTER}"

# The upper half of TCVN 5712 from A0. VN3 (what the fonts of the ABC program show) is its small
# letters, its capitals without a tone, and the five tones; VN2 has the capitals of two accents too.
_TCVN_A0 = (
    "\u00a0ĂÂÊÔƠƯĐăâêôơưđẰ"
    "\u0300\u0309\u0303\u0301\u0323àảãáạẲằẳẵắẴ"
    "ẮẦẨẪẤỀặầẩẫấậèỂẻẽ"
    "éẹềểễếệìỉỄẾỒĩíịò"
    "Ổỏõóọồổỗốộờởỡớợù"
    "ỖủũúụừửữứựỳỷỹýỵỐ"
)
# What VN1 has beyond that, in places of control characters.
_VN1_80 = "ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ"
_VN1_LOW = dict(
    zip(b"\x01\x02\x04\x05\x06\x11\x12\x13\x14\x15\x16\x17", "ÚỤỪỬỮỨỰỲỶỸÝỴ", strict=True)
)

_VISCII_80 = (
    "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐ"
    "ỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲ"
    "Õắằặấầẩậẽẹếềểễệố"
    "ồổỗỠƠộờởịỰỨỪỬơớƯ"
    "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳ"
    "ĐứÒÓÔạỷừửÙÚỹỵÝỡư"
    "àáâãảăữẫèéêẻìíĩỉ"
    "đựòóôõỏọụùúũủýợỮ"
)
_VISCII_LOW = dict(zip(b"\x02\x05\x06\x14\x19\x1e", "ẲẴẪỶỸỴ", strict=True))

# VNI writes an accent behind its vowel, in the place of a letter of Windows' Western code page.
_TONES = ("\u0301", "\u0300", "\u0309", "\u0303", "\u0323")
_VNI_MARKS = {
    **dict(zip("ùøûõï", _TONES, strict=True)),
    **dict(zip("âáàåãä", ("\u0302", *(f"\u0302{tone}" for tone in _TONES)), strict=True)),
    **dict(zip("êéèúüë", ("\u0306", *(f"\u0306{tone}" for tone in _TONES)), strict=True)),
}
_VNI_LETTERS = dict(zip("ôöíìæóòîñ", "ơưíìỉĩịỵđ", strict=True))


def _western(codes: range) -> dict[int, str]:
    """Windows' Western code page: the signs that every program puts beside the letters."""
    pairs = ((code, bytes([code]).decode("cp1252", "replace")) for code in codes)
    return {code: char for code, char in pairs if char != _UNDEFINED}


def _vni() -> dict[int, str]:
    table = {**_ASCII, **_western(range(0x80, 0xC0))}
    for small, text in {**_VNI_MARKS, **_VNI_LETTERS}.items():
        table[ord(small)] = text
        table[ord(small.upper())] = text.upper()
    return table


_ASCII = {code: chr(code) for code in range(0x80)}

CODECS: Mapping[str, Table] = {
    "tcvn3": {
        **_ASCII,
        **_western(range(0x80, 0xA0)),
        **dict(enumerate(_TCVN_A0, 0xA0)),
    },
    "tcvn5712": {
        **_ASCII,
        **_VN1_LOW,
        **dict(enumerate(_VN1_80, 0x80)),
        **dict(enumerate(_TCVN_A0, 0xA0)),
    },
    "viscii": {**_ASCII, **_VISCII_LOW, **dict(enumerate(_VISCII_80, 0x80))},
    "vni": _vni(),
}
"""Name: byte to text. `tcvn3` is what Windows programs with ABC fonts write."""

_ALIASES = {
    "abc": "tcvn3",
    "tcvn_3": "tcvn3",
    "tcvn": "tcvn5712",
    "tcvn_5712": "tcvn5712",
    "tcvn5712_1": "tcvn5712",
    "vni_windows": "vni",
    "vni_win": "vni",
}


def search(name: str) -> codecs.CodecInfo | None:
    """The codec of that name, for `codecs.register`."""
    known = _ALIASES.get(name, name)
    return _info(known) if known in CODECS else None


@lru_cache
def _info(name: str) -> codecs.CodecInfo:
    codes = _codes(CODECS[name])
    table = _decoding(CODECS[name])

    def decode(data: ReadableBuffer, errors: str = "strict") -> tuple[str, int]:
        return codecs.charmap_decode(data, errors, table)

    def encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
        return _encoded(name, text, errors, codes), len(text)

    class Decoder(codecs.IncrementalDecoder):
        def decode(self, data: ReadableBuffer, final: bool = False) -> str:
            del final  # every byte stands for itself
            return codecs.charmap_decode(data, self.errors, table)[0]

    class Encoder(codecs.IncrementalEncoder):
        def encode(self, text: str, final: bool = False) -> bytes:
            del final
            return _encoded(name, text, self.errors, codes)

    class Reader(codecs.StreamReader):
        def decode(self, data: bytes, errors: str = "strict") -> tuple[str, int]:
            return codecs.charmap_decode(data, errors, table)

    class Writer(codecs.StreamWriter):
        def encode(self, text: str, errors: str = "strict") -> tuple[bytes, int]:
            return _encoded(name, text, errors, codes), len(text)

    return codecs.CodecInfo(
        name=name, encode=encode, decode=decode, incrementalencoder=Encoder,
        incrementaldecoder=Decoder, streamreader=Reader, streamwriter=Writer,
    )  # fmt: skip


def _decoding(table: Table) -> str | dict[int, str]:
    """The table as Python decodes fastest: a string, where every byte is one character."""
    if any(len(text) > 1 for text in table.values()):
        return dict(table)
    return "".join(table.get(code, "\ufffe") for code in range(0x100))


def _codes(table: Table) -> dict[str, bytes]:
    """Text to byte; accents in canonical order, as they stand in decomposed text."""
    codes: dict[str, bytes] = {}
    for code, text in table.items():
        codes.setdefault(unicodedata.normalize("NFD", text), bytes([code]))
    return codes


def _encoded(name: str, text: str, errors: str, codes: Mapping[str, bytes]) -> bytes:
    """The text; a letter without a code of its own is its vowel with the accents behind it."""
    pieces: list[bytes] = []
    composed = unicodedata.normalize("NFC", text)
    for place, char in enumerate(composed):
        piece = _piece(unicodedata.normalize("NFD", char), codes)
        if piece is None:
            error = UnicodeEncodeError(name, composed, place, place + 1, "it has no such letter")
            instead, _ = codecs.lookup_error(errors)(error)
            piece = instead if isinstance(instead, bytes) else instead.encode("ascii")
        pieces.append(piece)
    return b"".join(pieces)


def _piece(char: str, codes: Mapping[str, bytes]) -> bytes | None:
    """The bytes of one decomposed letter, or None."""
    if char in codes:
        return codes[char]
    letter, marks = char[0], char[1:]
    ways = [(letter, marks), *((letter + marks.replace(mark, ""), mark) for mark in marks)]
    return next((codes[a] + codes[b] for a, b in ways if a in codes and b in codes), None)
