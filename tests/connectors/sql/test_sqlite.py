"""SQLite, where any value may stand in any column."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.protocol import Cursor, ReadRequest
from connectors.registry import SqlOptions, connect
from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError
from tests.connectors.sql.support import connector, read, spec
from tests.support.processes import python

VALUE = "079203001234"


def make(path: Path, *statements: str, rows: tuple[str, list[Any]] | None = None) -> str:
    """URL of a new database."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        if rows is not None:
            connection.executemany(*rows)
        connection.commit()
    return f"sqlite:///{path}"


def test_the_declaration_decides_and_values_are_checked(tmp_path: Path) -> None:
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, fee DOUBLE, code TEXT, at DATETIME, raw BLOB, any,"
        " d DECIMAL(9,2))",
        "INSERT INTO t VALUES (1, 1.5, 'Sở', '2024-01-11 07:00', x'00ff', 7, 12.50),"
        " (2.0, 3, 5, 1704931200, NULL, 'x', 3),"
        " ('x', 'y', NULL, NULL, 'z', 0.1, 'a'),"
        " (9223372036854775807, NULL, CAST(x'61ff' AS TEXT), NULL, NULL, NULL, NULL)",
    )
    table, _ = read(url, spec("id", "fee", "code", "at", "raw", "any", "d"))
    assert table.schema.types[:3] == [pa.int64(), pa.float64(), pa.string()]
    assert table.to_pydict() == {
        "id": [1, 2, None, 2**63 - 1],
        "fee": [1.5, 3.0, None, None],
        "code": ["Sở", "5", None, None],
        "at": ["2024-01-11 07:00", "1704931200", None, None],
        "raw": ["00ff", None, "z", None],
        "any": ["7", "x", "0.1", None],
        "d": ["12.5", "3", "a", None],
        "_bad_values": [None, None, ["id", "fee"], ["code"]],
    }


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False),
            st.text().filter(lambda t: "\0" not in t), st.binary(),
        ),
        max_size=20,
    ),
    st.integers(1, 7),
)  # fmt: skip
def test_no_value_is_lost_without_being_named(
    tmp_path: Path, values: list[Any], batch_rows: int
) -> None:
    (tmp_path / "a.db").unlink(missing_ok=True)
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, x BLOB)",
        rows=("INSERT INTO t VALUES (?, ?)", list(enumerate(values))),
    )
    table, _ = read(url, spec("id", "x"), batch_rows=batch_rows)
    assert table["id"].to_pylist() == list(range(len(values)))
    for value, row in zip(values, table.to_pylist(), strict=True):
        expected = (
            value.hex() if isinstance(value, bytes) else None if value is None else str(value)
        )
        assert row["x"] == expected
        assert row["_bad_values"] is None


def test_a_number_cursor_reads_intervals(tmp_path: Path) -> None:
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, changed INTEGER)",
        "INSERT INTO t VALUES (1, 10), (2, 20), (3, 30), (4, NULL)",
    )
    wanted = spec("id", "changed", cursor=Cursor(column="changed", late_window=5))
    high = connector(url).high(wanted)
    assert high == 31
    table, summary = read(url, wanted, low=20, high=30)
    assert table["id"].to_pylist() == [2]
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (1, 1, 2)
    table, _ = read(url, wanted, high=high)
    assert table.num_rows == 4
    keys = pa.Table.from_batches(connector(url).keys(wanted, below=30))
    assert keys["id"].to_pylist() == [1, 2]


def test_a_text_cursor_takes_in_the_greatest(tmp_path: Path) -> None:
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, at DATETIME)",
        "INSERT INTO t VALUES (1, '2024-01-11'), (2, '2024-01-12 07:00')",
    )
    wanted = spec("id", "at", cursor=Cursor(column="at"))
    high = connector(url).high(wanted)
    table, summary = read(url, wanted, low="2024-01-12", high=high)
    assert table["id"].to_pylist() == [2]
    assert summary.source_rows == 2


def test_a_query_is_text_and_a_view_keeps_its_columns(tmp_path: Path) -> None:
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, b TEXT)",
        "INSERT INTO t VALUES (1, ':x')",
        "CREATE VIEW v AS SELECT id AS n, b FROM t",
    )
    table, _ = read(url, spec("id", "c", query="SELECT id, ':y' || b AS c FROM t;"))
    assert table.select(["id", "c"]).to_pylist() == [{"id": "1", "c": ":y:x"}]
    table, _ = read(url, spec("n", "b", table="v"))
    assert table.select(["n", "b"]).to_pylist() == [{"n": 1, "b": ":x"}]


def test_check_shows_columns_and_primary_key(tmp_path: Path) -> None:
    url = make(
        tmp_path / "a.db",
        'CREATE TABLE "t" ("Số hồ sơ" VARCHAR(20), part INT, PRIMARY KEY (part, "Số hồ sơ"))',
        "INSERT INTO t VALUES ('a', 1)",
    )
    found = connector(url).check(spec("Số hồ sơ"))
    assert found.columns == {"Số hồ sơ": "VARCHAR(20)", "part": "INT"}
    assert found.sample["Số hồ sơ"].to_pylist() == ["a"]
    assert found.notes == ("primary key: part, Số hồ sơ",)


def test_check_looks_at_as_many_rows_as_asked_for(tmp_path: Path) -> None:
    rows = ", ".join(f"({n})" for n in range(500))
    url = make(tmp_path / "a.db", "CREATE TABLE t (id INT)", f"INSERT INTO t VALUES {rows}")
    asked = connector(url)
    assert asked.check(spec("id")).sample.num_rows == 200
    assert asked.check(spec("id"), sample_rows=3).sample.num_rows == 3
    assert asked.check(spec("id"), sample_rows=1_000).sample.num_rows == 500


def test_a_vanished_column_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    url = make(tmp_path / "a.db", "CREATE TABLE t (id INT, ten VARCHAR(9))")
    with pytest.raises(ContractError) as caught:
        connector(url).check(spec("id", "tên"))
    assert caught.value.missing == ("tên",)
    assert caught.value.found == {"id": "INT", "ten": "VARCHAR(9)"}


def refused(url: str, kind: Any, wanted: Any = None, **options: Any) -> str:
    with (
        pytest.raises(kind) as caught,
        connector(url, **options).read(wanted or spec("id"), ReadRequest()) as reading,
    ):
        list(reading.batches())
    assert type(caught.value) in (kind if isinstance(kind, tuple) else (kind,))
    assert VALUE not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_a_missing_file_is_named_and_not_made(tmp_path: Path) -> None:
    assert "'gone.db'" in refused(f"sqlite:///{tmp_path}/gone.db", SourceError)
    assert not (tmp_path / "gone.db").exists()
    with pytest.raises(ConfigError, match="SQLite URL"):
        connector("sqlite://")


def test_a_file_that_is_no_database_is_named_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"so_ho_so,ngay\n" * 1000)
    assert "no SQLite database" in refused(f"sqlite:///{tmp_path}/junk.db", SourceError)


def test_missing_tables_and_columns_are_named(tmp_path: Path) -> None:
    url = make(tmp_path / "a.db", "CREATE TABLE t (id INTEGER, name TEXT)")
    assert "no table 'v_ho_so'" in refused(url, SourceError, spec("id", table="v_ho_so"))
    assert "(there is 'name')" in refused(url, ContractError, spec("nme"))
    assert "no column 'nix'" in refused(url, SourceError, spec("id", query="SELECT nix FROM t"))


@pytest.mark.parametrize(
    "query", ["DELETE FROM t", "SELECT 1 AS id; DELETE FROM t", "SELECT 1 AS id) DELETE FROM t --"]
)
def test_a_query_that_writes_is_refused(tmp_path: Path, query: str) -> None:
    url = make(tmp_path / "a.db", "CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)")
    refused(url, (ConfigError, SourceError), spec("id", query=query))
    assert read(url, spec("id"))[0].num_rows == 1


def test_the_connection_itself_refuses_to_write(tmp_path: Path) -> None:
    from connectors.sql.sqlite import SqliteDatabase

    url = make(tmp_path / "a.db", "CREATE TABLE t (id INTEGER)")
    options = SqlOptions(url=url)  # type: ignore[arg-type]
    database = SqliteDatabase(url, options, timezone=None, base=None)
    with (
        closing(database._connect()) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("INSERT INTO t VALUES (1)")


def test_a_slow_statement_is_given_up(tmp_path: Path) -> None:
    url = make(tmp_path / "a.db", "CREATE TABLE t (id INTEGER)")
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS id FROM n"
    )
    said = refused(url, TransientSourceError, spec("id", query=endless), statement_timeout=1)
    assert "took too long" in said


def test_a_locked_database_is_tried_again_later(tmp_path: Path) -> None:
    url = make(tmp_path / "a.db", "CREATE TABLE t (id INTEGER)")
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in refused(url, TransientSourceError, connect_timeout=1)


def test_a_broken_text_is_not_repeated_in_an_error(tmp_path: Path) -> None:
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, name TEXT)",
        f"INSERT INTO t VALUES (1, CAST('{VALUE}' || x'ff' AS TEXT)), (2, 'An')",
    )
    table, _ = read(url, spec("id", "name"))
    assert table["name"].to_pylist() == [None, "An"]
    assert table["_bad_values"].to_pylist() == [["name"], None]


def test_a_relative_path_starts_at_the_yaml_s_folder(tmp_path: Path) -> None:
    make(tmp_path / "a b.db", "CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)")
    options = SqlOptions(url="sqlite:///a%20b.db")  # type: ignore[arg-type]
    assert connect("sql", options, base=tmp_path).check(spec("id")).sample.num_rows == 1


def test_half_a_million_rows_are_read_in_bounded_memory(tmp_path: Path) -> None:
    many = [(i, f"{i:064}" * 4) for i in range(500_000)]
    url = make(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER, name TEXT)",
        rows=("INSERT INTO t VALUES (?, ?)", many),
    )
    code = """
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import SqlOptions, SqlStream, connect
spec = StreamSpec(name="s", columns=("id", "name"), key=("id",), options=SqlStream(table="t"))
connector = connect("sql", SqlOptions(url=sys.argv[1]))
with connector.read(spec, ReadRequest(limit=10)) as read:
    list(read.batches())
base, rows = peak_mib(), 0
with connector.read(spec, ReadRequest(batch_rows=20_000)) as read:
    for batch in read.batches():
        rows += batch.num_rows
print(rows, peak_mib() - base)
"""
    rows, grown = map(int, python(code, url).split())
    assert rows == 500_000
    assert grown < 80, f"{grown} MiB for 130 MB of rows"
