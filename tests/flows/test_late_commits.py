"""Rows that are committed late, by real transactions, as a role sees it that may only SELECT.

What is promised stands in docs/nothing-lost.md, "What a night finds".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from flows import parts
from flows.receipts import SyncOptions
from flows.steps import audit, sync
from tests.support.nights import Nights
from tests.support.postgres import Server, execute, read_only_role

YAML = """\
source: so-muon
connector: {type: sql, url: "${KET_NOI}", connect_timeout: 60}
streams:
  ho_so:
    table: ho_so
    key: so
    cursor: {column: luc, late_window: 0 seconds, lag: 0 seconds CHUNK}
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten}}]
"""


@dataclass
class Office:
    """A table that transactions of every length write to while nights pass over it."""

    url: str
    nights: Nights
    rows: int = 0
    open: list[psycopg.Connection] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def begin(self, luc: str = "now()") -> None:
        """A transaction writes a row, stamped as it begins, and stays open."""
        one = self.stack.enter_context(psycopg.connect(self.url))
        self._write(one, luc)
        self.open.append(one)

    def commit(self, one: psycopg.Connection) -> None:
        self.open.remove(one)
        one.commit()

    def write(self, luc: str = "now()") -> None:
        with psycopg.connect(self.url) as one:
            self._write(one, luc)

    def _write(self, one: psycopg.Connection, luc: str) -> None:
        self.rows += 1
        sql = f"INSERT INTO ho_so VALUES ('HS-{self.rows}', 'việc {self.rows}', {luc})"
        one.execute(sql.encode())

    def next_second(self) -> None:
        """A night's bound is a whole second of the server's clock: what is older lies before it."""
        execute(self.url, "SELECT pg_sleep_until(date_trunc('second', now()) + interval '1 s')")

    def committed(self) -> set[str]:
        with psycopg.connect(self.url) as one:
            return {so for (so,) in one.execute("SELECT so FROM ho_so").fetchall()}

    def core(self) -> set[str]:
        return set(self.nights.alive("so-muon", "1"))

    def night(self, during: Callable[[], None] | None = None, *, full: bool = False) -> None:
        """A night; `during` it, once, when rows have begun to come."""
        waiting = [] if during is None else [during]

        def progress(_: str, __: str, phase: str, rows: int, part: str = "") -> None:
            del part
            if phase == "reading" and rows and waiting:
                waiting.pop()()

        context = replace(self.nights.context, progress=progress)
        (receipt,) = sync(context, ["so-muon"], SyncOptions(full=full))
        assert receipt.status == "done", receipt.error


@pytest.fixture
def office(
    postgres_server: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    monkeypatch.setattr(parts, "PART_ROWS", 20)
    monkeypatch.setattr(parts, "ORDERED_FROM", 40)
    monkeypatch.setattr("flows.reading._TELL_EVERY", 0.0)
    execute(
        postgres_url,
        "CREATE TABLE ho_so (so text, ten text, luc timestamptz)",
        """INSERT INTO ho_so SELECT 'C-' || i, 'cũ', now() - i * interval '1 minute'
        FROM generate_series(1, 100) i""",
    )
    with read_only_role(postgres_server, postgres_url, password="chi-doc") as reader:
        monkeypatch.setenv("KET_NOI", reader)
        made = Office(postgres_url, Nights(tmp_path))
        made.nights.write("so-muon", YAML.replace("CHUNK", ""))
        with made.stack:
            yield made


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_transactions_do_the_night_after_a_commit_has_its_row(
    office: Office, seed: int
) -> None:
    chance = random.Random(seed)
    found_late = 0
    for _ in range(6):
        office.next_second()
        owed = office.committed()
        missed = owed - office.core() if office.nights.context.warehouse.core("dossier") else owed

        def meanwhile() -> None:
            office.write()
            for one in chance.sample(office.open, k=len(office.open) // 2):
                office.commit(one)
            office.begin()

        office.night(during=meanwhile)
        assert owed <= office.core()
        found_late += len(missed & office.core())
        for _ in range(chance.randrange(3)):
            office.begin()
        for one in [one for one in office.open if chance.random() < 0.3]:
            office.commit(one)
        if chance.random() < 0.7:
            office.write()
    assert found_late > 100  # what was there at first, and late ones
    for one in list(office.open):
        office.commit(one)
    office.next_second()
    office.night()
    assert office.core() == office.committed()
    assert audit(office.nights.context, []).findings == ()


@pytest.mark.parametrize("chunk", ["", ", chunk: 30 minutes"], ids=["one snapshot", "many"])
def test_a_row_committed_between_the_parts_of_a_first_load_is_found_the_next_night(
    office: Office, chunk: str
) -> None:
    office.nights.write("so-muon", YAML.replace("CHUNK", chunk))
    office.begin("now() - interval '95 minutes'")  # of the first part
    (slow,) = office.open
    office.night(during=lambda: office.commit(slow))
    assert "HS-1" in office.committed()
    assert "HS-1" not in office.core()
    office.night()
    assert office.core() == office.committed()


def test_a_full_read_looks_after_the_transactions_that_were_open_then(office: Office) -> None:
    office.night()
    office.night()
    office.begin()
    office.night(full=True)
    (slow,) = office.open
    office.commit(slow)
    assert "HS-1" not in office.core()
    office.next_second()
    office.night()
    assert office.core() == office.committed()


def test_a_backfill_before_the_first_night_looks_after_the_transactions_that_were_open_then(
    office: Office,
) -> None:
    office.begin()
    (slow,) = office.open
    office.next_second()
    options = SyncOptions(interval=("2020-01-01", "2099-01-01"), reason="xem trước")
    (receipt,) = sync(office.nights.context, ["so-muon"], options)
    assert (receipt.error, receipt.read) == (None, 100)
    office.commit(slow)
    office.night()
    assert office.core() == office.committed()


def test_rows_without_a_place_in_the_order_are_found_by_the_first_load_and_a_full_read(
    office: Office,
) -> None:
    for luc in ("NULL", "'2099-01-01'", "'infinity'", "'-infinity'"):
        office.write(luc)
    office.night()
    assert office.core() == office.committed()
    office.write("NULL")
    office.write("'2099-06-01'")
    office.begin("NULL")
    office.night()
    # A cursor tells nothing of them; how many there are stands in every receipt.
    assert len(office.committed() - office.core()) == 2
    (slow,) = office.open
    office.commit(slow)
    office.night(full=True)
    assert office.core() == office.committed()
