"""Maintenance: nothing that anybody may still ask for goes, whatever is maintained when."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from flows.cli import main
from flows.context import Context
from flows.maintaining import MaintainOptions, maintain
from flows.query import query
from flows.releasing import publish_release
from flows.steps import audit, nightly
from schemas.errors import ConfigError, LostRaceError
from tests.support.changing_office import ChangingOffice
from tests.support.truth import assert_core_is_the_truth
from warehouse.delta import Table
from warehouse.releases import Releases
from warehouse.upkeep import SMALL, compacted


def office_of(tmp_path: Path, *, rows: int = 30) -> ChangingOffice:
    office = ChangingOffice(tmp_path, random.Random(5))
    office.open(rows=rows)
    return office


def night(office: ChangingOffice, *, changes: int = 6) -> None:
    for _ in range(changes):
        office.change()
    report = nightly(office.context)
    assert (report.broken, report.blocked) == ((), ())


def later(context: Context, days: float) -> Context:
    return replace(context, clock=lambda: datetime.now(UTC) + timedelta(days=days))


def dump(office: ChangingOffice, **which: Any) -> list[Any]:
    sql = "SELECT * EXCLUDE (_changed_at, _sync_id) FROM {} ORDER BY _key"
    names = ("dossier", "payment", "dossier_event")
    return [query(str(office.warehouse), sql.format(n), **which).to_pylist() for n in names]


def parquet(office: ChangingOffice) -> set[str]:
    root = Path(office.warehouse)
    return {
        p.relative_to(root).as_posix()
        for p in root.rglob("*.parquet")
        if p.parent.name != "_delta_log"
    }


def test_maintenance_leaves_every_row_of_core_and_of_kept_releases(tmp_path: Path) -> None:
    office = office_of(tmp_path)
    for _ in range(4):
        night(office)
    core, releases = dump(office, core=True), [dump(office, release=n) for n in range(1, 5)]
    before = parquet(office)
    report = maintain(office.context, MaintainOptions(retention=0))
    assert report.status == "done"
    assert sum(one.joined for one in report.tables) > 0
    assert sum(one.deleted for one in report.tables) > 0
    assert before - parquet(office)
    assert (report.kept, report.expired) == (tuple(range(1, 5)), ())
    assert dump(office, core=True) == core
    assert [dump(office, release=n) for n in range(1, 5)] == releases
    assert audit(office.context, []).findings == ()
    views = Path(office.warehouse) / "analysts" / "analytics.duckdb"
    with duckdb.connect(str(views), read_only=True) as shown:
        assert shown.execute("SELECT count(*) FROM dossier").fetchone() == (len(releases[-1][0]),)
    again = maintain(office.context, MaintainOptions(retention=0))
    assert all((one.joined, one.trimmed) == (0, 0) for one in again.tables)
    night(office)
    assert_core_is_the_truth_after_rebuild(office)


def assert_core_is_the_truth_after_rebuild(office: ChangingOffice) -> None:
    assert audit(office.context, []).findings == ()
    assert_core_is_the_truth(office)


def test_a_release_stays_a_week_after_another_took_its_place_whatever_is_asked(
    tmp_path: Path,
) -> None:
    office = office_of(tmp_path)
    for _ in range(3):
        night(office)
    context = office.context
    asked = MaintainOptions(retention=0)
    assert maintain(later(context, 6.9), asked).expired == ()
    assert dump(office, release=1)
    report = maintain(later(context, 7.1), asked)
    assert (report.expired, report.kept) == ((1, 2), (3,))
    assert dump(office) == dump(office, release=3)
    with pytest.raises(ConfigError, match="release 1 has expired"):
        dump(office, release=1)
    with pytest.raises(ConfigError, match="release 2 has expired"):
        query(
            str(office.warehouse),
            "SELECT 1",
            as_of=Releases(str(office.warehouse)).get(2).published_at,
        )
    options = ["--warehouse", str(office.warehouse), "--sources", str(office.sources)]
    for words in (["rollback", "1", "--reason", "x"], ["diff", "1", "3"]):
        done = CliRunner().invoke(main, [*options, "release", *words])
        assert done.exit_code == 2
        assert "release 1 has expired" in done.output
    listed = CliRunner().invoke(main, [*options, "release", "list"]).stdout
    assert [line.split()[4] for line in listed.splitlines()[-3:]] == ["yes", "expired", "expired"]
    assert maintain(later(context, 8), asked).expired == ()
    assert publish_release(context).release is not None
    assert maintain(later(context, 99), MaintainOptions(retention=200)).expired == ()


def test_a_dry_run_says_the_same_and_changes_no_byte(tmp_path: Path) -> None:
    office = office_of(tmp_path)
    for _ in range(5):
        night(office)
    context = later(office.context, 8)
    root = Path(office.warehouse)

    def stand() -> dict[str, float]:
        return {str(p): p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}

    options = MaintainOptions(retention=0, landing_older_than=0)
    before = stand()
    told = maintain(context, replace(options, dry_run=True))
    assert stand() == before
    done = maintain(context, options)
    assert told.expired == done.expired
    assert {t.table: t.trimmed for t in told.tables if t.trimmed} == {
        t.table: t.trimmed for t in done.tables if t.trimmed
    }
    assert sum(t.trimmed for t in done.tables) > 0


def test_files_of_a_run_that_died_go_after_two_days_and_its_late_commit_fails(
    tmp_path: Path,
) -> None:
    office = office_of(tmp_path)
    night(office)
    uri = f"{office.warehouse}/analysts/core/dossier"
    old, young = Path(uri) / "part-of-the-dead.parquet", Path(uri) / "part-of-the-living.parquet"
    for path in (old, young):
        path.write_bytes(b"PAR1 cut short")
    os.utime(old, (time.time() - 50 * 3600,) * 2)
    sleeper = Table.open(uri)
    assert sleeper is not None
    maintain(office.context, MaintainOptions(retention=0))
    assert (old.exists(), young.exists()) == (False, True)
    with pytest.raises(Exception, match="another run wrote to this table first"):
        sleeper.append(sleeper.schema.empty_table())


def test_a_table_that_can_t_be_looked_after_is_told_and_stops_no_other(tmp_path: Path) -> None:
    office = office_of(tmp_path)
    for _ in range(4):
        night(office)
    log = Path(office.warehouse) / "analysts" / "runs" / "_delta_log"
    for path in log.glob("*.json"):
        path.write_text("{spoiled")
    options = ["--warehouse", str(office.warehouse), "--sources", str(office.sources)]
    done = CliRunner().invoke(main, [*options, "maintain", "--json"])
    assert done.exit_code == 3, done.output
    report = json.loads(done.stdout)
    assert {one["table"] for one in report["tables"] if one["problem"]} == {"analysts/runs"}
    assert any(one["joined"] for one in report["tables"])


def test_a_night_joins_the_files_of_a_table_that_has_very_many(tmp_path: Path) -> None:
    office = office_of(tmp_path)
    night(office)
    uri = f"{office.warehouse}/restricted/landing/so-thu/ho_so"
    for _ in range(25):  # commits as small as those of nights
        table = Table.open(uri)
        assert table is not None
        table.append(table.scan().head(1).collect().to_arrow().cast(table.schema).slice(0, 1))
    night(office)
    table = Table.open(uri)
    assert table is not None
    assert len(table.files) == 1


def test_joining_loses_a_race_and_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = office_of(tmp_path)
    for _ in range(5):
        night(office)
    uri = f"{office.warehouse}/analysts/runs"
    lost: list[int] = []
    compact = Table.compact

    def slow(table: Table, *, target: int) -> int:
        if not lost:  # another run rewrites the table between the reading and the commit
            other = Table.open(uri)
            assert other is not None
            other.replace(other.scan().collect().to_arrow().cast(other.schema), where=None)
        try:
            return compact(table, target=target)
        except LostRaceError:
            lost.append(table.version)
            raise

    monkeypatch.setattr(Table, "compact", slow)
    before = Table.open(uri)
    assert before is not None
    rows = before.scan().collect().height
    compacted(uri, from_files=2)
    after = Table.open(uri)
    assert after is not None
    assert len(lost) == 1
    assert after.scan().collect().height == rows
    assert max(after.small_files(below=SMALL)) <= 1
