"""Parts of a large read: in the cursor's order, or cut at a value; together they are the whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.protocol import Cursor, cursor_value
from connectors.sql import statements
from connectors.sql.types import SourceColumn
from tests.connectors.sql.support import connector, read, spec
from tests.connectors.sql.test_dialects import parsed
from tests.support.postgres import execute

BY_TIME = spec("id", "at", cursor=Cursor(column="at"))
HIGH = datetime(2024, 2, 1, tzinfo=UTC)


@pytest.fixture
def times(database: str) -> str:
    execute(
        database,
        "CREATE TABLE t (id int, at timestamptz)",
        "INSERT INTO t SELECT i, timestamptz '2024-01-01+00' + i * interval '1 hour' "
        "FROM generate_series(1, 200) i ORDER BY md5(i::text)",
        "INSERT INTO t VALUES (901, NULL), (902, '2099-01-01'), (903, 'infinity'), "
        "(904, '-infinity')",
    )
    return database


def ids(table: pa.Table) -> list[int]:
    found: list[int] = table["id"].to_pylist()
    return found


def test_many_rows_come_in_order_behind_those_that_have_no_place_in_it(times: str) -> None:
    table, summary = read(times, BY_TIME, high=HIGH, ordered_from=200, batch_rows=50)
    assert summary.is_ordered
    assert sorted(ids(table)[:3]) == [901, 902, 903]
    assert ids(table)[3:] == [904, *range(1, 201)]
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (2, 2, 200)


def test_few_rows_and_a_taste_come_as_they_are(times: str) -> None:
    _, summary = read(times, BY_TIME, high=HIGH, ordered_from=205)
    assert not summary.is_ordered
    _, summary = read(times, BY_TIME, high=HIGH, ordered_from=2, limit=100)
    assert not summary.is_ordered
    low = HIGH - timedelta(days=25)
    table, summary = read(times, BY_TIME, low=low, high=HIGH, ordered_from=30)
    assert summary.is_ordered  # what counts is what the interval holds
    assert ids(table) == list(range(144, 201))
    _, summary = read(times, BY_TIME, low=low, high=HIGH, ordered_from=58)
    assert not summary.is_ordered


@pytest.mark.parametrize("ordered_from", [None, 10])
def test_a_part_up_to_a_value_holds_what_has_no_place_in_the_order_too(
    times: str, ordered_from: int | None
) -> None:
    until = datetime(2024, 1, 3, tzinfo=UTC)
    table, summary = read(
        times, BY_TIME, high=HIGH, until=until, ordered_from=ordered_from, is_last=False
    )
    assert sorted(ids(table)) == [*range(1, 48), 901, 902, 903, 904]
    assert summary.is_ordered == (ordered_from is not None)
    # Of the whole source it is counted once, with the last part.
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (0, 0, None)
    rest, summary = read(times, BY_TIME, low=until, high=HIGH)
    assert sorted(ids(rest)) == list(range(48, 201))
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (2, 2, 200)


def test_the_least_value_is_the_first_that_has_a_place_in_the_order(times: str) -> None:
    assert connector(times).low(BY_TIME) == datetime(2024, 1, 1, 1, tzinfo=UTC)
    execute(times, "DELETE FROM t WHERE id < 900")
    assert connector(times).low(BY_TIME) == datetime(2099, 1, 1, tzinfo=UTC)
    execute(times, "DELETE FROM t")
    assert connector(times).low(BY_TIME) is None
    assert connector(times).low(spec("id")) is None


def test_rows_of_an_interval_are_counted_without_being_read(times: str) -> None:
    low = datetime(2024, 1, 2, tzinfo=UTC)
    assert connector(times).count(BY_TIME, low=low, high=low + timedelta(days=1)) == 24
    assert connector(times).count(spec("id"), low=1, high=2) is None


@pytest.mark.parametrize("kind", ["numeric", "numeric(9,2)", "text"])
def test_numbers_that_land_as_text_come_in_the_order_of_numbers(database: str, kind: str) -> None:
    execute(
        database,
        f"CREATE TABLE t (id int, at {kind})",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 120) i ORDER BY md5(i::text)",
    )
    high: Any = "999" if kind == "text" else 121
    table, summary = read(database, BY_TIME, high=high, ordered_from=2)
    assert summary.is_ordered == (kind != "text")  # the order of texts is the database's own
    if kind != "text":
        assert ids(table) == list(range(1, 121))
        assert [cursor_value(v) for v in table["at"].to_pylist()] == list(range(1, 121))


def test_a_number_with_a_fraction_is_rounded_down() -> None:
    assert [cursor_value(v) for v in ("7.9", "-7.1", "9007199254740993.5", None, 4)] == [
        7, -8, 9007199254740993, None, 4,
    ]  # fmt: skip
    assert [cursor_value(v) for v in ("NaN", "Infinity", "-Infinity")] == [None] * 3


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-5, 9)), max_size=12),
    cuts=st.lists(st.integers(-6, 6), max_size=3, unique=True).map(sorted),
    ordered_from=st.sampled_from([None, 1]),
)
def test_the_parts_of_a_first_load_are_the_whole_wherever_it_is_cut(
    database: str, values: list[int | None], cuts: list[int], ordered_from: int | None
) -> None:
    execute(database, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id int, at int)")
    if values:
        rows = ", ".join(f"({i}, {'NULL' if v is None else v})" for i, v in enumerate(values))
        execute(database, f"INSERT INTO t VALUES {rows}")
    high, found = 7, []
    bounds = [*cuts, high]
    first = {"until": bounds[0]} if cuts else {}
    table, _ = read(database, BY_TIME, high=high, ordered_from=ordered_from, **first)
    found += ids(table)
    for low, to in pairwise(bounds):
        table, _ = read(database, BY_TIME, low=low, high=to, ordered_from=ordered_from)
        found += ids(table)
    assert sorted(found) == list(range(len(values)))


@pytest.mark.parametrize("dialect", ["tsql", "oracle", "mysql", "postgres", "sqlite"])
@pytest.mark.parametrize("query", [None, "SELECT id, at FROM t"])
def test_rows_are_ordered_by_the_column_and_not_by_what_is_delivered(
    dialect: str, query: str | None
) -> None:
    column = SourceColumn(name="at", type="numeric", arrow=pa.string(), cast="text")
    options = spec("id", table=None if query else "van_phong.t", query=query).options
    source = statements.source_of(options, default_schema=None, dialect=dialect)
    tree = parsed(statements.rows(source, [column], order=column), dialect)
    (ordered,) = tree.args["order"].expressions
    assert ordered.this.name == "at"
    assert ordered.this.table == ("stream" if query else "t")
