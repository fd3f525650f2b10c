"""Whatever happened to an office's table behind its cursor, reconcile tells it exactly."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.reconciliation import ReconcileOptions
from flows.steps import new_sync_id, reconcile
from tests.support.nights import Nights
from warehouse.comparing import Against, Landed
from warehouse.hashing import row_hashes
from warehouse.landing import Landing
from warehouse.landing_read import LandingRead, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.slots import slots
from warehouse.state import StreamState

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SCHEMA = pa.schema(
    [("so", pa.string()), ("ten", pa.string()), ("_bad_values", pa.list_(pa.string()))]
)
Rows = list[tuple[str | None, str]]
# Few keys and values, so that rows of one key, equal rows and rows that come back are common.
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.sampled_from("xyz")), max_size=8
)


def stamp(sync_id: str) -> ReadStamp:
    return ReadStamp(key=("so",), read_at=NOW, sync_id=sync_id)


def batch(rows: Rows) -> pa.RecordBatch:
    values = [{"so": key, "ten": name, "_bad_values": None} for key, name in rows]
    return pa.RecordBatch.from_pylist(values, SCHEMA)


def land(landing: Landing, rows: Rows, sync_id: str, **how: Any) -> None:
    def advance(state: StreamState) -> StreamState:
        return state

    landing.land(
        LandingRead(
            stamp=stamp(sync_id), schema=SCHEMA, batches=[batch(rows)], is_whole=True,
            finds_deletes=True, accept_deletes=True,
            ended=lambda: ReadEnd(is_complete=True, advance=advance), **how,
        )
    )  # fmt: skip


def compared(landing: Landing, source: Rows) -> tuple[dict[str, list[str | None]], frozenset[str]]:
    """What the warehouse's side tells, given what a source of those rows says."""
    table = landing.table()
    assert table is not None
    landed = Landed.load(
        table, version=landing.version(), columns=("so", "ten"), months=(), keeps_all=False,
        tells_gone=True,
    )  # fmt: skip
    rows = pa.Table.from_batches([batch(source)])
    hashes = pl.Series(row_hashes(rows, rows.schema.names).to_pylist(), dtype=pl.String)
    found = landed.unequal(iter(slots(hashes, landed.digits).to_arrow().to_batches()))
    against = Against(landed, found=found, stamp=stamp("now"), schema=SCHEMA, due=None)
    if found is None or found:
        wanted = [found is None or h[: landed.digits] in found for h in hashes]
        against.add(batch(source).filter(pa.array(wanted, pa.bool_())))
    differences = against.differences(stamp("now").keys([]))
    told: dict[str, list[str | None]] = defaultdict(list)
    for key, kind in differences.keys.select("_key", "kind").iter_rows():
        told[kind].append(key)
    return dict(told), differences.hashes


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(ROWS.filter(bool), min_size=1, max_size=4), source=ROWS)
def test_the_differences_are_those_of_the_sets_of_rows(history: list[Rows], source: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(f"{folder}/landing")
        for number, rows in enumerate(history):
            land(landing, rows, f"night-{number}")
        told, _ = compared(landing, source)
    before, now = by_key(history[-1]), by_key(source)
    keyless = {name for key, name in history[-1] if key is None}
    new_keyless = {name for key, name in source if key is None} - keyless
    expected = {
        "missing": sorted(now.keys() - before.keys()) + [None] * len(new_keyless),
        "extra": sorted(before.keys() - now.keys()),
        "differing": sorted(k for k in before.keys() & now.keys() if before[k] != now[k]),
    }
    found = {kind: sorted(keys, key=lambda k: (k is None, k)) for kind, keys in told.items()}
    assert found == {kind: keys for kind, keys in expected.items() if keys}


def by_key(rows: Rows) -> dict[str, frozenset[str]]:
    """Key to the set of its rows."""
    sets: dict[str, set[str]] = defaultdict(set)
    for key, name in rows:
        if key is not None:
            sets[key].add(name)
    return {key: frozenset(names) for key, names in sets.items()}


YAML = """\
source: so-xa
connector: {type: sql, url: "${KET_NOI}"}
streams:
  ho_so:
    table: ho_so
    key: so
    cursor: {column: cap_nhat, late_window: 1 hour}
    into:
      - entity: dossier
        columns: {dossier_code: so, procedure_name: ten}
"""
# Where a row's cursor stands: long covered, none, in 2099, or changed since the last read.
WHEN = st.sampled_from(["old", "none", "2099", "since"])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(100, 120), WHEN),
        st.tuples(st.just("update"), st.integers(0, 29), st.just("kept")),
        st.tuples(st.just("update"), st.integers(0, 29), WHEN),
        st.tuples(st.just("delete"), st.integers(0, 29), st.just("kept")),
    ),
    max_size=12,
)


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("KET_NOI", postgres_url)
    yield postgres_url


def moment(when: str) -> datetime | None:
    now = datetime.now(UTC)
    return {
        "old": now - timedelta(days=9), "none": None, "2099": datetime(2099, 1, 1, tzinfo=UTC),
        "since": now + timedelta(hours=1),
    }[when]  # fmt: skip


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS)
def test_any_history_behind_the_cursor_is_told_key_by_key(
    database: str, operations: list[tuple[str, int, str]]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        connection.execute("DROP TABLE IF EXISTS ho_so")
        connection.execute("CREATE TABLE ho_so (so int, ten text, cap_nhat timestamptz)")
        cursors: dict[int, str] = {}
        for number in range(30):
            cursors[number] = ["old", "old", "none", "2099"][number % 4]
            values = (number, "cũ", moment(cursors[number]))
            connection.execute("INSERT INTO ho_so VALUES (%s, %s, %s)", values)
        nights = Nights(Path(folder))
        nights.write("so-xa", YAML)
        nights.dossier("so-xa")
        landed = dict.fromkeys(cursors, "cũ")
        now, state = dict(landed), dict(cursors)
        for step, (what, number, when) in enumerate(operations):
            _apply(connection, what, number, when, f"bước {step}", now, state)
        moved = {n for n in now if state[n] == "since"}
        expected = {
            "missing": now.keys() - landed.keys() - moved,
            "extra": landed.keys() - now.keys(),
            "differing": {
                n for n in landed.keys() & now.keys() - moved
                if (landed[n], cursors[n]) != (now[n], state[n])
            },
        }  # fmt: skip
        for repair in (False, True):
            asked = ReconcileOptions(repair=repair, accept_deletes=repair)
            (report,) = reconcile(
                nights.context, ["so-xa"], asked, sync_id=new_sync_id(), shown_keys=100
            )
            assert (report.error, report.by) == (None, "checksums")
            told = {kind: {int(k or "") for k in keys} for kind, keys in report.keys.items()}
            assert told == {kind: keys for kind, keys in expected.items() if keys}
        (clean,) = reconcile(nights.context, ["so-xa"], ReconcileOptions(), sync_id=new_sync_id())
        assert (clean.differences, clean.status) == (0, "done")


def _apply(
    connection: psycopg.Connection[Any], what: str, number: int, when: str, name: str,
    now: dict[int, str], state: dict[int, str],
) -> None:  # fmt: skip
    """One change in the office, and in what is known of it."""
    if what == "insert" and number not in now:
        values = (number, name, moment(when))
        connection.execute("INSERT INTO ho_so VALUES (%s, %s, %s)", values)
        now[number], state[number] = name, when
    elif what == "delete" and number in now:
        connection.execute("DELETE FROM ho_so WHERE so = %s", (number,))
        del now[number]
    elif what == "update" and number in now and when == "kept":
        connection.execute("UPDATE ho_so SET ten = %s WHERE so = %s", (name, number))
        now[number] = name
    elif what == "update" and number in now:
        statement = "UPDATE ho_so SET ten = %s, cap_nhat = %s WHERE so = %s"
        connection.execute(statement, (name, moment(when), number))
        now[number], state[number] = name, when
