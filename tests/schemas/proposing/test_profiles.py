"""What a sample says of a column: formats, numbers, words, and what looks personal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from schemas.proposing.profiles import FORMATS, Profile, profile


def of(values: list[object], dtype: pl.DataType | None = None) -> Profile:
    return profile(pl.Series("c", values, dtype=dtype), type_="text", zone="Asia/Ho_Chi_Minh")


_DAYS = [datetime(2026, 1, 1, 7, 30, tzinfo=UTC) + timedelta(days=n, hours=n) for n in range(40)]


@pytest.mark.parametrize("written", [name for name in FORMATS if name.startswith("%")])
def test_each_written_format_is_recognised_for_what_it_is(written: str) -> None:
    stamps = of([day.strftime(written) for day in _DAYS]).stamps
    assert stamps is not None
    assert stamps.formats == (written,)
    assert stamps.share == 1.0


def test_two_formats_in_one_column_are_both_named_the_commoner_first() -> None:
    many = [day.strftime("%d/%m/%Y") for day in _DAYS]
    stamps = of([*many, *(day.strftime("%Y%m%d%H%M%S") for day in _DAYS[:9])]).stamps
    assert stamps is not None
    assert stamps.formats == ("%d/%m/%Y", "%Y%m%d%H%M%S")


def test_day_and_month_that_can_be_swapped_are_a_guess() -> None:
    assert (of(["01/02/2026", "03/04/2026"]).stamps or pytest.fail()).by_day_first
    assert not (of(["01/02/2026", "23/04/2026"]).stamps or pytest.fail()).by_day_first


def test_epochs_and_excel_days_are_read_only_where_they_make_sane_years() -> None:
    assert (of([1_767_225_600_000 + n for n in range(9)]).stamps or pytest.fail()).formats == (
        "epoch_ms",
    )
    assert (of([46_000, 46_001, 46_100]).stamps or pytest.fail()).formats == ("excel",)
    assert of([1, 2, 3]).stamps is None


def test_typed_times_say_how_many_lie_at_midnight_of_the_source() -> None:
    local_midnight = datetime(2026, 3, 1, 17, tzinfo=UTC)  # midnight in Vietnam
    found = of([local_midnight, local_midnight + timedelta(hours=3)], pl.Datetime("us", "UTC"))
    assert found.kind == "time"
    assert (found.stamps or pytest.fail()).midnight == 0.5
    assert of([date(2026, 3, 1)]).kind == "date"


@pytest.mark.parametrize(
    ("texts", "thousands", "decimal", "whole"),
    [
        (["1.000", "25.500.000"], ".", ",", True),
        (["1.000,50", "2.500,00"], ".", ",", False),
        (["1,000.50", "2,500,000.00"], ",", None, False),
        (["1000", "25"], None, None, True),
        (["1000,5", "25,25"], None, ",", False),
        (["1000.5", "25.25"], None, None, False),
    ],
)
def test_marks_of_numbers_are_told_apart(
    texts: list[str], thousands: str | None, decimal: str | None, *, whole: bool
) -> None:
    numbers = of(list(texts)).numbers
    assert numbers is not None
    assert numbers.thousands == thousands
    assert (numbers.decimal or ".") == (decimal or ".")
    assert numbers.whole is whole


def test_words_for_no_value_are_counted_out() -> None:
    found = of(["EMPTY", "a", None, " ", "Không có"])
    assert found.filled == 1
    assert found.null_words == ("EMPTY", "Không có")


@pytest.mark.parametrize(
    ("value", "look", "is_personal"),
    [
        ("0400990{:05d}", "citizen number", True),
        ("09123{:05d}", "phone number", True),
        ("thu{}@vidu.example", "e-mail address", True),
        ("1.0{:05d}", "procedure code", False),
        ("H41.15-240111-{:04d}", "dossier number", False),
        ("H41.{}", "agency code", False),
    ],
)
def test_values_are_known_by_their_look(value: str, look: str, *, is_personal: bool) -> None:
    found = of([value.format(number) for number in range(1, 30)])
    assert found.looks == look
    assert found.looks_personal is is_personal


def test_long_sentences_are_free_text_and_repeated_titles_are_not() -> None:
    sentence = "Người dân đề nghị xem xét lại thời hạn giải quyết hồ sơ, lần thứ {} trong tháng."
    assert of([sentence.format(n) for n in range(30)]).looks_like_free_text
    assert not of([sentence.format(1)] * 30).looks_like_free_text


def test_only_few_and_short_words_are_kept() -> None:
    assert of(["xong", "xong", "mới"]).words == {"xong": 2, "mới": 1}
    assert of([f"số {n}" for n in range(31)]).words == {}
    assert of(["x" * 41]).words == {}


def test_an_empty_column_is_a_profile_too() -> None:
    for dtype in (pl.String(), pl.Int64(), pl.Datetime("us", "UTC"), pl.Boolean()):
        found = of([None, None], dtype)
        assert (found.filled, found.distinct, found.words) == (0, 0, {})
