from __future__ import annotations

import re
import unicodedata
from importlib import resources

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import CodeList, code_list, code_lists, normalise, normalised, parse_code_list
from schemas.entities import ENTITIES
from schemas.errors import ConfigError

HEADER = "kind,code,canonical,national,vi,en,source\n"
NATIONAL = {
    "national_status": "status",
    "national_channel": "channel",
    "national_applicant_kind": "applicant_kind",
    "national_identity_kind": "identity_kind",
    "national_payment_method": "payment_method",
}


def parse(text: str) -> CodeList:
    return parse_code_list("colour", HEADER + text, vi="Màu", en="Colour", into=None)


def without_marks(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return plain.replace("đ", "d").replace("Đ", "D")


def test_the_ten_national_statuses_have_their_words() -> None:
    assert [code_list("national_status").translate[str(n)] for n in range(1, 11)] == [
        "registered",
        "received",
        "refused",
        "in_progress",
        "supplement_requested",
        "payment_requested",
        "withdrawn",
        "stopped",
        "completed",
        "returned",
    ]


def test_a_bare_number_is_no_status_of_ours_because_vendors_number_differently() -> None:
    for name in ("status", "channel", "applicant_kind", "identity_kind", "payment_method"):
        assert [word for word in code_list(name).translate if re.fullmatch(r"[\d.]+", word)] == []


def test_opencps_words_lead_to_the_status_of_their_national_code() -> None:
    words = {
        "receiving": "1", "new": "2", "denied": "3", "processing": "4", "waiting": "5",
        "paying": "6", "cancelled": "7", "unresolved": "8", "releasing": "9", "done": "10",
    }  # fmt: skip
    national = code_list("status").national
    translate = code_list("opencps_status").translate
    assert {word: national[translate[word]] for word in words} == words
    assert {translate[word] for word in ("interoperating", "posting")}.isdisjoint(national)


def test_the_clock_of_a_status_is_known() -> None:
    status = code_list("status")
    assert status.having("clock", "suspended") == ("supplement_requested", "payment_requested")
    assert status.having("end", "yes") == ("refused", "withdrawn", "stopped", "returned")
    with pytest.raises(KeyError):
        status.having("colour", "red")


@pytest.mark.parametrize(("name", "own"), NATIONAL.items())
def test_national_codes_agree_with_the_list_they_lead_to(name: str, own: str) -> None:
    good = {c.canonical: c.code for c in code_list(name).codes if c.kind == "good"}
    assert good == dict(code_list(own).national)
    assert {c.code: c.national for c in code_list(name).codes if c.kind == "good"} == {
        code: code for code in good.values()
    }


def test_a_list_that_translates_leads_to_words_of_its_target() -> None:
    lists = code_lists()
    translating = [one for one in lists.values() if one.into]
    assert len(translating) >= len(NATIONAL)
    for one in translating:
        assert one.into is not None
        assert set(one.good) <= set(lists[one.into].good), one.name
        assert lists[one.into].into is None, one.name


def test_a_list_of_own_words_takes_its_own_words() -> None:
    for one in code_lists().values():
        if one.into is None:
            words = normalise(one.good)
            assert [one.translate[word] for word in words] == list(one.good), one.name


def test_every_field_names_a_list_of_own_words() -> None:
    coded = [f for entity in ENTITIES.values() for f in entity.fields if f.codes is not None]
    assert len(coded) > 10
    for field in coded:
        assert code_list(field.codes or "").into is None, field.name


def test_vietnamese_labels_are_understood_with_and_without_marks() -> None:
    for one in code_lists().values():
        if one.into is None:
            for code in (c for c in one.codes if c.kind == "good"):
                for word in normalise([code.vi, without_marks(code.vi)]):
                    assert one.translate[word] == code.canonical, (one.name, word)


def test_every_good_code_is_explained_in_both_languages() -> None:
    for one in code_lists().values():
        for code in (c for c in one.codes if c.kind == "good"):
            assert code.vi, (one.name, code.code)
            assert code.en, (one.name, code.code)
            assert code.source, (one.name, code.code)


def test_the_files_are_written_in_nfc() -> None:
    for file in resources.files("schemas").joinpath("codes").iterdir():
        text = file.read_text(encoding="utf-8")
        assert text == unicodedata.normalize("NFC", text), file.name


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    files = {f.name for f in resources.files("schemas").joinpath("codes").iterdir()}
    assert files == {f"{name}.csv" for name in code_lists()} | {"lists.csv"}


@pytest.mark.parametrize(
    "spelling",
    [
        "Đang xử lý",
        "ĐANG XỬ LÝ",
        "  đang   xử\u00a0lý\n",
        unicodedata.normalize("NFD", "Đang xử lý"),
        "Ðang xử lý",  # U+00D0, the Icelandic letter that old converters write
        "dang xu ly",
    ],
)
def test_a_spelling_is_found_whatever_its_case_spaces_and_composition(spelling: str) -> None:
    assert code_list("status").translate[normalise([spelling])[0]] == "in_progress"


@given(st.lists(st.text(), max_size=20))
def test_normalising_twice_is_normalising_once(spellings: list[str]) -> None:
    once = pl.DataFrame({"text": spellings}, schema={"text": pl.String}).select(
        normalised(pl.col("text"))
    )
    again = once.select(normalised(pl.col("text")))
    # A letter that has no lower case of its own may change once more in composition.
    stable = once["text"].str.contains(r"^[\p{Latin}\p{N}\p{P}\s]*$")
    assert again["text"].filter(stable).to_list() == once["text"].filter(stable).to_list()


def test_an_unknown_list_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigError, match="no code list 'chanel': did you mean 'channel'"):
        code_list("chanel")


def test_a_spelling_that_leads_two_ways_is_refused_with_its_line() -> None:
    text = "good,red,red,,Đỏ,Red,x\ngood,blue,blue,,Xanh,Blue,x\nfixable,RED,blue,,,,x\n"
    with pytest.raises(ConfigError, match=r"codes/colour\.csv, line 4: .*'RED' is already taken"):
        parse(text)


def test_an_ignored_word_cannot_be_a_code_as_well() -> None:
    with pytest.raises(ConfigError, match="line 3"):
        parse("good,none,none,,Không,None,x\nignored,None,,,,,x\n")


def test_a_spelling_of_no_good_code_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match="line 3: there is no good code 'rad': did you mean 'red'"
    ):
        parse("good,red,red,,Đỏ,Red,x\nfixable,scarlet,rad,,,,x\n")


def test_an_unknown_kind_of_line_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 2: there is no kind of code 'god'"):
        parse("god,red,red,,Đỏ,Red,x\n")


def test_a_list_cannot_be_changed_by_who_reads_it() -> None:
    with pytest.raises(TypeError):
        code_list("status").translate["x"] = "received"  # type: ignore[index]
