"""Large reads count part by part: a run that is killed or stopped goes on where it was.

Parts are small here, so that a few thousand rows are a large read.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flows import parts
from flows.context import Context
from flows.receipts import Receipt, StreamStatus, SyncOptions
from flows.steps import audit, status, sync
from tests.support.nights import Nights
from tests.support.nursery import Answer, Nursery, Order, nursery
from tests.support.postgres import Server, execute, read_only_role

PART = 100
ROWS = 2_000
YAML = """\
source: so-lon
timezone: Asia/Ho_Chi_Minh
connector: {type: sql, url: "${KET_NOI}", connect_timeout: 60}
streams:
  ho_so:
    table: ho_so
    key: so
    cursor: CURSOR
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten}}]
"""
TABLE = "CREATE TABLE ho_so (so text, ten text, luc KIND)"
FILL = f"""INSERT INTO ho_so SELECT 'HS-' || i, 'việc ' || i, VALUE
FROM generate_series(1, {ROWS}) i ORDER BY md5(i::text)"""
MINUTES = "timestamptz '2024-01-01+00' + i * interval '1 minute'"
OUTSIDE = """INSERT INTO ho_so VALUES
('HS-null', 'không giờ', NULL), ('HS-2099', 'tương lai', '2099-01-01')"""


@dataclass(frozen=True)
class Office:
    """A table of PostgreSQL in no order, its YAML, a warehouse."""

    url: str
    nights: Nights

    def connect(self, cursor: str) -> None:
        self.nights.write("so-lon", YAML.replace("CURSOR", cursor))

    def run(self, *statements: str) -> None:
        execute(self.url, *statements)

    def fill(self, kind: str, value: str) -> None:
        """Puts another kind of cursor in place of the times."""
        other = f"ALTER TABLE ho_so ALTER luc TYPE {kind} USING NULL"
        self.run("DELETE FROM ho_so", other, FILL.replace("VALUE", value))

    def ask(self, sql: str) -> Any:
        with psycopg.connect(self.url) as connection:
            return (connection.execute(sql.encode()).fetchone() or (None,))[0]

    def truth(self) -> dict[str, str]:
        with psycopg.connect(self.url) as connection:
            return dict(connection.execute("SELECT so, ten FROM ho_so").fetchall())

    def core(self) -> dict[str, str]:
        return self.nights.alive("so-lon", "procedure_name")

    def order(self, **how: Any) -> Order:
        sources = str(self.nights.root / "sources")
        return Order(warehouse=self.nights.warehouse, sources=sources, part_rows=PART, **how)

    def status(self) -> StreamStatus:
        (line,) = status(self.nights.context)
        return line

    def covered(self) -> str | None:
        """Up to where the stream is covered without a gap."""
        found = self.status().coverage
        return found[0][1] if found and found[0][0] is None else None

    def sync(self, *, stop_after: int | None = None, **options: Any) -> list[Receipt]:
        """A run in this process; given up by a person after so many rows."""
        return _run(self.nights.context, stop_after, **options)


def _run(context: Context, stop_after: int | None, **options: Any) -> list[Receipt]:
    def progress(_: str, __: str, phase: str, rows: int, part: str = "") -> None:
        del part
        if stop_after is not None and phase == "reading" and rows >= stop_after:
            context.stop.set()

    told = replace(context, progress=progress)
    return sync(told, ["so-lon"], SyncOptions(**options))


@pytest.fixture
def office(
    postgres_server: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    monkeypatch.setattr(parts, "PART_ROWS", PART)
    monkeypatch.setattr(parts, "ORDERED_FROM", 2 * PART)
    monkeypatch.setattr("flows.reading._TELL_EVERY", 0.0)
    execute(postgres_url, TABLE.replace("KIND", "timestamptz"), FILL.replace("VALUE", MINUTES))
    with read_only_role(postgres_server, postgres_url, password="chi-doc") as reader:
        monkeypatch.setenv("KET_NOI", reader)
        made = Office(postgres_url, Nights(tmp_path))
        made.connect("{column: luc, late_window: 0 seconds}")
        yield made


def killed(runs: Nursery, office: Office, **how: Any) -> None:
    answer = runs.run(office.order(**how))
    assert answer.killed, answer


def ended(answer: Answer) -> dict[str, Any]:
    assert (answer.killed, answer.error) == (False, None)
    (receipt,) = answer.receipts
    assert receipt["read"] == receipt["landed"] + receipt["same"] + receipt["unreadable"]
    return receipt


def test_a_first_load_that_is_killed_at_80_percent_goes_on_at_80_percent(office: Office) -> None:
    office.run(OUTSIDE)
    with nursery() as runs:
        killed(runs, office, kill_at="landed", nth=16)
        (gap,) = office.status().gaps
        assert gap[0] == office.covered()
        second = ended(runs.run(office.order()))
    left = office.ask(f"SELECT count(*) FROM ho_so WHERE luc >= '{gap[0]}' AND luc < '2090-01-01'")
    assert second["read"] == left <= ROWS - 15 * PART
    assert office.core() == office.truth()  # those without a place in the order came first
    assert office.status().gaps == ()
    assert audit(office.nights.context, []).findings == ()


def test_wherever_a_first_load_is_killed_every_row_is_there_once_and_few_are_read_twice(
    office: Office,
) -> None:
    office.run(OUTSIDE)
    chance = random.Random(20261124)
    kills = 0
    with nursery() as runs:
        for place in ["read", "landing_commit", "landed", "moment", "moment"]:
            before = office.covered()
            answer = runs.run(
                office.order() if place == "moment"
                else office.order(kill_at=place, nth=chance.randrange(1, 4)),
                within=chance.uniform(0.3, 1.5) if place == "moment" else None,
            )  # fmt: skip
            kills += answer.killed
            claimed = office.covered()
            assert before is None or (claimed is not None and claimed >= before)
        before = office.covered()
        assert before is not None
        left = f"SELECT count(*) FROM ho_so WHERE luc >= '{before}' AND luc < '2090-01-01'"
        assert ended(runs.run(office.order()))["read"] == office.ask(left) < ROWS
    assert kills >= 3
    assert office.core() == office.truth()
    landing = office.nights.context.warehouse.landing("so-lon", "ho_so").table()
    assert landing is not None
    keys = landing.scan().select("_key").collect()["_key"]
    # A part that was landed and not claimed yet is read again, and lands no second time.
    assert keys.n_unique() == len(keys) == len(office.truth())
    assert audit(office.nights.context, []).findings == ()


KINDS = {
    "timestamptz": (MINUTES, "luc"),
    "timestamp": ("timestamp '2024-01-01' + i * interval '1 minute'", "luc"),
    "date": ("date '2015-01-01' + i", "luc"),
    "bigint": ("i * 1000", "luc"),
    "numeric": ("i + 0.5", "luc"),
    "numeric(20,1)": ("9007199254740993 + i", "luc"),
    "bigint epoch": ("1704067200000 + i * 60000", "{column: luc, unit: epoch_ms}"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_that_was_stopped_goes_on_for_every_kind_of_cursor(
    office: Office, kind: str
) -> None:
    value, cursor = KINDS[kind]
    office.fill(kind.partition(" ")[0], value)
    office.connect(cursor)
    (broken,) = office.sync(stop_after=ROWS - 2 * PART)
    assert (broken.status, broken.landed) == ("failed", ROWS - 3 * PART)
    assert "interrupted" in str(broken.error)
    (second,) = office.sync()
    late = 2 if kind == "date" else 0  # days of the late window; of times it ends before 2024
    late = ROWS if kind.startswith("timestamp") or "epoch" in kind else late
    assert second.read <= 3 * PART + late
    assert second.landed == 3 * PART
    assert office.core() == office.truth()


def test_a_text_cursor_is_read_whole(office: Office) -> None:
    office.fill("text", "'v' || lpad(i::text, 9, '0')")
    (broken,) = office.sync(stop_after=ROWS - 2 * PART)
    assert (broken.status, broken.entity) == ("failed", None)
    (second,) = office.sync()
    assert second.read == ROWS
    assert office.core() == office.truth()


def test_many_rows_of_one_moment_are_landed_and_claimed_with_those_behind_them(
    office: Office,
) -> None:
    office.run("UPDATE ho_so SET luc = '2024-01-01 10:00+00' WHERE so < 'HS-7'")
    (broken,) = office.sync(stop_after=ROWS - PART)
    assert broken.status == "failed"
    (second,) = office.sync()
    assert second.read <= 2 * PART
    assert office.core() == office.truth()


def test_a_small_load_is_one_read_without_an_order(office: Office) -> None:
    office.run(f"DELETE FROM ho_so WHERE so NOT IN (SELECT so FROM ho_so LIMIT {2 * PART - 1})")
    office.sync()
    landing = office.nights.context.warehouse.landing("so-lon", "ho_so")
    assert landing.version() == 1
    rows = landing.rows(after=0, to=1)
    assert not rows["luc"].is_sorted()


def test_all_parts_of_a_run_have_one_time_of_read(office: Office) -> None:
    office.sync()
    landing = office.nights.context.warehouse.landing("so-lon", "ho_so")
    assert landing.version() == ROWS // PART
    rows = landing.rows(after=0, to=ROWS)
    assert rows["_read_at"].n_unique() == rows["_sync_id"].n_unique() == 1
    assert rows["_row"].to_list() == list(range(1, ROWS + 1))


def test_a_full_read_that_was_killed_is_finished_by_the_next_run_whatever_it_is(
    office: Office,
) -> None:
    office.sync()
    # The cursor doesn't tell of these: only a full read finds them.
    office.run("UPDATE ho_so SET ten = 'sửa lén'", "DELETE FROM ho_so WHERE so = 'HS-1990'")
    with nursery() as runs:
        killed(runs, office, kill_at="landed", nth=12, full=True)
        (again,) = office.status().again
        claimed = office.ask(f"SELECT count(*) FROM ho_so WHERE luc < '{again[0]}'")
        assert 10 * PART <= claimed <= 12 * PART
        assert office.status().coverage == ((None, again[1]),)  # nothing was uncovered by it
        rest = ended(runs.run(office.order()))
    assert rest["read"] <= ROWS - 11 * PART
    assert office.status().again == ()
    assert office.core() == office.truth()
    (third,) = office.sync(full=True)
    assert (third.read, third.landed) == (ROWS - 1, 0)


def test_a_full_read_that_was_stopped_goes_on_by_the_same_command(office: Office) -> None:
    office.sync()
    (broken,) = office.sync(full=True, stop_after=ROWS // 2)
    assert broken.status == "failed"
    (again,) = office.sync(full=True)
    assert again.read <= ROWS // 2 + PART
    (anew,) = office.sync(full=True)
    assert anew.read == ROWS


def test_a_long_backlog_that_was_killed_goes_on(office: Office) -> None:
    office.fill("bigint", "i")
    office.sync()
    more = (
        f"INSERT INTO ho_so SELECT 'M-' || i, 'mới', {ROWS} + i FROM generate_series(1, {ROWS}) i"
    )
    office.run(more)
    with nursery() as runs:
        killed(runs, office, kill_at="landed", nth=16)
        assert office.covered() == str(ROWS + 1 + 16 * PART)
        assert office.status().gaps == ((office.covered(), str(2 * ROWS + 1)),)
        rest = ended(runs.run(office.order()))
    assert rest["read"] == ROWS - 16 * PART
    assert office.core() == office.truth()


def test_a_stated_chunk_cuts_a_database_by_length(office: Office) -> None:
    office.run(OUTSIDE)
    office.connect("{column: luc, late_window: 0 seconds, chunk: 6 hours}")
    (broken,) = office.sync(stop_after=1_500)
    assert broken.status == "failed"
    assert broken.landed == 2 + 4 * 360  # NULL and 2099 come with the first six hours
    assert office.covered() == "2024-01-02T00:01:00+00:00"
    # What is left of the two years since has thousands of chunks.
    office.connect("{column: luc, late_window: 0 seconds, chunk: 400 days}")
    (second,) = office.sync()
    assert second.read == ROWS - 4 * 360
    assert office.core() == office.truth()
