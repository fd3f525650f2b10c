"""Runs that are killed: nothing is lost, nothing is doubled, whenever it happens."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from flows.steps import audit, rebuild
from tests.support.changing_office import MENDED, PLAIN, ChangingOffice
from tests.support.nursery import Nursery, nursery
from tests.support.truth import (
    assert_core_is_the_truth,
    assert_every_newest_copy_is_in_core_or_in_quarantine,
    assert_every_rejected_copy_is_quarantined_once,
    assert_everything_has_landed,
)
from warehouse.phases import PHASES

PER_PHASE = 5
AT_RANDOM = 10
RUN_SECONDS = 0.6  # of a run that only has a few changes to land
STREAMS, ENTITIES = 2, 3
REACHED = {
    "read": STREAMS, "landing_commit": STREAMS, "landed": STREAMS,
    "quarantined": ENTITIES, "core_commit": ENTITIES, "merged": ENTITIES,
}  # fmt: skip
"""How often a run reaches a phase."""


@pytest.mark.slow
def test_killed_runs_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260101))
    office.open(rows=80)
    kills: Counter[str] = Counter()
    schedule = [phase for phase in PHASES for _ in range(PER_PHASE)] + ["random"] * AT_RANDOM
    office.chance.shuffle(schedule)
    with nursery() as runs:
        for place in schedule:
            kill(runs, office, place)
            kills[place] += 1
            assert_every_newest_copy_is_in_core_or_in_quarantine(office)
            if office.chance.random() < 0.4:
                office.write_yaml(MENDED if office.codes == PLAIN else PLAIN)
            if office.chance.random() < 0.4:
                office.change()
            if office.chance.random() < 0.4:
                restart(runs, office)
        restart(runs, office)
    print("kills:", ", ".join(f"{place} {kills[place]}" for place in [*PHASES, "random"]))  # noqa: T201 - the test's own evidence
    assert all(kills[phase] >= PER_PHASE for phase in PHASES)
    assert kills["random"] >= AT_RANDOM
    # Rows integrated under the other YAML wait for a rebuild, like after any mended mapping.
    rebuild(office.context, "so-thu")
    assert_core_is_the_truth(office)
    assert_every_rejected_copy_is_quarantined_once(office)
    assert audit(office.context, []).findings == ()


def test_an_audit_between_a_kill_and_the_next_run_finds_nothing(tmp_path: Path) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260103))
    office.open(rows=20)
    with nursery() as runs:
        for place in ("core_commit", "quarantined", "landed"):
            kill(runs, office, place)
            assert audit(office.context, []).findings == ()
        restart(runs, office)
    assert audit(office.context, []).findings == ()


def kill(runs: Nursery, office: ChangingOffice, place: str) -> None:
    """Changes the office and runs, until a run was killed at the place."""
    chance = office.chance
    for attempt in range(6):
        for _ in range(chance.randrange(2, 8)):
            office.change()
        if place == "random":
            answer = runs.run(office.order(), within=chance.uniform(0.0, RUN_SECONDS))
        else:
            first = attempt > 2 or chance.random() < 0.4  # mostly that of dossiers
            nth = 1 if first else chance.randrange(1, 1 + REACHED[place])
            answer = runs.run(office.order(kill_at=place, nth=nth))
        if answer.killed:
            return
        assert answer.error is None
    pytest.fail(f"no run could be killed: {place}")


def restart(runs: Nursery, office: ChangingOffice) -> None:
    """A run that is left alone succeeds, and leaves every record in its place."""
    answer = runs.run(office.order())
    assert (answer.killed, answer.error) == (False, None)
    assert_everything_has_landed(office)
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
