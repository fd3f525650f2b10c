"""A database's own checksums are the hashes that landing stamps, over every type there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.comparing import Comparing, Comparison, Scope
from connectors.protocol import Cursor, StreamSpec
from tests.connectors.conftest import Maria
from tests.connectors.sql import test_mariadb, test_types
from tests.connectors.sql.support import connector, read, spec
from tests.support.postgres import execute
from warehouse.hashing import row_hashes
from warehouse.landing_stamp import ReadStamp
from warehouse.vanished import key_hashes

WHOLE_HASH = 32


@contextmanager
def compared(url: str, wanted: StreamSpec, scope: Scope | None = None) -> Iterator[Comparison]:
    with closing(connector(url, timezone="Asia/Ho_Chi_Minh")) as source:
        assert isinstance(source, Comparing)
        with source.comparison(wanted, scope or Scope()) as comparison:
            yield comparison


def said(comparison: Comparison, of: Any) -> list[str]:
    """Every hash that the database computes, as often as it does."""
    assert comparison.cannot(of) is None
    slots = pl.concat([pl.DataFrame(b) for b in comparison.digest(of, WHOLE_HASH)])
    return sorted(h for h, n in slots.select("slot", "rows").iter_rows() for _ in range(n))


def stamped(url: str, wanted: StreamSpec) -> list[str]:
    """The hashes that landing gives the same rows."""
    rows, _ = read(url, wanted, timezone="Asia/Ho_Chi_Minh")
    return sorted(row_hashes(rows, rows.schema.names).to_pylist())


def agree(url: str, *columns: str) -> None:
    wanted = spec(*columns)
    with compared(url, wanted) as comparison:
        assert said(comparison, "rows") == stamped(url, wanted)


def test_postgresql_hashes_every_type_as_landing_does(database: str) -> None:
    test_types.make_types(database)
    cases = test_types.CASES
    names = [f"c{i}" for i in range(len(cases))]
    columns = ", ".join(f"{n} {case[0]}" for n, case in zip(names, cases, strict=True))
    values = ", ".join(case[1] for case in cases)
    nulls = ", ".join("NULL" for _ in cases)
    execute(
        database,
        f"CREATE TABLE t (id int, {columns})",
        f"INSERT INTO t VALUES (1, {values}), (2, {nulls})",
    )
    agree(database, "id", *names)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_postgresql_names_what_cannot_be_carried(database: str, kind: str) -> None:
    execute(database, f'CREATE TABLE t (id int, at {kind}, "Ở đâu" {kind}, f numeric(9,2))')
    for number, value in enumerate((*test_types.OUT_OF_RANGE, "2024-02-29", "2200-12-31")):
        execute(
            database,
            f"INSERT INTO t VALUES ({number}, '{value}', '{value}', 'NaN'),"
            f" ({number}, '{value}', '2024-02-29', 1.5), ({number}, NULL, '{value}', NULL)",
        )
    agree(database, "id", "at", "Ở đâu", "f")


def test_names_may_be_anything_in_postgresql(database: str) -> None:
    odd = ["Số hồ sơ", "select", "a:b", "100%", "it's", "x y", "q?", "$1", "A", r"b\c"]
    columns = ", ".join(f'"{name}" text' for name in odd)
    execute(database, f"CREATE TABLE t ({columns})")
    execute(database, f"INSERT INTO t VALUES ({', '.join(repr('v') for _ in odd)})")
    agree(database, *odd)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
MOMENTS = st.datetimes(datetime(1890, 1, 1), datetime(2210, 1, 1))  # noqa: DTZ001
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**31 - 1),
        st.none() | TEXTS,
        st.none() | FLOATS,
        st.none() | st.floats(width=32),
        st.none() | MOMENTS,
        st.none() | st.dates(),
        st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=3,
                                min_value=-(10**8), max_value=10**8),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_postgresql_and_landing_agree_on_any_values(database: str, rows: list[Any]) -> None:
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute(
            "CREATE TABLE t (id int, s text, f float8, r float4, at timestamptz, d date,"
            " n numeric(12,3))"
        )
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", rows)
    agree(database, "id", "s", "f", "r", "at", "d", "n")


ODD_KEYS = ["HS/1", "a\\b", " x ", "x", "\tgạch\n", "", "   ", "Đ-9", "0"]


def test_postgresql_hashes_keys_as_their_text(database: str) -> None:
    execute(database, "CREATE TABLE t (so text, n int, le numeric(9,2))")
    for number, key in enumerate(ODD_KEYS):
        quoted = key.replace("'", "''")
        execute(database, f"INSERT INTO t VALUES ('{quoted}', {number}, 1.5), (NULL, 1, 2)")
    keys_agree(database, ("so",))
    keys_agree(database, ("so", "n"))
    keys_agree(database, ("le", "so", "n"))


def test_mariadb_hashes_keys_as_their_text(maria: Maria) -> None:
    maria.execute("CREATE TABLE t (so varchar(20), n bigint unsigned, le decimal(9,2))")
    for number, key in enumerate(k for k in ODD_KEYS if "\t" not in k):
        quoted = key.replace("\\", "\\\\")
        maria.execute(f"INSERT INTO t VALUES ('{quoted}', {number}, 1.5), (NULL, 1, 2)")
    keys_agree(maria.url, ("so",))
    keys_agree(maria.url, ("so", "n"))
    keys_agree(maria.url, ("le", "so", "n"))


def keys_agree(url: str, key: tuple[str, ...]) -> None:
    wanted = StreamSpec(name="t", columns=key, key=key, options=spec("so").options)
    rows, _ = read(url, wanted)
    stamp = ReadStamp(key=key, read_at=datetime.now(UTC), sync_id="x")
    ours = key_hashes(stamp.key_frame(rows).drop_nulls())["_hash"].to_list()
    with compared(url, wanted) as comparison:
        assert said(comparison, "keys") == sorted(ours)
        assert summed(comparison, 0) == summed(comparison, 2)


def test_no_key_at_all_has_a_sum_too(database: str) -> None:
    execute(database, "CREATE TABLE t (id int, s text)")
    with compared(database, spec("id", "s")) as comparison:
        assert summed(comparison, 0) == summed(comparison, 2) == (0, 0)


def summed(comparison: Comparison, digits: int) -> tuple[int, int]:
    """Rows and total over all slots of keys."""
    slots = [slot for batch in comparison.digest("keys", digits) for slot in batch.to_pylist()]
    return sum(slot["rows"] for slot in slots), sum(int(slot["total"]) for slot in slots)


def test_a_slot_brings_its_rows_and_its_keys_and_no_other(database: str) -> None:
    execute(database, "CREATE TABLE t (id int, s text)")
    execute(database, "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 500) i")
    wanted = spec("id", "s")
    rows, _ = read(database, wanted)
    hashes = row_hashes(rows, rows.schema.names).to_pylist()
    ids = rows["id"].to_pylist()
    with compared(database, wanted) as comparison:
        expected = {n for n, h in zip(ids, hashes, strict=True) if h[:2] in {"0a", "7f"}}
        assert {n for b in comparison.rows(["0a", "7f"]) for n in b["id"].to_pylist()} == expected
        keyed = pl.concat([pl.DataFrame(b) for b in comparison.digest("keys", 2)])
        found = [b.num_rows for b in comparison.keys(["0a", "7f"])]
        asked = keyed.filter(pl.col("slot").is_in(["0a", "7f"]))["rows"].sum()
        assert 0 < sum(found) == asked < 500


def test_what_changed_since_the_last_read_is_pending_and_2099_is_compared(database: str) -> None:
    execute(
        database,
        "CREATE TABLE t (id int, at timestamptz)",
        "INSERT INTO t VALUES (1, now() - interval '3 days'), (2, NULL), (3, '2099-01-01'),"
        " (4, now() - interval '1 hour'), (5, now() + interval '1 hour'), (6, '-infinity'),"
        " (7, 'infinity')",
    )
    wanted = spec("id", "at", cursor=Cursor(column="at"))
    scope = Scope(high=datetime.now(UTC) - timedelta(days=1))
    with compared(database, wanted, scope) as comparison:
        assert ids(comparison.rows(None)) == [1, 2, 3, 6, 7]
        assert ids(comparison.pending()) == [4, 5]
        assert sum(sum(b["rows"].to_pylist()) for b in comparison.digest("rows", 1)) == 5
    later = Scope(low=datetime(2000, 1, 1, tzinfo=UTC), high=scope.high)
    with compared(database, wanted, later) as comparison:
        assert ids(comparison.rows(None)) == [1, 3, 7]


def ids(batches: Iterator[pa.RecordBatch]) -> list[int]:
    return sorted(n for batch in batches for n in batch["id"].to_pylist())


def test_what_cannot_be_hashed_equally_is_said(database: str, maria: Maria) -> None:
    execute(database, "CREATE TABLE t (id int, n numeric(12,8), at timestamptz)")
    with compared(database, spec("id", "n")) as comparison:
        assert "n (numeric(12,8))" in (comparison.cannot("rows") or "")
        assert comparison.cannot("keys") is None
    with compared(database, spec("at", "id")) as comparison:
        assert comparison.cannot("rows") is None
        assert "at (timestamptz)" in (comparison.cannot("keys") or "")
    maria.execute("CREATE TABLE t (id int, f float, d double)")
    with compared(maria.url, spec("id", "f", "d")) as comparison:
        assert "f (float), d (double)" in (comparison.cannot("rows") or "")


def test_mariadb_hashes_every_type_as_landing_does(maria: Maria) -> None:
    names = test_mariadb.make_types(maria)
    cases = zip(names, test_mariadb.CASES, strict=True)
    equal = [name for name, case in cases if case[0] not in {"float", "double"}]
    agree(maria.url, "id", *equal)


def test_mariadb_names_what_cannot_be_carried(maria: Maria) -> None:
    maria.execute("CREATE TABLE t (id int, d date, at datetime(6), ts timestamp NULL, y year)")
    with closing(
        pymysql.connect(
            host="127.0.0.1", port=maria.server.port, user="root", database=maria.name,
            autocommit=True, init_command="SET sql_mode = 'ALLOW_INVALID_DATES'",
        )
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute(
            "INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00', '0000-00-00', 0),"
            " (2, '2024-00-00', '2024-01-00 07:00', NULL, 1999),"
            " (4, '1899-12-31', '9999-12-31', NULL, 2155), (5, NULL, NULL, NULL, NULL),"
            " (5, '2024-02-29', '2024-02-29 01:02:03.5', '2024-02-29 00:00', 2024)"
        )
    agree(maria.url, "id", "d", "at", "ts", "y")
