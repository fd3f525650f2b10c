"""Every guard holds, and each has a companion that takes it out and shows what it is there for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from flows.query import query
from schemas.errors import ConfigError, ContractError, LostRaceError, WarehouseError
from tests.support.nights import Nights, done
from warehouse import landing as landing_module
from warehouse import landing_commits
from warehouse import vanished as vanished_module
from warehouse import warehouse as warehouse_module
from warehouse.delta import Table
from warehouse.duck import AnalystDoor
from warehouse.landing import Landing
from warehouse.landing_read import LandingRead, LandOutcome, ReadEnd
from warehouse.landing_stamp import ReadStamp, stamp
from warehouse.warehouse import Warehouse

NOW = datetime(2024, 6, 1, tzinfo=UTC)
KEY, OTHER_KEY = "ab" * 32, "cd" * 32


# Core's txn: a commit on what was read before another commit.


def two_handles(folder: Path) -> tuple[Table, Table]:
    schema = pa.schema([("n", pa.int64())])
    first = Table.open_or_create(str(folder / "t"), schema)
    second = Table.open(str(folder / "t"))
    assert second is not None
    return first, second


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def test_of_two_commits_of_one_app_the_later_is_refused(tmp_path: Path) -> None:
    first, second = two_handles(tmp_path)
    first.append(numbers(1), txns={"office/stream": 1})
    with pytest.raises(LostRaceError):
        second.append(numbers(1), txns={"office/stream": 1})
    assert DeltaTable(first.uri).to_pyarrow_table().num_rows == 1


def test_without_the_txn_both_commits_would_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Table.append

    def without(table: Table, rows: pa.Table, **_: Any) -> int:
        return append(table, rows)

    monkeypatch.setattr(Table, "append", without)
    first, second = two_handles(tmp_path)
    first.append(numbers(1), txns={"office/stream": 1})
    second.append(numbers(1), txns={"office/stream": 1})
    assert DeltaTable(first.uri).to_pyarrow_table().num_rows == 2


# Landing's schema: a column keeps its type.


def land(folder: Path, rows: pa.Table, *, sync_id: str = "night", **how: Any) -> LandOutcome:
    end = ReadEnd(is_complete=True, advance=lambda state: state)
    return Landing(str(folder / "landing")).land(
        LandingRead(
            stamp=ReadStamp(key=("so",), read_at=NOW, sync_id=sync_id),
            schema=rows.schema,
            batches=rows.to_batches(),
            is_whole=True,
            finds_deletes=True,
            ended=lambda: end,
            **how,
        )
    )


def fees(*values: float, kind: pa.DataType) -> pa.Table:
    keys = pa.array([str(i) for i in range(len(values))])
    return pa.table({"so": keys, "le_phi": pa.array(values, kind)})


def landed_fees(folder: Path) -> list[float]:
    table = Table.open(str(folder / "landing"))
    assert table is not None
    return table.scan().collect().sort("_landing_version", "_row")["le_phi"].to_list()


def test_a_column_that_changed_its_type_stops_the_read_before_anything_is_written(
    tmp_path: Path,
) -> None:
    land(tmp_path, fees(1, 2, kind=pa.int64()))
    before = DeltaTable(str(tmp_path / "landing")).version()
    with pytest.raises(ContractError, match="le_phi: the source changed its type from int64"):
        land(tmp_path, fees(1.5, 2.5, kind=pa.float64()), sync_id="next")
    assert DeltaTable(str(tmp_path / "landing")).version() == before
    assert landed_fees(tmp_path) == [1, 2]


def test_without_the_comparison_of_types_money_would_be_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names_only(landed: pa.Schema, wanted: pa.Schema) -> list[pa.Field]:
        return [field for field in wanted if field.name not in landed.names]

    def cut(chunk: pa.Table, schema: pa.Schema, *args: Any, **how: Any) -> pa.Table:
        position = chunk.schema.get_field_index("le_phi")
        kind = schema.field("le_phi").type
        whole = chunk.column("le_phi").cast(kind, safe=False)
        return stamp(chunk.set_column(position, "le_phi", whole), schema, *args, **how)

    land(tmp_path, fees(1, 2, kind=pa.int64()))
    monkeypatch.setattr(landing_commits, "columns_to_add", names_only)
    with pytest.raises(pa.ArrowInvalid, match="truncated"):  # Arrow's cast is a second wall
        land(tmp_path, fees(1.5, 3.5, kind=pa.float64()), sync_id="next")
    monkeypatch.setattr(landing_module, "stamp", cut)
    land(tmp_path, fees(1.5, 3.5, kind=pa.float64()), sync_id="next")
    assert landed_fees(tmp_path)[2:] == [3]  # and 1.5 became the 1 that was there


# The guard of 5 %.


def keys(count: int) -> pa.Table:
    return pa.table({"so": pa.array([str(i) for i in range(count)], pa.string())})


@pytest.mark.parametrize(
    ("left", "buried", "waiting"), [(95, 5, 0), (94, 0, 6), (0, 0, 100), (100, 0, 0)]
)
def test_more_than_five_in_a_hundred_are_not_believed_to_be_gone(
    tmp_path: Path, left: int, buried: int, waiting: int
) -> None:
    land(tmp_path, keys(100))
    outcome = land(tmp_path, keys(left), sync_id="next")
    assert (outcome.tombstones, outcome.waiting_deletes) == (buried, waiting)


def test_without_the_guard_a_broken_export_would_bury_an_office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vanished_module, "DELETE_GUARD", 1.0)
    land(tmp_path, keys(100))
    assert land(tmp_path, keys(1), sync_id="next").tombstones == 99


# The fingerprint of the person key, and the format.


def opened(folder: Path, key: str = KEY) -> Warehouse:
    return Warehouse.open(str(folder / "warehouse"), env={"LIENTHONG_PERSON_KEY": key})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_another_person_key_stops_before_any_write(tmp_path: Path) -> None:
    opened(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(WarehouseError, match="made with another person key") as told:
        opened(tmp_path, OTHER_KEY)
    assert OTHER_KEY not in str(told.value)
    assert contents(tmp_path) == before


def test_without_the_fingerprint_one_person_would_become_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tmp_path)
    monkeypatch.setattr(warehouse_module, "_checked", lambda _uri, _meta, key: key)
    assert opened(tmp_path, OTHER_KEY).person_key.value != first.person_key.value


def newer(folder: Path) -> None:
    opened(folder)
    table = Table.open(str(folder / "warehouse" / "restricted" / "warehouse"))
    assert table is not None
    row = table.scan().collect().with_columns(format_version=pl.lit(99, pl.Int64))
    table.append(row.to_arrow().cast(table.schema))


def test_a_warehouse_of_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    newer(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(WarehouseError, match="format 99, made by a newer"):
        opened(tmp_path)
    with pytest.raises(WarehouseError, match="format 99, made by a newer"):
        query(str(tmp_path / "warehouse"), "SELECT 1")
    assert contents(tmp_path) == before


def test_without_the_number_of_the_format_it_would_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(tmp_path)
    monkeypatch.setattr(warehouse_module, "FORMAT", 99)
    assert opened(tmp_path).person_key.value


# DuckDB's door.

YAML = """\
source: so-nho
connector: {type: sql, url: "sqlite:///../office.db"}
streams:
  ho_so:
    table: ho_so
    key: so
    into:
      - entity: dossier
        columns: {dossier_code: so}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with one dossier, and a secret beside it."""
    folder = tmp_path_factory.mktemp("store")
    with closing(sqlite3.connect(folder / "office.db")) as connection, connection:
        connection.execute("CREATE TABLE ho_so AS SELECT 'HS-1' AS so")
    (folder / "secret.csv").write_text("secret\n42\n")
    nights = Nights(folder)
    nights.write("so-nho", YAML)
    assert done(nights.dossier("so-nho")) == {"inserted": 1}
    return folder


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP VIEW dossier",
        "INSERT INTO freshness SELECT * FROM freshness",
        "COPY dossier TO 'OUT/stolen.csv'",
        "COPY (SELECT 1) TO 'OUT/warehouse/analysts/stolen.csv'",
        "ATTACH 'OUT/x.db'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "DROP VIEW dossier",
        "CREATE TABLE t AS SELECT 1",
        "EXPORT DATABASE 'OUT/all'",
    ],
)
def test_the_door_lets_one_select_through_and_nothing_else(store: Path, statement: str) -> None:
    before = contents(store)
    with pytest.raises(ConfigError):
        query(str(store / "warehouse"), statement.replace("OUT", str(store)))
    assert contents(store) == before


READS = (
    "SELECT * FROM read_text('OUT/secret.csv')",
    "SELECT * FROM read_csv('OUT/secret.csv')",
    "SELECT * FROM 'OUT/secret.csv'",
    "SELECT * FROM read_blob('OUT/warehouse/analysts/../../secret.csv')",
    "SELECT * FROM read_parquet('OUT/warehouse/restricted/landing/so-nho/ho_so/*.parquet')",
    "SELECT * FROM glob('OUT/warehouse/restricted/**/*.parquet')",
    "SELECT (SELECT count(*) FROM read_text('OUT/secret.csv')) FROM dossier",
)


@pytest.mark.parametrize("statement", READS)
def test_no_select_reaches_a_file_outside_of_what_analysts_may_read(
    store: Path, statement: str
) -> None:
    with pytest.raises(ConfigError) as told:
        query(str(store / "warehouse"), statement.replace("OUT", str(store)))
    assert "42" not in str(told.value)


def test_what_analysts_may_read_is_there(store: Path) -> None:
    assert query(str(store / "warehouse"), "SELECT _key FROM dossier").to_pylist() == [
        {"_key": "HS-1"}
    ]


@pytest.mark.parametrize("statement", READS)
def test_without_the_lock_every_one_of_these_would_read(
    store: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr(AnalystDoor, "lock", lambda _: None)
    found = query(str(store / "warehouse"), statement.replace("OUT", str(store)))
    assert found.num_rows


def test_without_the_look_at_the_statement_analysts_could_change_what_they_see(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def anything(door: AnalystDoor, text: str) -> Sequence[Any]:
        return door._connection.execute(text).fetchall()

    door = AnalystDoor(tmp_path)
    door.table("freshness", numbers(1))
    door.lock()
    with pytest.raises(ConfigError, match="only SELECT is allowed"):
        door.select("INSERT INTO freshness VALUES (2)")
    monkeypatch.setattr(AnalystDoor, "select", anything)
    door.select("INSERT INTO freshness VALUES (2)")
    assert door.select("SELECT count(*) FROM freshness") == [(2,)]
    with pytest.raises(duckdb.Error, match="lock"):  # the settings are locked all the same
        door.select("SET enable_external_access = true")
    door.close()
