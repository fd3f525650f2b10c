"""Text columns in Unicode form NFC."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa

_SURE_BYTES = bytes([*range(0xC0), *range(0xC2, 0xC7), 0xE1])
_OTHER_E1 = re.compile(rb"\xe1[^\xb8-\xbb]")


def text_column(values: Sequence[str | None]) -> tuple[pa.Array, list[int]]:
    """Texts as a column in Unicode form NFC, and the rows whose text is none.

    Half of a surrogate pair, which JSON can write, is no text: such a value becomes null.
    """
    try:
        return composed(pa.array(values, pa.string())), []
    except UnicodeEncodeError:
        bad = [row for row, value in enumerate(values) if not _is_text(value)]
    kept = list(values)
    for row in bad:
        kept[row] = None
    return composed(pa.array(kept, pa.string())), bad


def _is_text(value: str | None) -> bool:
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def composed(column: pa.Array) -> pa.Array:
    """The text column in Unicode form NFC; itself where it is so already."""
    data = column.buffers()[2]
    if data is None:
        return column
    held = data.to_pybytes()
    if held.isascii() or is_surely_composed(held):
        return column
    if unicodedata.is_normalized("NFC", held.decode("utf-8", "ignore")):
        return column
    return pa.array([_nfc(value) for value in column.to_pylist()], pa.string())


def is_surely_composed(text: bytes) -> bool:
    """Only letters that are never changed by NFC: quicker than asking `unicodedata`.

    U+0080..U+01BF by their first byte, U+1E00..U+1EFF (Vietnamese) by their first two.
    """
    if text.translate(None, _SURE_BYTES):
        return False
    return not _OTHER_E1.search(text)


def _nfc(value: str | None) -> str | None:
    return None if value is None else unicodedata.normalize("NFC", value)
