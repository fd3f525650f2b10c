"""A column that is mapped later: what has landed lacks it, and the receipt says how it comes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.nights import Nights

YAML = """\
source: so-mot
connector: {{type: sql, url: "sqlite:///../o.db"}}
streams:
  ho_so:
    table: t
    key: id
    {cursor}
    into: [{{entity: dossier, columns: {{dossier_code: id{more}}}}}]
"""
NAMES = {str(n): f"việc {n}" for n in range(1, 10)}


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    with closing(sqlite3.connect(tmp_path / "o.db")) as office, office:
        office.execute("CREATE TABLE t (id INTEGER, ten TEXT, upd TIMESTAMP)")
        rows = [(n, f"việc {n}", f"2020-01-{n:02} 08:00:00") for n in range(1, 10)]
        office.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    return Nights(tmp_path)


def test_rows_that_lack_a_column_are_told_once_and_full_brings_it(nights: Nights) -> None:
    nights.write("so-mot", YAML.format(cursor="cursor: upd", more=""))
    assert nights.dossier("so-mot").note is None
    nights.write("so-mot", YAML.format(cursor="cursor: upd", more=", procedure_name: ten"))
    note = nights.dossier("so-mot").note
    assert note is not None
    assert "new columns ('ten')" in note
    assert "lienthong sync so-mot --stream ho_so --full" in note
    assert nights.dossier("so-mot").note is None
    assert set(nights.alive("so-mot", "procedure_name").values()) == {None}
    assert nights.dossier("so-mot", full=True).note is None
    assert nights.alive("so-mot", "procedure_name") == NAMES


def test_a_read_of_everything_brings_it_by_itself(nights: Nights) -> None:
    nights.write("so-mot", YAML.format(cursor="", more=""))
    assert nights.dossier("so-mot").note is None
    nights.write("so-mot", YAML.format(cursor="", more=", procedure_name: ten"))
    assert nights.dossier("so-mot").note is None
    assert nights.alive("so-mot", "procedure_name") == NAMES
