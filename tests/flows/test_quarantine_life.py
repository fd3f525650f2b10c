"""The life of a rejection: open until it is superseded or discarded, and never lost on the way."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli.quarantine import show_rows
from flows.context import Context
from flows.quarantined import Selection, discard, quarantine_list, quarantine_show
from flows.rejections import rejections
from flows.steps import audit, rebuild
from schemas.errors import ConfigError
from tests.support.leaks import Heard
from tests.support.nights import Nights
from warehouse.delta import Table
from warehouse.quarantine import SCHEMA
from warehouse.quarantine_life import SUMMARY

OFFICE = "so-tay"
FILES = """\
source: so-tay
agency: H41.77
connector: {type: files, path: ../files}
streams:
  ho_so:
    files: "*.csv"
    mode: MODE
    key: so
    into:
      - entity: dossier
        columns:
          dossier_code: so
          applicant_id: nguoi
          status: {from: tt, codes: CODES, on_bad: reject}
"""
PERSON = "040099012345"
GOOD = {"a": "completed"}
MENDED = {"a": "completed", "lạ": "stopped"}
FILLING = [(f"HS-{n}", "a") for n in range(100, 140)]


class Desk:
    """A folder of CSV files."""

    def __init__(self, root: Path, mode: str) -> None:
        self.nights, self.mode = Nights(root), mode
        (root / "files").mkdir()
        self.codes(GOOD)

    def codes(self, codes: dict[str, str]) -> None:
        written = "{" + ", ".join(f'"{k}": {v}' for k, v in codes.items()) + "}"
        self.nights.write(OFFICE, FILES.replace("MODE", self.mode).replace("CODES", written))

    def file(self, name: str, *rows: tuple[str, str]) -> None:
        lines = ["so,nguoi,tt", *(f"{so},{PERSON},{tt}" for so, tt in [*rows, *FILLING])]
        (self.nights.root / "files" / name).write_text("\n".join(lines) + "\n", "utf-8")

    def night(self) -> None:
        self.nights.sync(OFFICE)

    @property
    def context(self) -> Context:
        return self.nights.context

    def status(self) -> list[tuple[str | None, str]]:
        """Key and status of every rejection, in the order they landed."""
        rows = rejections(self.context).sort("_landing_version", "_row")
        return list(rows.filter(pl.col("status") != "deleted").select("_key", "status").iter_rows())

    def core(self) -> dict[str, Any]:
        found = self.nights.core(OFFICE, "status")
        return {key: status for key, status in found.items() if key not in dict(FILLING)}


@pytest.fixture
def desk(tmp_path: Path) -> Callable[[str], Desk]:
    return lambda mode: Desk(tmp_path, mode)


@pytest.mark.parametrize("mode", ["snapshot", "increment"])
def test_a_later_good_version_supersedes_the_older_rejection(
    desk: Callable[[str], Desk], mode: str
) -> None:
    office = desk(mode)
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    assert office.status() == [("HS-1", "open")]
    office.file("1.csv", ("HS-1", "lạ lắm"))
    office.night()
    assert office.status() == [("HS-1", "superseded"), ("HS-1", "open")]
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    assert office.status() == [("HS-1", "superseded"), ("HS-1", "superseded")]
    assert office.core() == {"HS-1": "completed"}


@pytest.mark.parametrize("mode", ["snapshot", "increment"])
def test_a_row_without_a_key_is_superseded_when_its_file_is_corrected_and_open_when_it_is_back(
    desk: Callable[[str], Desk], mode: str
) -> None:
    office = desk(mode)
    office.file("1.csv", ("", "a"), ("", "lạ"))
    office.night()
    assert office.status() == [(None, "open"), (None, "open")]
    office.file("1.csv", ("HS-1", "a"), ("", "lạ"))
    office.night()
    assert office.status() == [(None, "superseded"), (None, "open")]
    office.night()
    assert office.status() == [(None, "superseded"), (None, "open")]
    office.file("1.csv", ("", "a"), ("", "lạ"), ("HS-1", "a"))
    office.night()
    assert office.status() == [(None, "superseded"), (None, "open"), (None, "open")]


@pytest.mark.parametrize("mode", ["snapshot", "increment"])
def test_a_record_that_was_rejected_under_a_wrong_key_is_superseded_when_its_file_is_corrected(
    desk: Callable[[str], Desk], mode: str
) -> None:
    office = desk(mode)
    office.file("1.csv", ("HS-l", "lạ"), ("HS-2", "a"))
    office.night()
    office.file("1.csv", ("HS-1", "a"), ("HS-2", "a"))
    office.night()
    assert office.status() == [("HS-l", "superseded")]
    assert office.core() == {"HS-1": "completed", "HS-2": "completed"}
    office.file("1.csv", ("HS-1", "a"), ("HS-2", "a"), ("HS-l", "lạ"))  # there again as it was
    office.night()
    assert office.status() == [("HS-l", "superseded"), ("HS-l", "open")]
    office.file("1.csv", ("HS-1", "a"), ("HS-2", "a"))
    office.night()
    assert office.status() == [("HS-l", "superseded"), ("HS-l", "superseded")]
    office.codes(MENDED)
    rebuild(office.context, OFFICE)
    assert office.nights.alive(OFFICE, "1").keys() == {"HS-1", "HS-2", *dict(FILLING)}


def test_another_file_supersedes_nothing_of_an_increment(desk: Callable[[str], Desk]) -> None:
    office = desk("increment")
    office.file("1.csv", ("", "a"), ("HS-l", "lạ"))
    office.night()
    office.file("2.csv", ("HS-2", "a"))
    office.night()
    assert office.status() == [(None, "open"), ("HS-l", "open")]


def test_an_increment_deletes_no_accepted_record_whatever_was_rejected_of_it_since(
    desk: Callable[[str], Desk],
) -> None:
    office = desk("increment")
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    office.file("1.csv", ("HS-2", "a"))
    office.night()
    assert office.nights.alive(OFFICE, "_is_stale")["HS-1"] is True
    assert office.status() == [("HS-1", "open")]


def test_a_read_that_may_not_be_believed_supersedes_nothing(desk: Callable[[str], Desk]) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("", "a"))
    office.night()
    header = (office.nights.root / "files" / "1.csv").read_text("utf-8").splitlines()[0]
    (office.nights.root / "files" / "1.csv").write_text(f"{header}\nHS-100,x,a\n", "utf-8")
    office.night()
    assert office.status() == [(None, "open")]


def test_unreadable_records_live_and_end_like_rows_without_a_key(
    desk: Callable[[str], Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "a,one cell too many"))
    office.night()
    (line,) = quarantine_list(office.context)
    assert (line.entity, line.rule, line.rows) == ("", "broken_line", 1)
    show_rows(quarantine_show(office.context, limit=20))
    shown = capsys.readouterr().out
    assert "The line itself isn't shown: it couldn't be cut into columns. See 1.csv:2" in shown
    assert "(null)" not in shown
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    assert quarantine_list(office.context) == []
    assert [one.status for one in quarantine_list(office.context, selection=CLOSED)] == [
        "superseded"
    ]


CLOSED = Selection(closed=True)
LISTS = """\
source: so-tay
connector: {type: sql, url: "sqlite:///../office.db"}
streams:
  ho_so:
    table: ho_so
    key: so
    version: v
    into:
      - entity: dossier
        columns: {dossier_code: so}
      - entity: payment
        explode: phi
        key: [so, phi.ma]
        columns: {dossier_code: so, payment_code: phi.ma, amount: {from: phi.tien, on_bad: reject}}
"""


def test_a_rejected_child_is_superseded_when_its_parent_comes_again(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write(OFFICE, LISTS)

    def office(phi: str, version: int) -> None:
        with closing(sqlite3.connect(tmp_path / "office.db")) as base, base:
            base.execute("CREATE TABLE IF NOT EXISTS ho_so (so TEXT PRIMARY KEY, phi TEXT, v INT)")
            base.execute("INSERT OR REPLACE INTO ho_so VALUES ('HS-1', ?, ?)", (phi, version))
        nights.sync(OFFICE)

    def status() -> list[tuple[Any, ...]]:
        rows = rejections(nights.context).sort("_landing_version", "_row", "_key")
        return rows.select("_key", "status").rows()

    office('[{"ma": "1", "tien": "x"}, {"ma": "2", "tien": "5"}]', 1)
    assert status() == [("HS-1/1", "open")]
    office("no list at all", 2)
    assert status() == [("HS-1/1", "superseded"), (None, "open")]
    office('[{"ma": "2", "tien": "5"}]', 3)
    assert status() == [("HS-1/1", "superseded"), (None, "superseded")]


def test_a_discarded_row_leaves_the_list_and_no_rebuild_brings_it_back(
    desk: Callable[[str], Desk],
) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "lạ"), ("HS-2", "lạ"))
    office.night()
    (done,) = discard(office.context, Selection(source=OFFICE, key="HS-1"), reason="thử nghiệm")
    assert done.rows == 1
    assert office.status() == [("HS-1", "discarded"), ("HS-2", "open")]
    assert [line.rows for line in quarantine_list(office.context)] == [1]
    (line,) = office.context.warehouse.quarantine.scan().filter(
        pl.col("_key") == "HS-1"
    ).collect().to_dicts()  # fmt: skip
    assert (line["discard_reason"], line["discarded_by"] is not None) == ("thử nghiệm", True)
    office.codes(MENDED)
    for _ in range(2):
        rebuild(office.context, OFFICE)
        assert office.core() == {"HS-2": "stopped"}
        assert office.status() == [("HS-1", "discarded")]
        assert audit(office.context, []).findings == ()


def test_a_later_good_version_of_a_discarded_row_is_taken(desk: Callable[[str], Desk]) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    discard(office.context, Selection(source=OFFICE), reason="thử nghiệm")
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    assert office.core() == {"HS-1": "completed"}
    rebuild(office.context, OFFICE)
    assert office.core() == {"HS-1": "completed"}
    assert office.status() == [("HS-1", "discarded")]
    assert audit(office.context, []).findings == ()


def test_what_a_dry_run_of_a_discard_tells_it_doesnt_do(desk: Callable[[str], Desk]) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    before = office.context.warehouse.quarantine.table().version
    selection = Selection(source=OFFICE, rule="unknown_code:status")
    (told,) = discard(office.context, selection, reason="thử", dry_run=True)
    assert told.rows == 1
    assert office.status() == [("HS-1", "open")]
    assert office.context.warehouse.quarantine.table().version == before


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, f"của {PERSON}", "hỏi a@b.vn"])
def test_a_reason_that_says_nothing_or_names_a_person_is_refused(
    desk: Callable[[str], Desk], reason: str
) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    for ask in (
        lambda: discard(office.context, Selection(source=OFFICE), reason=reason),
        lambda: quarantine_show(office.context, limit=1, reveal=reason),
    ):
        with pytest.raises(ConfigError, match="--reason") as refused:
            ask()
        assert PERSON not in str(refused.value)
    assert office.status() == [("HS-1", "open")]


def test_whoever_reveals_values_is_written_down_and_no_value_is(
    desk: Callable[[str], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "Nguyễn Văn Thử"), ("HS-2", "lạ"))
    office.night()
    monkeypatch.setenv("LOGNAME", "can-bo")
    monkeypatch.delenv("SUDO_USER", raising=False)
    (masked, _) = quarantine_show(office.context, limit=9)
    assert masked.values == {"so": "HS-1", "nguoi": "***", "tt": "(like Aaaaaa Aaa Aaa)"}
    wanted = Selection(source=OFFICE, key="HS-1")
    (shown,) = quarantine_show(office.context, limit=9, selection=wanted, reveal="đơn số 5")
    assert shown.values == {"so": "HS-1", "nguoi": PERSON, "tt": "Nguyễn Văn Thử"}
    table = Table.open(office.context.warehouse.acts.uri)
    assert table is not None
    (act,) = table.scan().collect().to_dicts()
    assert (act["who"], act["act"], act["reason"]) == ("can-bo", "reveal", "đơn số 5")
    assert (act["source"], act["stream"], act["places"]) == (OFFICE, "ho_so", ["1:1"])
    heard = Heard()
    heard.read_parquet(office.nights.root, "restricted/acts")
    heard.read_logs(office.nights.root, "restricted/acts")
    assert heard.texts
    for word in (PERSON, "Nguyễn", "HS-1"):
        assert heard.found(word) == []


def test_offices_see_how_long_theirs_have_waited(desk: Callable[[str], Desk]) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "lạ"), ("HS-2", "lạ"), ("", "a"))
    office.night()
    table = Table.open(f"{office.nights.warehouse}/analysts/quarantine_summary")
    assert table is not None
    rows = table.scan().collect()
    assert rows.columns == SUMMARY.names
    told = rows.filter(pl.col("rule") == "unknown_code:status").row(0, named=True)
    assert (told["agency"], told["source"], told["rows"]) == ("H41.77", OFFICE, 2)
    assert told["oldest_days"] == 0
    assert quarantine_list(office.context, selection=Selection(older_than=1)) == []
    assert len(quarantine_list(office.context, selection=Selection(older_than=0))) == 3
    only = quarantine_list(office.context, selection=Selection(rule="unknown_code:status"))
    assert [(one.rule, one.rows) for one in only] == [("unknown_code:status", 2)]


def test_a_rebuild_forgets_neither_since_when_nor_the_unreadable_of_other_streams(
    tmp_path: Path,
) -> None:
    nights = Nights(tmp_path)
    (tmp_path / "files" / "steps").mkdir(parents=True)
    second = """\
  su_kien:
    files: "steps/*.csv"
    mode: snapshot
    key: id
    into:
      - entity: dossier_event
        columns: {dossier_code: id, event_name: ten, occurred_at: {from: luc, format: "%Y-%m-%d"}}
"""
    first = FILES.replace("MODE", "snapshot").replace("CODES", "{a: completed}")
    nights.write(OFFICE, first + second)
    text = f"so,nguoi,tt\nHS-1,{PERSON},lạ\nHS-2,{PERSON},a,b\n"
    (tmp_path / "files" / "1.csv").write_text(text, "utf-8")
    steps = "id,ten,luc\n1,x,2026-03-02\n2,y,z,2026-03-02\n"
    (tmp_path / "files" / "steps" / "1.csv").write_text(steps, "utf-8")
    nights.sync(OFFICE)
    before = rejections(nights.context).sort("stream", "_row")
    assert before.height == 3
    rebuild(nights.context, OFFICE)
    after = rejections(nights.context).sort("stream", "_row")
    assert after.select(SCHEMA.names).equals(before.select(SCHEMA.names))
    assert audit(nights.context, []).findings == ()


def test_a_quarantine_of_an_older_version_goes_on(desk: Callable[[str], Desk]) -> None:
    office = desk("snapshot")
    office.file("1.csv", ("HS-1", "lạ"))
    old = pl.DataFrame(SCHEMA.empty_table()).to_arrow().schema
    kept = [f for f in SCHEMA if not f.name.startswith(("discard", "_replay"))]
    assert len(kept) == len(old) - 5
    uri = f"{office.nights.warehouse}/restricted/quarantine"
    office.nights.context  # noqa: B018 - founds the warehouse
    Table.create(uri, SCHEMA.empty_table().select([f.name for f in kept]).schema,
                 partition_by=["source"])  # fmt: skip
    assert office.status() == []
    office.night()
    assert office.status() == [("HS-1", "open")]
    discard(office.context, Selection(source=OFFICE), reason="thử nghiệm")
    assert office.status() == [("HS-1", "discarded")]
    assert os.path.isdir(uri)  # noqa: PTH112 - a plain look at the folder
