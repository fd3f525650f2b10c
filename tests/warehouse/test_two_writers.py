"""Two runs at once: each row once, in landing, in core and in quarantine."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.protocol import ReadRequest
from flows import reading
from flows.receipts import SyncOptions
from flows.steps import audit, new_sync_id, read_and_land
from tests.support.changing_office import ChangingOffice
from tests.support.nights import Nights
from tests.support.nursery import Answer, Runner, two_runners
from tests.support.truth import (
    assert_core_is_the_truth,
    assert_every_newest_copy_is_in_core_or_in_quarantine,
    assert_every_rejected_copy_is_quarantined_once,
    assert_everything_has_landed,
)
from warehouse.phases import listen

Runners = tuple[Runner, Runner]
ROUNDS = 20
SYNCS = 9
FEW, MANY = 50, 100_000  # keys: the changes of a round mostly meet known rows, or none


@pytest.mark.slow
def test_two_writers_that_integrate_one_stream_at_once_are_right_20_of_20(
    tmp_path: Path, runners: Runners
) -> None:
    office = opened(tmp_path)
    for number in range(ROUNDS):
        change(office, number)
        landed = land(office)
        answers = at_once(runners, office, action="integrate", **pace(number, "core_commit"))
        assert [answer.error for answer in answers] == [None, None]
        # What one of them has integrated, the other doesn't count.
        assert total(answers, "dossier", "derived") == landed
        assert_right(office)
    assert audit(office.context, []).findings == ()


@pytest.mark.slow
def test_two_syncs_at_once_are_right(tmp_path: Path, runners: Runners) -> None:
    office = opened(tmp_path)
    for number in range(SYNCS):
        change(office, number)
        before = landed_rows(office)
        answers = at_once(runners, office, action="sync", **pace(number, "landing_commit"))
        assert [answer.error for answer in answers] == [None, None]
        landed = landed_rows(office) - before
        assert total(answers, "dossier", "landed") == landed
        assert total(answers, "dossier", "derived") == landed
        assert_right(office)
    assert audit(office.context, []).findings == ()


def test_two_first_runs_at_once_make_one_warehouse(tmp_path: Path, runners: Runners) -> None:
    for number in range(3):
        office = opened(tmp_path / str(number))
        answers = at_once(runners, office, action="sync")
        assert [answer.error for answer in answers] == [None, None]
        assert_right(office)


def test_core_committed_by_path_would_stand_there_twice(tmp_path: Path, runners: Runners) -> None:
    office = opened(tmp_path)
    land(office)
    broken = {"hold_at": "core_commit", "in_turn": True, "by_path": True}
    answers = at_once(runners, office, action="integrate", **broken)
    assert answers[0].error is None
    assert "more than once" in (answers[1].error or "")
    assert "duplicate_key" in {finding.kind for finding in audit(office.context, []).findings}


def test_landing_committed_by_path_would_hold_rows_twice(tmp_path: Path, runners: Runners) -> None:
    office = opened(tmp_path)
    broken = {"hold_at": "landing_commit", "in_turn": True, "by_path": True}
    at_once(runners, office, action="sync", stream="ho_so", **broken)
    landing = office.context.warehouse.landing("so-thu", "ho_so")
    rows = landing.rows(after=0, to=landing.version())
    assert rows.select("_landing_version", "_row").is_duplicated().all()


@pytest.fixture(scope="module")
def runners() -> Iterator[Runners]:
    with two_runners() as both:
        yield both


def opened(root: Path) -> ChangingOffice:
    office = ChangingOffice(root, random.Random(20260102))
    office.open(rows=40)
    return office


def change(office: ChangingOffice, number: int) -> None:
    office.keys = MANY if number % 2 else FEW
    for _ in range(office.chance.randrange(3, 12)):
        office.change()


def land(office: ChangingOffice) -> int:
    """Lands both streams; the dossiers that came."""
    context, sync_id = office.context, new_sync_id()
    options = SyncOptions(accept_deletes=True)
    landed = [
        read_and_land(context, "so-thu", stream, options=options, sync_id=sync_id).landed
        for stream in ("ho_so", "su_kien")
    ]
    return landed[0]


def landed_rows(office: ChangingOffice) -> int:
    """Dossiers in landing that their source sent."""
    landing = office.context.warehouse.landing("so-thu", "ho_so")
    if not (newest := landing.version()):
        return 0
    return int((~landing.rows(after=0, to=newest)["_tombstone"]).sum())


def pace(number: int, phase: str) -> dict[str, Any]:
    """Free; both let go before the commit at once; the one wholly before the other, by turns."""
    return [{}, {"hold_at": phase}, {"hold_at": phase, "in_turn": True}][number // 2 % 3]


def at_once(
    runners: Runners,
    office: ChangingOffice,
    *,
    hold_at: str | None = None,
    in_turn: bool = False,
    **how: Any,
) -> Sequence[Answer]:
    """Two runs at once.

    With `hold_at`, both wait there until both have read their precondition. Then they are let go
    together, or (`in_turn`) the second when the first has ended.
    """
    for runner in runners:
        runner.begin(office.order(hold_at=hold_at, **how))
    if hold_at is None:
        return [runner.answer() for runner in runners]
    assert [runner.held() for runner in runners] == [True, True]
    if in_turn:
        return [_released(runner) for runner in runners]
    for runner in runners:
        runner.go_on()
    return [runner.answer() for runner in runners]


def _released(runner: Runner) -> Answer:
    runner.go_on()
    return runner.answer()


def total(answers: Sequence[Answer], entity: str, count: str) -> int:
    return sum(r[count] for a in answers for r in a.receipts if r["entity"] == entity)


def assert_right(office: ChangingOffice) -> None:
    assert_everything_has_landed(office)
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    assert_core_is_the_truth(office)
    assert_every_rejected_copy_is_quarantined_once(office)
    landing = office.context.warehouse.landing("so-thu", "ho_so")
    rows = landing.rows(after=0, to=landing.version())
    assert not rows.select("_landing_version", "_row").is_duplicated().any()
    assert not rows.select("_key", "_row_hash", "_tombstone", "_sync_id").is_duplicated().any()


TWO_STREAMS = """\
source: so-doi
connector: {type: sql, url: "sqlite:///../office.db"}
streams:
  mot:
    table: mot
    key: so
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten}}]
  hai:
    table: hai
    key: so
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten}}]
"""


def test_a_key_that_two_streams_bring_at_once_stands_once(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "office.db")) as office, office:
        for table in ("mot", "hai"):
            office.execute(f"CREATE TABLE {table} AS SELECT 'HS-1' AS so, '{table}' AS ten")
    nights = Nights(tmp_path)
    nights.write("so-doi", TWO_STREAMS)
    armed = [True]

    def beside(phase: str) -> None:
        if armed and phase == "core_commit":
            armed.clear()
            nights.sync("so-doi", stream="hai")

    listen(beside)
    nights.sync("so-doi", stream="mot")
    assert len(nights.core("so-doi", "procedure_name")) == 1


@pytest.mark.parametrize("at", [1, 2, 3])
def test_keys_that_another_stream_brings_in_the_middle_of_a_load_stand_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The load knows core's keys since its first rounds: it has to notice that there are more."""
    for name, rows in (("landing.PIECE_ROWS", 10), ("landing.CHUNK_ROWS", 10),
                       ("following.ROUND_ROWS", 10), ("core._FEW_KEYS", 0)):  # fmt: skip
        monkeypatch.setattr(f"warehouse.{name}", rows)
    monkeypatch.setattr(reading, "ReadRequest", partial(ReadRequest, batch_rows=10))
    keys = [f"HS-{number}" for number in range(60)]
    with closing(sqlite3.connect(tmp_path / "office.db")) as office, office:
        for table in ("mot", "hai"):
            office.execute(f"CREATE TABLE {table} (so TEXT, ten TEXT)")
            office.executemany(f"INSERT INTO {table} VALUES (?, '{table}')", [(k,) for k in keys])
    nights = Nights(tmp_path)
    nights.write("so-doi", TWO_STREAMS)
    commits = 0

    def beside(phase: str) -> None:
        nonlocal commits
        commits += phase == "core_commit"
        if phase == "core_commit" and commits == at:
            nights.sync("so-doi", stream="hai")

    listen(beside)
    nights.sync("so-doi", stream="mot")
    assert commits > at
    core = nights.context.warehouse.core("dossier")
    assert core is not None
    assert core.scan().select("_key").collect()["_key"].sort().to_list() == sorted(keys)
