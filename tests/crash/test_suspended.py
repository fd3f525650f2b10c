"""A process suspended for longer than anybody waits: it wakes up and damages nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash import laws
from tests.crash.plan import WAYS
from tests.support.changing_office import MENDED, PLAIN, ChangingOffice
from tests.support.nursery import Answer, Runner, two_runners

EXCUSES = ("a file of a table is gone", "another run wrote to this table first")
DAYS = 3 * 24 * 3_600
ASLEEP = [
    ("read", "landing_commit", "landed", "quarantined"),
    ("core_commit", "merged", "release_commit", "released"),
    ("trim_commit", "compact_commit"),
    ("checkpoint", "expire_commit", "vacuum"),
]


@dataclass
class Pair:
    """An office, a process that is suspended, and one that goes on."""

    office: ChangingOffice
    sleeper: Runner
    other: Runner

    def change(self) -> None:
        for _ in range(6):
            self.office.change()

    def run(self, action: str) -> None:
        self.other.begin(self.office.order(action=action))
        answer = self.other.answer()
        assert (answer.killed, answer.error) == (False, None)

    def suspend(self, action: str, phase: str) -> None:
        """Stops the sleeper in a phase; the word that lets it go on waits for it."""
        self.sleeper.begin(self.office.order(action=action, hold_at=phase))
        assert self.sleeper.held(), f"{action} did not come to {phase}"
        os.kill(self.sleeper.process.pid, signal.SIGSTOP)
        self.sleeper.go_on()

    def wake(self) -> Answer:
        os.kill(self.sleeper.process.pid, signal.SIGCONT)
        return self.sleeper.answer()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    office = ChangingOffice(tmp_path, random.Random(20260106), keys=24)
    office.open(rows=40)
    with closing(sqlite3.connect(office.database)) as source:
        source.execute("PRAGMA journal_mode = WAL")  # a reader that sleeps stops no writer
    with two_runners() as (sleeper, other):
        yield Pair(office, sleeper, other)


@pytest.mark.slow
@pytest.mark.parametrize("phases", ASLEEP, ids=lambda phases: phases[0])
def test_who_wakes_up_in_a_phase_damages_nothing(pair: Pair, phases: tuple[str, ...]) -> None:
    seen: set[int] = set()
    office = pair.office
    for phase in phases:
        (action, *_) = WAYS[phase].actions
        for _ in range(5 if action == "maintain" else 1):  # so many that there are files to join
            pair.change()
            pair.run("nightly")
        pair.change()
        pair.suspend(action, phase)
        pair.change()
        office.write_yaml(MENDED if office.codes == PLAIN else PLAIN)
        for other in ("nightly", "maintain"):
            pair.run(other)
        seen.clear()
        laws.hold_after_a_kill(office, seen=seen)
        woken = pair.wake()
        assert not woken.killed
        # Maintenance has kept no old file: whoever goes on reading one says so, and ends.
        assert woken.error is None or any(words in woken.error for words in EXCUSES)
        seen.clear()
        laws.hold_after_a_kill(office, seen=seen)
    pair.run("nightly")
    laws.hold_after_a_run(office, seen=seen)
    laws.hold_in_the_end(office)


def test_who_wakes_up_after_days_commits_no_file_that_is_gone(pair: Pair) -> None:
    """Files of no commit are given up after two days, and with them whoever began before."""
    office = pair.office
    pair.run("nightly")
    pair.change()
    pair.suspend("nightly", "core_commit")
    left = abandoned(office.warehouse / "analysts" / "core" / "dossier")
    pair.run("maintain")
    assert not left.exists()
    woken = pair.wake()
    assert (woken.killed, woken.error) == (False, None)
    laws.hold_after_a_run(office, seen=set())
    laws.hold_in_the_end(office)


def abandoned(table: Path) -> Path:
    """A file as a run leaves it that died before its commit, days ago."""
    of_commit = next(table.rglob("*.parquet"))
    left = of_commit.with_name(f"part-00000-{'0' * 8}-left.snappy.parquet")
    shutil.copy(of_commit, left)
    then = time.time() - DAYS
    os.utime(left, (then, then))
    return left
