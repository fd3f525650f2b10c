"""A warehouse's place that isn't what it should be: a clear answer, and nothing is changed.

Where rows of a warehouse may be, no new person key is made: it would make every person two.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs_service
from tests.support.offices import OTHER_PERSON, PERSON, ROWS, Home, desk
from tests.support.processes import python

LOOKING = (["status"], ["audit"], ["quarantine", "list"])
RELEASED = (["release", "list"], ["release", "show"], ["release", "diff", "1", "2"])
NO_RIGHT = "no permission to read or write here"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A commune's desk; nothing has been synced."""
    return desk(tmp_path)


def said(home: Home, *words: str, status: int) -> str:
    """What the command says on both streams."""
    done = home.run(*words)
    assert done.exit_code == status, done.output
    return sound(done.output)


def sound(text: str) -> str:
    """The text, which holds neither a traceback nor a person."""
    for word in (PERSON, OTHER_PERSON, "Traceback", "unexpected"):
        assert word not in text
    return text


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing in the folder changes meanwhile."""
    before = contents(folder)
    yield
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_that_is_no_warehouse_is_left_alone(home: Home) -> None:
    home.warehouse.mkdir()
    (home.warehouse / "thư.txt").write_text("x")
    with unchanged(home.root):
        for words in (*LOOKING, ["sql", "SELECT 1"], *RELEASED):
            assert "no warehouse here" in said(home, *words, status=1)
        for verb in ("sync", "nightly"):
            answer = said(home, verb, status=1)
            assert "this folder is no warehouse: it holds 'thư.txt'" in answer
            assert "name a new or empty folder" in answer


def test_a_file_where_the_warehouse_should_be_is_left_alone(home: Home) -> None:
    home.warehouse.write_text("x")
    with unchanged(home.root):
        assert "this is a file; a warehouse is a folder" in said(home, "sync", status=1)
        assert "no warehouse here" in said(home, "status", status=1)


def test_an_empty_folder_and_a_fresh_disk_may_become_a_warehouse(home: Home) -> None:
    for name in ("lost+found", ".snapshots", "restricted/warehouse"):
        (home.warehouse / name).mkdir(parents=True)
    said(home, "sync", status=0)


@pytest.mark.parametrize("left", ["everything", "only core", "only landing"])
def test_a_warehouse_that_lost_its_mark_gets_no_new_key(home: Home, left: str) -> None:
    said(home, "sync", status=0)
    shutil.rmtree(home.warehouse / "restricted" / "warehouse")
    if left == "only core":
        shutil.rmtree(home.warehouse / "restricted")
    if left == "only landing":
        shutil.rmtree(home.warehouse / "analysts")
        shutil.rmtree(home.warehouse / "restricted" / "quarantine")
    (home.root / "warehouse.person.key").unlink()
    with unchanged(home.root):
        answer = said(home, "sync", status=1)
    assert "restricted/warehouse is lost, which knows their person key" in answer
    assert "bring it back from a backup" in answer


def test_without_that_look_the_person_of_before_would_come_back_as_another(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(home, "sync", status=0)
    shutil.rmtree(home.warehouse / "restricted" / "warehouse")
    (home.root / "warehouse.person.key").unlink()
    monkeypatch.setattr("warehouse.warehouse._objection", lambda _: None)
    home.csv(*ROWS, f"HS-4,{PERSON},Đăng ký khai sinh,2026-03-05,received,1")
    said(home, "sync", status=0)
    people = home.answer("sql", "SELECT applicant_id FROM dossier WHERE _key IN ('HS-1', 'HS-4')")
    assert len({row["applicant_id"] for row in people}) == 2


def test_a_lost_or_broken_key_is_answered_with_how_to_bring_it_back(home: Home) -> None:
    said(home, "sync", status=0)
    path = home.root / "warehouse.person.key"
    key = path.read_text()
    path.unlink()
    with unchanged(home.root):
        answer = said(home, "sync", status=1)
        assert "none is configured. Bring back the file it was kept in" in answer
        assert "LIENTHONG_PERSON_KEY_FILE" in answer
    path.write_text(key[:20])
    with unchanged(home.root):
        answer = said(home, "sync", status=2)
    assert "a person key is 64 hexadecimal digits or more" in answer
    assert key[:20] not in answer
    path.write_text(key)
    said(home, "sync", status=0)


@pytest.mark.parametrize("words", [["sync"], ["nightly"], ["rebuild", "xa-thu"], *LOOKING])
def test_another_key_stops_every_verb_that_knows_people(
    home: Home, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    said(home, "sync", status=0)
    monkeypatch.setenv("LIENTHONG_PERSON_KEY", "ab" * 32)
    with unchanged(home.root):
        answer = said(home, *words, status=1)
    assert "made with another person key: the same person would become two" in answer
    assert "ab" * 32 not in answer


# Whoever runs the command isn't root, and some things belong to somebody else.

AS_NOBODY = """
import json, os, sys
from pathlib import Path
from tests.conftest import needs_service
from tests.support.offices import Home, desk
scratch, orders = desk(Path(sys.argv[1])), json.loads(sys.argv[2])
words = ["sync"], ["status"], ["audit"], ["quarantine", "list"], ["sql", "SELECT 1"], ["sync", "?"]
for each in words:  # what is imported late is there: nobody may not see where Python lies
    scratch.run(*each)
os.setgroups([]), os.setgid(65534), os.setuid(65534)
answers = []
for root, order in orders:
    done = Home(Path(root)).run(*order)
    answers.append([done.exit_code, done.output])
sys.stdout.write(json.dumps(answers))
"""


class Nobody:
    """Homes of root's, and commands on them by somebody else; all in one process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._orders: list[tuple[str, list[str]]] = []
        self._answers: list[list[Any]] = []

    def home(self, name: str, *, synced: bool = True) -> Home:
        """A home that others may enter, and write to where root left it open."""
        (self._root / name).mkdir()
        home = desk(self._root / name)
        home.root.chmod(0o777)
        if synced:
            assert home.run("sync").exit_code == 0
            (home.root / "warehouse.person.key").chmod(0o644)
        return home

    def orders(self, home: Home, *words: str) -> None:
        self._orders.append((str(home.root), list(words)))

    def go(self) -> None:
        (self._root / "scratch").mkdir()
        words = [str(self._root / "scratch"), json.dumps(self._orders)]
        self._answers = json.loads(python(AS_NOBODY, *words).splitlines()[-1])

    def answer(self, name: str, *words: str, status: int) -> str:
        """What one of the commands said."""
        place = self._orders.index((str(self._root / name), list(words)))
        code, text = self._answers[place]
        assert code == status, text
        return sound(text)


@pytest.fixture(scope="module")
def nobody() -> Iterator[Nobody]:
    """What somebody else is told, in a place outside pytest's own folder, which is shut to them."""
    if os.geteuid():
        needs_service("only root can set up what belongs to somebody else")
    with tempfile.TemporaryDirectory(prefix="lienthong-nobody-") as folder:
        root = Path(folder).resolve()
        root.chmod(0o755)
        yield _told(root)


def _told(root: Path) -> Nobody:
    them = Nobody(root)
    desk_shut = them.home("desk-shut", synced=False)
    (desk_shut.root / "desk").chmod(0o700)
    them.orders(desk_shut, "sync")
    no_place = them.home("no-place", synced=False)
    no_place.root.chmod(0o755)
    them.orders(no_place, "sync")
    unreadable = them.home("unreadable")
    (unreadable.warehouse / "restricted").chmod(0o700)
    for words in (*LOOKING, ["sync"], ["nightly"], ["sql", "SELECT count(*) AS n FROM dossier"]):
        them.orders(unreadable, *words)
    read_only = them.home("read-only")
    read_only.csv(*ROWS[:2], ROWS[2].replace("30000", "30001"))
    for words in (*LOOKING, ["sync"]):
        them.orders(read_only, *words)
    key_shut = them.home("key-shut")
    (key_shut.root / "warehouse.person.key").chmod(0o600)
    them.orders(key_shut, "sync")
    them.go()
    return them


def test_a_folder_of_files_that_is_shut_is_named(nobody: Nobody) -> None:
    answer = nobody.answer("desk-shut", "sync", status=1)
    assert "'desk' may not be read; give the user that runs this the permission" in answer


def test_a_place_where_nothing_may_be_made_is_named(nobody: Nobody) -> None:
    answer = nobody.answer("no-place", "sync", status=2)
    assert "warehouse.person.key: the person key can't be written here" in answer


@pytest.mark.parametrize("words", [["sync"], ["nightly"], *LOOKING])
def test_a_shut_warehouse_is_not_taken_for_none(nobody: Nobody, words: list[str]) -> None:
    assert f"restricted/warehouse: {NO_RIGHT}" in nobody.answer("unreadable", *words, status=1)


def test_analysts_need_nothing_of_what_is_restricted(nobody: Nobody) -> None:
    answer = nobody.answer("unreadable", "sql", "SELECT count(*) AS n FROM dossier", status=0)
    assert answer.split()[:2] == ["n", "3"]


@pytest.mark.parametrize("words", LOOKING)
def test_looking_needs_no_right_to_write(nobody: Nobody, words: list[str]) -> None:
    assert nobody.answer("read-only", *words, status=0)


def test_a_warehouse_that_may_not_be_written_is_named(nobody: Nobody) -> None:
    assert NO_RIGHT in nobody.answer("read-only", "sync", status=1)


def test_a_shut_key_is_named(nobody: Nobody) -> None:
    answer = nobody.answer("key-shut", "sync", status=2)
    assert "warehouse.person.key: the person key can't be read from this file" in answer
