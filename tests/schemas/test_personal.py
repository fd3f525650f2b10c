from __future__ import annotations

import hashlib
import hmac
import io
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.entities import ENTITIES, entity
from schemas.errors import ConfigError
from schemas.fields import Entity
from schemas.personal import (
    KEY_BYTES,
    PSEUDONYM_LENGTH,
    fingerprint,
    normalised_identity,
    pseudonymise,
    tells_a_person,
)
from tests.schemas.frames import frame_of

KEY = b"a key that is made for tests only"
DOSSIER = entity("dossier")
PERSONAL = [
    pytest.param(one, field.name, id=f"{one.name}.{field.name}")
    for one in ENTITIES.values()
    for field in one.fields
    if field.personal
]


def applicants(*values: str | None) -> pl.DataFrame:
    return frame_of(DOSSIER, *({"applicant_id": value} for value in values))


def pseudonyms(*values: str | None, key: bytes = KEY) -> list[str | None]:
    return pseudonymise(applicants(*values), DOSSIER, key)["applicant_id"].to_list()


def normal_forms(*values: str, min_length: int) -> list[str | None]:
    identity = normalised_identity(pl.col("value"), min_length=min_length)
    return pl.DataFrame({"value": values}).select(identity).to_series().to_list()


def as_bytes(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_ipc(target, compression="uncompressed")
    return target.getvalue()


@pytest.mark.parametrize("key", [KEY, b"k" * 64, b"a key longer than one block " * 5])
def test_a_pseudonym_is_the_hmac_of_the_normalised_value(key: bytes) -> None:
    expected = hmac.new(key, b"001089012345", hashlib.sha256).hexdigest()[:PSEUDONYM_LENGTH]
    assert pseudonyms("001089012345", key=key) == [expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.text(max_size=20), max_size=30))
def test_rows_keep_their_order_and_equal_values_their_pseudonym(values: list[str | None]) -> None:
    frame = applicants(*values).with_row_index("row_number")
    hidden = pseudonymise(frame, DOSSIER, KEY)
    assert hidden.columns == frame.columns
    assert hidden.schema == frame.schema
    assert hidden.drop("applicant_id").equals(frame.drop("applicant_id"))
    one_by_one = [pseudonyms(value)[0] for value in values]
    assert hidden["applicant_id"].to_list() == one_by_one


@pytest.mark.parametrize(("one", "column"), PERSONAL)
def test_no_personal_value_is_left(one: Entity, column: str) -> None:
    frame = frame_of(one, {column: "001089012345"}, {column: "Nguyễn Văn Mẫu"})
    planted = [b"001089012345", "Nguyễn Văn Mẫu".encode()]
    assert [word in as_bytes(frame) for word in planted] == [True, True]
    assert [word in as_bytes(pseudonymise(frame, one, KEY)) for word in planted] == [False, False]


def test_one_person_has_one_pseudonym_in_every_column_and_table() -> None:
    number, payment = "001089012345", entity("payment")
    paid = pseudonymise(frame_of(payment, {"payer_id": number}), payment, KEY)
    row = frame_of(DOSSIER, {"applicant_id": number, "responsible_id": number})
    asked = pseudonymise(row, DOSSIER, KEY)
    names = {paid["payer_id"][0], asked["applicant_id"][0], asked["responsible_id"][0]}
    assert len(names) == 1


def test_another_key_gives_other_pseudonyms() -> None:
    assert pseudonyms("001089012345") != pseudonyms("001089012345", key=b"another key of sixteen")


@pytest.mark.parametrize(
    "spelling",
    [
        " 001089012345",
        "001 089 012 345",
        "001089012345\n",
        "001089\u00a0012345",
        "\ufeff001089012345",
        "0010890\u200b12345",
    ],
)
def test_white_and_invisible_space_makes_no_other_person(spelling: str) -> None:
    assert pseudonyms(spelling) == pseudonyms("001089012345")


def test_case_and_composition_make_no_other_person() -> None:
    spellings = ["Đặng Thị Hoà", "đặng thị hoà", unicodedata.normalize("NFD", "ĐẶNG THỊ HOÀ")]
    assert len(set(pseudonyms(*spellings))) == 1


def test_a_branch_is_not_its_head_office() -> None:
    assert len(set(pseudonyms("0100109106", "0100109106-001"))) == 2


@pytest.mark.parametrize(
    "filler",
    [
        "000000001", "000000000", "0", "1", "123456789", "012345678910", "999999999",
        "111111111111", "-", "...", "", "   ", "không có", "KHONG", "N/A", "null",
        "1234", "A-1", "xxxxxx",
    ],
)  # fmt: skip
def test_a_filler_is_nobody(filler: str) -> None:
    assert pseudonyms(filler) == [None]


def test_a_real_number_with_zeros_is_somebody() -> None:
    numbers = ["001000000001", "040099000002", "182000000", "000000010"]
    assert normal_forms(*numbers, min_length=5) == numbers


def test_the_short_id_of_an_official_is_kept() -> None:
    officials = ["6", "a1", "0001", "560872", "Resource21"]
    assert normal_forms(*officials, min_length=0) == ["6", "A1", "0001", "560872", "RESOURCE21"]
    assert normal_forms("UNKNOWN", "EMPTY", "-", "000", min_length=0) == [None] * 4


def test_applicants_payers_and_senders_are_checked_for_fillers_and_officials_are_not() -> None:
    fields = [f for one in ENTITIES.values() for f in one.fields if f.personal]
    assert {f.name for f in fields if f.min_length} == {"applicant_id", "payer_id", "sender_id"}


def test_a_column_that_is_not_mapped_is_passed_over() -> None:
    frame = applicants("001089012345").drop("responsible_id")
    assert pseudonymise(frame, DOSSIER, KEY).columns == frame.columns


def test_the_fingerprint_knows_its_key_and_does_not_tell_it() -> None:
    assert fingerprint(KEY) == fingerprint(bytes(KEY))
    assert fingerprint(KEY) != fingerprint(KEY + b"!")
    assert len(fingerprint(KEY)) == PSEUDONYM_LENGTH
    assert KEY.hex() not in fingerprint(KEY)


def test_a_short_key_is_refused_without_being_shown() -> None:
    short = b"s3cret"
    for use in (lambda: fingerprint(short), lambda: pseudonymise(applicants("x"), DOSSIER, short)):
        with pytest.raises(ConfigError, match=f"6 bytes, at least {KEY_BYTES}") as raised:
            use()
        assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "đơn của 040099054321", "đơn của 0400 9905 4321", "040-099-054321", "040.099.054321",
        "040 - 099 - 054 321", "0400–9905–4321", "040\u200b099\u200b054321",
        "０４００９９０５４３２１", "ngày 01.03.2026 của 0400 9905 4321", "gọi 0912 345 678",
        "gửi a@b.vn",
        "0400-2026-03-01-99",
    ],
)  # fmt: skip
def test_a_sentence_tells_a_person_by_a_number_in_whatever_groups(text: str) -> None:
    assert tells_a_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "theo đơn số 12", "công văn 123/STP", "quyết định 1234/2026/QĐ-UBND",
        "đọc lại 2026-03-01 - 2026-04-01", "từ 01.03.2026 đến 01.04.2026 12 hồ sơ",
        "2026-03 2026-04 2026-05", "ngày 1-3-26 12-4-26", "lúc 2026-03-01 12:30:45",
        "hồ sơ H41.15-240111-00012", "release 12, 13, 14, 15, 16",
    ],
)  # fmt: skip
def test_days_and_numbers_of_documents_tell_nobody(text: str) -> None:
    assert not tells_a_person(text)
