"""`lienthong backfill`: an interval once more, for a reason; and what else fills a gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from flows.history import runs_of
from tests.support.nights import Nights, done
from tests.support.postgres import execute

YAML = """\
source: so-bu
timezone: Asia/Ho_Chi_Minh
connector: {type: sql, url: "${KET_NOI}", connect_timeout: 60}
streams:
  ho_so:
    table: ho_so
    key: so
    cursor: {column: luc, late_window: 0 seconds}
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten}}]
"""
WHOLE = """\
  khac:
    table: ho_so
    key: so
    into: [{entity: payment, columns: {dossier_code: so, payment_code: so}}]
"""
FILES = """\
source: xa-tep
connector: {type: files, path: tep}
streams:
  ho_so:
    files: "*.csv"
    mode: increment
    key: so
    into: [{entity: dossier, columns: {dossier_code: so}}]
"""
DAYS = 30


@dataclass(frozen=True)
class Office:
    """One row a day at noon UTC in January 2024, HS-1 the first."""

    url: str
    nights: Nights

    def run(self, *statements: str) -> None:
        execute(self.url, *statements)

    def names(self) -> dict[str, Any]:
        return self.nights.alive("so-bu", "procedure_name")

    def command(self, *words: str) -> Result:
        base = [
            "--warehouse",
            self.nights.warehouse,
            "--sources",
            str(self.nights.root / "sources"),
        ]
        return CliRunner().invoke(main, [*base, "-q", *words])

    def backfill(self, *words: str) -> Any:
        """What the command answers with --json."""
        answer = self.command("backfill", "so-bu", *words, "--json")
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)


@pytest.fixture
def office(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    execute(
        postgres_url,
        "CREATE TABLE ho_so (so text, ten text, luc timestamptz)",
        f"""INSERT INTO ho_so SELECT 'HS-' || i, 'việc ' || i,
        timestamptz '2023-12-31 12:00+00' + i * interval '1 day'
        FROM generate_series(1, {DAYS}) i""",
    )
    monkeypatch.setenv("KET_NOI", postgres_url)
    made = Office(postgres_url, Nights(tmp_path))
    made.nights.write("so-bu", YAML)
    yield made


FIVE_DAYS = ("--from", "2024-01-10", "--to", "2024-01-15")


def test_a_backfill_reads_its_interval_and_brings_what_the_cursor_never_told(
    office: Office,
) -> None:
    office.nights.dossier("so-bu")
    office.run("UPDATE ho_so SET ten = 'sửa lén'")
    (receipt,) = office.backfill(*FIVE_DAYS, "--reason", "công văn 12")
    # The days are those of the source's zone: noon UTC is the evening there.
    assert receipt["interval"] == ["2024-01-09T17:00:00+00:00", "2024-01-14T17:00:00+00:00"]
    assert (receipt["read"], receipt["landed"], receipt["updated"]) == (5, 5, 5)
    assert {so for so, ten in office.names().items() if ten == "sửa lén"} == {
        f"HS-{i}" for i in range(10, 15)
    }
    (again,) = office.backfill(*FIVE_DAYS, "--reason", "công văn 12")
    assert (again["read"], again["same"], again["landed"]) == (5, 5, 0)


def test_the_reason_stands_in_the_receipts_and_a_backfill_makes_nothing_fresher(
    office: Office,
) -> None:
    office.nights.dossier("so-bu")
    (before,) = json.loads(office.command("status", "--json").stdout)
    (receipt,) = office.backfill(*FIVE_DAYS, "--reason", "công văn 12")
    assert receipt["reason"] == "công văn 12"
    runs = runs_of(office.nights.context).scan().sort("ended_at").collect()
    assert runs["kind"].to_list() == ["sync", "backfill"]
    assert runs["reason"].to_list() == [None, "công văn 12"]
    (after,) = json.loads(office.command("status", "--json").stdout)
    assert after == before


def test_a_table_of_runs_that_has_no_reasons_yet_gets_them(office: Office) -> None:
    from warehouse import runs
    from warehouse.delta import Table

    context = office.nights.context
    old = runs.SCHEMA.remove(runs.SCHEMA.get_field_index("reason"))
    Table.create(runs_of(context).uri, old)
    office.nights.dossier("so-bu")
    assert runs_of(context).scan().collect()["reason"].to_list() == [None]


def test_a_dry_run_counts_at_the_source_and_writes_nothing(office: Office) -> None:
    (plan,) = office.backfill(*FIVE_DAYS, "--dry-run")
    assert (plan["rows"], plan["parts"]) == (5, 1)
    assert plan["interval"] == ["2024-01-09T17:00:00+00:00", "2024-01-14T17:00:00+00:00"]
    assert not Path(office.nights.warehouse).exists()
    shown = office.command("backfill", "so-bu", *FIVE_DAYS, "--dry-run")
    assert "Nothing was read" in shown.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2024-01-10", "--to", "2024-01-15"), "--reason"),
        (("--from", "2024-01-10", "--to", "2024-01-10", "--reason", "x"), "nothing lies between"),
        (("--from", "hôm qua", "--to", "2024-01-10", "--reason", "x"), "'luc' is a time"),
        (("--from", "2094-01-01", "--to", "2095-01-01", "--reason", "x"), "can be read up to"),
        (("--from", "1", "--to", "2", "--reason", "x", "--stream", "khong"), "khong"),
    ],
)
def test_what_can_not_be_asked_for_is_said_and_nothing_is_written(
    office: Office, words: tuple[str, ...], said: str
) -> None:
    answer = office.command("backfill", "so-bu", *words)
    assert answer.exit_code == 2, answer.output
    assert said in answer.output
    assert not (Path(office.nights.warehouse) / "restricted" / "landing").exists()


def test_a_stream_without_intervals_names_the_command_that_reads_it(office: Office) -> None:
    office.nights.write("so-bu", YAML + WHOLE)
    answer = office.command("backfill", "so-bu", *FIVE_DAYS, "--reason", "x")
    assert answer.exit_code == 2
    text = " ".join(answer.output.split())
    assert "`lienthong sync so-bu --stream khac`" in text
    assert "--stream can be ho_so" in text
    assert office.backfill(*FIVE_DAYS, "--reason", "x", "--stream", "ho_so")[0]["read"] == 5
    (office.nights.root / "sources" / "tep").mkdir()
    office.nights.write("xa-tep", FILES)
    answer = office.command("backfill", "xa-tep", *FIVE_DAYS, "--reason", "x")
    assert answer.exit_code == 2
    assert "`lienthong sync xa-tep --stream ho_so --full`" in " ".join(answer.output.split())


def test_a_backfill_before_the_first_sync_leaves_gaps_that_the_next_one_fills(
    office: Office,
) -> None:
    office.run("INSERT INTO ho_so VALUES ('HS-null', 'không giờ', NULL)")
    office.backfill(*FIVE_DAYS, "--reason", "xem trước")
    (line,) = json.loads(office.command("status", "--json").stdout)
    assert line["coverage"] == [["2024-01-09T17:00:00+00:00", "2024-01-14T17:00:00+00:00"]]
    assert line["gaps"] == [[None, "2024-01-09T17:00:00+00:00"]]
    assert "not read between the first row and 2024-01-09" in office.command("status").output
    night = office.nights.dossier("so-bu")
    assert (night.read, night.landed) == (DAYS + 1 - 5, DAYS + 1 - 5)
    assert len(office.names()) == DAYS + 1
    (line,) = json.loads(office.command("status", "--json").stdout)
    assert line["gaps"] == line["again"] == []


def test_a_backfill_whose_source_breaks_is_finished_by_the_next_night(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.nights.dossier("so-bu")
    office.run("UPDATE ho_so SET ten = 'sửa lén'")
    # One row of the interval can't be computed any more: the read breaks, the count doesn't.
    office.run(
        "ALTER TABLE ho_so RENAME TO goc",
        "CREATE VIEW ho_so AS SELECT so, CASE WHEN so = 'HS-12' THEN (1 / (length(ten) - "
        "length(ten)))::text ELSE ten END AS ten, luc FROM goc",
    )
    broken = office.command("backfill", "so-bu", *FIVE_DAYS, "--reason", "công văn 12")
    assert broken.exit_code == 1
    (line,) = json.loads(office.command("status", "--json").stdout)
    assert line["again"] == [["2024-01-09T17:00:00+00:00", "2024-01-14T17:00:00+00:00"]]
    assert "to be read again between 2024-01-09" in office.command("status").output
    office.run("DROP VIEW ho_so", "ALTER TABLE goc RENAME TO ho_so")
    night = office.nights.dossier("so-bu")
    assert (night.read, done(night)) == (5, {"updated": 5})
    (line,) = json.loads(office.command("status", "--json").stdout)
    assert line["again"] == []
    assert office.nights.dossier("so-bu").read == 0


def test_a_cursor_that_is_another_column_now_is_read_from_the_beginning(office: Office) -> None:
    office.run("ALTER TABLE ho_so ADD tao timestamptz", "UPDATE ho_so SET tao = luc")
    office.nights.dossier("so-bu")
    office.run("UPDATE ho_so SET ten = 'sửa lén', tao = '2024-02-01' WHERE so = 'HS-3'")
    office.nights.write("so-bu", YAML.replace("column: luc", "column: tao"))
    night = office.nights.dossier("so-bu")
    assert night.read == DAYS
    assert office.names()["HS-3"] == "sửa lén"


def test_missed_nights_are_caught_up_once(office: Office) -> None:
    last = datetime.now(UTC) - timedelta(days=4)
    office.run(
        f"UPDATE ho_so SET luc = luc - timestamptz '2024-01-30 12:00+00' + timestamptz '{last}'"
    )
    office.nights.write("so-bu", YAML.replace("0 seconds}", "0 seconds, lag: 4 days}"))
    office.nights.dossier("so-bu")
    office.run(
        *[
            f"INSERT INTO ho_so VALUES ('DEM-{n}', 'đêm {n}', now() - interval '{n} days 1 hour')"
            for n in range(3)
        ]
    )
    office.nights.write("so-bu", YAML)
    night = office.nights.dossier("so-bu")
    assert night.interval is not None
    assert night.read - night.same == 3
    assert len(office.names()) == DAYS + 3
    after = office.nights.dossier("so-bu")
    assert (after.read, after.interval is not None and after.interval[0]) == (0, night.interval[1])
