"""What an analyst's connection shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.context import open_context
from flows.query import query
from flows.receipts import SyncOptions
from flows.steps import Context, status, sync
from schemas.entities import ENTITIES
from tests.flows.cli_office import open_office
from warehouse.duck import ViewFile


def synced(root: Path) -> Context:
    office = open_office(root)
    office.write_csv("Số hồ sơ,Tên thủ tục,Người nộp,Ngày nhận,Trạng thái\n,x,1,khi nào đó,lạ\n")
    context = open_context(warehouse_uri=office.warehouse, sources_dir=office.sources)
    sync(context, [], SyncOptions())
    return context


def test_an_analyst_sees_the_entities_and_nothing_of_ours(tmp_path: Path) -> None:
    context = synced(tmp_path)
    tables = query(context.warehouse.uri, "SELECT table_name FROM information_schema.tables")
    assert set(tables.column(0).to_pylist()) == {
        *ENTITIES,
        "quarantine_summary",
        "freshness",
        "reconcile",
        "release",
    }


def test_an_entity_without_rows_has_its_columns_in_their_types(tmp_path: Path) -> None:
    context = synced(tmp_path)
    for name in ENTITIES:
        empty = query(context.warehouse.uri, f"SELECT * FROM {name} WHERE false")
        assert set(ENTITIES[name].columns) < set(empty.schema.names)
    rows = query(
        context.warehouse.uri,
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = 'payment'",
    ).to_pylist()
    types = {row["column_name"]: row["data_type"] for row in rows}
    assert types["amount"] == "DECIMAL(18,2)"
    assert types["_warnings"] == "VARCHAR[]"


def test_a_row_that_breaks_several_rules_counts_once_in_status(tmp_path: Path) -> None:
    (line,) = status(synced(tmp_path))
    assert line.quarantined == 1


# Sends itself Ctrl-C while DuckDB is at work on something that takes it far longer.
_CTRL_C = """
import os, signal, sys, threading
import pyarrow as pa
from warehouse.duck import AnalystDoor, md5_of

rows = pa.table({"c0": list(map(str, range(1000)))})
slow = "(SELECT sum(sqrt(a.range + b.range)) FROM range(60000) a, range(60000) b)"
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    if sys.argv[1] == "hash":
        md5_of(f"c0 || {slow}::VARCHAR", rows)
    else:
        door = AnalystDoor(sys.argv[2])
        door.lock()
        door.select(f"SELECT {slow} AS a")
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("work", ["hash", "select"])
def test_ctrl_c_in_the_middle_of_a_query_is_an_interrupt(tmp_path: Path, work: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CTRL_C, work, str(tmp_path)],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr


def test_views_of_files_whose_columns_differ_show_every_column(tmp_path: Path) -> None:
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    schema = pa.schema([("a", pa.string()), ("b", pa.int64())])
    pq.write_table(pa.table({"a": ["1"]}), old)
    pq.write_table(pa.table({"a": ["2"], "b": [2]}, schema), new)
    for name, files in (("alike", [new, new]), ("differing", [old, new])):
        path = tmp_path / f"{name}.duckdb"
        file = ViewFile(path)
        file.view("rows", list(map(str, files)), schema)
        file.commit()
        file.close()
        with duckdb.connect(str(path), read_only=True) as connection:
            sql = "SELECT sql FROM duckdb_views() WHERE view_name = 'rows'"
            (text,) = connection.execute(sql).fetchone()  # type: ignore[misc]
            assert f"union_by_name = {str(name == 'differing').lower()}" in text
            rows = connection.execute("SELECT a, b FROM rows ORDER BY a").fetchall()
        assert rows == ([("2", 2), ("2", 2)] if name == "alike" else [("1", None), ("2", 2)])
