"""Runs that are killed: nothing is lost, nothing is doubled, whenever it happens.

A short campaign; `make crash` makes a long one.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from flows.query import query
from flows.releasing import publish_release, sentence
from flows.steps import audit, rebuild
from tests.crash import laws
from tests.crash.__main__ import table
from tests.crash.campaign import Tally, campaign
from tests.crash.plan import GROUPS, RANDOM, WAYS, phases_without_a_way, schedule
from tests.support.changing_office import MENDED, ChangingOffice
from tests.support.nursery import Nursery
from warehouse.delta import Table
from warehouse.releases import Releases

OFFICES = 4
PLACES = schedule(random.Random(20260101), per_group=2, in_all=28)


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(OFFICES))
def test_killed_runs_lose_nothing_and_double_nothing(tmp_path: Path, nth: int) -> None:
    places = PLACES[nth::OFFICES]
    tally = campaign(tmp_path, places, random.Random(nth))
    print(table(tally))  # noqa: T201 - the test's own evidence
    assert tally.kills == Counter(places)
    assert tally.releases


def test_the_short_campaign_kills_in_every_named_phase() -> None:
    assert set(PLACES) == {*WAYS, RANDOM}


def test_every_named_phase_has_a_run_that_is_killed_in_it() -> None:
    assert phases_without_a_way() == []
    places = schedule(random.Random(1), per_group=20, in_all=300)
    assert len(places) == 300
    for ways in GROUPS.values():
        assert sum(place in ways for place in places) >= 20


def test_a_phase_without_a_kill_is_a_failure() -> None:
    tally = Tally()
    first, *others = WAYS
    tally.kills.update(others)
    assert tally.missing == [first]
    assert f"NO KILL IN: {first}" in table(tally)


def test_an_audit_between_a_kill_and_the_next_run_finds_nothing(tmp_path: Path) -> None:
    office = opened(tmp_path, rows=20)
    with closing(Nursery()) as runs:
        for place in ("core_commit", "quarantined", "landed"):
            office.change()
            assert runs.run(office.order(kill_at=place)).killed
            assert audit(office.context, []).findings == ()
        assert runs.run(office.order()).error is None
    assert audit(office.context, []).findings == ()


@pytest.mark.parametrize("place", ["merged", "landed"])
def test_a_release_behind_a_run_that_died_is_of_one_moment(tmp_path: Path, place: str) -> None:
    office = opened(tmp_path, rows=30)
    with closing(Nursery()) as runs:
        assert runs.run(office.order(action="nightly")).error is None
        for _ in range(20):
            office.change()
        office.write_yaml(MENDED)
        assert runs.run(office.order(kill_at=place)).killed
        assert runs.run(office.order(action="publish")).error is None
    laws.hold_after_a_kill(office, seen=set())
    releases = Releases(str(office.warehouse))
    assert len(releases.all()) == 2
    laws.assert_release_is_core(office)
    assert summarised(office) == quarantined(office)


def test_a_stream_that_can_not_be_brought_level_is_told_and_stops_no_release(
    tmp_path: Path,
) -> None:
    office = opened(tmp_path, rows=30)
    with closing(Nursery()) as runs:
        assert runs.run(office.order(kill_at="merged")).killed
    place = Path(office.context.warehouse.core_uri("payment"))
    shutil.rmtree(place, ignore_errors=True)
    place.write_text("no payment can be merged here", "utf-8")
    report = publish_release(office.context)
    assert report.release is not None
    assert [sentence(finding) for finding in report.findings] == [
        "one_moment: so-thu / payment: found 0, allowed 1"
    ]


def test_a_killed_rebuild_is_run_again(tmp_path: Path) -> None:
    office = opened(tmp_path, rows=30)
    with closing(Nursery()) as runs:
        assert runs.run(office.order()).error is None
        office.write_yaml(MENDED)
        assert runs.run(office.order(action="rebuild", kill_at="quarantined")).killed
        assert "missing_in_core" in {one.kind for one in audit(office.context, []).findings}
    rebuild(office.context, "so-thu")
    laws.hold_in_the_end(office)


def test_the_laws_see_a_release_of_half_a_run(tmp_path: Path) -> None:
    office = opened(tmp_path, rows=30)
    with closing(Nursery()) as runs:
        assert runs.run(office.order(action="nightly")).error is None
    uri = str(office.warehouse)
    payment = Table.open(office.context.warehouse.core_uri("payment"), version=0)
    assert payment is not None
    release = Releases(uri).latest()
    assert release is not None
    older = replace(release.parts["payment"], version=0, rows=0)
    half = replace(release, parts={**release.parts, "payment": older})
    with pytest.raises(AssertionError, match="holds half a run"):
        laws.assert_of_one_moment(office, half)


def opened(root: Path, *, rows: int) -> ChangingOffice:
    office = ChangingOffice(root, random.Random(20260103), keys=24)
    office.open(rows=rows)
    return office


def quarantined(office: ChangingOffice) -> int:
    rows = office.context.warehouse.quarantine.scan().collect()
    return int((~rows["_tombstone"]).sum())


def summarised(office: ChangingOffice) -> int:
    rows = query(str(office.warehouse), "SELECT sum(rows) AS n FROM quarantine_summary")
    return int(rows.to_pylist()[0]["n"] or 0)
