from __future__ import annotations

import re
import unicodedata

import polars as pl
import pyarrow as pa
import pytest

from schemas.entities import ENTITIES, entity
from schemas.errors import ConfigError
from schemas.fields import CORE_SYSTEM_COLUMNS, Entity, Field, FieldType, core_schema

ALL = [pytest.param(one, id=one.name) for one in ENTITIES.values()]
ENDINGS: dict[str, FieldType] = {
    "_at": "timestamp",
    "_date": "date",
    "_from": "date",
    "_to": "date",
    "_code": "text",
    "_id": "text",
    "_name": "text",
    "_key": "text",
    "_count": "integer",
    "_is_date_only": "boolean",
}


def all_fields() -> list[Field]:
    return [field for one in ENTITIES.values() for field in one.fields]


def test_the_nine_entities_are_there() -> None:
    assert list(ENTITIES) == [
        "dossier",
        "dossier_event",
        "payment",
        "document",
        "feedback",
        "agency",
        "admin_unit",
        "procedure",
        "calendar_day",
    ]
    assert [one.name for one in ENTITIES.values()] == list(ENTITIES)


def test_an_unknown_entity_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigError, match="no entity 'dosier': did you mean 'dossier'"):
        entity("dosier")


@pytest.mark.parametrize("one", ALL)
def test_column_names_are_unique_plain_words(one: Entity) -> None:
    assert len({name.lower() for name in one.columns}) == len(one.columns)
    assert [name for name in one.columns if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


@pytest.mark.parametrize("one", ALL)
def test_the_ending_of_a_name_says_its_type(one: Entity) -> None:
    for field in one.fields:
        for ending, kind in ENDINGS.items():
            if field.name.endswith(ending):
                assert field.type == kind, field.name
        if field.type == "boolean":
            assert re.search(r"(^|_)(is|has)_", field.name), field.name


def test_one_name_has_one_type_everywhere() -> None:
    types: dict[str, set[str]] = {}
    for field in all_fields():
        types.setdefault(field.name, set()).add(field.type)
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_every_description_is_a_sentence_in_both_languages() -> None:
    described = [(f.name, f.vi, f.en) for f in all_fields()]
    described += [(one.name, one.vi, one.en) for one in ENTITIES.values()]
    described += [(r.name, r.vi, r.en) for one in ENTITIES.values() for r in one.rules]
    for name, vi, en in described:
        for text in (vi, en):
            assert re.fullmatch(r".{3,}[.)]", text), name
            assert text == unicodedata.normalize("NFC", text), name
        assert not vi.isascii(), name
        assert vi != en, name


def test_money_and_measures_have_a_unit() -> None:
    measured = [f for f in all_fields() if f.type in {"decimal", "integer", "timestamp"}]
    assert [f.name for f in measured if f.unit is None] == []


def test_a_unit_that_names_a_column_names_one_of_its_entity() -> None:
    for one in ENTITIES.values():
        for field in one.fields:
            for name in re.findall(r"`(\w+)`", field.unit or ""):
                assert name in one.columns, field.name


@pytest.mark.parametrize("one", ALL)
def test_key_and_anchor_are_columns_of_the_entity(one: Entity) -> None:
    assert set(one.key_fields) <= set(one.columns)
    if one.anchor is not None:
        assert one.field(one.anchor).type in {"timestamp", "date"}


@pytest.mark.parametrize("one", ALL)
def test_something_is_required_of_every_row(one: Entity) -> None:
    assert [field.name for field in one.fields if field.required] != []


@pytest.mark.parametrize("one", ALL)
def test_a_moment_has_its_local_date_and_says_whether_it_is_one(one: Entity) -> None:
    for field in one.fields:
        if field.type == "timestamp":
            stem = field.name.removesuffix("_at")
            assert {f"{stem}_date", f"{stem}_is_date_only"} <= set(one.columns), field.name


@pytest.mark.parametrize("one", ALL)
def test_a_rule_uses_columns_of_its_own_entity_only(one: Entity) -> None:
    for rule in one.rules:
        assert set(rule.broken.meta.root_names()) <= set(one.columns), rule.name
        assert rule.broken.meta.root_names(), rule.name


@pytest.mark.parametrize("one", ALL)
def test_rule_names_are_unique_and_plain(one: Entity) -> None:
    names = [rule.name for rule in one.rules]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z_]*", name)] == []


def test_personal_columns_are_text_and_known() -> None:
    personal = {(one.name, f.name) for one in ENTITIES.values() for f in one.fields if f.personal}
    assert personal == {
        ("dossier", "applicant_id"),
        ("dossier", "responsible_id"),
        ("dossier_event", "actor_id"),
        ("payment", "payer_id"),
        ("feedback", "sender_id"),
    }
    assert {f.type for f in all_fields() if f.personal} == {"text"}
    # Whatever ends in _id names somebody or something by number: here, always a person.
    assert {f.name for f in all_fields() if f.name.endswith("_id")} == {
        name for _, name in personal
    }


def test_no_column_holds_a_name_of_a_person_an_address_or_free_text() -> None:
    forbidden = re.compile(
        r"(applicant|person|payer|sender|actor|citizen)_name|phone|email|address|note"
    )
    assert [f.name for f in all_fields() if forbidden.search(f.name)] == []


@pytest.mark.parametrize("one", ALL)
def test_polars_and_arrow_agree_about_every_column(one: Entity) -> None:
    schema = core_schema(one)
    there_and_back = pl.DataFrame(pl.from_arrow(schema.empty_table()))
    expected = {field.name: field.polars_type for field in one.fields}
    assert {name: there_and_back.schema[name] for name in one.columns} == expected
    assert schema.names == [*one.columns, *CORE_SYSTEM_COLUMNS]
    assert all(isinstance(kind, pa.DataType) for kind in schema.types)
