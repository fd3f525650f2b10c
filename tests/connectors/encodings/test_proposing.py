"""Which encoding a text is in, by its own words."""

from __future__ import annotations

import random

import pytest

from connectors.encodings.proposing import is_vietnamese, proposals
from tests.connectors.encodings.alphabet import TEXT, encoded

ENCODINGS = ["cp1258", "tcvn3", "vni", "viscii", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoding_of_a_vietnamese_text_is_proposed(encoding: str) -> None:
    best, *others = proposals(encoded(TEXT, encoding))
    assert (best.encoding, best.share, best.is_certain) == (encoding, 1.0, True)
    assert all(one.share < 0.6 for one in others if one.encoding not in {"tcvn5712", "cp1252"})


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_single_short_header_is_enough(encoding: str) -> None:
    assert proposals(encoded(TEXT.split("\n")[0], encoding))[0].encoding == encoding


def test_western_text_isnt_taken_for_vietnamese() -> None:
    text = "Gemeente;Coördinatie;één müßte financiële café\n"
    best = proposals(text.encode("cp1252"))[0]
    assert (best.encoding, best.is_certain) == ("cp1252", True)


def test_utf8_with_a_few_broken_bytes_stays_utf8() -> None:
    assert proposals(TEXT.encode() * 3 + b"x\xff\n")[0].encoding == "utf-8"


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_never_certainly_vietnamese(seed: int) -> None:
    noise = bytes(random.Random(seed).choices(range(1, 256), k=20_000))
    assert [p for p in proposals(noise) if p.is_certain and p.encoding != "cp1252"] == []
    assert proposals(random.Random(seed).randbytes(20_000)) == ()


def test_words_of_the_language_are_known() -> None:
    words = "nghiêng quyết giếng gì khuỷu Nguyễn thuở UYỂN ưỡn hoàng quốc Đường khoèo rượu"
    assert [word for word in words.split() if not is_vietnamese(word)] == []


@pytest.mark.parametrize("word", ["hå", "sạ̀", "tiÕp", "phxường", "ngx", "straße", "café"])
def test_other_words_arent(word: str) -> None:
    assert not is_vietnamese(word)
