"""Cursors that keep a time as a whole number, on each database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.protocol import Cursor, CursorUnit
from schemas.errors import ConfigError
from tests.connectors.conftest import Maria
from tests.connectors.sql.support import connector, read, spec
from tests.support.postgres import execute

TICKS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def numbers(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database with a table of numbers, one of them a day ahead."""
    now = int(datetime.now(UTC).timestamp())
    values = [now - 3 * 86_400, now - 3_600, now + 86_400]
    rows = ", ".join(f"({i}, {v}, {v * 1000}, {v * 1_000_000})" for i, v in enumerate(values))
    made = (
        "CREATE TABLE t (id int, epoch_s bigint, epoch_ms bigint, epoch_us bigint)",
        f"INSERT INTO t VALUES {rows}, (9, NULL, NULL, NULL)",
    )
    match request.param:
        case "sqlite":
            with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
                for statement in made:
                    connection.execute(statement)
                connection.commit()
            return f"sqlite:///{tmp_path / 'a.db'}"
        case "postgres":
            url: str = request.getfixturevalue("database")
            execute(url, *made)
            return url
        case _:
            maria: Maria = request.getfixturevalue("maria")
            maria.execute(*made)
            return maria.url


@pytest.mark.parametrize("unit", ["epoch_s", "epoch_ms", "epoch_us"])
def test_the_high_is_the_clock_less_the_lag_in_the_cursor_s_unit(
    numbers: str, unit: CursorUnit
) -> None:
    wanted = spec("id", unit, cursor=Cursor(column=unit, unit=unit, lag=timedelta(minutes=10)))
    high = connector(numbers).high(wanted)
    assert isinstance(high, int)
    behind = datetime.now(UTC) - datetime.fromtimestamp(high / TICKS[unit], UTC)
    assert timedelta(minutes=10) <= behind < timedelta(minutes=11)
    _, summary = read(numbers, wanted, high=high)
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (1, 1, 2)
    low = high - TICKS[unit] * 86_400 * 2
    table, _ = read(numbers, wanted, low=low, high=high)
    assert table["id"].to_pylist() == [1]


@pytest.mark.parametrize("unit", ["epoch_s", "epoch_ms", "epoch_us"])
def test_a_late_window_is_a_length_of_time(unit: CursorUnit) -> None:
    cursor = Cursor(column="x", unit=unit, late_window=2 * DAY)
    assert cursor.window == 2 * 86_400 * TICKS[unit]
    assert Cursor(column="x", unit=unit, late_window=500).window == 500
    assert Cursor(column="x", late_window=2 * DAY).window == 2 * DAY
    moment = datetime(2024, 1, 11, 7, 0, 1, tzinfo=UTC)
    assert cursor.moment(cursor.ticks(moment)) == moment


def test_a_unit_of_a_column_that_is_no_number_is_refused(database: str) -> None:
    execute(database, "CREATE TABLE t (id int, at timestamptz)")
    wanted = spec("id", "at", cursor=Cursor(column="at", unit="epoch_ms"))
    with pytest.raises(ConfigError, match="'at' is timestamptz: `unit: epoch_ms`"):
        connector(database).high(wanted)
