"""A drop folder: what lies in it, what leads out of it, what isn't finished."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.protocol import ReadRequest, ReadSummary, StreamSpec
from connectors.registry import FilesOptions, connect
from schemas.errors import SourceError, TransientSourceError
from tests.connectors.files.support import read, rows, spec, unchanged
from tests.support.processes import python

ONE = "a,b\n1,x\n"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read(folder, spec("a", "b", **options))
    assert caught.value.__cause__ is None
    return str(caught.value)


def patient(folder: Path, wanted: StreamSpec, settle: str) -> ReadSummary:
    connector = connect("files", FilesOptions(path=str(folder), settle=settle))  # type: ignore[arg-type]
    with connector.read(wanted, ReadRequest()) as reading:
        assert list(reading.batches())
        return reading.summary


@pytest.mark.parametrize("files", ["*.csv", "**/*.csv", "x.csv"])
def test_a_link_that_leads_out_is_refused(desk: Path, files: str) -> None:
    (desk.parent / "secret.csv").write_text(ONE)
    (desk / "x.csv").symlink_to("../secret.csv")
    assert "'x.csv' is a link that leads out of the folder" in refused(desk, files=files)


def test_a_linked_folder_is_refused_where_it_could_hold_a_match(desk: Path) -> None:
    (desk.parent / "out").mkdir()
    (desk.parent / "out" / "x.csv").write_text(ONE)
    (desk / "y.csv").write_text(ONE)
    (desk / "2024").symlink_to(desk.parent / "out")
    assert "'2024' is a link that leads out of the folder" in refused(desk, files="2024/*.csv")
    assert "leads out of the folder" in refused(desk, files="**/*.csv")
    assert len(rows(desk, spec("a"))) == 1  # *.csv asks for no folder
    (desk / "2024").unlink()
    (desk / "2023").mkdir()
    (desk / "2024").symlink_to("2023")
    assert "'2024' is a link to a folder" in refused(desk, files="**/*.csv")
    assert "no file 2025/*.csv" in refused(desk, files="2025/*.csv")


def test_a_link_within_the_folder_is_the_file_it_leads_to(desk: Path) -> None:
    (desk / "2024.csv").write_text(ONE)
    (desk / "latest.csv").symlink_to("2024.csv")
    _, summary = read(desk, spec("a"))
    assert unchanged(summary.files) == ["latest.csv"]


def test_a_link_that_leads_nowhere_is_named(desk: Path) -> None:
    (desk / "x.csv").symlink_to("gone.csv")
    assert "'x.csv' is a link that leads nowhere" in refused(desk)


def test_a_link_put_in_the_place_of_a_file_meanwhile_is_seen(desk: Path) -> None:
    (desk.parent / "secret.csv").write_text(ONE)
    (desk / "x.csv").write_text(ONE)
    connector = connect("files", FilesOptions(path=str(desk)))
    with connector.read(spec("a", "b"), ReadRequest()) as reading:
        (desk / "x.csv").unlink()
        (desk / "x.csv").symlink_to(desk.parent / "secret.csv")
        with pytest.raises(SourceError, match="leads out of the folder"):
            list(reading.batches())


def test_a_pipe_and_a_device_are_refused_without_waiting_for_them(desk: Path) -> None:
    os.mkfifo(desk / "x.csv")
    assert "'x.csv' is no file, but a device, pipe or socket" in refused(desk)
    (desk / "x.csv").unlink()
    (desk / "x.csv").symlink_to("/dev/zero")
    assert "leads out of the folder" in refused(desk)


def test_a_name_that_is_no_text_is_refused(desk: Path) -> None:
    (Path(os.fsdecode(os.fsencode(desk) + b"/\xe9.csv"))).write_text(ONE)
    assert "has a name that isn't UTF-8; rename it" in refused(desk)


@pytest.mark.parametrize("name", ["x.csv.part", ".x.csv", "~$x.csv", "x.csv.filepart", "x.tmp"])
def test_uploads_under_way_and_hidden_files_are_passed_over(desk: Path, name: str) -> None:
    (desk / name).write_text("half")
    (desk / "good.csv").write_text(ONE)
    assert len(rows(desk, spec("a", files="*"))) == 1


def test_a_file_that_is_being_written_isnt_half_read(desk: Path) -> None:
    with (desk / "x.csv").open("w") as writer:
        writer.write(ONE)
        writer.flush()
        with pytest.raises(TransientSourceError, match=r"'x.csv' is still being written"):
            read(desk, spec("a"))
        writer.write("2,y\n")
    assert len(rows(desk, spec("a"))) == 2


READER = """
from pathlib import Path
from schemas.errors import TransientSourceError
from tests.connectors.files.support import read, spec
try:
    print(read(Path(sys.argv[1]), spec("a"))[0].num_rows)
except TransientSourceError:
    print("later")
"""


def test_a_writer_in_another_process_is_seen(desk: Path) -> None:
    with (desk / "x.csv").open("w") as writer:
        writer.write(ONE)
        writer.flush()
        assert python(READER, str(desk)) == "later"
    assert python(READER, str(desk)) == "1"


def test_a_file_appended_to_while_it_is_read_is_read_again_later(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    connector = connect("files", FilesOptions(path=str(desk)))
    with connector.read(spec("a"), ReadRequest(batch_rows=1)) as reading:
        batches = reading.batches()
        with (desk / "x.csv").open("a") as writer:
            writer.write("2,y\n")
        with pytest.raises(TransientSourceError, match=r"'x.csv' changed while it was read"):
            list(batches)


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_seen(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    connector = connect("files", FilesOptions(path=str(desk)))
    with connector.read(spec("a"), ReadRequest()) as reading:
        seen = (desk / "x.csv").stat()
        (desk / "y.csv").write_text(ONE.replace("x", "z"))
        (desk / "y.csv").replace(desk / "x.csv")
        os.utime(desk / "x.csv", ns=(seen.st_atime_ns, seen.st_mtime_ns))
        with pytest.raises(TransientSourceError, match="changed while it was read"):
            list(reading.batches())


def test_a_file_younger_than_settle_is_left_for_later(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    with pytest.raises(TransientSourceError, match="was changed less than 1:00:00 ago"):
        patient(desk, spec("a"), "1 hour")
    long_ago = time.time() - 3601
    os.utime(desk / "x.csv", (long_ago, long_ago))
    assert patient(desk, spec("a"), "1 hour").is_complete


def test_a_short_settle_is_waited_for(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    started = time.monotonic()
    changed = (desk / "x.csv").stat().st_mtime
    assert patient(desk, spec("a"), "1 second").is_complete
    assert time.time() - changed >= 1
    assert time.monotonic() - started < 5


def test_a_file_of_somebody_else_rests_two_seconds(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:  # as the kernel does: leases are for the owner and for root
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("fcntl.fcntl", refuse)
    (desk / "x.csv").write_text(ONE)
    changed = (desk / "x.csv").stat().st_mtime
    assert len(rows(desk, spec("a"))) == 1
    assert time.time() - changed >= 2


def test_a_clock_that_runs_ahead_keeps_no_file_back(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    tomorrow = time.time() + 86_400
    os.utime(desk / "x.csv", (tomorrow, tomorrow))
    assert patient(desk, spec("a"), "1 second").is_complete


def test_a_file_that_changes_while_it_settles_is_left_for_later(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    stop = threading.Event()

    def write_on() -> None:
        while not stop.wait(0.05):
            with (desk / "x.csv").open("a") as file:
                file.write("2,y\n")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        with pytest.raises(TransientSourceError, match=r"being written|less than"):
            patient(desk, spec("a"), "1 second")
    finally:
        stop.set()
        writer.join()


def test_a_corrected_file_under_the_same_name_is_read_again(desk: Path) -> None:
    (desk / "x.csv").write_text(ONE)
    (desk / "y.csv").write_text("a,b\n2,y\n")
    _, first = read(desk, spec("a", "b"))
    (desk / "x.csv").write_text(ONE.replace("x", "corrected"))
    known = frozenset(file.hash for file in first.files)
    table, second = read(desk, spec("a", "b"), known_files=known)
    assert table["b"].to_pylist() == ["corrected"]
    assert unchanged(second.files) == ["y.csv"]


def test_more_entries_than_anybody_means_are_refused(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.files.matching.MOST_ENTRIES", 20)
    for number in range(21):
        (desk / f"{number}.txt").touch()
    assert "more than 20 entries" in refused(desk, files="**/*.csv")


def test_folders_that_no_glob_asks_for_arent_listed(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.files.matching.MOST_ENTRIES", 20)
    (desk / "2025" / "01").mkdir(parents=True)
    (desk / "2025" / "01" / "x.csv").write_text(ONE)
    (desk / "photos").mkdir()
    for number in range(30):
        (desk / "photos" / f"{number}.jpg").touch()
    assert len(rows(desk, spec("a", files="20*/*/*.csv"))) == 1
    assert "more than 20 entries" in refused(desk, files="**/*.csv")
