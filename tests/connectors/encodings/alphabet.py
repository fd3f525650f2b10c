"""The Vietnamese alphabet, and how old programs wrote it."""

from __future__ import annotations

import unicodedata

TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
VOWELS = "aăâeêioôơuưy"
SMALL = "".join(unicodedata.normalize("NFC", v + tone) for v in VOWELS for tone in TONES) + "đ"
ALPHABET = SMALL + SMALL.upper()
TEXT = (
    "Số hồ sơ;Trạng thái;Nơi tiếp nhận\n"
    "HS-1;Đã tiếp nhận;Phường Bến Nghé\n"
    "HS-2;Đang xử lý;Xã Quỳnh Lưu, huyện Yên Thành\n"
    "HS-3;ĐÃ TRẢ KẾT QUẢ;Ủy ban nhân dân xã Nghĩa Đàn\n"
)


def cp1258(text: str) -> bytes:
    """As Windows writes it: the vowel with its first accent, the tone as a mark behind it."""
    pieces = []
    for char in unicodedata.normalize("NFC", text):
        letters = unicodedata.normalize("NFD", char)
        tone = "".join(c for c in letters if c in TONES[1:] and len(letters) > 1)
        rest = unicodedata.normalize("NFC", "".join(c for c in letters if c not in tone))
        pieces.append(rest + tone)
    return "".join(pieces).encode("cp1258")


def encoded(text: str, encoding: str) -> bytes:
    return cp1258(text) if encoding == "cp1258" else text.encode(encoding)
