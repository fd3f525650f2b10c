"""The way of one record: every copy, what became of it, and who holds it; nothing personal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flows.quarantined import Selection, discard
from flows.releasing import publish_release
from flows.steps import rebuild, replay, trace
from schemas.errors import ConfigError
from tests.flows.test_quarantine_life import GOOD, LISTS, MENDED, OFFICE, PERSON, Desk
from tests.support.nights import Nights
from tests.support.offices import desk
from warehouse.delta import Table


def test_a_trace_tells_every_copy_its_file_and_line_and_what_became_of_it(tmp_path: Path) -> None:
    office = Desk(tmp_path, "snapshot")
    for status in ("lạ", "a", "Trần Văn Thử"):
        office.file("1.csv", ("HS-1", status))
        office.night()
        publish_release(office.context)
    (found,) = trace(office.context, "HS-1")
    assert (found.source, found.stream, found.entity) == (OFFICE, "ho_so", "dossier")
    assert found.origin == "files *.csv"
    assert [(c.landing_version, c.file, c.line, c.verdict) for c in found.copies] == [
        (1, "1.csv", 2, "rejected"), (2, "1.csv", 2, "in core"), (3, "1.csv", 2, "rejected"),
    ]  # fmt: skip
    assert found.core["is_stale"] is True
    assert [one.status for one in found.rejections] == ["superseded", "open"]
    assert [one.landing_version for one in found.releases] == [None, 2, 2]
    assert [run.sync_id for run in found.runs] == [copy.sync_id for copy in found.copies]
    assert [copy.values["tt"] for copy in found.copies] == [
        "(like aa)", "a", "(like Aaaa Aaa Aaa)",
    ]  # fmt: skip
    assert {copy.values["nguoi"] for copy in found.copies} == {"***"}
    assert PERSON not in repr(found)


def test_a_trace_that_reveals_is_written_down_and_seen_in_the_next(tmp_path: Path) -> None:
    office = Desk(tmp_path, "snapshot")
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    (found,) = trace(office.context, "HS-1", reveal="đơn số 5")
    assert found.copies[0].values == {"so": "HS-1", "nguoi": PERSON, "tt": "lạ"}
    office.codes(MENDED)
    replay(office.context, Selection(source=OFFICE))
    office.codes(GOOD)
    (after,) = trace(office.context, "HS-1")
    assert [(one.act, one.reason) for one in after.acts] == [
        ("reveal", "đơn số 5"), ("replay", None),
    ]  # fmt: skip
    assert after.copies[0].verdict == "in core"
    assert after.rejections == ()
    assert PERSON not in repr(after)
    acts = Table.open(office.context.warehouse.acts.uri)
    assert acts is not None
    assert PERSON not in repr(acts.scan().collect().rows())


def test_a_discard_stays_in_the_trace(tmp_path: Path) -> None:
    office = Desk(tmp_path, "snapshot")
    office.file("1.csv", ("HS-1", "lạ"))
    office.night()
    discard(office.context, Selection(source=OFFICE), reason="ghi trùng")
    office.codes(MENDED)
    rebuild(office.context, OFFICE)
    (found,) = trace(office.context, "HS-1")
    (held,) = found.rejections
    assert (held.status, held.reason) == ("discarded", "ghi trùng")
    assert [copy.verdict for copy in found.copies] == ["rejected"]
    assert found.core == {}


def test_a_part_tells_its_dossier_and_the_record_that_it_came_with(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write(OFFICE, LISTS)
    lists = ['[{"ma": "1", "tien": "5"}, {"ma": "2", "tien": "6"}]', '[{"ma": "1", "tien": "x"}]']
    for version, phi in enumerate([*lists, "[]"]):
        with closing(sqlite3.connect(tmp_path / "office.db")) as base, base:
            base.execute("CREATE TABLE IF NOT EXISTS ho_so (so TEXT PRIMARY KEY, phi TEXT, v INT)")
            base.execute("INSERT OR REPLACE INTO ho_so VALUES ('HS-1', ?, ?)", (phi, version))
        nights.sync(OFFICE)
        if not version:
            (dossier,) = trace(nights.context, "HS-1")
            assert dossier.parts == {"payment": 2}
    (found,) = trace(nights.context, "HS-1/1")
    assert (found.entity, found.parent) == ("payment", ("dossier", "HS-1"))
    assert found.landing_keys == ("HS-1",)
    assert [copy.verdict for copy in found.copies] == ["in core", "rejected", "without it"]
    assert found.core["deleted_at"] is not None
    assert found.origin == "table ho_so"


def test_a_key_of_several_sources_is_told_of_each_and_source_chooses(tmp_path: Path) -> None:
    office = Desk(tmp_path, "snapshot")
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    text = (tmp_path / "sources" / f"{OFFICE}.yaml").read_text("utf-8")
    office.nights.write("so-khac", text.replace(f"source: {OFFICE}", "source: so-khac"))
    office.nights.sync("so-khac")
    assert [one.source for one in trace(office.context, "HS-1")] == ["so-khac", OFFICE]
    assert [one.source for one in trace(office.context, "HS-1", source=OFFICE)] == [OFFICE]
    office.file("1.csv", ("HS-1", "a"), ("HS-2", "a"))
    office.night()
    with pytest.raises(ConfigError, match="so-khac has no record with the key 'HS-2'; so-tay has"):
        trace(office.context, "HS-2", source="so-khac")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("hs 1", r"nearest: HS-1 \(so-tay\)"),
        ("HS-1234", "nearest: HS-12"),
        ("zzz", "what `lienthong sql` shows as `_key`"),
    ],
)
def test_a_key_that_nothing_has_is_refused_with_the_nearest(
    tmp_path: Path, key: str, told: str
) -> None:
    office = Desk(tmp_path, "snapshot")
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    with pytest.raises(ConfigError, match=told):
        trace(office.context, key)


def test_the_number_of_a_person_is_not_repeated(tmp_path: Path) -> None:
    office = Desk(tmp_path, "snapshot")
    office.file("1.csv", ("HS-1", "a"))
    office.night()
    with pytest.raises(ConfigError) as refused:
        trace(office.context, PERSON)
    assert PERSON not in str(refused.value)


def test_a_record_that_has_landed_and_is_not_integrated_is_found(tmp_path: Path) -> None:
    from flows.receipts import SyncOptions
    from flows.steps import read_and_land

    office = Desk(tmp_path, "snapshot")
    office.file("1.csv", ("HS-1", "a"))
    read_and_land(office.context, OFFICE, "ho_so", options=SyncOptions(), sync_id="here")
    (found,) = trace(office.context, "HS-1")
    assert [copy.verdict for copy in found.copies] == ["not integrated yet"]
    assert (found.core, found.releases) == ({}, ())


def test_the_command_shows_what_the_step_finds(tmp_path: Path) -> None:
    home = desk(tmp_path)
    home.csv("HS-1,040099012345,x,2026-03-02,received,1")
    home.run("nightly")
    shown = home.run("trace", "HS-1")
    assert shown.exit_code == 0
    for words in ("xa-thu / dossier / HS-1", "so.csv:2", "release   1", "holds copy 1:1"):
        assert words in shown.stdout
    (document,) = home.answer("trace", "HS-1")
    told: dict[str, Any] = document["copies"][0]
    assert (told["verdict"], told["line"]) == ("in core", 2)
    assert "040099012345" not in shown.output
    assert home.run("trace", "HS-7").exit_code == 2
    assert home.run("trace", "HS-1", "--reveal").exit_code == 2
    assert home.run("trace", "HS-1", "--reason", "thử").exit_code == 2
