"""A disk that is full at some write: the run says so, nothing is lost, and the next run goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import laws
from tests.support.changing_office import ChangingOffice
from tests.support.nursery import Nursery

ROUNDS = 14
PAGE = 4_096
ROOM = "64m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("to mount a small file system takes root")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts no file system: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_write_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    chance = random.Random(20260107)
    office = ChangingOffice(tmp_path, chance, warehouse=small_disk / "warehouse", keys=24)
    office.open(rows=40)
    seen: set[int] = set()
    refused, needed = 0, 60 * PAGE
    with closing(Nursery()) as runs:
        for number in range(ROUNDS):
            for _ in range(5):
                office.change()
            action = "maintain" if number % 5 == 4 else "nightly"
            fill(small_disk, leave=chance.randrange(0, needed))
            before = free(small_disk)
            answer = runs.run(office.order(action=action))
            needed = max(needed, before - free(small_disk)) if answer.error is None else needed
            assert not answer.killed
            if answer.error is not None:
                refused += 1
                assert "the disk is full" in answer.error
            (small_disk / "filler").unlink()
            if number or answer.error is None:
                laws.hold_after_a_kill(office, seen=seen)
            if chance.random() < 0.4:
                assert runs.run(office.order(action="nightly")).error is None
                laws.hold_after_a_run(office, seen=seen)
        assert runs.run(office.order(action="nightly")).error is None
    assert refused >= ROUNDS // 3
    laws.hold_after_a_run(office, seen=set())
    laws.hold_in_the_end(office)


def fill(disk: Path, *, leave: int) -> None:
    """Writes a file that leaves so many bytes, in whole pages."""
    size = max(free(disk) - leave, 0)
    with (disk / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(size, 1))


def free(disk: Path) -> int:
    """Bytes that can be written."""
    stat = os.statvfs(disk)
    return stat.f_bavail * stat.f_frsize
