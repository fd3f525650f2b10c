"""Two people forgotten at once: neither run keeps what the other takes out, or loses its work."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.query import query
from flows.steps import audit
from tests.support.changing_office import ChangingOffice
from tests.support.decoded import decoded
from tests.support.nursery import Runner, two_runners
from tests.support.truth import assert_core_is_the_truth
from warehouse.releases import Releases

ONE, OTHER = "040099011111", "040099022222"


@pytest.fixture
def runners() -> Iterator[tuple[Runner, Runner]]:
    with two_runners() as both:
        yield both


@pytest.fixture
def office(tmp_path: Path, runners: tuple[Runner, Runner]) -> ChangingOffice:
    """Two people's dossiers are released; core has gone on since."""
    office = ChangingOffice(tmp_path, random.Random(20260109), keys=24)
    office.open(rows=40)
    for number in (ONE, OTHER):
        office.forgotten.add(office.receive(number))
    run(office, runners[0], "nightly")
    for _ in range(8):
        office.change()
    run(office, runners[0], "sync")
    return office


def run(office: ChangingOffice, runner: Runner, action: str, **how: str) -> None:
    runner.begin(office.order(action=action, **how))
    answer = runner.answer()
    assert (answer.killed, answer.error) == (False, None)


def assert_both_are_forgotten(office: ChangingOffice) -> None:
    codes = {f"QN-{number[-6:]}" for number in (ONE, OTHER)}
    files = [path for path in office.warehouse.rglob("*") if path.is_file()]
    texts = {path.relative_to(office.warehouse).as_posix(): decoded(path) for path in files}
    assert [name for name, text in texts.items() if any(code in text for code in codes)] == []
    assert query(str(office.warehouse), "SELECT _key FROM dossier").num_rows
    (release,) = Releases(str(office.warehouse)).kept()
    assert release.kind == "forget"
    assert_core_is_the_truth(office)
    assert audit(office.context, []).findings == ()


def test_a_run_that_purges_late_keeps_nothing_of_whom_another_has_forgotten(
    office: ChangingOffice, runners: tuple[Runner, Runner]
) -> None:
    late, other = runners
    late.begin(office.order(action="forget", person=ONE, hold_at="forget_purge"))
    assert late.held()
    run(office, other, "forget", person=OTHER)
    late.go_on()
    assert late.answer().error is None
    assert_both_are_forgotten(office)


def test_the_copy_that_a_run_is_about_to_release_is_not_deleted_by_another(
    office: ChangingOffice, runners: tuple[Runner, Runner]
) -> None:
    first, second = runners
    first.begin(office.order(action="forget", person=ONE, hold_at="forget_purge"))
    assert first.held()
    second.begin(office.order(action="forget", person=OTHER, hold_at="forget_release"))
    assert second.held()
    first.go_on()
    assert first.answer().error is None
    second.go_on()
    assert second.answer().error is None
    assert_both_are_forgotten(office)
