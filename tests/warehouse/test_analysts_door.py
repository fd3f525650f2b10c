"""The analysts' door against a SELECT that writes, and against other queries' spilled pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from schemas.errors import ConfigError
from warehouse.duck import AnalystDoor

WRITES = (
    "WITH x AS (COPY t TO 'OUT/x.parquet') SELECT * FROM x",
    "WITH x AS (COPY t TO 'OUT/x.parquet') SELECT * FROM x; -- and a word",
    "WITH y AS (SELECT 1), x AS MATERIALIZED (COPY t TO 'OUT/x.parquet') (SELECT * FROM x)",
    "EXPLAIN ANALYZE COPY t TO 'OUT/x.parquet'",
    "EXPLAIN ANALYZE WITH x AS (COPY t TO 'OUT/x.parquet') SELECT * FROM x",
)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[AnalystDoor]:
    """A locked door over a folder that analysts may read, and so could write to."""
    made = AnalystDoor(tmp_path)
    made.table("t", pa.table({"a": [3, 1, 2]}))
    made.lock()
    yield made
    made.close()


@pytest.mark.parametrize("statement", WRITES)
def test_no_statement_writes_where_analysts_read(
    door: AnalystDoor, tmp_path: Path, statement: str
) -> None:
    with pytest.raises(ConfigError, match="only SELECT is allowed here"):
        door.select(statement.replace("OUT", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_without_the_look_for_hidden_writes_a_select_would_write(
    door: AnalystDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnalystDoor, "_refuse_hidden_writes", lambda *_: None)
    assert door.select(WRITES[0].replace("OUT", str(tmp_path))).num_rows == 1
    assert (tmp_path / "x.parquet").exists()


def test_a_with_that_inserts_is_refused(door: AnalystDoor) -> None:
    with pytest.raises(ConfigError, match="this WITH writes"):
        door.select("WITH x AS (INSERT INTO t VALUES (9) RETURNING a) SELECT * FROM x")
    assert door.select("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 3}]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT a FROM t ORDER BY a;", [1, 2, 3]),
        ("SELECT a FROM t ORDER BY a DESC -- ;", [3, 2, 1]),
        ("/* ; */ FROM t ORDER BY a; /* ; */", [1, 2, 3]),
        ("WITH x AS (SELECT a FROM t WHERE a > 1) FROM x ORDER BY a LIMIT 1", [2]),
        ("SELECT 'it''s; \"a\"' AS a; ", ['it\'s; "a"']),
    ],
)
def test_every_way_to_write_one_select_is_let_through(
    door: AnalystDoor, query: str, rows: list[object]
) -> None:
    assert door.select(query).column("a").to_pylist() == rows


@pytest.mark.parametrize("query", ["DESCRIBE t", "SUMMARIZE t", "SHOW TABLES"])
def test_analysts_can_look_at_what_there_is(door: AnalystDoor, query: str) -> None:
    assert door.select(query).num_rows == 1


def test_columns_of_one_name_stay_two(door: AnalystDoor) -> None:
    assert door.select("SELECT 1 AS a, 2 AS a").schema.names == ["a", "a"]


def test_spilled_pages_lie_in_a_folder_of_the_connection_alone(tmp_path: Path) -> None:
    doors = [AnalystDoor(tmp_path), AnalystDoor(tmp_path)]
    allowed = []
    for one in doors:
        one.lock()
        (row,) = one.select("SELECT current_setting('allowed_directories') AS d").to_pylist()
        (spill,) = {d.rstrip("/") for d in row["d"]} - {str(tmp_path)}
        assert Path(spill).stat().st_mode & 0o077 == 0
        allowed.append(Path(spill))
    assert allowed[0] != allowed[1]
    for one in doors:
        one.close()
    assert not any(folder.exists() for folder in allowed)


def test_a_variable_of_the_program_is_no_table(door: AnalystDoor) -> None:
    statements = pa.table({"a": [1]})
    assert statements.num_rows == 1
    with pytest.raises(ConfigError, match="statements does not exist"):
        door.select("SELECT * FROM statements")
    # What DuckDB does by itself: any Arrow table in sight can be asked for by its name.
    assert duckdb.execute("SELECT * FROM statements").fetchall() == [(1,)]
