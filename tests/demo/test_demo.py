"""What a stranger sees in the first two minutes is true, twice in a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo import desk, justice
from demo.dossiers import ZONE, generate
from demo.show import typed

ROOT = Path(__file__).resolve().parents[2]


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def receipts(answers: list[dict[str, Any]], command: str) -> list[dict[str, dict[str, Any]]]:
    return [
        {one["stream"]: one for one in answer["answer"]}
        for answer in answers
        if answer["command"] == command
    ]


@pytest.mark.slow
def test_the_demo_runs_twice_and_reports_exactly_its_own_dirt(tmp_path: Path) -> None:
    today = datetime.now(ZONE).date()
    first = demo(tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Your turn" in first.stdout
    second = demo(tmp_path, "--json")
    assert second.returncode == 0, second.stderr
    answers = json.loads(second.stdout)
    night_1, night_2 = receipts(answers, "lienthong sync")
    dirt = justice.DIRT
    dossiers = night_1["ho_so"]
    rejected = dirt.unknown_status + dirt.unreadable_reception + dirt.without_code
    assert (dossiers["read"], dossiers["quarantined"]) == (justice.DOSSIERS, rejected)
    assert dossiers["inserted"] == justice.DOSSIERS - rejected
    assert dossiers["warnings"] == {
        "finished_before_received": dirt.ends_before_it_starts,
        "status_says_open_but_has_end": dirt.open_with_an_end,
        "unparseable:due_at": dirt.unreadable_due,
    }
    assert night_1["qua_trinh_xu_ly"]["quarantined"] == dirt.infinite_event
    lines = night_1["so_theo_doi"]
    assert lines["unreadable"] == desk.DIRT.broken_line
    assert lines["quarantined"] == desk.DIRT.unknown_status + desk.DIRT.unreadable_reception
    changed = night_2["ho_so"]
    # Behind a weekend hardly anything is open: how much can be finished depends on the day.
    made = generate(justice.JUSTICE, count=justice.DOSSIERS, today=today, seed=justice.SEED)
    is_open = sum(dossier.status in {"2", "4", "5"} for dossier in made)
    assert changed["updated"] == min(is_open, 30) > 0
    assert (changed["inserted"], changed["future_cursor"]) == (11, 1)
    (everything,) = receipts(answers, "lienthong sync so-tu-phap --stream ho_so --full")
    # The misdated row is what the full read adds; the removed one was found by the night.
    assert everything["ho_so"]["inserted"] == 1
    assert (changed["tombstoned"], everything["ho_so"]["tombstoned"]) == (1, 0)
    audit = next(a for a in answers if a["command"] == "lienthong audit")
    assert (audit["exit_status"], audit["answer"]["findings"]) == (0, [])


def test_the_demo_empties_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "data" / "demo").mkdir(parents=True)
    mine = tmp_path / "data" / "demo" / "thesis.txt"
    mine.write_text("irreplaceable")
    run = demo(tmp_path)
    assert (run.returncode, mine.read_text()) == (2, "irreplaceable")
    assert "move it away" in run.stderr


def test_the_demo_refuses_arguments_that_it_does_not_know(tmp_path: Path) -> None:
    run = demo(tmp_path, "--quick")
    assert (run.returncode, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("SELECT 'a'", "\"SELECT 'a'\""),
        ("a b", "'a b'"),
        ("plain", "plain"),
        ("it's $HOME", "'it'\"'\"'s $HOME'"),
    ],
)
def test_commands_are_shown_as_a_person_would_type_them(argument: str, shown: str) -> None:
    assert typed(argument) == shown
