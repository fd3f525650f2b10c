"""Parents folded from their lines, and children that come as a list on their parent."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.steps import rebuild
from tests.support.nights import Nights, done

FOLDED = """\
source: so-dong
connector: {type: sql, url: "sqlite:///../office.db"}
streams:
  dong:
    table: dong
    key: dong
    version: phien_ban
    into:
      - entity: dossier
        key: so
        columns: {dossier_code: so, procedure_name: ten}
"""
EXPLODED = """\
source: so-dong
connector: {type: sql, url: "sqlite:///../office.db"}
streams:
  ho_so:
    table: ho_so
    key: so
    version: phien_ban
    into:
      - entity: dossier
        columns: {dossier_code: so}
      - entity: payment
        explode: le_phi
        key: [so, le_phi.ma]
        columns: {dossier_code: so, payment_code: le_phi.ma, amount: le_phi.tien}
"""
OFFICE = "so-dong"


@dataclass(frozen=True)
class Office:
    """A SQLite file and its warehouse. So few rows are never many, hence deletes are accepted."""

    root: Path
    nights: Nights

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.root / "office.db")) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def night(self, entity: str) -> dict[str, int]:
        return done(self.nights.sync(OFFICE, accept_deletes=True)[entity])

    def dossiers(self) -> dict[str, str]:
        return self.nights.alive(OFFICE, "procedure_name")

    def payments(self) -> dict[str, int]:
        return self.nights.alive(OFFICE, "CAST(amount AS BIGINT)", entity="payment")

    def stale(self) -> set[str]:
        found = self.nights.alive(OFFICE, "_is_stale", entity="payment")
        return {key for key, is_stale in found.items() if is_stale}


@pytest.fixture
def lines(tmp_path: Path) -> Office:
    made = Office(tmp_path, Nights(tmp_path))
    made.nights.write(OFFICE, FOLDED)
    made.run(
        "CREATE TABLE dong (dong TEXT, so TEXT, ten TEXT, phien_ban INTEGER)",
        "INSERT INTO dong VALUES ('1', 'A', 'việc A', 1), ('2', 'A', 'việc A', 1),"
        " ('3', 'A', 'việc A', 1), ('4', 'B', 'việc B', 1)",
    )
    assert made.night("dossier") == {"inserted": 2, "folded": 2}
    return made


@pytest.fixture
def lists(tmp_path: Path) -> Office:
    made = Office(tmp_path, Nights(tmp_path))
    made.nights.write(OFFICE, EXPLODED)
    made.run(
        "CREATE TABLE ho_so (so TEXT, phien_ban INTEGER, le_phi TEXT)",
        f"INSERT INTO ho_so VALUES ('A', 5, '{fees(p=10, q=20)}'), ('B', 5, '{fees(p=30)}')",
    )
    assert made.night("payment") == {"inserted": 3}
    return made


def fees(**amounts: int) -> str:
    return json.dumps([{"ma": code, "tien": str(amount)} for code, amount in amounts.items()])


def send(office: Office, so: str, version: int, content: str) -> None:
    office.run(f"UPDATE ho_so SET phien_ban = {version}, le_phi = '{content}' WHERE so = '{so}'")


def test_a_parent_dies_only_with_its_last_line(lines: Office) -> None:
    for line in ("1", "3"):
        lines.run(f"DELETE FROM dong WHERE dong = '{line}'")
        assert "tombstoned" not in lines.night("dossier")
        assert lines.dossiers() == {"A": "việc A", "B": "việc B"}
    lines.run("DELETE FROM dong WHERE dong = '2'")
    assert lines.night("dossier") == {"tombstoned": 1}
    assert lines.dossiers() == {"B": "việc B"}
    lines.run("INSERT INTO dong VALUES ('5', 'A', 'việc A', 2)")
    assert lines.night("dossier") == {"updated": 1}
    assert lines.dossiers() == {"A": "việc A", "B": "việc B"}


def test_a_line_that_moves_takes_its_old_parent_along_only_if_it_was_the_last(
    lines: Office,
) -> None:
    lines.run("UPDATE dong SET so = 'C', ten = 'việc C', phien_ban = 2 WHERE dong = '1'")
    assert lines.night("dossier") == {"inserted": 1}
    assert lines.dossiers() == {"A": "việc A", "B": "việc B", "C": "việc C"}
    lines.run("UPDATE dong SET so = 'C', ten = 'việc C', phien_ban = 2 WHERE dong = '4'")
    moved = lines.night("dossier")
    assert moved["tombstoned"] == 1
    assert lines.dossiers() == {"A": "việc A", "C": "việc C"}


def test_the_newest_line_tells_the_parents_values(lines: Office) -> None:
    lines.run("UPDATE dong SET ten = 'việc A, sửa', phien_ban = 2 WHERE dong = '2'")
    assert lines.night("dossier") == {"updated": 1}
    assert lines.dossiers() == {"A": "việc A, sửa", "B": "việc B"}


def test_a_child_that_is_missing_from_the_list_sent_again_is_gone(lists: Office) -> None:
    send(lists, "A", 6, fees(q=25, r=40))
    assert lists.night("payment") == {"inserted": 1, "updated": 1, "tombstoned": 1}
    assert lists.payments() == {"A/q": 25, "A/r": 40, "B/p": 30}
    send(lists, "A", 7, "[]")
    assert lists.night("payment") == {"tombstoned": 2}
    assert lists.payments() == {"B/p": 30}
    send(lists, "A", 8, fees(p=11))
    assert lists.night("payment") == {"updated": 1}
    assert lists.payments() == {"A/p": 11, "B/p": 30}


def test_a_list_that_cannot_be_read_makes_children_stale_and_not_dead(lists: Office) -> None:
    send(lists, "A", 6, '[{"ma": "p", "ti')
    assert lists.night("payment") == {"quarantined": 1}
    assert lists.payments() == {"A/p": 10, "A/q": 20, "B/p": 30}
    assert lists.stale() == {"A/p", "A/q"}
    send(lists, "A", 7, fees(p=10, q=21))
    assert "tombstoned" not in lists.night("payment")
    assert lists.payments() == {"A/p": 10, "A/q": 21, "B/p": 30}
    assert lists.stale() == set()


def test_an_older_list_that_arrives_late_does_not_win(lists: Office) -> None:
    send(lists, "A", 4, fees(p=1))
    assert lists.night("payment") == {"superseded": 1}
    assert lists.payments() == {"A/p": 10, "A/q": 20, "B/p": 30}


def test_children_die_with_their_parent(lists: Office) -> None:
    lists.run("DELETE FROM ho_so WHERE so = 'A'")
    assert lists.night("payment") == {"tombstoned": 2}
    assert lists.payments() == {"B/p": 30}


def test_what_the_nights_made_is_what_a_rebuild_makes(lists: Office) -> None:
    send(lists, "A", 6, fees(q=25))
    lists.night("payment")
    send(lists, "B", 6, "[")
    lists.night("payment")
    told = "[CAST(amount AS BIGINT), _version, _deleted_at IS NULL, _is_stale]"
    before = lists.nights.core(OFFICE, told, entity="payment")
    rebuild(lists.nights.context, OFFICE)
    assert lists.nights.core(OFFICE, told, entity="payment") == before
