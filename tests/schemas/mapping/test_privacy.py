"""No mapping may show in core what identifies a person."""

from __future__ import annotations

from typing import Any

from schemas.mapping import StreamMapping, personal_columns
from schemas.mapping.checks import flaws


def mapping(*into: dict[str, Any], key: list[str] | None = None) -> StreamMapping:
    return StreamMapping.model_validate(
        {"source": "s", "stream": "t", "key": key or ["so"], "into": list(into)}
    )


def found(given: StreamMapping) -> list[str]:
    return [flaw.what for flaw in flaws(given)]


def test_a_key_that_identifies_a_person_is_refused() -> None:
    dossier = {"entity": "dossier", "columns": {"dossier_code": "so", "applicant_id": "cccd"}}
    assert found(mapping(dossier)) == []
    assert found(mapping({**dossier, "key": ["cccd"]})) == [
        "'cccd' identifies a person, and core would show it"
    ]


def test_a_personal_column_feeds_no_open_column_of_any_entity() -> None:
    dossier = {"entity": "dossier", "columns": {"dossier_code": "so", "applicant_id": "cccd"}}
    payment = {"entity": "payment", "columns": {"dossier_code": "so", "payment_code": "cccd"}}
    assert "'cccd' identifies a person, and core would show it" in found(mapping(dossier, payment))


def test_a_child_key_without_its_parents_key_is_refused() -> None:
    payment = {
        "entity": "payment",
        "explode": "ds",
        "key": ["ds.ma"],
        "columns": {"dossier_code": "so", "payment_code": "ds.ma", "amount": "ds.tien"},
    }
    assert "a child's key without its parent's" in found(mapping(payment))
    assert found(mapping({**payment, "key": ["so", "ds.ma"]})) == []


def test_a_list_with_a_personal_field_is_masked_as_a_whole() -> None:
    event = {
        "entity": "dossier_event",
        "explode": "ds",
        "key": ["so", "ds.#"],
        "columns": {"dossier_code": "so", "occurred_at": "ds.luc", "actor_id": "ds.nguoi"},
    }
    assert personal_columns(mapping(event)) == {"ds"}
