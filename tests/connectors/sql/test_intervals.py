"""Reading by cursor: what lies inside, what lies outside, what is still open."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.protocol import Cursor, CursorValue, ReadRequest
from schemas.errors import ConfigError
from tests.connectors.sql.support import connector, read, spec
from tests.support.postgres import execute

NOON = datetime(2024, 1, 11, 12, tzinfo=UTC)
BY_TIME = spec("id", "at", cursor=Cursor(column="at"))


def ids(table: pa.Table) -> list[int]:
    return sorted(table["id"].to_pylist())


@pytest.fixture
def times(database: str) -> str:
    execute(
        database,
        "CREATE TABLE t (id int, at timestamptz)",
        "INSERT INTO t VALUES (1, '2024-01-11 11:59:59.999999+00'), (2, '2024-01-11 12:00+00'),"
        " (3, '2024-01-11 12:59:59.999999+00'), (4, '2024-01-11 13:00+00'), (5, NULL),"
        " (6, '2099-01-01'), (7, 'infinity'), (8, '-infinity')",
    )
    return database


def test_an_interval_holds_its_low_and_not_its_high(times: str) -> None:
    table, summary = read(times, BY_TIME, low=NOON, high=NOON + timedelta(hours=1))
    assert ids(table) == [2, 3]
    assert summary.is_complete


def test_rows_without_a_cursor_and_in_the_future_are_counted(times: str) -> None:
    _, summary = read(times, BY_TIME, low=NOON, high=NOON + timedelta(hours=1))
    assert summary.null_cursor == 2  # -infinity lies before every interval, as NULL does
    assert summary.future_cursor == 3
    assert summary.source_rows == 3


def test_a_first_load_reads_them_too(times: str) -> None:
    table, summary = read(times, BY_TIME, high=NOON + timedelta(hours=1))
    assert ids(table) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (2, 3, 3)


def test_rows_are_not_counted_where_deletes_are_not_looked_for(times: str) -> None:
    wanted = spec("id", "at", cursor=Cursor(column="at", deletes=False))
    _, summary = read(times, wanted, low=NOON, high=NOON + timedelta(hours=1))
    assert summary.source_rows is None
    assert summary.future_cursor == 3


def test_keys_below_a_bound_are_those_an_interval_can_reach(times: str) -> None:
    batches = connector(times).keys(BY_TIME, below=NOON + timedelta(hours=1))
    assert ids(pa.Table.from_batches(batches)) == [1, 2, 3, 8]
    assert ids(pa.Table.from_batches(connector(times).keys(BY_TIME))) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "kind", ["timestamptz", "timestamp", "date", "int", "numeric(9,2)", "text"]
)
def test_the_high_of_every_cursor_kind_takes_in_what_is_there(database: str, kind: str) -> None:
    value = {"int": "7", "numeric(9,2)": "7.5", "text": r"'x''\%'"}.get(
        kind, "now() - interval '1 h'"
    )
    execute(database, f"CREATE TABLE t (id int, at {kind})", f"INSERT INTO t VALUES (1, {value})")
    high = connector(database, timezone="Asia/Ho_Chi_Minh").high(BY_TIME)
    table, summary = read(database, BY_TIME, high=high, timezone="Asia/Ho_Chi_Minh")
    assert summary.source_rows == 1
    assert ids(table) == [1]
    again, _ = read(database, BY_TIME, low=high, high=high, timezone="Asia/Ho_Chi_Minh")
    assert ids(again) == []


def test_the_high_of_a_time_is_the_database_s_clock_minus_the_lag(database: str) -> None:
    execute(database, "CREATE TABLE t (id int, at timestamptz, local timestamp, day date)")

    def high(column: str, **options: Any) -> CursorValue | None:
        cursor = Cursor(column=column, lag=timedelta(hours=5), **options)
        reached = connector(database, timezone="Asia/Ho_Chi_Minh")
        return reached.high(spec("id", column, cursor=cursor))

    at = high("at")
    assert isinstance(at, datetime)
    assert timedelta(hours=5) <= datetime.now(UTC) - at < timedelta(hours=5, minutes=1)
    local = high("local")
    assert isinstance(local, datetime)
    assert local.tzinfo is None
    assert abs(at.replace(tzinfo=None) + timedelta(hours=7) - local) < timedelta(minutes=1)
    # Rows of today are read today only where the late window reads them again tomorrow.
    tomorrow, today = high("day"), high("day", late_window=timedelta(hours=1))
    assert isinstance(today, date)
    assert tomorrow == today + timedelta(days=1)


@pytest.mark.parametrize("kind", ["int", "text", "numeric"])
def test_an_empty_table_has_no_high(database: str, kind: str) -> None:
    execute(database, f"CREATE TABLE t (id int, at {kind})")
    assert connector(database).high(BY_TIME) is None
    table, summary = read(database, BY_TIME)
    assert (table.num_rows, summary.null_cursor, summary.is_complete) == (0, 0, True)


def test_a_naive_time_is_compared_in_the_source_s_zone(database: str) -> None:
    execute(
        database,
        "CREATE TABLE t (id int, at timestamp)",
        "INSERT INTO t VALUES (1, '2024-01-11 18:59:59'), (2, '2024-01-11 19:00')",
    )
    table, _ = read(
        database, BY_TIME, low=NOON, high=NOON + timedelta(hours=1), timezone="Asia/Ho_Chi_Minh"
    )
    assert ids(table) == [2]
    local = [datetime(2024, 1, 11, 18, 59), datetime(2024, 1, 11, 19)]  # noqa: DTZ001
    table, _ = read(database, BY_TIME, low=local[0], high=local[1])
    assert ids(table) == [1]


def test_a_bound_of_another_kind_is_refused_not_compared_as_text(times: str) -> None:
    with pytest.raises(ConfigError, match="'at' is timestamptz but its bound is a str"):
        read(times, BY_TIME, low="2024-01-11", high="2024-01-12")
    with pytest.raises(ConfigError, match="can't be a cursor"):
        read(
            times,
            spec("id", query="SELECT id, true AS b FROM t", cursor=Cursor(column="b")),
            low=1,
            high=2,
        )


def test_without_a_cursor_there_is_no_high_and_nothing_is_counted(times: str) -> None:
    assert connector(times).high(spec("id")) is None
    table, summary = read(times, spec("id"))
    assert table.num_rows == 8
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (0, 0, None)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=12),
    bounds=st.lists(st.integers(-6, 6), min_size=2, max_size=4, unique=True).map(sorted),
)
def test_neighbouring_intervals_and_the_counted_rest_are_the_whole(
    database: str, values: list[int | None], bounds: list[int]
) -> None:
    rows = ", ".join(f"({i}, {'NULL' if v is None else v})" for i, v in enumerate(values))
    execute(database, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id int, at int)")
    if rows:
        execute(database, f"INSERT INTO t VALUES {rows}")
    read_ids: list[int] = []
    known = [v for v in values if v is not None]
    for low, high in pairwise(bounds):
        table, summary = read(database, BY_TIME, low=low, high=high)
        read_ids += ids(table)
        assert summary.null_cursor == len(values) - len(known)
        assert summary.future_cursor == sum(v >= high for v in known)
        assert summary.source_rows == sum(v < high for v in known)
    inside = [i for i, v in enumerate(values) if v is not None and bounds[0] <= v < bounds[-1]]
    assert sorted(read_ids) == inside


def test_an_open_transaction_shows_in_xmin_and_its_late_row_is_found_afterwards(
    times: str,
) -> None:
    with psycopg.connect(times) as writer:  # opens a transaction with its first statement
        (mine,) = writer.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
        writer.execute("INSERT INTO t VALUES (50, '2024-01-11 12:30+00')")
        execute(times, "INSERT INTO t VALUES (51, '2024-01-11 12:40+00')")
        table, summary = read(times, BY_TIME, low=NOON, high=NOON + timedelta(hours=1))
        assert ids(table) == [2, 3, 51]
        assert summary.snapshot_xmin == mine
        assert summary.snapshot_xmax is not None
        assert summary.snapshot_xmax > mine
        writer.commit()
    table, summary = read(times, BY_TIME, low=NOON, high=NOON + timedelta(hours=1))
    assert ids(table) == [2, 3, 50, 51]
    assert summary.snapshot_xmin is not None
    assert summary.snapshot_xmin > mine


def test_counts_and_rows_are_of_one_moment(times: str) -> None:
    from connectors.protocol import ReadRequest

    with connector(times).read(BY_TIME, ReadRequest(high=NOON + timedelta(hours=1))) as reading:
        execute(times, "DELETE FROM t", "INSERT INTO t VALUES (60, '2024-01-11 12:00+00')")
        found = ids(pa.Table.from_batches(list(reading.batches())))
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]
    assert reading.summary.source_rows == 3


def test_a_limit_is_kept_and_said(times: str) -> None:
    table, summary = read(times, BY_TIME, limit=3)
    assert (table.num_rows, summary.is_complete) == (3, False)
    table, summary = read(times, BY_TIME, limit=9)
    assert (table.num_rows, summary.is_complete) == (8, True)


def test_batches_are_never_longer_than_asked(database: str) -> None:
    from connectors.protocol import ReadRequest

    execute(database, "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 1000) i")
    with connector(database).read(spec("id"), ReadRequest(batch_rows=300)) as reading:
        assert [batch.num_rows for batch in reading.batches()] == [300, 300, 300, 100]


def test_bound_and_read_are_of_one_moment_and_one_connection_serves_the_streams_after_it(
    postgres_url: str,
) -> None:
    execute(postgres_url, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    query = "SELECT pg_backend_pid() AS pid, (SELECT count(*) FROM t) AS rows"
    wanted = spec("pid", "rows", query=query, cursor=Cursor(column="pid"))
    reader = connector(postgres_url)
    high = reader.high(wanted)
    assert isinstance(high, int)
    for seen in (1, 2):  # what came in between is there for the next one
        assert reader.high(wanted) == high
        execute(postgres_url, "INSERT INTO t VALUES (2)")
        with reader.read(wanted, ReadRequest(high=high)) as reading:
            table = pa.Table.from_batches(list(reading.batches()), schema=reading.schema)
        assert table.select(["pid", "rows"]).to_pylist() == [{"pid": high - 1, "rows": seen}]
    reader.close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for _ in range(200):  # the server notices a moment later
            gone = "SELECT pg_sleep(0.05) FROM pg_stat_activity WHERE pid = %s"
            if not connection.execute(gone, [high - 1]).fetchall():
                return
    pytest.fail("the connection outlived its connector")
