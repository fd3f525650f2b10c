"""Reconcile reports exactly the differences that were planted in an office, and mends them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.query import query
from flows.reconciliation import ReconcileOptions, Reconciliation
from flows.steps import audit, new_sync_id, reconcile
from tests.connectors.conftest import Maria
from tests.support.mariadb import MariaServer, fresh_maria
from tests.support.nights import Nights
from tests.support.postgres import Server, execute, read_only_role
from warehouse.reconciled import Reconciled

OFFICE = "so-xay-dung"
YAML = """\
source: so-xay-dung
timezone: Asia/Ho_Chi_Minh
connector: {type: sql, url: "${KET_NOI}"}
streams:
  ho_so:
    table: ho_so
    key: so
    version: cap_nhat
    CURSOR
    into:
      - entity: dossier
        columns:
          dossier_code: so
          procedure_name: ten
          fee: le_phi
          received_at: tiep_nhan
"""
CURSOR = "cursor: {column: cap_nhat, late_window: 2 days, lag: 0 seconds}"
ROWS = 60


@dataclass
class Office:
    """An office's table, its warehouse, and how its database writes a time."""

    nights: Nights
    run: Callable[..., None]
    ago: Callable[[int], str]  # minutes before now, as an expression
    has_clock: bool = True

    def insert(
        self, key: str, minutes: int | str | None, *, name: str = "việc", day: int = 5
    ) -> None:
        at = (
            "NULL"
            if minutes is None
            else minutes
            if isinstance(minutes, str)
            else self.ago(minutes)
        )
        self.run(
            f"INSERT INTO ho_so VALUES ('{key}', '{name}', 1.50, '2024-03-{day:02} 07:00:00', {at})"
        )

    def compare(self, **options: Any) -> Reconciliation:
        (report,) = reconcile(
            self.nights.context, [OFFICE], ReconcileOptions(**options), sync_id=new_sync_id(),
            shown_keys=100_000,
        )  # fmt: skip
        assert report.error is None, report.error
        return report

    def clean(self) -> Reconciliation:
        report = self.compare()
        assert (report.differences, report.status, report.keys) == (0, "done", {}), report
        return report


def keys(report: Reconciliation) -> dict[str, set[str | None]]:
    return {kind: set(found) for kind, found in report.keys.items()}


def postgres_office(url: str, root: Path) -> Office:
    office = Office(
        nights=Nights(root),
        run=lambda *statements: execute(url, *statements),
        ago=lambda minutes: f"now() - interval '{minutes} minutes'",
    )
    office.run(
        "CREATE TABLE ho_so (so text, ten text, le_phi numeric(12,2), tiep_nhan timestamp,"
        " cap_nhat timestamptz)"
    )
    return office


def maria_office(maria: Maria, root: Path) -> Office:
    office = Office(
        nights=Nights(root),
        run=maria.execute,
        ago=lambda minutes: f"UTC_TIMESTAMP(6) - INTERVAL {minutes} MINUTE",
    )
    office.run(
        "CREATE TABLE ho_so (so varchar(20), ten varchar(40), le_phi decimal(12,2),"
        " tiep_nhan datetime, cap_nhat datetime(6))"
    )
    return office


def sqlite_office(root: Path) -> Office:
    path = root / "mot-cua.db"

    def run(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    office = Office(
        nights=Nights(root),
        run=run,
        ago=lambda minutes: f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{minutes} minutes')",
        has_clock=False,
    )
    office.run("CREATE TABLE ho_so (so text, ten text, le_phi real, tiep_nhan text, cap_nhat text)")
    return office


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def office(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    if request.param == "sqlite":
        made = sqlite_office(tmp_path)
        monkeypatch.setenv("KET_NOI", f"sqlite:///{tmp_path}/mot-cua.db")
        yield connected(made)
        return
    if request.param == "mariadb":
        server: MariaServer = request.getfixturevalue("maria_server")
        with fresh_maria(server) as name:
            maria = Maria(server, name)
            monkeypatch.setenv("KET_NOI", maria.url)
            made = maria_office(maria, tmp_path)
            # MariaDB's datetime has no zone: the office keeps UTC.
            yield connected(made, YAML.replace("Asia/Ho_Chi_Minh", "UTC"))
        return
    url = request.getfixturevalue("postgres_url")
    made = postgres_office(url, tmp_path)
    server_of: Server = request.getfixturevalue("postgres_server")
    with read_only_role(server_of, url, password="chi-doc") as reader:
        monkeypatch.setenv("KET_NOI", reader)
        yield connected(made)


def connected(office: Office, text: str = YAML) -> Office:
    office.nights.write(OFFICE, text.replace("CURSOR", CURSOR))
    for number in range(ROWS):
        office.insert(f"HS-{number}", 60 * 24 * 10 + number, day=1 + number % 28)
    office.insert("HS-null", None)
    office.insert("HS-moc", 60)
    office.nights.dossier(OFFICE)
    return office


def test_an_office_that_was_just_read_has_no_difference(office: Office) -> None:
    report = office.clean()
    assert report.landed == ROWS + 2
    assert report.by == ("checksums" if office.has_clock else "rows")
    assert report.read == (0 if office.has_clock else ROWS + 2)


def plant(office: Office) -> dict[str, set[str | None]]:
    """Differences that no night by the cursor can see, and changes that are none."""
    office.insert("MỚI/cũ", 60 * 24 * 9)
    office.insert("MỚI-null", None)
    office.run(
        "UPDATE ho_so SET ten = 'sửa lén' WHERE so = 'HS-7'",
        "UPDATE ho_so SET le_phi = 1.51 WHERE so = 'HS-8'",
        "UPDATE ho_so SET tiep_nhan = NULL WHERE so = 'HS-9'",
        "UPDATE ho_so SET ten = 'không giờ' WHERE so = 'HS-null'",
        "DELETE FROM ho_so WHERE so IN ('HS-10', 'HS-11')",
    )
    office.insert("MỚI-nay", 0)
    office.run(f"UPDATE ho_so SET ten = 'sửa nay', cap_nhat = {office.ago(0)} WHERE so = 'HS-20'")
    return {
        "missing": {"MỚI/cũ".replace("/", "\\/"), "MỚI-null"},
        "extra": {"HS-10", "HS-11"},
        "differing": {"HS-7", "HS-8", "HS-9", "HS-null"},
    }


def test_exactly_what_was_planted_is_reported_and_mended(office: Office) -> None:
    planted = plant(office)
    if office.has_clock:
        office.insert("MỚI-2099", "'2099-01-01 00:00:00'")
        planted["missing"].add("MỚI-2099")
    report = office.compare()
    assert keys(report) == planted
    assert (report.status, report.is_repaired) == ("degraded", False)
    assert office.compare().keys == report.keys  # it changed nothing
    mended = office.compare(repair=True, accept_deletes=True)
    assert (keys(mended), mended.is_repaired, mended.status) == (planted, True, "done")
    office.clean()
    assert audit(office.nights.context, [OFFICE]).findings == ()
    names = office.nights.alive(OFFICE, "procedure_name")
    assert names["HS-7"] == "sửa lén"
    assert {"MỚI\\/cũ", "MỚI-null"} <= set(names)
    assert not {"HS-10", "HS-11", "MỚI-nay"} & set(names)
    assert names["HS-20"] == "việc"  # changed since: the next sync brings it
    night = office.nights.dossier(OFFICE)
    assert (night.inserted, night.updated) == (1, 1)
    office.clean()


def test_the_counts_are_a_table_without_a_key_and_the_keys_are_restricted(office: Office) -> None:
    planted = plant(office)
    office.compare()
    sql = (
        "SELECT bucket, kind, rows FROM reconcile WHERE kind <> 'landed'"
        " AND compared_at = (SELECT max(compared_at) FROM reconcile)"
    )
    counts = {
        (r["bucket"], r["kind"]): r["rows"] for r in query(office.nights.warehouse, sql).to_pylist()
    }
    assert counts == {
        ("2024-03", "missing"): 2, ("2024-03", "extra"): 2, ("2024-03", "differing"): 3,
        ("no date", "differing"): 1,
    }  # fmt: skip
    kept = Reconciled(office.nights.warehouse).keys(OFFICE, "ho_so")
    assert set(kept["_key"]) == set().union(*planted.values())
    raw = b"".join(
        p.read_bytes() for p in (Path(office.nights.warehouse) / "analysts/reconcile").rglob("*.*")
    )
    assert b"HS-" not in raw


def test_too_many_extra_keys_wait_for_a_person(office: Office) -> None:
    office.run("DELETE FROM ho_so WHERE so LIKE 'HS-1%'")
    gone = 11
    report = office.compare(repair=True)
    assert (report.extra, report.waiting, report.status) == (gone, gone, "degraded")
    assert not report.is_repaired
    assert "--accept-deletes" in (report.note or "")
    assert len(office.nights.alive(OFFICE, "1")) == ROWS + 2
    mended = office.compare(repair=True, accept_deletes=True)
    assert (mended.extra, mended.waiting, mended.status) == (gone, 0, "done")
    assert len(office.nights.alive(OFFICE, "1")) == ROWS + 2 - gone
    office.clean()


def test_a_column_that_the_yaml_dropped_makes_no_difference(office: Office) -> None:
    path = office.nights.root / "sources" / f"{OFFICE}.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("          fee: le_phi\n", ""), "utf-8")
    office.clean()
    office.run("UPDATE ho_so SET le_phi = 9 WHERE so = 'HS-1'")
    office.clean()
    office.run("UPDATE ho_so SET ten = 'khác' WHERE so = 'HS-2'")
    assert keys(office.compare()) == {"differing": {"HS-2"}}


def test_a_stream_that_was_never_read_is_no_difference_and_is_said(office: Office) -> None:
    path = office.nights.root / "sources" / f"{OFFICE}.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("  ho_so:\n", "  ho_so_moi:\n"), "utf-8")
    report = office.compare()
    assert (report.status, report.by, report.differences) == ("degraded", None, 0)
    assert "lienthong sync" in (report.note or "")


# Deletes at night.


def test_a_deletion_that_an_insert_hides_from_the_count_is_found_at_night(office: Office) -> None:
    office.run("DELETE FROM ho_so WHERE so = 'HS-3'")
    office.insert("MỚI-muộn", 60 * 24 * 9)
    night = office.nights.dossier(OFFICE)
    alive = office.nights.alive(OFFICE, "1")
    if office.has_clock:  # the database computes checksums of its keys
        assert night.tombstoned == 1
        assert "HS-3" not in alive
    else:
        assert (night.tombstoned, "HS-3" in alive) == (0, True)
        assert keys(office.compare()) == {"missing": {"MỚI-muộn"}, "extra": {"HS-3"}}
