"""A clock that is set back: the office's last word counts, whatever time it is."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import laws
from tests.support.changing_office import ChangingOffice
from tests.support.nursery import Nursery
from warehouse.releases import Releases

HOUR = 3_600


@pytest.mark.parametrize("tells_versions", [True, False], ids=["versions", "no-versions"])
def test_nights_behind_a_clock_that_was_set_back_are_right(
    tmp_path: Path, tells_versions: bool
) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260104), keys=20)
    office.tells_versions = tells_versions
    office.open(rows=40)
    seen: set[int] = set()
    with closing(Nursery()) as runs:
        for clock in (0, -HOUR, -HOUR + 60, -2 * HOUR):
            for _ in range(6):
                office.change()
            assert runs.run(office.order(action="nightly", clock=clock)).error is None
            laws.hold_after_a_run(office, seen=seen)
            laws.assert_release_is_core(office)
    assert len(Releases(str(office.warehouse)).all()) == 4
    laws.hold_in_the_end(office)


def test_a_night_that_died_under_the_later_clock_does_not_win(tmp_path: Path) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260105), keys=20)
    office.tells_versions = False
    office.open(rows=40)
    with closing(Nursery()) as runs:
        assert runs.run(office.order(clock=HOUR, kill_at="landed", nth=1)).killed
        for _ in range(20):
            office.change()
        assert runs.run(office.order(action="nightly")).error is None
    laws.hold_after_a_run(office, seen=set())
    laws.hold_in_the_end(office)
