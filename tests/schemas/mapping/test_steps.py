from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.mapping.columns import MAY_BE_DECOMPOSED
from schemas.mapping.steps import Step
from tests.schemas.mapping.landed import one_column


def stepped(values: list[Any], *steps: dict[str, Any]) -> list[Any]:
    return one_column(values, "phase", {"steps": list(steps)})["phase"].to_list()


def warned(values: list[Any], *steps: dict[str, Any]) -> list[bool]:
    result = one_column(values, "phase", {"steps": list(steps)})
    return result["_warnings"].list.contains("unparseable:phase").to_list()


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ({"extract": r"HS-([0-9]+)"}, "x HS-42 y", "42"),
        ({"extract": r"[0-9]+"}, "x 42 y", "42"),
        ({"extract": r"(?:HS|H)-(?P<n>[0-9]+)"}, "HS-42", "42"),
        ({"extract": r"\([0-9]+\)"}, "a (42)", "(42)"),
        ({"extract": {"pattern": "[0-9]+"}}, "a42", "42"),
        ({"replace": {"find": ".", "by": ""}}, "1.2.3", "123"),
        ({"replace": {"find": "[.,]", "by": "", "regex": True}}, "1.2,3", "123"),
        ({"split": {"by": "-", "part": 2}}, "a-b-c", "b"),
        ({"split": {"by": "-", "part": -1}}, "a-b-c", "c"),
        ({"pad": {"width": 4}}, "42", "0042"),
        ({"pad": {"width": 4, "fill": "x"}}, "42", "xx42"),
        ({"prefix": "H41."}, "15", "H41.15"),
        ({"suffix": "!"}, "15", "15!"),
        ({"case": "upper"}, "hồ sơ", "HỒ SƠ"),
        ({"case": "lower"}, "HỒ SƠ", "hồ sơ"),
        ({"json_path": "$.o.n"}, '{"o": {"n": 7}}', "7"),
        ({"json_path": "$[0].a"}, '[{"a": "x"}]', "x"),
        ({"date_part": "year"}, "2024-02-03", "2024"),
        ({"date_part": {"part": "month", "format": "%d/%m/%Y"}}, "03/02/2024", "2"),
        ({"date_part": {"part": "weekday"}}, "2024-02-03", "6"),
        ({"date_part": {"part": "hour", "format": "%Y%m%d%H%M"}}, "202402031405", "14"),
        ({"normalise": "agency_code"}, "000.00.15.H41", "H41.15"),
        ({"normalise": "agency_code"}, "000.09.23.H34", "H34.23.09"),
        ({"normalise": "agency_code"}, "000.00.00.H41", "H41"),
        ({"normalise": "agency_code"}, "012.09.23.H34", "H34.23.09.012"),
        ({"normalise": "agency_code"}, "H41.15", "H41.15"),
        ({"normalise": "agency_code"}, "H41.100", "H41.100"),
        ({"normalise": "agency_code"}, "something", "something"),
        ({"normalise": "procedure_code"}, "1.012790.000.00.00.H41", "1.012790"),
        ({"normalise": "procedure_code"}, "1.012790", "1.012790"),
    ],
)
def test_each_step_does_what_it_says(step: dict[str, Any], before: str, after: str) -> None:
    assert stepped([before, None], step) == [after, None]


def test_no_step_is_left_untried() -> None:
    marks = test_each_step_does_what_it_says.pytestmark  # type: ignore[attr-defined]
    tried = {name for case in marks[0].args[1] for name in case[0]}
    assert tried == set(Step.model_fields)


def test_steps_run_in_order() -> None:
    assert stepped(["a-7"], {"split": {"by": "-", "part": 2}}, {"pad": {"width": 3}}) == ["007"]


def test_a_value_lost_in_a_step_is_unreadable() -> None:
    assert warned(["HS-1", "none", None], {"extract": "HS-([0-9]+)"}) == [False, True, False]
    assert warned(["a-b", "a"], {"split": {"by": "-", "part": 2}}) == [False, True]
    assert warned(["2024-01-01", "x"], {"date_part": "year"}) == [False, True]
    assert warned(['{"a": 1}', "junk"], {"json_path": "$.a"}) == [False, True]


def test_an_optional_extract_that_finds_nothing_says_that_there_is_no_value() -> None:
    optional = {"extract": {"pattern": "HS-([0-9]+)", "optional": True}}
    assert warned(["HS-1", "none"], optional) == [False, False]
    before = {"split": {"by": "/", "part": 2}}
    assert warned(["a/HS-1", "a/b", "a"], before, optional) == [False, False, True]
    after = {"date_part": "year"}
    assert warned(["HS-1", "none"], optional, after) == [True, False]


def test_steps_read_typed_columns_as_text() -> None:
    assert stepped([7, None], {"pad": {"width": 3}}) == ["007", None]
    assert stepped([7.0, 7.5], {"prefix": "n"}) == ["n7", "n7.5"]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({}, "exactly one of"), ({"prefix": "a", "suffix": "b"}, "exactly one of"),
        ({"extract": "("}, "regular expression"), ({"split": {"by": "-", "part": 0}}, "from 1"),
        ({"date_part": {"part": "year", "format": "year"}}, "no format"),
        ({"replace": {"find": "(", "by": "", "regex": True}}, "regular expression"),
        ({"trim": True}, "Extra inputs"), ({"json_path": "a"}, "pattern"),
    ],
)  # fmt: skip
def test_a_step_that_makes_no_sense_is_refused(step: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Step.model_validate(step)


def test_every_character_that_nfc_changes_is_looked_for() -> None:
    import unicodedata

    import polars as pl

    changed = [
        char
        for char in map(chr, range(0x110000))
        if not 0xD800 <= ord(char) < 0xE000 and unicodedata.normalize("NFC", char) != char
    ]
    series = pl.Series(changed)
    assert len(changed) > 1_000
    assert series.filter(~series.str.contains(MAY_BE_DECOMPOSED)).to_list() == []


def test_no_two_ordinary_characters_compose() -> None:
    import unicodedata

    import polars as pl

    canonical = (unicodedata.decomposition(char) for char in map(chr, range(0x110000)))
    pairs = [text.split() for text in canonical if text and not text.startswith("<")]
    seconds = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2}
    series = pl.Series(sorted(seconds))
    assert len(series) > 50
    assert series.filter(~series.str.contains(MAY_BE_DECOMPOSED)).to_list() == []
