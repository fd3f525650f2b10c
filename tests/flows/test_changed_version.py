"""`version:` comes into the YAML later, or changes: no old copy wins by what it never had."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.steps import audit, rebuild
from tests.support.nights import Nights
from warehouse.feeds import Feed

YAML = """\
source: so-mot
connector: {type: sql, url: "sqlite:///../o.db"}
streams:
  ho_so:
    table: t
    key: id
    into: [{entity: dossier, columns: {dossier_code: id, procedure_name: ten}}]
"""
SEEN = "2020-01-{:02} 08:00:00"
"""Before every read: as the start of a read counted for old copies, they would win."""


class Office:
    """A table of 28 dossiers, and its nights."""

    def __init__(self, folder: Path) -> None:
        self.nights = Nights(folder)
        self.source = sqlite3.connect(folder / "o.db")
        self.source.execute("CREATE TABLE t (id INTEGER, ten TEXT, upd TIMESTAMP, so INTEGER)")
        rows = [(n, f"việc {n}", SEEN.format(n), n) for n in range(1, 29)]
        self.source.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        self.source.commit()

    def yaml(self, version: str | None, *, cursor: str | None = None) -> None:
        stated = {"version": version, "cursor": cursor}
        lines = [f"{name}: {column}" for name, column in stated.items() if column is not None]
        self.nights.write("so-mot", YAML.replace("key: id", "\n    ".join(["key: id", *lines])))

    def change(self, *statements: str) -> None:
        for statement in statements:
            self.source.execute(statement)
        self.source.commit()

    def assert_held(self) -> None:
        """Core holds what the office holds, and so does a rebuild."""
        held = self.source.execute("SELECT CAST(id AS TEXT), ten FROM t").fetchall()
        for _ in range(2):
            alive = self.nights.alive("so-mot", "procedure_name")
            assert alive == dict(held)
            assert audit(self.nights.context, ["so-mot"]).findings == ()
            rebuild(self.nights.context, "so-mot")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    with closing(office.source):
        yield office


def test_copies_that_were_read_before_the_version_was_are_older(office: Office) -> None:
    office.yaml(None)
    assert office.nights.dossier("so-mot").inserted == 28
    office.yaml("upd")
    told = office.nights.dossier("so-mot")
    assert told.note is not None
    assert "`version:` was changed" in told.note
    office.change("DELETE FROM t WHERE id = 7")
    office.change(f"UPDATE t SET ten = 'sửa', upd = '{SEEN.format(9)}' WHERE id = 8")
    night = office.nights.dossier("so-mot")
    assert (night.tombstoned, night.updated, night.note) == (1, 1, None)
    office.assert_held()


def test_another_version_orders_what_has_landed_before_too(office: Office) -> None:
    office.yaml("so")
    assert office.nights.dossier("so-mot").inserted == 28
    office.change("UPDATE t SET ten = 'mới', so = so + 100 WHERE id = 3")
    assert office.nights.dossier("so-mot").updated == 1
    office.yaml("upd")
    office.change("UPDATE t SET ten = 'sau', so = 0 WHERE id = 4")
    assert office.nights.dossier("so-mot").error is None
    office.assert_held()
    office.change("UPDATE t SET ten = 'nữa' WHERE id = 5")
    assert office.nights.dossier("so-mot").updated == 1
    office.assert_held()


def test_a_version_that_went_and_came_back_orders_what_came_meanwhile(office: Office) -> None:
    for version in ("upd", None, "upd"):
        office.yaml(version)
        assert office.nights.dossier("so-mot").error is None
    office.change("DELETE FROM t WHERE id = 7")
    office.change(f"UPDATE t SET ten = 'sửa', upd = '{SEEN.format(9)}' WHERE id = 8")
    night = office.nights.dossier("so-mot")
    assert (night.tombstoned, night.updated) == (1, 1)
    office.assert_held()


def test_a_change_that_came_without_the_version_stays_behind_what_came_with_it(
    office: Office,
) -> None:
    office.yaml("upd", cursor="so")
    office.nights.dossier("so-mot")
    office.yaml(None, cursor="so")
    office.change("UPDATE t SET ten = 'sau', so = 50 WHERE id = 5")
    assert office.nights.dossier("so-mot").updated == 1
    office.yaml("upd", cursor="so")
    office.change("UPDATE t SET so = 51 WHERE id = 6")
    office.nights.dossier("so-mot")
    office.assert_held()


def test_a_rebuild_before_the_first_read_with_the_version_changes_nothing(office: Office) -> None:
    office.yaml(None)
    office.nights.dossier("so-mot")
    office.yaml("upd")
    rebuild(office.nights.context, "so-mot")
    office.change("DELETE FROM t WHERE id = 7")
    office.change(f"UPDATE t SET ten = 'sửa', upd = '{SEEN.format(9)}' WHERE id = 8")
    night = office.nights.dossier("so-mot")
    assert (night.tombstoned, night.updated) == (1, 1)
    office.assert_held()


def test_who_was_buried_without_a_version_lives_again_with_one(office: Office) -> None:
    office.yaml(None, cursor="id")
    office.nights.dossier("so-mot")
    office.yaml("so", cursor="id")
    office.change("DELETE FROM t WHERE id = 7")
    assert office.nights.dossier("so-mot").tombstoned == 1
    office.change("INSERT INTO t VALUES (7, 'trở lại', NULL, 99)")
    assert office.nights.dossier("so-mot", full=True).error is None
    office.assert_held()


def test_core_that_says_nothing_of_its_order_is_made_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(Feed, "order_txn", {})
        office.yaml(None)
        office.nights.dossier("so-mot")
    office.yaml("so")
    office.change("UPDATE t SET ten = 'sửa', so = 100 WHERE id = 8")
    office.nights.dossier("so-mot")
    office.assert_held()


def test_a_version_that_is_the_same_makes_nothing_anew(office: Office) -> None:
    office.yaml("upd")
    office.nights.dossier("so-mot")
    office.change("UPDATE t SET ten = 'sửa' WHERE id = 5")
    night = office.nights.dossier("so-mot")
    assert (night.derived, night.updated, night.note) == (1, 1, None)
