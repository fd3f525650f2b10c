from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mapping.numbers import (
    FALSE_WORDS,
    MONEY,
    TRUE_WORDS,
    NumberMarks,
    read_booleans,
    read_integers,
    read_money,
    whole_text,
)

CENT = Decimal("0.01")
BIGGEST = Decimal("1e16")
AMOUNTS = st.decimals(
    min_value=-(10**16), max_value=10**16, allow_nan=False, allow_infinity=False, places=None
)
PLAIN = NumberMarks()


def rounded(value: Decimal) -> Decimal | None:
    """Half away from zero, at two decimals; None where decimal(18,2) has no room."""
    result = value.quantize(CENT, rounding=ROUND_HALF_UP)
    return result if abs(result) < BIGGEST else None


def money(values: list[object] | pl.Series, marks: NumberMarks = PLAIN) -> list[Decimal | None]:
    series = values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
    result = read_money(series, marks)
    assert result.dtype == MONEY
    return result.to_list()


@settings(deadline=None, max_examples=400)
@given(st.integers(-(10**18), 10**18), st.integers(0, 9))
def test_an_amount_is_rounded_half_away_from_zero_like_decimal(digits: int, places: int) -> None:
    value = Decimal(digits).scaleb(-places)
    assert money([f"{value:f}"]) == [rounded(value)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.125", "0.13"), ("-0.125", "-0.13"), ("0.1249999", "0.12"), ("1.005", "1.01"),
        ("0.00499999999999999999999999999999", "0.00"), ("0.005", "0.01"), ("-0.005", "-0.01"),
        ("9999999999999999.99", "9999999999999999.99"), (".5", "0.50"), ("5.", "5.00"),
        ("+7", "7.00"), ("1.5E+06", "1500000.00"), ("2e3", "2000.00"), ("000012", "12.00"),
    ],
)  # fmt: skip
def test_amounts_as_people_and_programs_write_them(text: str, expected: str) -> None:
    assert money([text]) == [Decimal(expected)]


@pytest.mark.parametrize(
    "text",
    [
        "9999999999999999.995", "1e16", "12 000", "12,5", "1.2.3", "12đ", "inf", "nan", "0x10",
        "1_000", "--1", "e5", ".", "١٢", "1e999",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_null(text: str) -> None:
    assert money([text]) == [None]


@pytest.mark.parametrize(
    ("marks", "text", "expected"),
    [
        (NumberMarks(thousands="."), "1.234.567", "1234567"),
        (NumberMarks(thousands="."), "1.234.567,5", "1234567.5"),
        (NumberMarks(thousands="."), "-12", "-12"),
        (NumberMarks(thousands=".", decimal=","), "12,50", "12.5"),
        (NumberMarks(thousands=","), "1,234.5", "1234.5"),
        (NumberMarks(thousands=" "), "1 234 567", "1234567"),
        (NumberMarks(thousands=" "), "1\u00a0234\u202f567", "1234567"),
        (NumberMarks(decimal=","), "1234,5", "1234.5"),
        (NumberMarks(thousands="'"), "1'234", "1234"),
    ],
)
def test_marks_say_how_numbers_are_grouped(marks: NumberMarks, text: str, expected: str) -> None:
    assert money([text], marks) == [Decimal(expected)]


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        (NumberMarks(thousands="."), "12.50"),  # a decimal point where points are said to group
        (NumberMarks(thousands="."), "1.2345.678"),
        (NumberMarks(thousands=","), "12,50"),
        (NumberMarks(decimal=","), "12.50"),
        (NumberMarks(thousands=" "), "12 50"),
    ],
)
def test_a_number_written_otherwise_is_not_guessed(marks: NumberMarks, text: str) -> None:
    assert money([text], marks) == [None]


@settings(deadline=None, max_examples=200)
@given(st.floats(-1e14, 1e14, allow_nan=False))
def test_a_float_is_rounded_as_it_is_written(value: float) -> None:
    assert money(pl.Series([value])) == [rounded(Decimal(repr(value)))]


@settings(deadline=None, max_examples=100)
@given(st.integers(-(10**17), 10**17), st.integers(0, 12))
def test_a_typed_decimal_is_rounded_the_same_way(digits: int, scale: int) -> None:
    value = Decimal(digits).scaleb(-scale)
    series = pl.Series([value], dtype=pl.Decimal(38, scale))
    assert money(series) == [rounded(value)]


def test_typed_integers_are_amounts_and_dates_are_not() -> None:
    assert money(pl.Series([5, None])) == [Decimal(5), None]
    assert money(pl.Series([10**17])) == [None]
    assert money(pl.Series([None], dtype=pl.Date)) == [None]


@settings(deadline=None, max_examples=150)
@given(st.integers(-(2**63), 2**63 - 1))
def test_every_integer_of_64_bits_is_read(value: int) -> None:
    assert read_integers(pl.Series([str(value)]), PLAIN).to_list() == [value]
    assert read_integers(pl.Series([value]), PLAIN).to_list() == [value]


@pytest.mark.parametrize("text", ["1.5", "1.0001", "x", "9223372036854775808", "1e400", "0x1"])
def test_an_integer_with_a_fraction_is_none_and_not_cut_off(text: str) -> None:
    assert read_integers(pl.Series([text]), PLAIN).to_list() == [None]


def test_an_integer_may_be_written_with_an_empty_fraction() -> None:
    assert read_integers(pl.Series(["2121.0", "7.", "+3"]), PLAIN).to_list() == [2121, 7, 3]
    assert read_integers(pl.Series([2121.0, 2.5, None]), PLAIN).to_list() == [2121, None, None]
    grouped = NumberMarks(thousands=".")
    assert read_integers(pl.Series(["1.234"]), grouped).to_list() == [1234]


def test_truth_has_its_words() -> None:
    words = {"true_words": TRUE_WORDS, "false_words": FALSE_WORDS}
    texts = pl.Series(["Có", "KHÔNG", "1", "0", " true ", "x", "maybe", None])
    expected = [True, False, True, False, True, True, None, None]
    assert read_booleans(texts, **words).to_list() == expected
    assert read_booleans(pl.Series([1, 0, 2, None]), **words).to_list() == [True, False, None, None]
    assert read_booleans(pl.Series([True, None]), **words).to_list() == [True, None]
    assert read_booleans(pl.Series([1.0, 0.0]), **words).to_list() == [True, False]


def test_a_whole_float_is_written_without_its_fraction() -> None:
    values = pl.Series([2121.0, 1.5, -3.0, None])
    assert whole_text(values).to_list() == ["2121", "1.5", "-3", None]
