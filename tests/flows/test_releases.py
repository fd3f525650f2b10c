"""Releases through the command: what analysts see, what blocks one, and how to go back."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from flows.context import open_context
from flows.releasing import publish_release, release_of_night
from schemas.entities import ENTITIES
from schemas.errors import ConfigError
from schemas.fields import core_schema
from tests.flows.cli_office import Office, open_office
from warehouse.delta import Table
from warehouse.gating import gates, read_gate
from warehouse.releases import Releases
from warehouse.runs import Runs

HEADER = "Số hồ sơ,Tên thủ tục,Người nộp,Ngày nhận,Trạng thái"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = open_office(tmp_path)
    write(office, 100)
    return office


def write(office: Office, rows: int, *, status: str = "received") -> None:
    lines = [f"XA-{n:03d},Khai sinh,,0{n % 9 + 1}/03/2026,{status}" for n in range(rows)]
    office.write_csv("\n".join([HEADER, *lines]) + "\n")


def run(office: Office, *words: str) -> Result:
    return CliRunner().invoke(main, [*office.options, *words])


def answer(office: Office, *words: str, status: int = 0) -> Any:
    done = run(office, *words, "--json")
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def count(office: Office, *words: str, where: str = "true") -> int:
    (row,) = answer(office, "sql", f"SELECT count(*) AS n FROM dossier WHERE {where}", *words)
    return int(row["n"])


def test_a_night_publishes_and_a_sync_alone_changes_nothing_that_analysts_see(
    office: Office,
) -> None:
    night = answer(office, "nightly")
    assert (night["release"], night["blocked"]) == (1, [])
    assert count(office) == 100
    write(office, 104)
    run(office, "sync")
    assert (count(office), count(office, "--core")) == (100, 104)
    assert answer(office, "nightly")["release"] == 2
    assert count(office) == 104
    assert count(office, "--release", "1") == 100


def test_before_the_first_release_core_is_shown(office: Office) -> None:
    run(office, "sync")
    assert count(office) == 100
    assert answer(office, "sql", "SELECT count(*) AS n FROM release") == [{"n": 0}]
    assert run(office, "release", "list").stdout.startswith("No release yet")
    assert run(office, "release", "show").exit_code == 2


def test_all_tables_of_a_release_are_of_one_moment(office: Office) -> None:
    run(office, "nightly")
    office.write_csv(f"{HEADER}\nXA-000,Khai sinh,,01/03/2026,trạng thái lạ\n")
    run(office, "sync", "--accept-deletes")
    assert answer(office, "sql", "SELECT * FROM quarantine_summary") == []
    (fresh,) = answer(office, "sql", "SELECT last_status, is_stale FROM freshness")
    assert fresh == {"last_status": "done", "is_stale": False}
    assert answer(office, "sql", "SELECT rule FROM quarantine_summary", "--core") == [
        {"rule": "unknown_code:status"}
    ]


def test_a_gate_that_doesn_t_hold_keeps_the_last_release_and_says_how_much(office: Office) -> None:
    run(office, "nightly")
    write(office, 40)
    run(office, "sync", "--accept-deletes")
    blocked = run(office, "release", "publish")
    assert blocked.exit_code == 3
    assert "blocked by nothing_shrinks: xa-thu / dossier: found 40, allowed 80" in blocked.output
    assert "analysts go on seeing release 1" in blocked.stdout
    assert count(office) == 100
    night = answer(office, "nightly", status=3)
    assert night["release"] is None
    assert night["blocked"] == ["nothing_shrinks: xa-thu / dossier: found 40, allowed 80"]

    assert run(office, "release", "publish", "--without", "nothing_shrinks").exit_code == 2
    typo = run(office, "release", "publish", "--without", "nothing_shrink", "--reason", "x")
    assert typo.exit_code == 2
    assert "nothing_shrinks" in typo.output
    made = answer(
        office, "release", "publish", "--without", "nothing_shrinks", "--reason", "xã sáp nhập"
    )
    assert made["release"]["reason"] == "xã sáp nhập (without nothing_shrinks)"
    assert count(office) == 40


def test_a_release_can_be_compared_with_another_and_gone_back_to(office: Office) -> None:
    run(office, "nightly")
    write(office, 97, status="completed")
    run(office, "sync")
    answer(office, "nightly")
    assert answer(office, "release", "diff", "1", "2") == [
        {
            "table": "dossier", "source": "xa-thu", "before": 100, "after": 97, "added": 0,
            "changed": 97, "gone": 3,
        }
    ]  # fmt: skip
    assert "hold the same rows" in run(office, "release", "diff", "2", "2").stdout
    back = answer(office, "release", "rollback", "1", "--reason", "sai trạng thái")
    assert (back["id"], back["kind"]) == (3, "rollback")
    assert count(office, where="status = 'received'") == 100
    assert [one["id"] for one in answer(office, "release", "list")] == [3, 2, 1]
    unknown = run(office, "release", "rollback", "9", "--reason", "x")
    assert unknown.exit_code == 2
    assert "there are 1 to 3" in unknown.output


def test_a_question_can_be_asked_of_the_release_of_a_moment(office: Office) -> None:
    run(office, "nightly")
    (first,) = Releases(office.warehouse).all()
    late = (first.published_at + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert count(office, "--as-of", late) == 100
    early = run(office, "sql", "SELECT 1", "--as-of", "2020-01-01")
    assert early.exit_code == 2
    assert "no release yet at 2020-01-01" in early.output
    assert run(office, "sql", "SELECT 1", "--core", "--release", "1").exit_code == 2


def test_any_duckdb_client_reads_the_views_and_their_comments(office: Office) -> None:
    run(office, "nightly")
    path = Path(office.warehouse) / "analysts" / "analytics.duckdb"
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(c.execute('SELECT count(*) FROM dossier').fetchone()[0],"
        "c.execute('SELECT release_id FROM release').fetchone()[0],"
        "c.execute('SELECT source FROM freshness').fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["100", "1", "xa-thu"]
    with duckdb.connect(str(path), read_only=True) as views:
        comments = dict(
            views.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'dossier'"
            ).fetchall()
        )
    assert all(comments[name] for name in ENTITIES["dossier"].columns)
    assert not list(path.parent.glob(".analytics*"))


def test_a_moved_warehouse_gets_its_views_again(office: Office, tmp_path: Path) -> None:
    run(office, "nightly")
    moved = tmp_path / "moved"
    Path(office.warehouse).rename(moved)
    views = moved / "analysts" / "analytics.duckdb"
    with duckdb.connect(str(views), read_only=True) as old, pytest.raises(duckdb.IOException):
        old.execute("SELECT * FROM dossier").fetchall()
    again = CliRunner().invoke(main, ["--warehouse", str(moved), "release", "publish", "--views"])
    assert again.exit_code == 0, again.output
    with duckdb.connect(str(views), read_only=True) as new:
        assert new.execute("SELECT count(*) FROM dossier").fetchone() == (100,)


def test_of_two_publications_at_once_both_stand_one_behind_the_other(office: Office) -> None:
    run(office, "sync")
    context = open_context(warehouse_uri=office.warehouse, sources_dir=office.sources)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: publish_release(context), range(4)))
    numbers = sorted(report.release.id for report in reports if report.release)
    assert numbers == [1, 2, 3, 4]
    assert [one.id for one in Releases(office.warehouse).all()] == numbers


def test_a_key_that_stands_twice_blocks(office: Office) -> None:
    run(office, "nightly")
    table = Table.open(f"{office.warehouse}/analysts/core/dossier")
    assert table is not None
    twice = table.scan().head(1).collect().to_arrow()
    table.append(twice.cast(table.schema))
    (blocked,) = answer(office, "nightly", status=3)["blocked"]
    assert blocked == "keys_unique: xa-thu / dossier: found 1, allowed 0"


def test_events_whose_dossiers_are_missing_block(office: Office) -> None:
    run(office, "nightly")
    schema = core_schema(ENTITIES["dossier_event"])
    stamp = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        {
            "_source": "xa-thu", "_key": str(n), "dossier_key": f"XA-{n:03d}", "_month": "2026-03",
            "_version": n, "_landing_version": 1, "_row": n, "_changed_at": stamp,
        }
        for n in range(90, 140)
    ]  # fmt: skip
    table = Table.open_or_create(
        f"{office.warehouse}/analysts/core/dossier_event", schema, partition_by=["_month"]
    )
    table.append(pa.Table.from_pylist(rows, schema))
    (blocked,) = answer(office, "nightly", status=3)["blocked"]
    assert blocked == "references_resolve: xa-thu / dossier_event: found 40, allowed 20"


def test_a_receipt_that_doesn_t_add_up_and_an_unusual_volume_block(office: Office) -> None:
    run(office, "nightly")
    context = open_context(warehouse_uri=office.warehouse, sources_dir=office.sources)
    runs = Runs(f"{office.warehouse}/analysts/runs")
    now = context.clock()
    usual = {
        "kind": "sync", "source": "xa-thu", "stream": "so_theo_doi", "entity": "dossier",
        "status": "done", "read": 10, "landed": 10, "same": 0, "unreadable": 0, "derived": 10,
        "inserted": 10, "updated": 0, "unchanged": 0, "superseded": 0, "folded": 0,
        "quarantined": 0,
    }  # fmt: skip
    runs.add(
        [
            {**usual, "sync_id": f"night-{n}", "ended_at": now - timedelta(days=n)}
            for n in range(1, 8)
        ]
    )
    assert release_of_night(context).number == 2
    many = {"read": 9_000, "landed": 9_000, "derived": 9_000, "inserted": 9_000}
    runs.add([{**usual, **many, "sync_id": "tonight", "ended_at": context.clock()}])
    lost = {**usual, "read": 11, "sync_id": "lost", "ended_at": context.clock()}
    runs.add([lost])
    blocked = release_of_night(context).blocked
    assert blocked == (
        "conservation: xa-thu: found 1, allowed 0",
        "volumes: xa-thu / dossier: found 9,000, allowed 1,500",
    )


def test_a_stream_that_nobody_could_read_for_days_is_told_and_blocks_nothing(
    office: Office,
) -> None:
    run(office, "nightly")
    context = open_context(warehouse_uri=office.warehouse, sources_dir=office.sources)
    failed = {"kind": "sync", "source": "xa-thu", "stream": "so_theo_doi", "status": "failed"}
    later = context.clock() + timedelta(days=3)
    Runs(f"{office.warehouse}/analysts/runs").add([{**failed, "ended_at": later}])
    report = publish_release(context)
    assert report.release is not None
    (finding,) = report.findings
    assert (finding.gate, finding.severity, finding.found) == ("freshness", "warn", 72)
    (fresh,) = answer(office, "sql", "SELECT is_stale, last_status FROM freshness")
    assert fresh == {"is_stale": True, "last_status": "failed"}


def test_a_gate_says_its_promise_in_both_languages_or_is_refused() -> None:
    assert {gate.name for gate in gates()} >= {"keys_unique", "conservation", "nothing_shrinks"}
    assert all(gate.en.endswith(".") and gate.vi.endswith(".") for gate in gates())
    with pytest.raises(ConfigError, match="its first lines are"):
        read_gate("own", "SELECT 1")
    with pytest.raises(ConfigError, match="every"):
        read_gate("own", "-- severity: warn\n-- en: X.\n-- vi: X.\nSELECT * FROM $table")


def test_a_table_counts_its_rows_by_the_log_alone(tmp_path: Path) -> None:
    schema = pa.schema([("x", pa.int64())])
    table = Table.open_or_create(str(tmp_path / "t"), schema)
    assert table.rows == 0
    table.append(pa.table({"x": [1, 2, 3]}, schema))
    table.append(pa.table({"x": [4]}, schema))
    assert table.rows == 4
    first = Table.open(str(tmp_path / "t"), version=1)
    assert first is not None
    assert (first.rows, first.scan().select(pl.len()).collect().item()) == (3, 3)
