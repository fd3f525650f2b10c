"""A replay that is killed, or runs beside a merge, a rebuild or another replay: exactly once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from flows.quarantined import Selection, discard
from flows.rejections import rejections
from flows.steps import audit, rebuild
from tests.support.changing_office import MENDED, ChangingOffice
from tests.support.nursery import Nursery, Runner, nursery, two_runners
from tests.support.truth import (
    PLACE,
    assert_core_is_the_truth,
    assert_every_newest_copy_is_in_core_or_in_quarantine,
    assert_every_rejected_copy_is_quarantined_once,
)

ROUNDS = 3


@pytest.fixture(scope="module")
def runs() -> Iterator[Nursery]:
    with nursery() as made:
        yield made


@pytest.fixture(scope="module")
def runners() -> Iterator[tuple[Runner, Runner]]:
    with two_runners() as both:
        yield both


def opened(root: Path, runs: Nursery | None = None) -> ChangingOffice:
    """An office with rejected dossiers, and a YAML that was mended since."""
    office = ChangingOffice(root, random.Random(20260104))
    office.open(rows=60)
    if runs is not None:
        assert runs.run(office.order()).error is None
        office.write_yaml(MENDED)
    return office


def frames(office: ChangingOffice) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Core and quarantine of the dossiers."""
    table = office.context.warehouse.core("dossier")
    assert table is not None
    held = office.context.warehouse.quarantine.scan().filter(pl.col("entity") == "dossier")
    return table.scan().collect().sort("_key"), held.collect().sort(PLACE)


def assert_right(office: ChangingOffice) -> None:
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    assert_core_is_the_truth(office)
    assert_every_rejected_copy_is_quarantined_once(office)
    assert audit(office.context, []).findings == ()


@pytest.mark.parametrize("phase", ["quarantined", "core_commit", "merged"])
def test_a_replay_that_is_killed_leaves_every_copy_in_one_place_and_can_be_repeated(
    tmp_path: Path, runs: Nursery, phase: str
) -> None:
    office = opened(tmp_path, runs)
    before = frames(office)
    assert before[1].height > 0
    for _ in range(ROUNDS):
        answer = runs.run(office.order(action="replay", kill_at=phase))
        assert answer.killed
        assert_every_newest_copy_is_in_core_or_in_quarantine(office)
        if phase == "merged":
            break
        for now, then in zip(frames(office), before, strict=True):
            assert now.equals(then)
    assert runs.run(office.order(action="replay")).error is None
    rebuild(office.context, "so-thu")  # what the mended YAML doesn't know any more: `closed`
    assert_right(office)


def test_a_merge_a_discard_and_a_rebuild_after_a_killed_replay_are_right(
    tmp_path: Path, runs: Nursery
) -> None:
    office = opened(tmp_path, runs)
    assert runs.run(office.order(action="replay", kill_at="core_commit")).killed
    for _ in range(8):
        office.change()
    assert runs.run(office.order()).error is None
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    one = rejections(office.context).filter(pl.col("status") == "open")["_key"][0]
    assert runs.run(office.order(action="replay", kill_at="quarantined")).killed
    discard(office.context, Selection(source="so-thu", key=one), reason="thử nghiệm")
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    assert runs.run(office.order(action="replay")).error is None
    rebuild(office.context, "so-thu")
    assert audit(office.context, []).findings == ()
    kept = rejections(office.context).filter(pl.col("_key") == one)
    assert set(kept.filter(~pl.col("_tombstone"))["status"]) <= {"discarded", "superseded", "open"}
    assert "discarded" in set(kept["status"])


@pytest.mark.parametrize("other", ["integrate", "replay"])
@pytest.mark.parametrize("hold_at", ["quarantined", "core_commit"])
def test_a_replay_beside_another_run_is_right_whoever_comes_first(
    tmp_path: Path, runners: tuple[Runner, Runner], runs: Nursery, other: str, hold_at: str
) -> None:
    office = opened(tmp_path, runs)
    for _ in range(8):
        office.change()
    if other == "integrate":
        land(office)
    one, two = runners
    one.begin(office.order(action="replay", hold_at=hold_at))
    assert one.held()
    two.begin(office.order(action=other))
    second = two.answer()
    one.go_on()
    first = one.answer()
    assert (first.error, second.error) == (None, None)
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    runs.run(office.order())
    rebuild(office.context, "so-thu")
    assert_right(office)


def test_what_a_dead_replay_has_numbered_doesnt_count_when_an_older_one_ends(
    tmp_path: Path, runners: tuple[Runner, Runner], runs: Nursery
) -> None:
    office = opened(tmp_path)
    assert runs.run(office.order()).error is None
    for _ in range(60):
        office.change()
    assert runs.run(office.order()).error is None
    office.write_yaml(MENDED)
    one, _ = runners
    one.begin(office.order(action="replay", hold_at="core_commit"))
    assert one.held()
    office.write_yaml({"open": "in_progress"})
    assert runs.run(office.order(action="replay", kill_at="core_commit")).killed
    one.go_on()
    assert one.answer().error is None
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)


def test_a_merge_that_waits_while_a_replay_comes_first_is_right(
    tmp_path: Path, runners: tuple[Runner, Runner], runs: Nursery
) -> None:
    office = opened(tmp_path, runs)
    for _ in range(8):
        office.change()
    land(office)
    one, two = runners
    one.begin(office.order(action="integrate", hold_at="core_commit"))
    assert one.held()
    two.begin(office.order(action="replay"))
    second = two.answer()
    one.go_on()
    first = one.answer()
    assert (first.error, second.error) == (None, None)
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    assert runs.run(office.order(action="replay")).error is None
    rebuild(office.context, "so-thu")
    assert_right(office)


def land(office: ChangingOffice) -> None:
    from flows.receipts import SyncOptions
    from flows.steps import new_sync_id, read_and_land

    for stream in ("ho_so", "su_kien"):
        read_and_land(
            office.context, "so-thu", stream, options=SyncOptions(accept_deletes=True),
            sync_id=new_sync_id(),
        )  # fmt: skip
