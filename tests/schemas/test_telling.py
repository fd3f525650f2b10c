"""What may be told of a value: codes, dates and small numbers; never what may name somebody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keys import key_parts, key_text
from schemas.telling import is_plain, like, told

PLAIN = (
    "1", "04", "HS-1", "A12", "H41.15", "TTHC-001", "H41.15-240111-00012", "HS-2026-000123",
    "000.00.15.H41-240111-0001", "1.001193", "2026-03-02", "02/03/2026", "20260302101112",
    "20260302", "2026-03-02 10:11:12", "2026-03-02T10:11:12.5+07:00", "31/02/2026 7:00", "1500000",
    "1.500.000", "-12,5", "true", "False", "", "  ", "550e8400-e29b-41d4-a716-446655440000",
)  # fmt: skip
NAMING = (
    "Nguyễn Văn An", "NGUYEN VAN AN", "nguyenvanan", "NguyenVanAn1990", "An", "Huy", "chờ duyệt",
    "040099012345", "0400 9901 2345", "123456789", "0912345678", "0912.345.678", "0912-345-678",
    "+84912345678", "an@tinh.gov.vn", "B1234567", "19345678901234", "CCCD040099012345",
    "HS-040099012345", "12 Quang Trung", "Nguyễn-1", "SDT0912345678",
)  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_a_code_a_date_and_a_small_number_are_told(text: str) -> None:
    assert is_plain(text)
    assert told(text) == text


@pytest.mark.parametrize("text", NAMING)
def test_what_may_name_somebody_is_told_as_its_shape(text: str) -> None:
    assert not is_plain(text)
    assert told(text) == like(text)
    assert text not in told(text)


def test_a_known_code_is_told_however_it_is_written() -> None:
    assert told("Đang Xử  lý", known={"đang xử lý"}) == "Đang Xử  lý"
    assert told("Đang Xử  lý", known={"khác"}) == "(like Aaaa Aa  aa)"


def test_a_code_made_of_somebodys_number_is_not_told() -> None:
    assert is_plain("B-1234-X", ["999888777"])
    assert not is_plain("B-1234-X", ["b-1234-x"])
    assert not is_plain("HS-12345", ["12345"])
    assert not is_plain("12345", ["040012345678"])
    assert is_plain("123", ["040012345678"])  # three digits are nobody's


NAMES = st.text("abcdefghiklmnopqrstuvxyăâđêôơưáàảãạ", min_size=1, max_size=8).map(str.title)


@given(st.lists(NAMES, min_size=2, max_size=4).map(" ".join))
def test_words_side_by_side_are_never_told(name: str) -> None:
    assert told(name) == like(name)


@given(st.integers(min_value=10**8, max_value=10**12 - 1), st.sampled_from(["", " ", ".", "-"]))
def test_a_number_as_long_as_a_persons_is_never_told(number: int, separator: str) -> None:
    digits = str(number)
    text = separator.join(digits[n : n + 3] for n in range(0, len(digits), 3))
    assert told(text) == like(text)


@given(st.lists(st.text(max_size=5).filter(lambda one: one.strip()), min_size=1, max_size=3))
def test_a_key_comes_apart_into_what_it_was_made_of(parts: list[str]) -> None:
    import polars as pl

    frame = pl.DataFrame({str(n): [part] for n, part in enumerate(parts)})
    text = frame.select(key_text([pl.col(name) for name in frame.columns])).item()
    expected = [frame[name].str.strip_chars()[0] for name in frame.columns]
    if text is not None:
        assert key_parts(text) == expected
