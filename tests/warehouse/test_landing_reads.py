"""What one read lands beside what happens meanwhile: in its source, or by another run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from schemas.errors import LostRaceError
from warehouse.delta import Table, as_table
from warehouse.landing import Landing
from warehouse.landing_commits import APP
from warehouse.landing_read import LandingRead, LandOutcome, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.purge import Past
from warehouse.races import retried
from warehouse.state import StreamState
from warehouse.vanished import LandedKeys, Vanished

NOW = datetime(2024, 6, 1, tzinfo=UTC)
Rows = dict[str, int]
"""Key to the version that the source gives it."""


def land(
    landing: Landing,
    rows: Rows,
    *,
    night: int,
    gone: frozenset[str] = frozenset(),
    at: tuple[Table, StreamState] | None = None,
    more: Sequence[str] = (),
    meanwhile: Callable[[], None] = lambda: None,
    **how: Any,
) -> LandOutcome:
    """Lands an interval at whose end the source doesn't have some keys any more."""
    schema = pa.schema([("so", pa.string()), ("lan", pa.int64())])
    table = pa.table([list(rows), list(rows.values())], schema=schema)
    for name in more:
        table = table.append_column(name, pa.array([None] * len(rows), pa.string()))

    def begun(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        meanwhile()
        yield from batches

    def vanished(landed: LandedKeys) -> Vanished:
        assert set(landed.arrived()["_key"]) <= set(rows)
        return Vanished(gone=landed.alive().filter(pl.col("_key").is_in(gone)), keys=None)

    end = ReadEnd(is_complete=True, advance=lambda state: state, vanished=vanished)
    return landing.land(
        LandingRead(
            stamp=ReadStamp(
                key=("so",), read_at=NOW + timedelta(days=night), sync_id=f"night {night}"
            ),
            schema=table.schema,
            batches=begun(table.to_batches()),
            is_whole=False,
            finds_deletes=True,
            ended=lambda: end,
            **how,
        ),
        at=at,
    )


def copies(landing: Landing, key: str) -> list[tuple[int, bool]]:
    """Version, and whether it buries the key, of every copy in the order they came."""
    rows = landing.rows(after=0, to=landing.version()).filter(pl.col("_key") == key)
    return rows.select("lan", "_tombstone").rows()


def test_a_row_changed_and_then_deleted_during_one_read_is_buried_by_the_next(
    tmp_path: Path,
) -> None:
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {str(n): 1 for n in range(40)}, night=0)
    first = land(landing, {"7": 2}, night=1, gone=frozenset("7"))
    assert (first.landed, first.tombstones) == (1, 0)
    second = land(landing, {}, night=2, gone=frozenset("7"))
    assert second.tombstones == 1
    # Copies are ordered by `lan` here: a grave of version 1 would not count.
    assert copies(landing, "7") == [(1, False), (2, False), (2, True)]


def test_who_is_forgotten_after_the_marks_were_asked_for_makes_the_read_begin_again(
    tmp_path: Path,
) -> None:
    landing = Landing(str(tmp_path / "landing"))

    def others_land_first() -> Callable[[pa.Table, pa.Table], pa.Table] | None:
        if not landing.version():
            land(landing, {"1": 1}, night=1)
        return None

    with pytest.raises(LostRaceError):
        land(landing, {"2": 1}, night=0, screen=others_land_first)
    assert copies(landing, "2") == []
    assert land(landing, {"2": 1}, night=2, screen=others_land_first).landed == 1


def opened(landing: Landing) -> tuple[Table, StreamState]:
    table = landing.table()
    assert table is not None
    return table, Landing.state_of(table)


@pytest.mark.parametrize("columns", [0, 25, 26, 40])
def test_how_many_rows_landed_is_told_by_the_log_as_by_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    landing = Landing(str(tmp_path / "landing"))
    more = [f"cot_{number}" for number in range(columns)]
    for night in range(1, 10):
        land(landing, {str(n): night for n in range(night)}, night=night, more=more)
        if night == 4:
            opened(landing)[0].compact(target=1_000_000)
    every = landing.rows(after=0, to=99).group_by("_landing_version").len()
    told = sorted((version, rows) for version, rows in every.rows())
    assert len(told) == 9
    scans: list[Table] = []
    real = Table.scan
    monkeypatch.setattr(Table, "scan", lambda table: scans.append(table) or real(table))  # type: ignore[func-returns-value]
    for after in range(10):
        for to in range(10):
            within = [(version, rows) for version, rows in told if after < version <= to]
            scans.clear()
            assert landing.sizes(after=after, to=to) == within
            is_joined = after < 4 and to > 0
            # Of a table's first 32 columns the log tells the least and the most; 5 are ours.
            is_asked = after < to and (is_joined or columns + 2 > 27)
            assert bool(scans) is is_asked


def test_the_log_of_columns_that_it_calls_alike_is_not_asked(tmp_path: Path) -> None:
    kinds = {"a": pa.struct([("b", pa.string())]), "a.b": pa.string(), "n": pa.int64()}
    schema = pa.schema(list(kinds.items()))
    table = Table.create(str(tmp_path / "table"), schema)
    table.append(pa.Table.from_pylist([{"a": {"b": "1"}, "a.b": "2", "n": 3}], schema))
    table.append(pa.Table.from_pylist([{"n": 4}, {}], schema))
    spans = table.spans("n").sort("rows").rows()
    assert spans == [(3, 3, 1), (None, None, 2)]  # a row without it isn't told either
    assert table.spans("a.b")["least"].to_list() == [None, None]
    assert (table.rows, table.small_files(below=10**6)) == (3, [2])


def test_what_is_read_of_a_landing_is_as_it_is_now_whoever_wrote(tmp_path: Path) -> None:
    reads, writes = (Landing(str(tmp_path / "landing")) for _ in range(2))

    def moved() -> None:
        """A night whose read brings nothing, but moves the state."""
        table, state = opened(writes)
        later = replace(state, last_read_at=f"2024-07-{state.rows + 1:02}T00:00:00+00:00")
        table.note(txns={APP: table.txn(APP)}, state=later.to_json())

    def purged() -> None:
        past = Past(writes.uri, is_landing=True)
        past.delete()

    def widened() -> None:
        opened(writes)[0].add_columns([pa.field("moi", pa.string())])

    def joined() -> None:
        opened(writes)[0].compact(target=1_000_000)

    def landed() -> None:
        night = writes.version() + 1
        land(writes, {str(night): night}, night=night)

    for step in (landed, moved, landed, widened, joined, landed, purged, moved, landed, purged):
        step()
        fresh = Landing(reads.uri)
        assert reads.version() == fresh.version()
        assert reads.state() == fresh.state()
        assert reads.rows(after=0, to=99).equals(fresh.rows(after=0, to=99))
        assert reads.sizes(after=0, to=99) == fresh.sizes(after=0, to=99)


@pytest.mark.parametrize("rows", [{"3": 1}, {}])
def test_a_read_that_brings_a_column_loses_to_one_that_landed_before_it(
    tmp_path: Path, rows: Rows
) -> None:
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {"1": 1}, night=0)
    at = opened(landing)
    land(landing, {"2": 1}, night=1)
    state = landing.state()
    with pytest.raises(LostRaceError):
        land(landing, rows, night=2, at=at, more=["ten"])
    assert (landing.version(), landing.state()) == (2, state)
    assert land(landing, rows, night=3, more=["ten"]).landing_version == 2 + len(rows)


def test_rows_that_lack_a_column_which_another_run_has_added_lose(tmp_path: Path) -> None:
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {"1": 1}, night=0)

    def gains_a_column() -> None:
        land(landing, {}, night=1, more=["ten"])

    with pytest.raises(LostRaceError):
        land(landing, {"2": 1}, night=2, meanwhile=gains_a_column)
    assert land(landing, {"2": 1}, night=3).landed == 1


def test_which_versions_were_read_without_a_column_is_known(tmp_path: Path) -> None:
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {"1": 1}, night=0)
    land(landing, {}, night=1, more=["ten"])
    land(landing, {"2": 1}, night=2)
    assert landing.state().lacking == {"ten": ((1, None),)}
    land(landing, {"3": 1}, night=3, more=["ten"])
    assert landing.state().lacking == {"ten": ((1, 2),)}
    land(landing, {"4": 1}, night=4)
    land(landing, {"5": 1}, night=5)
    assert landing.state().lacking == {"ten": ((1, 2), (4, None))}
    land(landing, {"6": 1}, night=6, more=["ten"])
    assert landing.state().lacking == {"ten": ((1, 2), (4, 5))}


@pytest.mark.parametrize("purges", [1, 2, 3])
def test_a_read_whose_table_is_purged_meanwhile_lands_its_rows_once(
    tmp_path: Path, purges: int
) -> None:
    """It goes on or begins again, however much of the log that it has read is gone."""
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {"1": 1}, night=0)
    Past(landing.uri, is_landing=True).delete()
    reads = [opened(landing)]
    for _ in range(purges):
        Past(landing.uri, is_landing=True).delete()

    def read() -> LandOutcome:
        return land(landing, {"2": 1}, night=1, at=reads.pop() if reads else opened(landing))

    assert retried(read).landed == 1
    assert [len(copies(landing, key)) for key in ("1", "2")] == [1, 1]
    assert (landing.version(), landing.state().rows) == (2, 2)


def test_a_read_whose_landed_files_are_deleted_begins_again(tmp_path: Path) -> None:
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {"1": 1, "2": 1}, night=0)
    times: list[int] = []

    def forgotten() -> None:
        if not times:
            table, state = opened(landing)
            kept = as_table(table.scan().filter(pl.col("so") != "2").collect(), table.schema)
            table.replace(kept, where=None, txns={APP: 2}, state=state.to_json())
            Past(landing.uri, is_landing=True).delete()
        times.append(1)

    assert retried(lambda: land(landing, {"3": 1}, night=1, meanwhile=forgotten)).landed == 1
    assert len(times) == 2
    assert copies(landing, "2") == []
