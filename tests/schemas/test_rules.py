"""Every rule of every entity, with a row that breaks it and one that comes close and keeps it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from schemas.entities import ENTITIES, entity
from schemas.rules import FORMS, NAMES, explain
from schemas.validation import validate
from tests.schemas.frames import Row, frame_of, moment

MORNING, EVENING = moment("2026-03-02T01:00"), moment("2026-03-02T10:00")
DAY_BEFORE = moment("2026-03-01T01:00")


def stamps(**times: object) -> Row:
    """`due=MORNING` as `due_at` and `due_date` (the date in Việt Nam is the UTC one here)."""
    row: Row = {}
    for name, time in times.items():
        row |= {f"{name}_at": time, f"{name}_date": time.date()}  # type: ignore[attr-defined]
    return row


def order(first: str, second: str) -> tuple[Row, Row]:
    broken = stamps(**{first: EVENING, second: MORNING})
    return broken, broken | {f"{second}_is_date_only": True}


# (entity, rule): (a row that breaks it, a row that nearly does)
EXAMPLES: dict[tuple[str, str], tuple[Row, Row]] = {
    ("dossier", "received_before_submitted"): order("submitted", "received"),
    ("dossier", "due_before_received"): order("received", "due"),
    ("dossier", "finished_before_received"): order("received", "finished"),
    ("dossier", "returned_before_finished"): order("finished", "returned"),
    ("dossier", "status_says_finished_but_no_end"): (
        {"status": "completed"},
        {"status": "completed"} | stamps(returned=MORNING),
    ),
    ("dossier", "status_says_open_but_has_end"): (
        {"status": "in_progress"} | stamps(finished=MORNING),
        {"status": "refused"} | stamps(finished=MORNING),
    ),
    ("dossier", "fee_negative"): ({"fee": Decimal("-0.01")}, {"fee": Decimal(0)}),
    ("dossier", "fee_without_currency"): (
        {"fee": Decimal(1)},
        {"fee": Decimal(1), "currency": "EUR"},
    ),
    ("dossier_event", "step_finished_before_started"): order("started", "finished"),
    ("dossier_event", "step_due_before_started"): order("started", "due"),
    ("payment", "amount_negative"): (
        {"amount": Decimal(-5)},
        {"amount": Decimal(-5), "status": "refunded"},
    ),
    ("payment", "amount_without_currency"): (
        {"amount": Decimal(5)},
        {"amount": Decimal(5), "currency": "VND"},
    ),
    ("payment", "status_says_paid_but_no_time"): (
        {"status": "paid"},
        {"status": "paid"} | stamps(paid=MORNING),
    ),
    ("payment", "status_says_unpaid_but_has_time"): (
        {"status": "unpaid"} | stamps(paid=MORNING),
        {"status": "refunded"} | stamps(paid=MORNING),
    ),
    ("document", "file_count_negative"): ({"file_count": -1}, {"file_count": 0}),
    ("feedback", "answered_before_received"): order("received", "answered"),
    ("feedback", "due_before_received"): order("received", "due"),
    ("feedback", "status_says_answered_but_no_answer"): (
        {"status": "answered"},
        {"status": "answered"} | stamps(answered=MORNING),
    ),
    ("agency", "validity_reversed"): (
        {"valid_from": date(2025, 7, 1), "valid_to": date(2025, 6, 30)},
        {"valid_from": date(2025, 7, 1), "valid_to": date(2025, 7, 1)},
    ),
    ("agency", "own_parent"): (
        {"agency_code": "H41.15", "parent_code": "H41.15"},
        {"agency_code": "H41.15", "parent_code": "H41"},
    ),
    ("admin_unit", "validity_reversed"): (
        {"valid_from": date(2025, 7, 1), "valid_to": date(2025, 6, 30)},
        {"valid_from": date(2025, 7, 1), "valid_to": None},
    ),
    ("procedure", "validity_reversed"): (
        {"valid_from": date(2025, 7, 1), "valid_to": date(2025, 6, 30)},
        {"valid_from": None, "valid_to": date(2025, 6, 30)},
    ),
    ("procedure", "duration_not_positive"): (
        {"duration": Decimal(0)},
        {"duration": Decimal("0.5")},
    ),
    ("procedure", "duration_without_duration_unit"): (
        {"duration": Decimal(20)},
        {"duration": Decimal(20), "duration_unit": "working_day"},
    ),
    ("procedure", "fee_negative"): ({"fee": Decimal(-1)}, {"fee": Decimal(0)}),
    ("procedure", "fee_without_currency"): (
        {"fee": Decimal(1)},
        {"fee": Decimal(1), "currency": "VND"},
    ),
    ("calendar_day", "working_hours_impossible"): (
        {"working_hours": Decimal(25)},
        {"working_hours": Decimal(24)},
    ),
    ("calendar_day", "working_hours_contradict_kind"): (
        {"kind": "holiday", "working_hours": Decimal(8)},
        {"kind": "make_up", "working_hours": Decimal(8)},
    ),
}


def names_of(row: Row, entity_name: str, column: str) -> list[str]:
    one = entity(entity_name)
    names: list[str] = validate(frame_of(one, row), one)[column].to_list()[0]
    return names


def test_every_rule_has_its_examples() -> None:
    rules = {(one.name, rule.name) for one in ENTITIES.values() for rule in one.rules}
    assert set(EXAMPLES) == rules


@pytest.mark.parametrize(("key", "rows"), EXAMPLES.items(), ids=["-".join(key) for key in EXAMPLES])
def test_a_rule_finds_who_breaks_it_and_nobody_else(
    key: tuple[str, str], rows: tuple[Row, Row]
) -> None:
    entity_name, name = key
    rule = next(rule for rule in entity(entity_name).rules if rule.name == name)
    named, other = ("_reasons", "_warnings")[:: 1 if rule.severity == "reject" else -1]
    breaking, keeping = rows
    assert name in names_of(breaking, entity_name, named)
    assert name not in names_of(breaking, entity_name, other)
    assert name not in names_of(keeping, entity_name, named)


@pytest.mark.parametrize("date_only", ["received", "finished"])
def test_the_same_day_is_not_before_when_either_stamp_is_only_a_date(date_only: str) -> None:
    row = stamps(received=EVENING, finished=MORNING)
    assert "finished_before_received" in names_of(row, "dossier", "_warnings")
    flagged = row | {f"{date_only}_is_date_only": True}
    assert names_of(flagged, "dossier", "_warnings") == []


def test_an_earlier_day_is_before_also_when_a_stamp_is_only_a_date() -> None:
    row = stamps(received=MORNING, finished=DAY_BEFORE) | {"finished_is_date_only": True}
    assert names_of(row, "dossier", "_warnings") == ["finished_before_received"]


def test_a_local_day_decides_and_not_the_day_in_utc() -> None:
    # 23:30 UTC on the 1st is 06:30 on the 2nd in Việt Nam: the same local day as the due date.
    row: Row = {
        "received_at": moment("2026-03-01T23:30"), "received_date": date(2026, 3, 2),
        "due_at": moment("2026-03-01T17:00"), "due_date": date(2026, 3, 2),
        "due_is_date_only": True,
    }  # fmt: skip
    assert names_of(row, "dossier", "_warnings") == []


def test_every_open_status_contradicts_an_end_and_no_closed_one_does() -> None:
    rule = "status_says_open_but_has_end"
    found = {
        status
        for status in ("registered", "received", "refused", "in_progress", "supplement_requested",
                       "payment_requested", "withdrawn", "stopped", "completed", "returned",
                       "interoperating", "posting")
        if rule in names_of({"status": status} | stamps(finished=MORNING), "dossier", "_warnings")
    }  # fmt: skip
    assert found == {
        "registered", "received", "in_progress", "supplement_requested", "payment_requested",
        "interoperating",
    }  # fmt: skip


def test_every_name_of_a_rule_has_its_sentence() -> None:
    for one in ENTITIES.values():
        for rule in one.rules:
            text = explain(rule.name, one)
            assert text is not None
            assert (text.vi, text.en) == (rule.vi, rule.en)
    for form in FORMS:
        text = explain(f"{form}:received_at", entity("dossier"))
        assert text is not None
        assert "`received_at`" in text.vi
        assert "`received_at`" in text.en
    for name in NAMES:
        assert explain(name) is not None


def test_no_rule_of_an_entity_hides_a_name_given_elsewhere() -> None:
    for one in ENTITIES.values():
        assert {rule.name for rule in one.rules}.isdisjoint({*FORMS, *NAMES})


def test_a_name_nobody_gives_has_no_sentence() -> None:
    assert explain("no_such_rule", entity("dossier")) is None
    assert explain("no_such_form:status", entity("dossier")) is None
