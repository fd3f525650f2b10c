from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas.entities import ENTITIES
from schemas.errors import ConfigError, ContractError
from schemas.mapping import (
    DeriveContext,
    StreamMapping,
    derive,
    row_orders,
    source_columns,
    unknown_codes,
)
from schemas.rows import DERIVED
from tests.schemas.mapping.landed import CONTEXT, READ_AT, derived, landed, mapping_of, one_column

TEXTS = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "UNKNOWN", "1", "20240111101112", "2024-01-11", "12.50", "x", "có"]),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
)
LISTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["[]", "[{}]", '[{"ma": "a", "tien": "5"}, {"ma": "b"}]', "junk", "[", '{"ma": 1}']
    ),
)
ROW = st.fixed_dictionaries(
    {"code": TEXTS, "at": TEXTS, "status": TEXTS, "fee": TEXTS, "person": TEXTS, "list": LISTS}
)
EVERYTHING = StreamMapping.model_validate(
    {
        "source": "office",
        "stream": "stream",
        "agency": "H41.15",
        "key": ["code"],
        "nulls": ["UNKNOWN"],
        "version": {"from": "at", "format": "%Y%m%d%H%M%S"},
        "into": [
            {
                "entity": "dossier",
                "columns": {
                    "dossier_code": "code",
                    "received_at": {"from": "at", "format": ["%Y%m%d%H%M%S", "iso"]},
                    "status": {"from": "status", "codes": "national_status"},
                    "fee": "fee",
                    "applicant_id": "person",
                    "agency_code": {"const": "{agency}"},
                    "phase": {"sql": "upper(status)"},
                },
            },
            {
                "entity": "payment",
                "explode": "list",
                "key": ["code", "list.#"],
                "columns": {
                    "dossier_code": "code",
                    "payment_code": "list.ma",
                    "amount": "list.tien",
                    "payer_id": "person",
                },
            },
        ],
    }
)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    names = list(rows[0]) if rows else ["code", "at", "status", "fee", "person", "list"]
    columns = {n: pl.Series([r[n] for r in rows], dtype=pl.String) for n in names}
    return landed(columns, key=["code"])


def all_derived(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    return derive(rows, mapping=EVERYTHING, into=EVERYTHING.into[number], context=CONTEXT)


@settings(deadline=None, max_examples=80)
@given(st.lists(ROW, max_size=8))
def test_mapping_neither_drops_nor_doubles_a_row(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    result = all_derived(frame, 0)
    assert result["_row"].to_list() == frame["_row"].to_list()
    assert result["_landing_key"].to_list() == frame["_key"].to_list()
    event(f"rejected: {result.filter(pl.col('_reasons').list.len() > 0).height > 0}")


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_derive_of_a_permutation_is_the_permutation_of_derive(
    rows: list[dict[str, Any]], chance: random.Random
) -> None:
    frame = frame_of(rows)
    order = list(range(len(rows)))
    chance.shuffle(order)
    for number in (0, 1):
        straight, shuffled = all_derived(frame, number), all_derived(frame[order], number)
        by_row = {n: straight.filter(pl.col("_row") == n) for n in frame["_row"]}
        expected = pl.concat([by_row[n] for n in frame[order]["_row"]])
        assert shuffled.equals(expected)
        event(f"children: {number == 1 and expected.height > 0}")


@settings(deadline=None, max_examples=30)
@given(st.lists(ROW, min_size=2, max_size=8), st.integers(1, 7))
def test_rows_mapped_in_two_parts_are_the_rows_mapped_at_once(
    rows: list[dict[str, Any]], cut: int
) -> None:
    frame = frame_of(rows)
    for number in (0, 1):
        parts = [all_derived(part, number) for part in (frame[:cut], frame[cut:])]
        assert pl.concat(parts).equals(all_derived(frame, number))


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, max_size=8))
def test_a_parent_gives_as_many_rows_as_its_list_has_elements(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    counts = {"[]": 0, "[{}]": 1, "junk": 1, "[": 1, '{"ma": 1}': 1, None: 0}
    result = all_derived(frame, 1)
    for number, row in enumerate(rows, start=1):
        children = result.filter(pl.col("_row") == number)
        assert children.height == counts.get(row["list"], 2)
        if row["list"] in {"junk", "["}:
            assert children["_reasons"].to_list() == [["unparseable:list"]]
            assert children["_key"].to_list() == [None]


def test_a_frame_without_rows_gives_a_frame_without_rows() -> None:
    for number in (0, 1):
        assert all_derived(frame_of([]), number).is_empty()


@pytest.mark.parametrize("number", [0, 1])
def test_derived_rows_have_exactly_the_contracted_columns_and_types(number: int) -> None:
    entity = ENTITIES[EVERYTHING.into[number].entity]
    result = all_derived(
        frame_of([dict.fromkeys(["code", "at", "status", "fee", "person", "list"])]), number
    )
    expected = {**DERIVED, **{f.name: f.polars_type for f in entity.fields}}
    assert dict(result.schema) == expected
    assert result.columns == list(expected)


def test_many_rows_are_mapped_like_few() -> None:
    few = [
        {
            "code": f"H{n}",
            "at": "20240111101112",
            "status": "4",
            "fee": "12",
            "person": "038204000123",
            "list": '[{"ma":"a"}]',
        }
        for n in range(3)
    ]
    many = frame_of(few * 8_000)
    for number in (0, 1):
        small, large = all_derived(frame_of(few), number), all_derived(many, number)
        assert large.height == 24_000
        assert large.drop("_row")[:3].equals(small.drop("_row"))
        assert large.drop("_row").unique().height == 3


def test_a_row_without_a_key_is_rejected_and_not_dropped() -> None:
    result = derived({"code": [None, " ", "H1"]}, mapping_of({"phase": {"const": "x"}}))
    assert result["_key"].to_list() == [None, None, "H1"]
    assert [("key_missing" in r) for r in result["_reasons"]] == [True, True, False]


def test_a_null_word_in_the_key_is_no_key() -> None:
    mapping = mapping_of({"dossier_code": {"const": "x"}}, nulls=["UNKNOWN"])
    result = derived({"code": ["UNKNOWN", "H1"]}, mapping)
    assert result["_key"].to_list() == [None, "H1"]
    assert result["_reasons"].to_list() == [["key_missing"], []]


def test_a_key_of_several_columns_is_escaped_and_joined() -> None:
    mapping = mapping_of({"dossier_code": "a"}, key=["a", "b"])
    result = derived({"a": ["x/y", "x"], "b": ["z", "y/z"]}, mapping)
    assert result["_key"].to_list() == ["x\\/y/z", "x/y\\/z"]


def test_a_dossier_key_is_the_key_text_of_the_dossier() -> None:
    mapping = mapping_of({"dossier_key": "code"}, entity_name="payment")
    assert derived({"code": ["A/1"]}, mapping)["dossier_key"].to_list() == ["A\\/1"]
    mapping = mapping_of({"dossier_key": {"key": ["code", "b"]}}, entity_name="payment")
    assert derived({"code": ["A/1"], "b": ["2"]}, mapping)["dossier_key"].to_list() == ["A\\/1/2"]


def test_the_key_of_children_is_theirs_and_they_know_their_dossier() -> None:
    rows = [
        {
            "code": "H1",
            "at": None,
            "status": None,
            "fee": None,
            "person": None,
            "list": '[{"ma": "a", "tien": "5"}, {"ma": "b"}]',
        }
    ]
    result = all_derived(frame_of(rows), 1)
    assert result["_key"].to_list() == ["H1/1", "H1/2"]
    assert result["dossier_key"].to_list() == ["H1", "H1"]
    assert result["payment_code"].to_list() == ["a", "b"]


def test_an_unreadable_required_value_rejects_and_an_optional_one_warns() -> None:
    mapping = mapping_of({"occurred_at": "at", "due_at": "due"}, entity_name="dossier_event")
    result = derived({"code": ["H1"], "at": ["soon"], "due": ["later"]}, mapping)
    assert result["_reasons"].to_list() == [["unparseable:occurred_at"]]
    assert result["_warnings"].to_list() == [["unparseable:due_at"]]


@pytest.mark.parametrize(("on_bad", "list_name"), [("reject", "_reasons"), ("warn", "_warnings")])
def test_on_bad_decides_where_an_unreadable_value_is_named(on_bad: str, list_name: str) -> None:
    result = one_column(["soon"], "due_at", {"on_bad": on_bad})
    assert result[list_name].to_list() == [["unparseable:due_at"]]
    assert result["due_at"].to_list() == [None]


def test_a_missing_value_is_neither_unreadable_nor_named() -> None:
    result = one_column([None, "", "  "], "due_at")
    assert result["_reasons"].list.len().sum() == 0
    assert result["_warnings"].list.len().sum() == 0


def test_an_unknown_code_is_rejected_even_where_the_column_is_optional() -> None:
    result = one_column(["4", "77"], "status", {"codes": "national_status"})
    assert result["status"].to_list() == ["in_progress", None]
    assert result["_reasons"].to_list() == [[], ["unknown_code:status"]]


def test_an_unknown_code_only_warns_where_the_yaml_says_so() -> None:
    result = one_column(["77"], "status", {"codes": "national_status", "on_bad": "warn"})
    assert result["_reasons"].to_list() == [[]]
    assert result["_warnings"].to_list() == [["unknown_code:status"]]


def test_a_coded_column_without_codes_is_read_by_its_own_list() -> None:
    result = one_column([" Direct ", "zzz"], "channel")
    assert result["channel"].to_list() == ["direct", None]
    assert result["_reasons"].to_list() == [[], ["unknown_code:channel"]]


def test_own_words_come_before_those_of_a_list() -> None:
    codes = [{"4": "stopped", "G": "completed", "-": None}, "national_status"]
    result = one_column(["4", "g", "1", "-", "?"], "status", {"codes": codes})
    assert result["status"].to_list() == ["stopped", "completed", "registered", None, None]
    assert result["_reasons"].to_list() == [[], [], [], [], ["unknown_code:status"]]


def test_numbers_are_codes_too() -> None:
    codes = {"codes": {"1": "direct", "2": "online"}}
    assert one_column([1, 2], "channel", codes)["channel"].to_list() == ["direct", "online"]
    assert one_column([1.0, 2.0], "channel", codes)["channel"].to_list() == ["direct", "online"]


def test_a_default_fills_what_is_missing_and_never_what_is_wrong() -> None:
    how = {"codes": {"1": "direct", "2": "online", "-": None}, "default": "direct"}
    result = one_column(["2", None, "-", "9"], "channel", how)
    assert result["channel"].to_list() == ["online", "direct", "direct", None]


def test_unknown_codes_are_named_for_a_person_but_never_personal_ones() -> None:
    frame = frame_of(
        [
            {
                "code": "H1",
                "at": None,
                "status": s,
                "fee": None,
                "person": "038204000123",
                "list": None,
            }
            for s in ("77", "4", "99", "77")
        ]
    )
    found = unknown_codes(frame, mapping=EVERYTHING, into=EVERYTHING.into[0])
    assert found == {"status": {"77": 2, "99": 1}}


def test_the_first_of_several_columns_that_holds_a_value_counts() -> None:
    mapping = mapping_of({"phase": {"from": ["a", "b"]}}, nulls=["NONE"])
    result = derived(
        {"code": ["1", "2", "3"], "a": ["x", " ", "NONE"], "b": ["y", "y", None]}, mapping
    )
    assert result["phase"].to_list() == ["x", "y", None]


def test_a_null_word_of_the_column_is_no_value_of_the_first_of_several() -> None:
    mapping = mapping_of({"phase": {"from": ["a", "b"], "nulls": ["0"]}})
    result = derived({"code": ["1", "2"], "a": ["0", "x"], "b": ["y", "y"]}, mapping)
    assert result["phase"].to_list() == ["y", "x"]


def test_columns_of_two_types_meet_as_text() -> None:
    mapping = mapping_of({"phase": ["a", "b"]})
    result = derived({"code": ["1", "2"], "a": [None, 7.0], "b": ["y", "y"]}, mapping)
    assert result["phase"].to_list() == ["y", "7"]


def test_null_words_of_a_column_are_its_own() -> None:
    mapping = mapping_of({"phase": {"from": "x", "nulls": ["-", 0]}, "unit_name": "x"})
    result = derived({"code": ["1", "2"], "x": ["-", "0"]}, mapping)
    assert result["phase"].to_list() == [None, None]
    assert result["unit_name"].to_list() == ["-", "0"]


def test_a_null_word_counts_in_typed_columns_too() -> None:
    result = one_column([0, 5], "fee", nulls=["0"])
    assert result["fee"].cast(pl.Float64).to_list() == [None, 5.0]


def test_constants_know_agency_and_source() -> None:
    mapping = mapping_of({"phase": {"const": "{source} of {agency}"}}, agency="H41.15")
    assert derived({"code": ["1"]}, mapping)["phase"].to_list() == ["office of H41.15"]


def test_text_arrives_stripped_and_composed() -> None:
    decomposed = "  Đo\u0302 Lu\u031bo\u031bng "
    assert one_column([decomposed], "phase")["phase"].to_list() == ["Đô Lương"]


def test_a_personal_column_leaves_as_a_pseudonym() -> None:
    result = one_column(["038204000123", "000000001"], "applicant_id")
    first, filler = result["applicant_id"].to_list()
    assert first is not None
    assert len(first) == 32
    assert "038204000123" not in first
    assert filler is None


def test_currency_is_the_sources_where_an_amount_is_mapped() -> None:
    assert one_column(["5"], "fee")["currency"].to_list() == ["VND"]
    assert one_column(["5"], "fee", currency="EUR")["currency"].to_list() == ["EUR"]
    assert one_column(["5"], "phase")["currency"].to_list() == [None]


def test_a_local_date_and_its_flag_come_with_every_stamp() -> None:
    result = one_column(["2024-01-11T18:00:00Z", "2024-01-11"], "received_at")
    assert result["received_date"].to_list() == [date(2024, 1, 12), date(2024, 1, 11)]
    assert result["received_is_date_only"].to_list() == [False, True]
    assert result["received_at"].to_list() == [
        datetime(2024, 1, 11, 18, tzinfo=UTC),
        datetime(2024, 1, 10, 17, tzinfo=UTC),
    ]


def test_a_date_that_the_yaml_maps_itself_is_kept() -> None:
    mapping = mapping_of({"received_at": "a", "received_date": "b"})
    result = derived({"code": ["1"], "a": ["2024-01-11"], "b": ["2024-02-12"]}, mapping)
    assert result["received_date"].to_list() == [date(2024, 2, 12)]


def test_the_month_is_that_of_the_local_date() -> None:
    result = one_column(["2024-01-31T18:00:00Z", None], "received_at")
    assert result["_month"].to_list() == ["2024-02", None]
    assert result["_warnings"].list.contains("anchor_out_of_range").to_list() == [False, False]


def test_an_anchor_too_far_off_has_no_month_and_a_warning() -> None:
    result = one_column(["1989-12-31", "1990-01-01", "2027-12-31", "2028-01-01"], "received_at")
    assert result["_month"].to_list() == [None, "1990-01", "2027-12", None]
    flagged = result["_warnings"].list.contains("anchor_out_of_range").to_list()
    assert flagged == [True, False, False, True]
    assert result["received_at"].null_count() == 0


def test_a_value_that_could_not_be_carried_over_rejects_its_row() -> None:
    mapping = mapping_of({"due_at": "x", "phase": "y"})
    rows = landed({"code": ["1", "2"], "x": [None, "2024-01-01"], "y": ["a", "b"]}, key=["code"])
    rows = rows.with_columns(
        _bad_values=pl.Series([["x", "other"], None], dtype=pl.List(pl.String))
    )
    result = derive(rows, mapping=mapping, into=mapping.into[0], context=CONTEXT)
    assert result["_reasons"].to_list() == [["out_of_range:due_at"], []]


def test_a_value_that_could_not_be_carried_over_only_warns_where_the_yaml_says_so() -> None:
    mapping = mapping_of({"due_at": {"from": "x", "on_bad": "warn"}})
    rows = landed({"code": ["1"], "x": pl.Series([None], dtype=pl.String)}, key=["code"])
    rows = rows.with_columns(_bad_values=pl.Series([["x"]], dtype=pl.List(pl.String)))
    result = derive(rows, mapping=mapping, into=mapping.into[0], context=CONTEXT)
    assert result["_reasons"].to_list() == [[]]
    assert result["_warnings"].to_list() == [["out_of_range:due_at"]]


def test_a_missing_mapped_column_is_an_error_that_names_the_nearest() -> None:
    mapping = mapping_of({"phase": "buoc_xu_ly"})
    with pytest.raises(ContractError, match=r"'buoc_xu_ly'.*did you mean 'buoc_xuly'"):
        derived({"code": ["1"], "buoc_xuly": ["x"]}, mapping)


def test_sql_that_does_not_fit_its_columns_is_an_error_without_values() -> None:
    mapping = mapping_of({"fee": {"sql": "lower(x)"}})
    with pytest.raises(ConfigError, match=r"x \(Int64\)") as caught:
        derived({"code": ["1"], "x": [424242]}, mapping)
    assert "424242" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_version_is_the_named_columns_time_at_most_the_start_of_the_read() -> None:
    mapping = mapping_of({}, version={"from": "v", "format": "%Y%m%d%H%M%S"})
    values = ["20240111070000", "20991231000000", "junk", None]
    result = derived({"code": ["1", "2", "3", "4"], "v": values}, mapping)
    read_at = int(READ_AT.timestamp()) * 1_000_000
    stated = int(datetime(2024, 1, 11, tzinfo=UTC).timestamp()) * 1_000_000
    assert result["_version"].to_list() == [stated, read_at, read_at, read_at]


def test_version_may_be_a_counter() -> None:
    mapping = mapping_of({}, version="v")
    assert derived({"code": ["1"], "v": [17]}, mapping)["_version"].to_list() == [17]
    assert derived({"code": ["1"], "v": ["17"]}, mapping)["_version"].to_list() == [17]


def test_version_of_a_typed_time_is_its_instant() -> None:
    mapping = mapping_of({}, version="v", timezone="Europe/Amsterdam")
    naive = pl.Series([datetime(2024, 7, 1, 2, tzinfo=UTC)]).dt.replace_time_zone(None)
    zoned = naive.dt.replace_time_zone("UTC")
    expected = int(datetime(2024, 7, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert derived({"code": ["1"], "v": naive}, mapping)["_version"].to_list() == [expected]
    later = expected + int(timedelta(hours=2).total_seconds()) * 1_000_000
    assert derived({"code": ["1"], "v": zoned}, mapping)["_version"].to_list() == [later]


def test_row_orders_and_derive_agree_on_the_version() -> None:
    rows = frame_of(
        [
            {"code": c, "at": at, "status": None, "fee": None, "person": None, "list": None}
            for c, at in (("A", "20240111101112"), ("B", "x"), (None, None))
        ]
    )
    orders = row_orders(rows, mapping=EVERYTHING)
    result = all_derived(rows, 0)
    for name in ("_landing_key", "_version", "_landing_version", "_row", "_tombstone", "_read_at"):
        assert orders[name].equals(result[name], null_equal=True)
    assert orders.columns == [
        "_landing_key",
        "_version",
        "_landing_version",
        "_row",
        "_tombstone",
        "_read_at",
    ]


def test_a_tombstone_maps_to_the_same_key_as_the_row_it_ends() -> None:
    rows = landed({"code": ["H1", "H1"]}, key=["code"])
    rows = rows.with_columns(_tombstone=pl.Series([False, True]))
    mapping = mapping_of({})
    result = derive(rows, mapping=mapping, into=mapping.into[0], context=CONTEXT)
    assert result["_key"].to_list() == ["H1", "H1"]
    assert result["_tombstone"].to_list() == [False, True]


def test_source_columns_are_each_used_column_once_in_order() -> None:
    assert source_columns(EVERYTHING) == ("code", "at", "status", "fee", "person", "list")


def test_an_entity_with_the_streams_key_has_the_same_rows_and_others_many() -> None:
    into = [
        {"entity": "dossier", "key": ["case"], "columns": {"dossier_code": "case"}},
        {"entity": "dossier_event", "columns": {"dossier_code": "case", "occurred_at": "at"}},
    ]
    mapping = StreamMapping.model_validate(
        {"source": "s", "stream": "t", "key": ["id"], "into": into}
    )
    assert [mapping.relation(one) for one in mapping.into] == ["many", "same"]
    assert EVERYTHING.relation(EVERYTHING.into[1]) == "many"


def test_the_person_key_is_not_shown() -> None:
    context = DeriveContext(person_key=b"planted-person-key", now=READ_AT)
    assert "planted" not in repr(context)


@pytest.mark.parametrize(
    ("values", "deleted", "marked"),
    [
        ([0, 1, None], "flag", [False, True, False]),
        ([False, True, None], "flag", [False, True, False]),
        ([0.0, 1.0, None], "flag", [False, True, False]),
        ([Decimal("0.00"), Decimal("1.00"), None], "flag", [False, True, False]),
        (["Không", " CÓ ", ""], "flag", [False, True, False]),
        (["mới", "Đã  xóa", "x"], {"column": "flag", "when": ["đã xóa"]}, [False, True, False]),
        (["", "2024-01-11", "-"], {"column": "flag", "any_value": True}, [False, True, False]),
        (["", "x", "y"], {"column": "elsewhere"}, [False, False, False]),
    ],
)
def test_a_mark_of_deletion_buries_its_row_whatever_its_type(
    values: list[Any], deleted: Any, marked: list[bool]
) -> None:
    rows = landed({"code": ["H1", "H2", "H3"], "flag": values}, key=["code"])
    mapping = mapping_of({}, deleted=deleted, nulls=["-"])
    result = derive(rows, mapping=mapping, into=mapping.into[0], context=CONTEXT)
    assert result["_tombstone"].to_list() == marked
    assert result["_is_copy"].to_list() == [False, False, False]
    assert row_orders(rows, mapping=mapping)["_tombstone"].to_list() == marked
