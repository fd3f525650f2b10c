"""Nights, upkeep and publications beside each other: one wins or all end right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash import laws
from tests.support.changing_office import MENDED, PLAIN, ChangingOffice
from tests.support.nursery import Runner

ROUNDS = 8
AT_ONCE = ("nightly", "sync", "maintain", "publish")


@pytest.fixture
def runners() -> Iterator[list[Runner]]:
    with ExitStack() as stack:
        made = [Runner() for _ in AT_ONCE]
        for runner in made:
            stack.callback(runner.end)
        yield made


@pytest.mark.slow
def test_nights_upkeep_and_publications_at_once_are_right(
    tmp_path: Path, runners: list[Runner]
) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260108), keys=24)
    office.open(rows=40)
    runners[0].begin(office.order(action="nightly"))
    assert runners[0].answer().error is None
    for number in range(ROUNDS):
        for _ in range(8):
            office.change()
        if number % 3 == 2:
            office.write_yaml(MENDED if office.codes == PLAIN else PLAIN)
        for runner, action in zip(runners, AT_ONCE, strict=True):
            runner.begin(office.order(action=action))
        for runner, action in zip(runners, AT_ONCE, strict=True):
            answer = runner.answer()
            # Upkeep leaves a table to others who keep writing to it; nobody else may fail.
            is_left = action == "maintain" and "wrote to this table first" in (answer.error or "")
            assert is_left or (answer.killed, answer.error) == (False, None), action
        laws.hold_after_a_run(office, seen=set())
    laws.hold_in_the_end(office)
