"""`version:` comes into the YAML later, or changes: no old copy wins by what it never had."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.steps import audit, rebuild
from tests.support.nights import Nights

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

    def yaml(self, version: str | None) -> None:
        stated = "key: id" if version is None else f"key: id\n    version: {version}"
        self.nights.write("so-mot", YAML.replace("key: id", stated))

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


def test_a_version_that_is_the_same_makes_nothing_anew(office: Office) -> None:
    office.yaml("upd")
    office.nights.dossier("so-mot")
    office.change("UPDATE t SET ten = 'sửa' WHERE id = 5")
    night = office.nights.dossier("so-mot")
    assert (night.derived, night.updated, night.note) == (1, 1, None)
