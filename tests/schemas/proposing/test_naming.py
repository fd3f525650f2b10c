"""Names of columns are found whatever way an office writes them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.entities import ENTITIES
from schemas.proposing import naming
from schemas.proposing.naming import (
    EXACT,
    FREE_TEXT,
    PERSONAL,
    columns_of,
    folded,
    is_known,
    match_column,
    match_other,
    match_table,
)


@pytest.mark.parametrize(
    "spelling",
    [
        "Ngày tiếp nhận", "NGÀY TIẾP NHẬN", "ngay_tiep_nhan", "NgayTiepNhan", "ngayTiepNhan",
        "NGAYTIEPNHAN", "ngay-tiep-nhan ", "Ngày  tiếp\nnhận", "dt_ngay_tiep_nhan",
        unicodedata.normalize("NFD", "Ngày tiếp nhận"),
    ],
)  # fmt: skip
def test_a_name_is_itself_with_or_without_accents_case_and_punctuation(spelling: str) -> None:
    found = match_column(spelling, entity="dossier", column="received_at")
    assert found is not None
    assert found.score == EXACT


@pytest.mark.parametrize(
    ("spelling", "column"),
    [
        ("Địa bàn", "area_name"), ("đơn vị xử lý", "agency_name"), ("Số CCCD", "applicant_id"),
        ("govAgencyCode", "agency_code"), ("dossierNo", "dossier_code"), ("dueDate", "due_at"),
        ("string[@key='case:deadline']/@value", "due_at"), ("HanTra", "due_at"),
    ],
)  # fmt: skip
def test_names_of_many_systems_find_their_column(spelling: str, column: str) -> None:
    scores = {
        known: match.score
        for known in columns_of("dossier")
        if (match := match_column(spelling, entity="dossier", column=known)) is not None
    }
    assert max(scores, key=lambda name: scores[name]) == column


def test_a_misspelling_is_nearly_its_name_and_another_word_is_not() -> None:
    near = match_column("ngay_tiep_nhn", entity="dossier", column="received_at")
    assert near is not None
    assert 0 < near.score < EXACT
    assert near.how == "is nearly called"
    assert match_column("chi_phi_di_lai", entity="dossier", column="received_at") is None


def test_tables_personal_columns_and_free_text_are_known_by_name() -> None:
    assert (match_table("v_qua_trinh_xu_ly", "dossier_event") or pytest.fail()).score == EXACT
    for name in ("Họ và tên", "SoDienThoai", "email", "Địa chỉ thường trú"):
        assert match_other(name, PERSONAL) is not None, name
    assert match_other("GhiChu", FREE_TEXT) is not None
    assert match_other("Ngày tiếp nhận", PERSONAL) is None
    assert not is_known("Nguyễn Văn An")


def test_the_dictionary_speaks_of_columns_that_there_are_and_says_no_name_twice() -> None:
    known = naming._names()
    owners = {entity for entity, _ in known if not entity.startswith(":")}
    assert owners == set(ENTITIES)
    for (entity, column), names in known.items():
        if column:
            assert column in ENTITIES[entity].columns, f"{entity}.{column}"
        spellings = [one.spelling for one in names]
        assert len(spellings) == len(set(spellings)), f"{entity}.{column}"


@given(st.text(max_size=40))
def test_any_text_can_be_a_name(text: str) -> None:
    assert all(word.isascii() and word.isalnum() for word in folded(text).words)
    for column in ("dossier_code", "status"):
        match = match_column(text, entity="dossier", column=column)
        assert match is None or 0 < match.score <= EXACT
