"""TCVN3, TCVN 5712, VISCII and VNI: every letter there and back."""

from __future__ import annotations

import codecs
import io
import shutil
import subprocess
import unicodedata

import pytest
from pydantic import ValidationError

from connectors.encodings import CODECS
from connectors.registry import FilesStream
from tests.conftest import needs_service
from tests.connectors.encodings.alphabet import ALPHABET, SMALL, TEXT

NAMES = sorted(CODECS)


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def test_the_alphabet_is_whole() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 146
    assert all(len(unicodedata.normalize("NFD", char)) <= 3 for char in ALPHABET)


@pytest.mark.parametrize("name", NAMES)
def test_every_letter_comes_back(name: str) -> None:
    for char in ALPHABET:
        assert composed(char.encode(name).decode(name)) == char
    assert composed(ALPHABET.encode(name).decode(name)) == ALPHABET


@pytest.mark.parametrize("name", NAMES)
def test_a_text_comes_back_however_its_bytes_are_cut(name: str) -> None:
    raw = TEXT.encode(name)
    for size in (1, 2, 7):
        decoder = codecs.getincrementaldecoder(name)()
        pieces = [decoder.decode(raw[at : at + size]) for at in range(0, len(raw), size)]
        assert composed("".join(pieces) + decoder.decode(b"", True)) == TEXT
    assert composed(codecs.getreader(name)(io.BytesIO(raw)).read()) == TEXT
    encoder = codecs.getincrementalencoder(name)()
    assert b"".join(encoder.encode(char) for char in TEXT) == raw


@pytest.mark.parametrize("name", NAMES)
def test_decomposed_text_has_the_same_bytes(name: str) -> None:
    assert unicodedata.normalize("NFD", TEXT).encode(name) == TEXT.encode(name)


@pytest.mark.parametrize("name", NAMES)
def test_ascii_and_the_ends_of_lines_are_themselves(name: str) -> None:
    plain = "\t\n\r" + "".join(map(chr, range(0x20, 0x7F)))
    assert plain.encode(name) == plain.encode("ascii")
    assert plain.encode("ascii").decode(name) == plain


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        # What a reader without the font sees, in the Western code page.
        ("tcvn3", "Céng hoµ x· héi chñ nghÜa ViÖt Nam", "Cộng hoà xã hội chủ nghĩa Việt Nam"),
        ("tcvn3", "§éc lËp - Tù do - H¹nh phóc", "Độc lập - Tự do - Hạnh phúc"),
        ("tcvn3", "“Sè hå s¬” – ngµy", "“Số hồ sơ” – ngày"),
        ("vni", "Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam", "Cộng hòa xã hội chủ nghĩa Việt Nam"),
        ("vni", "ÑOÄC LAÄP – Töï do – Haïnh phuùc", "ĐỘC LẬP – Tự do – Hạnh phúc"),
        ("viscii", "Vi®t Nam", "Việt Nam"),
    ],
)
def test_texts_of_the_old_fonts_are_read(name: str, raw: str, text: str) -> None:
    assert composed(raw.encode("cp1252").decode(name)) == text


def test_capitals_of_a_capital_font_arrive_small() -> None:
    # .VnTimeH draws 0xE5 (ồ) as a capital; no byte says so.
    assert b"H\xe5 S\xa5".decode("tcvn3") == "Hồ SƠ"
    assert "Ồ".encode("tcvn3") != "ồ".encode("tcvn3")


def test_small_letters_of_tcvn3_have_one_byte_each() -> None:
    assert all(len(char.encode("tcvn3")) == 1 for char in SMALL + "ĂÂĐÊÔƠƯ")


def test_a_byte_without_a_letter_is_an_error_and_can_be_kept() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"a\x81".decode("tcvn3")
    assert b"a\x81b".decode("tcvn3", "replace") == "a\ufffdb"
    with pytest.raises(UnicodeEncodeError, match="no such letter"):
        "水".encode("vni")
    assert "水".encode("vni", "replace") == b"?"


@pytest.mark.parametrize(("name", "theirs"), [("tcvn5712", "TCVN5712-1"), ("viscii", "VISCII")])
def test_the_tables_are_those_of_glibc(name: str, theirs: str) -> None:
    if shutil.which("iconv") is None:
        needs_service("iconv comes with glibc")
    raw = bytes(range(0x20, 0x7F)) + b" " + b" ".join(bytes([b]) for b in range(0x80, 0x100))
    done = subprocess.run(
        ["iconv", "-f", theirs, "-t", "UTF-8"], input=raw, capture_output=True, check=True
    )
    assert composed(raw.decode(name)) == composed(done.stdout.decode())


@pytest.mark.parametrize("name", ["TCVN3", "tcvn-3", "ABC", "VNI-Windows", "TCVN5712-1", "viscii"])
def test_a_stream_may_state_them_in_any_spelling(name: str) -> None:
    assert FilesStream(files="*.csv", encoding=name).encoding in CODECS


def test_a_misspelt_encoding_names_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean tcvn3"):
        FilesStream(files="*.csv", encoding="tcvn33")
