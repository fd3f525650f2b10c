"""Offices that mark a row as deleted instead of removing it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.catalog import load_source
from flows.catalog_errors import CatalogError
from flows.context import Context
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, quarantine_list, rebuild, sync

YAML = """\
source: so-xay-dung
connector: {type: sql, url: "sqlite:///office.db"}
streams:
  ho_so:
    table: ho_so
    key: so
    version: phien_ban
    deleted: DELETED
    into:
      - entity: dossier
        columns:
          dossier_code: ma
          status: {from: trang_thai, codes: status}
          is_migrated: {from: nguon, true_words: [Convert], false_words: [Moi], default: false}
      - entity: payment
        explode: le_phi
        key: [so, le_phi.ma]
        columns: {dossier_code: ma, payment_code: le_phi.ma, amount: le_phi.tien}
"""
FLAG = "da_xoa"
TIME = "{column: ngay_xoa, any_value: true}"


@dataclass(frozen=True)
class Office:
    """A SQLite file, its YAML and a warehouse."""

    root: Path

    @property
    def context(self) -> Context:
        return open_context(
            warehouse_uri=str(self.root / "warehouse"), sources_dir=self.root / "sources"
        )

    def says(self, deleted: str) -> None:
        (self.root / "sources").mkdir(exist_ok=True)
        path = self.root / "sources" / "so-xay-dung.yaml"
        path.write_text(YAML.replace("DELETED", deleted).replace("office.db", "../office.db"))

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.root / "office.db")) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def sync(self, **options: Any) -> dict[str | None, Receipt]:
        """Reads and integrates; the laws that every night has to keep are looked at."""
        context = self.context
        receipts = sync(context, ["so-xay-dung"], SyncOptions(**options))
        for one in receipts:
            assert one.status != "failed", one.error
            assert one.read == one.landed + one.same + one.unreadable
            assert one.derived == (
                one.inserted + one.updated + one.unchanged + one.superseded + one.folded
                + one.quarantined
            )  # fmt: skip
        assert audit(context, ["so-xay-dung"]).findings == ()
        return {one.entity: one for one in receipts}

    def core(self, entity: str = "dossier") -> dict[str, bool]:
        """Key to whether it is alive."""
        table = self.context.warehouse.core(entity)
        assert table is not None
        rows = table.scan().select("_key", "_deleted_at").collect()
        return {key: deleted is None for key, deleted in rows.sort("_key").iter_rows()}

    def rows(self) -> list[dict[str, Any]]:
        table = self.context.warehouse.core("dossier")
        assert table is not None
        frame = table.scan().collect().drop("_changed_at", "_sync_id").sort("_key")
        return frame.to_dicts()


def fees(*codes: str) -> str:
    return json.dumps([{"ma": code, "tien": "1000"} for code in codes])


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(tmp_path)
    made.says(FLAG)
    made.run(
        "CREATE TABLE ho_so (so INTEGER, ma TEXT, trang_thai TEXT, phien_ban INTEGER,"
        " da_xoa INTEGER, ngay_xoa TEXT, nguon TEXT, le_phi TEXT)",
        f"INSERT INTO ho_so VALUES (1, 'A', 'received', 1, 0, NULL, 'Convert', '{fees('p')}'),"
        f" (2, 'B', 'received', 1, 0, '', NULL, '{fees('p', 'q')}'),"
        f" (3, 'C', 'received', 1, 1, '2024-01-11', 'Moi', '{fees('p')}')",
    )
    return made


def test_a_row_that_is_marked_at_the_first_read_is_in_core_and_gone(office: Office) -> None:
    receipt = office.sync()["dossier"]
    assert (receipt.read, receipt.landed, receipt.inserted, receipt.tombstoned) == (3, 3, 3, 1)
    assert office.core() == {"1": True, "2": True, "3": False}
    assert office.core("payment") == {"1/p": True, "2/p": True, "2/q": True, "3/p": False}


def test_a_mark_buries_the_key_once_and_counts_as_read(office: Office) -> None:
    office.sync()
    office.run("UPDATE ho_so SET da_xoa = 1, trang_thai = 'withdrawn' WHERE so = 2")
    receipts = office.sync()
    dossier = receipts["dossier"]
    assert (dossier.read, dossier.landed, dossier.same) == (3, 1, 2)
    assert (dossier.updated, dossier.tombstoned) == (1, 1)
    assert receipts["payment"].tombstoned == 2
    assert office.core() == {"1": True, "2": False, "3": False}
    assert office.rows()[1]["status"] == "withdrawn"
    again = office.sync()["dossier"]
    assert (again.read, again.same, again.landed, again.tombstoned) == (3, 3, 0, 0)


def test_a_mark_alone_is_a_change_of_the_row(office: Office) -> None:
    office.sync()
    office.run("UPDATE ho_so SET da_xoa = 1 WHERE so = 2")
    receipt = office.sync()["dossier"]
    assert (receipt.landed, receipt.updated, receipt.unchanged, receipt.tombstoned) == (1, 1, 0, 1)


def test_a_mark_that_is_taken_off_brings_the_key_back(office: Office) -> None:
    office.sync()
    office.run("UPDATE ho_so SET da_xoa = 0 WHERE so = 3")
    receipt = office.sync()["dossier"]
    assert (receipt.landed, receipt.updated, receipt.tombstoned) == (1, 1, 0)
    assert office.core() == {"1": True, "2": True, "3": True}
    assert office.core("payment")["3/p"]


def test_a_marked_row_that_is_removed_at_last_is_just_gone(office: Office) -> None:
    office.sync()
    first = office.rows()[2]["_deleted_at"]
    office.run("DELETE FROM ho_so WHERE so = 3")
    receipt = office.sync(accept_deletes=True)["dossier"]
    assert receipt.tombstoned == 0
    assert office.core() == {"1": True, "2": True, "3": False}
    assert office.rows()[2]["_deleted_at"] == first
    office.run("INSERT INTO ho_so VALUES (3, 'C', 'received', 1, 1, '2024-01-11', 'Moi', '[]')")
    office.sync()
    assert not office.core()["3"]


def test_an_older_copy_with_a_mark_buries_nothing(office: Office) -> None:
    office.sync()
    office.run("UPDATE ho_so SET da_xoa = 1, phien_ban = 0 WHERE so = 2")
    receipt = office.sync()["dossier"]
    assert (receipt.superseded, receipt.tombstoned) == (1, 0)
    assert office.core()["2"]


def test_a_marked_row_that_breaks_a_rule_buries_its_key_and_waits_for_nobody(
    office: Office,
) -> None:
    office.sync()
    office.run("UPDATE ho_so SET da_xoa = 1, ma = NULL, phien_ban = 2 WHERE so = 2")
    receipt = office.sync()["dossier"]
    assert (receipt.quarantined, receipt.tombstoned) == (1, 1)
    assert office.core() == {"1": True, "2": False, "3": False}
    assert office.rows()[1]["dossier_code"] == "B"  # the last good values stay
    assert quarantine_list(office.context) == []


def test_a_time_of_deletion_can_be_the_mark(office: Office) -> None:
    office.says(TIME)
    office.sync()
    assert office.core() == {"1": True, "2": True, "3": False}


def test_words_of_the_office_can_be_the_mark(office: Office) -> None:
    office.says("{column: nguon, when: [moi, Rác]}")
    office.sync()
    assert office.core() == {"1": True, "2": True, "3": False}


def test_a_mended_yaml_reaches_old_rows_by_a_rebuild(office: Office) -> None:
    office.says("{column: da_xoa, when: [2]}")
    office.sync()
    assert office.core()["3"]
    office.says(FLAG)
    rebuild(office.context, "so-xay-dung")
    assert not office.core()["3"]
    assert audit(office.context, ["so-xay-dung"]).findings == ()


def test_core_equals_a_rebuild_with_marks_in_it(office: Office) -> None:
    office.sync()
    office.run("UPDATE ho_so SET da_xoa = 1 - da_xoa")
    office.sync()
    office.run("DELETE FROM ho_so WHERE so = 1")
    office.sync(accept_deletes=True)
    before = office.rows()
    rebuild(office.context, "so-xay-dung")
    assert office.rows() == before


def test_migrated_rows_are_told_apart(office: Office) -> None:
    office.sync()
    assert [row["is_migrated"] for row in office.rows()] == [True, False, False]


@pytest.mark.parametrize(
    ("deleted", "said"),
    [
        ("{column: da_xoa, when: []}", "when"),
        ("{column: da_xoa, when: [1], any_value: true}", "can't both"),
        ("{colum: da_xoa}", "did you mean"),
    ],
)
def test_what_marks_a_row_is_said_in_one_way(office: Office, deleted: str, said: str) -> None:
    office.says(deleted)
    with pytest.raises(CatalogError, match=said):
        load_source(office.root / "sources" / "so-xay-dung.yaml")
