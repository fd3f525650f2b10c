"""What a night costs in which no office has anything new, counted and not timed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from adbc_driver_postgresql import dbapi
from hypothesis import given
from hypothesis import strategies as st

from flows import steps
from flows.lines import Turns
from flows.receipts import Receipt, SyncOptions
from flows.steps import sync
from tests.support.nights import Nights
from tests.support.postgres import execute
from warehouse import deletions
from warehouse.delta import Table
from warehouse.prior import Prior, alive_keys

STREAM = """\
  STREAM:
    READ
    key: so
    into:
      - entity: dossier
        columns: {dossier_code: so, procedure_name: ten}
"""
BY_CURSOR = "table: TABLE\n    cursor: cap_nhat"
ROWS = [(f"HS-{number}", "khai sinh", f"2026-01-{number:02}") for number in range(1, 21)]


class Office:
    """One office with two streams, and what a run of it costs."""

    def __init__(self, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nights = nights
        self.opened: Counter[str] = Counter()
        self.connected = 0
        self.looked = 0
        opens, connects, loads = Table.open, dbapi.connect, Prior.load

        def opening(uri: str, **how: Any) -> Table | None:
            self.opened[uri] += 1
            return opens(uri, **how)

        def connecting(*given: Any, **how: Any) -> dbapi.Connection:
            self.connected += 1
            return connects(*given, **how)

        def loading(*given: Any, **how: Any) -> Prior:
            self.looked += 1
            return loads(*given, **how)

        monkeypatch.setattr(Table, "open", opening)
        monkeypatch.setattr(dbapi, "connect", connecting)

        def looking(table: Table) -> pl.DataFrame:
            self.looked += 1
            return alive_keys(table)

        monkeypatch.setattr(Prior, "load", loading)
        monkeypatch.setattr(deletions, "alive_keys", looking)

    def connect(self, connector: str, *reads: str) -> None:
        streams = [
            STREAM.replace("STREAM", f"so_{number}").replace("READ", read)
            for number, read in enumerate(reads)
        ]
        self.nights.write("xa", f"source: xa\nconnector: {connector}\nstreams:\n{''.join(streams)}")

    def night(self) -> list[Receipt]:
        """One run; only what it costs is counted."""
        context = self.nights.context
        self.opened.clear()
        self.connected = self.looked = 0
        receipts = sync(context, ["xa"], SyncOptions())
        assert [one.error for one in receipts] == [None, None]
        return receipts

    def landings(self) -> list[int]:
        """How often each landing was opened."""
        return [times for uri, times in self.opened.items() if "/restricted/landing/" in uri]

    def core(self) -> int:
        return sum(times for uri, times in self.opened.items() if "/analysts/core/" in uri)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(Nights(tmp_path), monkeypatch)


def of_sqlite(office: Office) -> None:
    path = office.nights.root / "xa.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for name in ("a", "b"):
            connection.execute(f"CREATE TABLE {name} (so TEXT, ten TEXT, cap_nhat TEXT)")
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", ROWS)
    reads = [BY_CURSOR.replace("TABLE", name) for name in ("a", "b")]
    office.connect(f'{{type: sql, url: "sqlite:///{path}"}}', *reads)


def of_postgres(office: Office, url: str) -> None:
    for name in ("a", "b"):
        execute(
            url,
            f"CREATE TABLE {name} (so text, ten text, cap_nhat timestamp)",
            *(f"INSERT INTO {name} VALUES {row}" for row in ROWS),
        )
    reads = [BY_CURSOR.replace("TABLE", name) for name in ("a", "b")]
    office.connect(f'{{type: sql, url: "{url}"}}', *reads)


def of_files(office: Office) -> None:
    folder = office.nights.root / "files"
    folder.mkdir()
    for name in ("a", "b"):
        lines = ["so,ten,cap_nhat", *(",".join(row) for row in ROWS)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    reads = [f"files: {name}.csv\n    mode: snapshot" for name in ("a", "b")]
    office.connect(f"{{type: files, path: {folder}}}", *reads)


@pytest.fixture(params=["sqlite", "postgres", "files"])
def kind(request: pytest.FixtureRequest, office: Office) -> Iterator[str]:
    if request.param == "sqlite":
        of_sqlite(office)
    elif request.param == "postgres":
        of_postgres(office, request.getfixturevalue("postgres_url"))
    else:
        of_files(office)
    yield request.param


@pytest.mark.usefixtures("kind")
def test_a_stream_without_news_opens_its_landing_once_and_looks_at_no_row(office: Office) -> None:
    office.night()
    office.night()
    receipts = office.night()
    assert [(one.landed, one.derived, one.tombstoned) for one in receipts] == [(0, 0, 0)] * 2
    assert len({one.core_version for one in receipts}) == 1
    assert office.landings() == [1, 1]
    assert office.core() == 1
    assert office.looked == 0


@pytest.mark.parametrize("full", [False, True])
def test_the_night_after_everything_was_read_knows_the_keys_from_then(
    office: Office, postgres_url: str, full: bool
) -> None:
    of_postgres(office, postgres_url)
    odd = ("(NULL, 'x', '2026-01-02')", "('HS-1', 'y', '2026-01-02')", "('  HS-30 ', 'z', NULL)",
           "('HS/31', 'z', '2099-01-01')", "('', 'z', '2026-01-03')")  # fmt: skip
    execute(postgres_url, *(f"INSERT INTO b VALUES {row}" for row in odd))
    office.night()
    if full:
        execute(postgres_url, "UPDATE a SET ten = 'kết hôn' WHERE so = 'HS-3'")
        sync(office.nights.context, ["xa"], SyncOptions(full=True))
    receipts = office.night()
    assert [(one.landed, one.tombstoned) for one in receipts] == [(0, 0)] * 2
    assert office.looked == 0
    execute(postgres_url, "DELETE FROM a WHERE so = 'HS-7'")
    receipts = office.night()
    assert [one.tombstoned for one in receipts] == [1, 0]
    assert office.looked


def test_a_reader_goes_on_with_a_source_over_the_same_connection(
    office: Office, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_postgres(office, postgres_url)
    monkeypatch.setattr(steps, "READERS", 1)
    office.night()
    assert office.connected == 1
    office.night()
    office.night()
    assert office.connected == 1


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), unique=True, max_size=20),
    st.lists(st.integers(0, 2), max_size=60),
)
def test_every_stream_has_its_turn_once_and_no_reader_leaves_its_source_early(
    places: list[tuple[str, int]], order: list[int]
) -> None:
    named = [(source, str(stream)) for source, stream in places]
    turns, last, read = Turns(named), dict.fromkeys(range(3)), list[int]()
    for reader in [*order, *[0] * (len(places) + 1)]:
        before = last[reader]
        left = [n for n in range(len(named)) if n not in read]
        number = turns.next(before)
        if number is None:
            assert not left
            last[reader] = None
            continue
        assert number in left
        same = [n for n in left if before is not None and named[n][0] == named[before][0]]
        assert number == same[0] if same else True
        read.append(number)
        last[reader] = number
    assert sorted(read) == list(range(len(named)))


def test_whoever_gives_up_begins_nothing_more() -> None:
    turns = Turns([("a", "1"), ("a", "2")])
    assert turns.next(None) == 0
    turns.give_up()
    assert turns.next(0) is None
