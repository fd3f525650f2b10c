"""A release as four independent engines read it: the same rows, and the same values."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from flows.maintaining import MaintainOptions, maintain
from flows.steps import nightly
from schemas.entities import ENTITIES
from schemas.fields import core_schema
from tests.conftest import needs_service
from tests.support.changing_office import ChangingOffice
from warehouse.releases import Releases

ROOT = Path(__file__).resolve().parents[2]
READERS = Path(os.environ.get("LIENTHONG_READERS", ROOT / ".venv" / "readers"))
ALIVE = "_deleted_at IS NULL"


def checksums(rows: pa.Table) -> dict[str, str]:
    """A checksum per column, over the values in the order of the rows' keys."""
    columns = {name: rows[name].to_pylist() for name in rows.schema.names}
    keys = list(zip(columns["_source"], columns["_key"], strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return {
        name: hashlib.sha256("\n".join(canonical(values[i]) for i in order).encode()).hexdigest()
        for name, values in columns.items()
    }


def canonical(value: Any) -> str:
    """A value as text that no engine's own types change."""
    if value is None:
        return "∅"
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, sorted(value))) + "]"
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


def by_duckdb(warehouse: Path, name: str, uri: str, version: int) -> pa.Table:
    views = warehouse / "analysts" / "analytics.duckdb"
    with duckdb.connect(str(views), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql(f"SELECT * FROM {name}").to_arrow_table()


def by_polars(warehouse: Path, name: str, uri: str, version: int) -> pa.Table:
    rows = pl.scan_delta(uri, version=version).filter(pl.col("_deleted_at").is_null())
    return rows.collect().to_arrow()


def by_delta_rs(warehouse: Path, name: str, uri: str, version: int) -> pa.Table:
    engine = QueryBuilder().register("t", DeltaTable(uri, version=version))
    return pa.table(engine.execute(f"SELECT * FROM t WHERE {ALIVE}").read_all())


def by_sail(warehouse: Path, name: str, uri: str, version: int) -> pa.Table:
    path = warehouse / f"{name}.arrow"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sail_reader", uri, str(version), str(path)],
        env={**os.environ, "PYTHONPATH": str(READERS)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert path.exists(), done.stderr
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nights of an office that changes, deletes and is rejected; maintained in between."""
    office = ChangingOffice(tmp_path_factory.mktemp("office"), random.Random(11))
    office.open(rows=60)
    for _ in range(2):
        for _ in range(20):
            office.change()
        nightly(office.context)
        assert maintain(office.context, MaintainOptions(retention=0)).status == "done"
    return Path(office.warehouse)


def test_four_engines_agree_on_every_row_and_the_checksum_of_every_column(released: Path) -> None:
    if not (READERS / "pysail").is_dir():
        needs_service("Sail and its client come with `make readers`")
    release = Releases(str(released)).latest()
    assert release is not None
    compared = 0
    for name, part in release.parts.items():
        if name not in ENTITIES:
            continue
        uri = str(released / part.path)
        expected = set(core_schema(ENTITIES[name]).names)
        sums, rows = {}, {}
        for read in (by_duckdb, by_polars, by_delta_rs, by_sail):
            table = read(released, name, uri, part.version)
            assert set(table.schema.names) == expected, read.__name__
            sums[read.__name__], rows[read.__name__] = checksums(table), table.num_rows
        assert len(set(rows.values())) == 1, rows
        first = sums["by_duckdb"]
        for reader, found in sums.items():
            assert {c for c in expected if found[c] != first[c]} == set(), (name, reader)
        assert rows["by_duckdb"] > 0
        compared += len(expected)
    assert compared > 60


def test_a_value_that_differs_changes_its_checksum_alone() -> None:
    rows = {"_source": ["s", "s"], "_key": ["b", "a"], "x": [1, None], "y": ["p", "q"]}
    other = checksums(pa.table({**rows, "x": [1, 0]}))
    first = checksums(pa.table(rows))
    assert {c for c in rows if first[c] != other[c]} == {"x"}
