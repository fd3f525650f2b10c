"""Nights of a folder of CSV files: increments never bury, snapshots land what differs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from connectors.protocol import ReadRequest
from flows import reading
from tests.support.nights import Nights, done
from warehouse import landing

YAML = """\
source: so-tay
connector: {type: files, path: ../files}
streams:
  ho_so:
    files: "*.csv"
    mode: MODE
    key: so
    into:
      - entity: dossier
        columns: {dossier_code: so, procedure_name: ten}
"""
OFFICE = "so-tay"
ROWS = 30


@dataclass(frozen=True)
class Folder:
    """A folder of files and its warehouse."""

    root: Path
    nights: Nights

    def mode(self, mode: str) -> None:
        self.nights.write(OFFICE, YAML.replace("MODE", mode))

    def file(self, name: str, rows: dict[str, str]) -> None:
        lines = ["so,ten", *(f"{so},{ten}" for so, ten in rows.items())]
        (self.root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def names(self) -> dict[str, str]:
        return self.nights.alive(OFFICE, "procedure_name")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "files").mkdir()
    return Folder(tmp_path / "files", Nights(tmp_path))


def rows(start: int, count: int = ROWS) -> dict[str, str]:
    return {f"HS-{i}": f"việc {i}" for i in range(start, start + count)}


def test_a_vanished_file_of_increments_buries_nothing(folder: Folder) -> None:
    folder.mode("increment")
    folder.file("1.csv", rows(1))
    folder.file("2.csv", rows(101))
    assert done(folder.nights.dossier(OFFICE)) == {"inserted": 2 * ROWS}
    (folder.root / "1.csv").unlink()
    folder.file("3.csv", {"HS-1": "sửa", "HS-201": "mới"})
    night = folder.nights.dossier(OFFICE)
    assert (night.read, night.landed, night.same) == (ROWS + 2, 2, ROWS)
    assert (night.status, done(night)) == ("done", {"inserted": 1, "updated": 1})
    expected = {**rows(1), **rows(101), "HS-1": "sửa", "HS-201": "mới"}
    assert folder.names() == expected
    silent = folder.nights.dossier(OFFICE)
    assert (silent.landed, done(silent), silent.core_version) == (0, {}, night.core_version)
    assert silent.landing_version == night.landing_version


def test_a_journal_that_grows_brings_no_older_line_back(folder: Folder) -> None:
    folder.mode("increment")
    lines = ["so,ten", "HS-1,nộp", "HS-2,nộp"]
    landed = []
    for line in ("HS-1,trả", "HS-3,nộp", "HS-1,nộp", "HS-1,trả", "HS-4,nộp"):
        lines.append(line)
        (folder.root / "so.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        landed.append(folder.nights.dossier(OFFICE).landed)
        said = dict(one.split(",") for one in lines[1:])  # the last line of a key is its word
        assert folder.names() == said
    assert landed == [3, 1, 1, 1, 1]


def test_a_journal_of_many_pieces_brings_no_older_line_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ReadRequest", partial(ReadRequest, batch_rows=2))
    monkeypatch.setattr(landing, "CHUNK_ROWS", 2)
    folder.mode("increment")
    lines = ["so,ten"]
    for line in ("HS-1,a", "HS-2,a", "HS-1,b", "HS-2,b", "HS-3,a", "HS-1,a", "HS-1,b", "HS-2,a"):
        lines.append(line)
        (folder.root / "so.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        folder.nights.dossier(OFFICE)
        assert folder.names() == dict(one.split(",") for one in lines[1:])


def test_a_corrected_file_brings_nothing_back_that_later_files_changed(folder: Folder) -> None:
    folder.mode("increment")
    folder.file("1.csv", rows(1))
    folder.nights.dossier(OFFICE)
    folder.file("2.csv", {"HS-1": "sửa", "HS-2": "sửa"})
    folder.nights.dossier(OFFICE)
    folder.file("1.csv", {"HS-0": "sót", **rows(1), "HS-3": "đính chính"})
    night = folder.nights.dossier(OFFICE)
    assert (night.landed, done(night)) == (2, {"inserted": 1, "updated": 1})
    expected = {**rows(1), "HS-0": "sót", "HS-1": "sửa", "HS-2": "sửa", "HS-3": "đính chính"}
    assert folder.names() == expected
    folder.file("1.csv", {"HS-0": "sót", **rows(1)})  # and the correction undone
    assert done(folder.nights.dossier(OFFICE)) == {"updated": 1}
    expected["HS-3"] = "việc 3"
    assert folder.names() == expected
    folder.file("3.csv", {"HS-1": "việc 1"})  # as it was at first: the newest word all the same
    folder.nights.dossier(OFFICE)
    assert folder.names() == {**expected, "HS-1": "việc 1"}


def test_who_corrects_a_line_of_an_older_file_takes_back_nothing_of_a_newer_one(
    folder: Folder,
) -> None:
    folder.mode("increment")
    folder.file("thang-1.csv", rows(1))
    folder.nights.dossier(OFFICE)
    folder.file("thang-2.csv", {"HS-1": "tháng hai", "HS-2": "tháng hai"})
    folder.nights.dossier(OFFICE)
    folder.file("thang-1.csv", {**rows(1), "HS-5": "sửa"})
    night = folder.nights.dossier(OFFICE)
    assert (night.read, night.landed, done(night)) == (ROWS + 2, 1, {"updated": 1})
    newest = {"HS-1": "tháng hai", "HS-2": "tháng hai", "HS-5": "sửa"}
    assert folder.names() == {**rows(1), **newest}
    folder.file("thang-1.csv", {**rows(1), "HS-1": "sửa thật"})  # this one was changed
    assert done(folder.nights.dossier(OFFICE)) == {"updated": 2}
    assert folder.names() == {**rows(1), "HS-1": "sửa thật", "HS-2": "tháng hai"}


def test_of_a_corrected_snapshot_only_the_differences_land(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("ho_so.csv", rows(1))
    folder.nights.dossier(OFFICE)
    corrected = {**rows(1), "HS-1": "sửa", "HS-99": "mới"}
    del corrected["HS-2"]
    folder.file("ho_so.csv", corrected)
    night = folder.nights.dossier(OFFICE)
    assert (night.read, night.landed, night.same) == (ROWS, 2, ROWS - 2)
    assert done(night) == {"inserted": 1, "updated": 1, "tombstoned": 1}
    assert folder.names() == corrected
    silent = folder.nights.dossier(OFFICE)
    assert (silent.read, silent.same, done(silent)) == (ROWS, ROWS, {})
    assert silent.core_version == night.core_version
    assert silent.landing_version == night.landing_version


def test_a_vanished_file_of_a_snapshot_waits_for_a_person(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("1.csv", rows(1))
    folder.file("2.csv", rows(101))
    folder.nights.dossier(OFFICE)
    (folder.root / "2.csv").unlink()
    night = folder.nights.dossier(OFFICE)
    assert (night.status, done(night)) == ("degraded", {})
    assert folder.names() == {**rows(1), **rows(101)}
    accepted = folder.nights.dossier(OFFICE, accept_deletes=True)
    assert done(accepted) == {"tombstoned": ROWS}
    assert folder.names() == rows(1)


@pytest.mark.parametrize("mode", ["increment", "snapshot"])
def test_a_copy_under_another_name_changes_nothing(folder: Folder, mode: str) -> None:
    folder.mode(mode)
    folder.file("ho_so.csv", rows(1))
    first = folder.nights.dossier(OFFICE)
    folder.file("ho_so (1).csv", rows(1))
    night = folder.nights.dossier(OFFICE)
    assert (night.landed, night.unreadable, done(night)) == (0, 0, {})
    assert night.core_version == first.core_version
    (folder.root / "ho_so.csv").unlink()
    assert done(folder.nights.dossier(OFFICE)) == {}
    assert folder.names() == rows(1)


def test_a_broken_line_is_counted_and_waits_while_the_rest_lands(folder: Folder) -> None:
    folder.mode("snapshot")
    folder.file("ho_so.csv", rows(1))
    with (folder.root / "ho_so.csv").open("a", encoding="utf-8") as file:
        file.write("HS-31,a,b,c\n")
    night = folder.nights.dossier(OFFICE)
    assert (night.read, night.landed, night.unreadable) == (ROWS + 1, ROWS, 1)
    assert done(night) == {"inserted": ROWS}
    assert folder.names() == rows(1)
