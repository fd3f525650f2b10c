"""Sources that only can be read: files and APIs are compared all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.maintaining import MaintainOptions, maintain
from flows.reconciliation import ReconcileOptions, Reconciliation
from flows.steps import audit, new_sync_id, reconcile
from tests.flows.test_nights_of_an_api import SECRET, TODAY, WINDOWS, Api, Office
from tests.flows.test_nights_of_an_api import YAML as API
from tests.flows.test_nights_of_files import OFFICE, Folder, rows
from tests.support.api import Asked, Reply, serving
from tests.support.nights import Nights


def compare(nights: Nights, source: str, **options: Any) -> Reconciliation:
    asked = ReconcileOptions(**options)
    (report,) = reconcile(nights.context, [source], asked, sync_id=new_sync_id(), shown_keys=999)
    return report


def keys(report: Reconciliation) -> dict[str, set[str | None]]:
    assert report.error is None
    return {kind: set(found) for kind, found in report.keys.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "files").mkdir()
    return Folder(tmp_path / "files", Nights(tmp_path))


def test_a_snapshot_of_files_is_read_and_mended(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("1.csv", rows(1))
    folder.file("2.csv", rows(101))
    folder.nights.dossier(OFFICE)
    clean = compare(folder.nights, OFFICE)
    assert (clean.by, clean.differences, clean.status, clean.landed) == ("rows", 0, "done", 60)
    assert "all rows were read" in (clean.note or "")
    changed = {**rows(1), "HS-1": "sửa", "HS-99": "mới"}
    del changed["HS-2"]
    folder.file("1.csv", changed)
    expected = {"missing": {"HS-99"}, "extra": {"HS-2"}, "differing": {"HS-1"}}
    report = compare(folder.nights, OFFICE)
    assert (keys(report), report.status) == (expected, "degraded")
    assert report.buckets == {"all": {"missing": 1, "extra": 1, "differing": 1}}
    mended = compare(folder.nights, OFFICE, repair=True)
    assert (keys(mended), mended.is_repaired) == (expected, True)
    assert folder.names() == {**changed, **rows(101)}
    assert compare(folder.nights, OFFICE).differences == 0
    silent = folder.nights.dossier(OFFICE)
    assert silent.landed == 0
    assert audit(folder.nights.context, [OFFICE]).findings == ()


def test_what_increments_do_not_repeat_is_not_extra(folder: Folder) -> None:
    folder.mode("increment")
    folder.file("1.csv", rows(1))
    folder.nights.dossier(OFFICE)
    folder.file("2.csv", {"HS-1": "sửa"})
    folder.nights.dossier(OFFICE)
    assert keys(compare(folder.nights, OFFICE)) == {}  # file 1 still holds the older HS-1
    (folder.root / "1.csv").unlink()
    assert keys(compare(folder.nights, OFFICE)) == {}
    folder.file("3.csv", {"HS-3": "đổi", "HS-77": "mới"})
    assert keys(compare(folder.nights, OFFICE)) == {"missing": {"HS-77"}, "differing": {"HS-3"}}
    assert compare(folder.nights, OFFICE, repair=True).is_repaired
    assert folder.names()["HS-3"] == "đổi"
    assert keys(compare(folder.nights, OFFICE)) == {}


def test_a_repair_of_increments_brings_what_is_new_and_no_older_copy_of_it(folder: Folder) -> None:
    folder.mode("increment")
    folder.file("c.csv", rows(1))  # the names don't say which came first
    folder.nights.dossier(OFFICE)
    folder.file("b.csv", {"HS-1": "sửa"})
    folder.nights.dossier(OFFICE)
    folder.file("a.csv", {"HS-1": "mới"})
    report = compare(folder.nights, OFFICE, repair=True)
    assert (keys(report), report.is_repaired) == ({"differing": {"HS-1"}}, True)
    assert folder.names()["HS-1"] == "mới"
    assert keys(compare(folder.nights, OFFICE)) == {}
    folder.nights.dossier(OFFICE)
    assert folder.names()["HS-1"] == "mới"
    assert audit(folder.nights.context, [OFFICE]).findings == ()


def test_retention_leaves_what_the_files_of_older_days_are_compared_with(folder: Folder) -> None:
    folder.mode("increment")
    folder.file("1.csv", rows(1))
    folder.nights.dossier(OFFICE)
    folder.file("2.csv", {"HS-1": "sửa"})
    folder.nights.dossier(OFFICE)
    maintain(folder.nights.context, MaintainOptions(landing_older_than=0))
    assert keys(compare(folder.nights, OFFICE)) == {}
    folder.file("1.csv", {**rows(1), "HS-99": "mới"})
    folder.nights.dossier(OFFICE)
    assert folder.names() == {**rows(1), "HS-1": "sửa", "HS-99": "mới"}


def test_a_row_without_a_key_that_never_landed_is_missing(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("1.csv", {**rows(1), "": "không số"})
    folder.nights.dossier(OFFICE)
    assert keys(compare(folder.nights, OFFICE)) == {}
    folder.file("1.csv", {**rows(1), "": "không số nữa"})
    assert keys(compare(folder.nights, OFFICE)) == {"missing": {None}}
    assert compare(folder.nights, OFFICE, repair=True).is_repaired
    assert keys(compare(folder.nights, OFFICE)) == {}


def test_a_source_that_cannot_be_read_fails_alone(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("1.csv", rows(1))
    folder.nights.dossier(OFFICE)
    (folder.root / "1.csv").unlink()
    report = compare(folder.nights, OFFICE, repair=True)
    assert (report.status, report.differences) == ("failed", 0)
    assert "no file" in (report.error or "")
    assert len(folder.names()) == 30


def test_a_repair_behind_a_clock_that_was_set_back_counts_all_the_same(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("1.csv", rows(1))
    folder.nights.dossier(OFFICE)
    changed = {**rows(1), "HS-1": "sửa"}
    del changed["HS-2"]
    folder.file("1.csv", changed)
    context = replace(folder.nights.context, clock=lambda: datetime.now(UTC) - timedelta(hours=1))
    asked = ReconcileOptions(repair=True)
    (report,) = reconcile(context, [OFFICE], asked, sync_id=new_sync_id())
    assert (report.differences, report.is_repaired) == (2, True)
    assert folder.names() == changed
    assert audit(folder.nights.context, [OFFICE]).findings == ()


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def api(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SO_API_KEY", SECRET)
    with serving(office) as running:
        yield running


def connected(api: Api, office: Office, root: Path, how: str) -> Nights:
    nights = Nights(root)
    nights.write("so-api", API.format(url=api.url, how=how))
    for number in range(20):
        office.write(number, changed=TODAY - timedelta(days=20 - number % 18))
    nights.dossier("so-api")
    return nights


def test_an_api_is_read_whole_and_mended(api: Api, office: Office, tmp_path: Path) -> None:
    nights = connected(api, office, tmp_path, "mode: snapshot")
    assert keys(compare(nights, "so-api")) == {}
    del office.records["HS-003"]
    office.records["HS-004"]["buoc"] = "9"
    office.write(50, changed=TODAY - timedelta(days=30))
    expected = {"missing": {"HS-050"}, "extra": {"HS-003"}, "differing": {"HS-004"}}
    assert keys(compare(nights, "so-api")) == expected
    assert compare(nights, "so-api", repair=True).is_repaired
    assert keys(compare(nights, "so-api")) == {}
    assert nights.alive("so-api", "phase")["HS-004"] == "9"


def test_an_api_with_windows_is_compared_window_by_window(
    api: Api, office: Office, tmp_path: Path
) -> None:
    start = (TODAY - timedelta(days=40)).date().isoformat()
    nights = connected(api, office, tmp_path, WINDOWS.format(start=start))
    assert keys(compare(nights, "so-api")) == {}
    del office.records["HS-003"]  # a list of changes doesn't say what is gone
    office.records["HS-004"]["buoc"] = "9"  # without a new time
    office.write(50, changed=TODAY - timedelta(days=30))
    office.write(5, changed=datetime.now(UTC), phase="8")  # changed since: no difference
    office.write(51, changed=datetime.now(UTC))
    expected = {"missing": {"HS-050"}, "differing": {"HS-004"}}
    assert keys(compare(nights, "so-api")) == expected
    assert compare(nights, "so-api", repair=True).is_repaired
    assert keys(compare(nights, "so-api")) == {}
    office.records["HS-004"]["buoc"] = "1"  # what it was before
    assert keys(compare(nights, "so-api", repair=True)) == {"differing": {"HS-004"}}
    assert keys(compare(nights, "so-api")) == {}
    office.records["HS-004"]["buoc"] = "9"
    assert compare(nights, "so-api", repair=True).is_repaired
    phases = nights.alive("so-api", "phase")
    assert (phases["HS-004"], phases["HS-005"]) == ("9", "1")
    assert "HS-003" in phases


def test_what_moves_out_of_a_window_while_it_is_compared_is_neither_extra_nor_buried(
    api: Api, office: Office, tmp_path: Path
) -> None:
    start = (TODAY - timedelta(days=40)).date().isoformat()
    nights = connected(api, office, tmp_path, WINDOWS.format(start=start) + "\n    mode: snapshot")
    office.write(5, changed=datetime.now(UTC), phase="8")  # less than the lag before the comparison
    asked, honest = len(api.asked), api.answer

    def moving(one: Asked) -> Reply:
        if len(api.asked) == asked + 3:
            office.write(6, changed=datetime.now(UTC), phase="8")
        return honest(one)

    api.answer = moving
    report = compare(nights, "so-api", repair=True)
    assert office.records["HS-006"]["buoc"] == "8"
    assert (keys(report), report.status) == ({}, "done")
    assert {"HS-005", "HS-006"} <= set(nights.alive("so-api", "1"))
    api.answer = honest
    del office.records["HS-003"]
    assert keys(compare(nights, "so-api", repair=True)) == {"extra": {"HS-003"}}
    assert "HS-003" not in nights.alive("so-api", "1")
