"""`sync --limit N` is a first taste: N rows are in core, and nothing else follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.query import query
from tests.support.nights import Nights
from tests.support.offices import Home
from tests.support.postgres import execute

INTO = """\
    into:
      - entity: dossier
        columns: {dossier_code: so, procedure_name: ten, received_at: ngay}
"""
ROWS, TASTE = 40, 7
CURSOR = "cursor: {column: cap_nhat, late_window: 2 days}"
KINDS = ["by cursor", "whole table", "snapshot of files", "increments of files"]
SOURCE = "so-thu"
CORE = "SELECT COLUMNS('^[^_]') FROM dossier ORDER BY dossier_code"


@dataclass(frozen=True)
class Office:
    """One register, and any number of warehouses that sync it."""

    root: Path
    stream: str
    change: Callable[[], None]
    lose: Callable[[], None]

    def home(self, name: str) -> Home:
        """A new warehouse with the register as its only source."""
        home = Home(self.root / name)
        home.sources.mkdir(parents=True)
        (home.sources / f"{SOURCE}.yaml").write_text(self.stream + INTO, "utf-8")
        return home


def core(home: Home) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in query(str(home.warehouse), CORE).to_pylist()]


def sync(home: Home, *words: str) -> dict[str, Any]:
    (receipt,) = home.answer("sync", SOURCE, *words)
    assert home.answer("audit")["findings"] == []
    return dict(receipt)


def state(home: Home) -> dict[str, Any]:
    """What is claimed to be covered, by the command and by the table that analysts see."""
    (line,) = home.answer("status")
    (seen,) = query(str(home.warehouse), "SELECT fresh_to FROM freshness").to_pylist()
    claimed = {name: line[name] for name in ("coverage", "gaps", "fresh_to")}
    return {**claimed, "shown": seen["fresh_to"]}


def office_of_files(root: Path, mode: str) -> Office:
    folder = root / "desk"
    folder.mkdir()

    def write(name: str, numbers: list[int], *, suffix: str = "") -> None:
        lines = [f"HS-{n},việc {n}{suffix},2026-03-{n % 28 + 1:02}" for n in numbers]
        (folder / name).write_text("\n".join(["so,ten,ngay", *lines, ""]), "utf-8")

    def change() -> None:
        gone = [] if mode == "increment" else [3]
        write("1.csv", [n for n in range(1, 31) if n not in gone], suffix=" sửa")
        write("3.csv", [99])

    write("1.csv", list(range(1, 31)))
    write("2.csv", list(range(31, ROWS + 1)))
    stream = (
        f"source: {SOURCE}\nconnector: {{type: files, path: ../../desk}}\nstreams:\n"
        f'  ho_so:\n    files: "*.csv"\n    mode: {mode}\n    key: so\n'
    )
    return Office(root, stream, change, (folder / "2.csv").unlink)


def office_of_rows(root: Path, url: str, cursor: str) -> Office:
    execute(
        url,
        "CREATE TABLE ho_so (so text, ten text, ngay date, cap_nhat timestamptz)",
        f"""INSERT INTO ho_so SELECT 'HS-' || i, 'việc ' || i, '2026-03-01'::date + i % 28,
        now() - interval '10 days' FROM generate_series(1, {ROWS}) i""",
    )
    change = (
        """UPDATE ho_so SET ten = ten || ' sửa', cap_nhat = now() - interval '1 minute'
        WHERE substr(so, 4)::int BETWEEN 11 AND 30""",
        "DELETE FROM ho_so WHERE so = 'HS-3'",
        "INSERT INTO ho_so VALUES ('HS-99', 'mới', '2026-03-01', now() - interval '1 minute')",
    )
    stream = (
        f'source: {SOURCE}\nconnector: {{type: sql, url: "${{KET_NOI}}"}}\nstreams:\n'
        f"  ho_so:\n    table: ho_so\n    key: so\n    version: cap_nhat\n    {cursor}\n"
    )
    return Office(
        root, stream, lambda: execute(url, *change), lambda: execute(url, "DELETE FROM ho_so")
    )


@pytest.fixture(params=KINDS)
def office(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    if "files" in request.param:
        return office_of_files(
            tmp_path, "increment" if "increments" in request.param else "snapshot"
        )
    url = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("KET_NOI", url)
    return office_of_rows(tmp_path, url, CURSOR if request.param == "by cursor" else "")


def test_a_taste_reads_and_integrates_no_more_than_it_was_allowed(office: Office) -> None:
    home = office.home("tasted")
    receipt = sync(home, "--limit", str(TASTE))
    counted = [receipt[name] for name in ("read", "landed", "inserted", "tombstoned", "status")]
    assert counted == [TASTE, TASTE, TASTE, 0, "done"]
    assert len(core(home)) == TASTE
    assert receipt["interval"] is None
    assert state(home) == {"coverage": [], "gaps": [], "fresh_to": None, "shown": None}


@pytest.mark.parametrize("taste", [1, TASTE, ROWS, ROWS + 1])
def test_after_a_taste_the_next_sync_gets_everything(office: Office, taste: int) -> None:
    tasted, other = office.home("tasted"), office.home("other")
    sync(tasted, "--limit", str(taste))
    plain, alone = sync(tasted), sync(other)
    assert (alone["read"], alone["landed"]) == (ROWS, ROWS)
    left = max(0, ROWS - taste)
    assert [plain[n] for n in ("read", "landed", "same", "status")] == [
        ROWS, left, ROWS - left, "done",
    ]  # fmt: skip
    assert len(core(tasted)) == ROWS
    assert core(tasted) == core(other)
    assert len(state(tasted)["coverage"]) == len(state(other)["coverage"])
    assert state(tasted)["fresh_to"] is not None


@pytest.mark.parametrize("words", [[], ["--full"]], ids=["taste", "full taste"])
def test_a_taste_in_between_deletes_nothing_and_claims_nothing(
    office: Office, words: list[str]
) -> None:
    tasted, other = office.home("tasted"), office.home("other")
    sync(tasted)
    sync(other)
    office.change()
    before, rows = state(tasted), {row[0] for row in core(tasted)}
    taste = sync(tasted, "--limit", str(TASTE), *words)
    assert taste["landed"] <= TASTE
    assert taste["tombstoned"] == 0
    assert state(tasted) == before
    assert {row[0] for row in core(tasted)} >= rows
    one, two = sync(tasted), sync(other)
    assert one["status"] == two["status"] == "done"
    assert core(tasted) == core(other)
    assert sync(tasted)["landed"] == 0


def test_deletes_that_wait_for_a_person_still_wait_after_a_taste(
    office: Office, request: pytest.FixtureRequest
) -> None:
    if "increments" in request.node.name:
        assert "mode: increment" in office.stream  # a file that vanished deletes nothing
        return
    home = office.home("tasted")
    sync(home)
    office.lose()
    waiting = home.run("sync", SOURCE, "--json")
    assert waiting.exit_code == 3
    assert home.run("sync", SOURCE, "--limit", str(TASTE), "--json").exit_code in {0, 3}
    assert len(core(home)) == ROWS
    again = home.run("sync", SOURCE, "--json")
    assert again.exit_code == 3, "the taste made them be forgotten"
    assert len(core(home)) == ROWS


@pytest.mark.slow
# A key is compared by the set of its rows: in a night that follows they stand in the same order.
@settings(max_examples=8, deadline=None)
@given(
    nights=st.lists(
        st.sets(st.tuples(st.integers(1, 3), st.sampled_from("abcd")), min_size=1, max_size=6),
        min_size=1,
        max_size=2,
    ),
    taste=st.integers(1, 6),
)
@example(nights=[{(1, "a"), (1, "b")}, {(1, "a"), (1, "c")}], taste=1)
@example(nights=[{(1, "a"), (1, "b")}], taste=1)
def test_of_rows_that_share_a_key_the_last_counts_with_or_without_a_taste(
    nights: list[set[tuple[int, str]]], taste: int
) -> None:
    with TemporaryDirectory() as folder:
        office = office_of_files(Path(folder), "snapshot")
        tasted, other = Nights(office.root / "tasted"), Nights(office.root / "other")
        for one in (tasted, other):
            one.root.mkdir()
            one.write(SOURCE, office.stream + INTO)
        for rows in map(sorted, nights):
            lines = ["so,ten,ngay", *(f"{so},{ten},2026-03-01" for so, ten in rows), ""]
            for name in ("1.csv", "2.csv"):
                (office.root / "desk" / name).unlink(missing_ok=True)
            (office.root / "desk" / "1.csv").write_text("\n".join(lines), "utf-8")
            tasted.dossier(SOURCE, limit=taste)
            for one in (tasted, other):
                one.dossier(SOURCE, accept_deletes=True)
                expected = {str(so): ten for so, ten in rows}
                assert one.alive(SOURCE, "procedure_name") == expected
