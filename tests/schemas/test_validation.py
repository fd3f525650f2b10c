from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import traceback
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandera
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas import validation
from schemas.codes import code_list
from schemas.entities import ENTITIES, entity
from schemas.errors import ContractError
from schemas.fields import Entity, Field, Rule
from schemas.validation import pandera_model, validate
from tests.schemas.frames import Row, a_value, as_frame, frame_of

DOSSIER = entity("dossier")
ROOT = Path(__file__).resolve().parents[2]
SECRET = "001089012345"
ALL = [pytest.param(one, id=one.name) for one in ENTITIES.values()]


def reasons(frame: pl.DataFrame) -> list[list[str]]:
    return frame["_reasons"].to_list()


def warnings(frame: pl.DataFrame) -> list[list[str]]:
    return frame["_warnings"].to_list()


# What a row of any entity may look like, and a slow second opinion about it.


def cells(field: Field) -> st.SearchStrategy[object]:
    own = [a_value(field)]
    if field.type == "text":
        own += ["", "  ", "nowhere"]
    if field.codes:
        own += list(code_list(field.codes).good)
    return st.sampled_from([None, *own])


def rows_of(one: Entity) -> st.SearchStrategy[list[Row]]:
    columns: dict[str, st.SearchStrategy[object]] = {f.name: cells(f) for f in one.fields}
    columns["_reasons"] = st.sampled_from([None, [], ["key_missing"], ["unparseable:status"]])
    columns["_warnings"] = st.sampled_from([None, [], ["anchor_out_of_range"]])
    return st.lists(st.fixed_dictionaries(columns), max_size=8)


def expected_reasons(row: Row, one: Entity) -> list[str]:
    found = list(row["_reasons"] or [])  # type: ignore[call-overload]
    told = {name.partition(":")[2] for name in found}
    for field in one.fields:
        value = row[field.name]
        is_blank = field.type == "text" and str(value).strip() == ""
        if field.required and (value is None or is_blank) and field.name not in told:
            found.append(f"missing:{field.name}")
        if field.codes and value is not None and value not in code_list(field.codes).good:
            found.append(f"unknown_code:{field.name}")
    return found


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(ENTITIES.values())).flatmap(lambda e: st.tuples(st.just(e), rows_of(e)))
)
def test_no_row_is_dropped_doubled_moved_or_changed(drawn: tuple[Entity, list[Row]]) -> None:
    one, rows = drawn
    frame = as_frame(one, rows).with_row_index("row_number")
    judged = validate(frame, one)
    assert judged.columns == frame.columns
    assert judged.schema == frame.schema
    assert judged.drop("_reasons", "_warnings").equals(frame.drop("_reasons", "_warnings"))
    event("some row is rejected" if any(reasons(judged)) else "every row is accepted")


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(ENTITIES.values())).flatmap(lambda e: st.tuples(st.just(e), rows_of(e)))
)
def test_every_row_has_exactly_the_reasons_it_earned(drawn: tuple[Entity, list[Row]]) -> None:
    one, rows = drawn
    of_rules = {rule.name for rule in one.rules if rule.severity == "reject"}
    judged = reasons(validate(as_frame(one, rows), one))
    without_rules = [[name for name in row if name not in of_rules] for row in judged]
    assert without_rules == [expected_reasons(row, one) for row in rows]
    for names in judged:
        event("several reasons" if len(names) > 1 else f"{len(names)} reasons")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_to_ask_first_what_is_in_doubt_changes_no_judgement(data: st.DataObject) -> None:
    """Rows of which nearly all are good: whole columns, and mostly all of them, aren't judged."""
    one = data.draw(st.sampled_from(list(ENTITIES.values())))
    good: Row = {field.name: a_value(field) for field in one.fields}
    changed = st.sampled_from(one.fields).flatmap(lambda f: st.tuples(st.just(f.name), cells(f)))
    changes = data.draw(st.lists(st.lists(changed, max_size=2), max_size=3))
    frame = frame_of(one, *(good | dict(change) for change in changes))
    judged = validate(frame, one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_doubtful", lambda *_: frozenset(validation._broken_by(one)))
        assert judged.equals(validate(frame, one))
    event("some row is named" if any(reasons(judged) + warnings(judged)) else "all rows are good")


@settings(max_examples=40, deadline=None)
@given(rows_of(DOSSIER), st.randoms(use_true_random=False))
def test_a_row_is_judged_alone_whatever_its_neighbours(rows: list[Row], random: object) -> None:
    shuffled = list(enumerate(rows))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    whole = validate(as_frame(DOSSIER, rows), DOSSIER)
    mixed = validate(as_frame(DOSSIER, [row for _, row in shuffled]), DOSSIER)
    assert mixed.equals(whole[[number for number, _ in shuffled]])


@settings(max_examples=30, deadline=None)
@given(rows_of(DOSSIER))
def test_judging_twice_adds_nothing(rows: list[Row]) -> None:
    once = validate(as_frame(DOSSIER, rows), DOSSIER)
    assert validate(once, DOSSIER).equals(once)


@pytest.mark.parametrize("one", ALL)
def test_a_complete_row_is_accepted(one: Entity) -> None:
    assert reasons(validate(frame_of(one, {}, {}), one)) == [[], []]


@pytest.mark.parametrize("one", ALL)
def test_a_frame_without_rows_stays_one(one: Entity) -> None:
    assert validate(as_frame(one, []), one).equals(as_frame(one, []))


def test_a_row_without_a_required_value_is_rejected_and_kept() -> None:
    frame = frame_of(DOSSIER, {}, {"dossier_code": None}, {"dossier_code": " \n"}, {})
    judged = validate(frame, DOSSIER)
    assert reasons(judged) == [[], ["missing:dossier_code"], ["missing:dossier_code"], []]


def test_an_unknown_code_is_rejected_by_the_name_of_its_column() -> None:
    judged = validate(frame_of(DOSSIER, {"status": "Đang xử lý"}, {"status": "received"}), DOSSIER)
    assert reasons(judged) == [["unknown_code:status"], []]


def test_every_broken_rule_of_a_row_is_named_in_the_order_of_the_entity() -> None:
    row = {"currency": "gold", "status": "?", "dossier_code": None, "channel": "?"}
    assert reasons(validate(frame_of(DOSSIER, row), DOSSIER)) == [
        [
            "missing:dossier_code",
            "unknown_code:channel",
            "unknown_code:status",
            "unknown_code:currency",
        ]
    ]


def test_earlier_reasons_come_first_and_stay() -> None:
    row = {"_reasons": ["key_missing", "unparseable:fee"], "status": "?"}
    judged = validate(frame_of(DOSSIER, row), DOSSIER)
    assert reasons(judged) == [["key_missing", "unparseable:fee", "unknown_code:status"]]


def test_a_required_value_that_was_already_refused_is_not_missing_as_well() -> None:
    event_entity = entity("dossier_event")
    rows = [
        {"occurred_at": None, "_reasons": ["unparseable:occurred_at"]},
        {"occurred_at": None, "_reasons": ["unparseable:finished_at"]},
        {"occurred_at": None},
    ]
    assert reasons(validate(frame_of(event_entity, *rows), event_entity)) == [
        ["unparseable:occurred_at"],
        ["unparseable:finished_at", "missing:occurred_at"],
        ["missing:occurred_at"],
    ]


def test_a_name_is_listed_once_however_often_it_was_given() -> None:
    row = {"_reasons": ["key_missing", "key_missing"], "_warnings": ["x", "y", "x"]}
    judged = validate(frame_of(DOSSIER, row), DOSSIER)
    assert (reasons(judged), warnings(judged)) == ([["key_missing"]], [["x", "y"]])


def test_a_rejecting_rule_of_the_entity_rejects() -> None:
    unit = entity("admin_unit")
    first, before = date(2025, 7, 1), date(2025, 6, 30)
    rows = [{"valid_from": first, "valid_to": last} for last in (None, before)]
    judged = validate(frame_of(unit, *rows), unit)
    assert reasons(judged) == [[], ["validity_reversed"]]
    assert warnings(judged) == [[], []]


def test_a_warning_rule_warns_and_does_not_reject() -> None:
    judged = validate(frame_of(DOSSIER, {"fee": -1, "currency": "VND"}, {}), DOSSIER)
    assert reasons(judged) == [[], []]
    assert warnings(judged) == [["fee_negative"], []]


@pytest.mark.parametrize("one", ALL)
def test_a_row_of_nulls_breaks_no_rule_but_requiredness(one: Entity) -> None:
    empty: Row = {"_reasons": [], "_warnings": []}
    judged = validate(as_frame(one, [empty]), one)
    assert reasons(judged) == [[f"missing:{f.name}" for f in one.fields if f.required]]
    assert warnings(judged) == [[]]


def test_other_columns_of_the_frame_pass_through() -> None:
    frame = frame_of(DOSSIER, {}, {}).with_columns(_key=pl.Series(["a", "b"]), spare=pl.lit(1))
    judged = validate(frame, DOSSIER)
    assert judged.columns == frame.columns
    assert judged["_key"].to_list() == ["a", "b"]


def test_a_missing_column_is_a_broken_contract_and_no_row_is_to_blame() -> None:
    with pytest.raises(ContractError, match=r"rows of dossier .*column 'status' is missing"):
        validate(frame_of(DOSSIER, {}).drop("status"), DOSSIER)


def test_a_wrong_type_is_a_broken_contract_that_names_both_types() -> None:
    frame = frame_of(DOSSIER, {}).with_columns(pl.lit(1).alias("dossier_code"))
    with pytest.raises(ContractError, match="column 'dossier_code' is Int32, not String"):
        validate(frame, DOSSIER)


def test_a_frame_without_the_lists_of_names_is_refused() -> None:
    with pytest.raises(ContractError, match="column '_warnings' is missing"):
        validate(frame_of(DOSSIER, {}).drop("_warnings"), DOSSIER)


# Guards: each hazard is shown to be real, then that it cannot strike.


WITH_ENVIRONMENT = """
from schemas.entities import entity
from schemas.validation import pandera_model, validate
from tests.schemas.frames import frame_of

dossier = entity("dossier")
bad = frame_of(dossier, {"status": "?"})
pandera_model(dossier).validate(bad, lazy=True)  # the hazard is real: pandera says nothing
assert validate(bad, dossier)["_reasons"].to_list() == [["unknown_code:status"]]
"""


@pytest.mark.parametrize(
    "variable",
    [{"PANDERA_VALIDATION_ENABLED": "False"}, {"PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY"}],
    ids=["off", "types-only"],
)
def test_the_environment_cannot_switch_validation_off(variable: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITH_ENVIRONMENT],
        env=os.environ | variable | {"PYTHONPATH": str(ROOT)},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_pandera_gives_the_number_of_every_failing_row() -> None:
    frame = frame_of(DOSSIER, *({"status": "?" if n % 7 == 3 else "received"} for n in range(5000)))
    with pytest.raises(pandera.errors.SchemaErrors) as raised:
        pandera_model(DOSSIER).validate(frame.select(DOSSIER.columns), lazy=True)
    index = raised.value.failure_cases["index"]
    assert sorted(index.to_list()) == list(range(3, 5000, 7))


def everything_said(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    told = io.StringIO()
    traceback.print_exception(error, file=told, chain=True)
    parts = [told.getvalue(), str(error), repr(error), repr(error.__cause__), caplog.text]
    seen: BaseException | None = error
    while seen is not None:
        parts += [repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(parts)


def strict_number(severity: str) -> Entity:
    """A dossier with a rule that fails to compute on text, and whose failure quotes the text."""
    rule = Rule(
        name="code_is_a_number", vi="x", en="x", severity=severity,  # type: ignore[arg-type]
        broken=pl.col("applicant_id").str.to_integer(strict=True) < 0,
    )  # fmt: skip
    return replace(DOSSIER, rules=(rule,))


@pytest.mark.parametrize("severity", ["reject", "warn"])
def test_a_rule_that_cannot_be_computed_is_named_without_the_values(
    severity: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    one = strict_number(severity)
    frame = frame_of(one, {"applicant_id": f"x{SECRET}"}, {"status": f"x{SECRET}"})
    with pytest.raises(pl.exceptions.PolarsError) as library:
        frame.select(one.rules[0].broken)
    assert SECRET in str(library.value)  # the hazard is real
    with pytest.raises(ContractError, match="code_is_a_number") as raised:
        validate(frame, one)
    assert SECRET not in everything_said(raised.value, caplog)


def test_no_value_of_a_row_leaves_by_an_error_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bad = {"applicant_id": SECRET, "status": SECRET, "channel": SECRET, "dossier_code": None}
    frame = frame_of(DOSSIER, bad)
    with pytest.raises(pandera.errors.SchemaErrors) as library:
        pandera_model(DOSSIER).validate(frame.select(DOSSIER.columns), lazy=True)
    assert SECRET in str(library.value)  # the hazard is real
    judged = validate(frame, DOSSIER)
    assert SECRET not in str(reasons(judged)) + str(warnings(judged)) + caplog.text
    with pytest.raises(ContractError) as raised:
        validate(frame.with_columns(pl.lit(SECRET).alias("fee")), DOSSIER)
    assert SECRET not in everything_said(raised.value, caplog)


@pytest.mark.parametrize("one", ALL)
def test_the_pandera_model_says_what_the_entity_says(one: Entity) -> None:
    model = pandera_model(one)
    assert list(model.columns) == list(one.columns)
    for field in one.fields:
        column = model.columns[field.name]
        assert column.dtype.type == field.polars_type
        assert column.nullable is not field.required
        assert column.coerce is False
    named = {check.name for column in model.columns.values() for check in column.checks}
    assert {r.name for r in one.rules if r.severity == "reject"} <= named
    assert {r.name for r in one.rules if r.severity == "warn"}.isdisjoint(named)
