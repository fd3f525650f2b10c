"""What the groups of one run have in common: how large, how often, and where they work."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.measuring import ROOT, Measure
from benchmarks.office import Office, office
from benchmarks.once import Once

KEPT: Final = ROOT / "data" / "bench"
_RUN: Final = "lienthong-bench-"
_MADE_BY: Final = ("benchmarks", "connectors", "flows", "schemas", "warehouse")
_SOURCES: Final = {".py", ".csv", ".sql", ".yaml"}
_ENOUGH: Final = 6  # seconds


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run of benchmarks.

    Attributes:
        scale: 1 is the size that a bound is stated for; 0.05 is good for development.
        folder: Holds all that the run makes; removed with it.
        once: Keeps what more than one group looks at.
    """

    scale: float
    folder: Path
    once: Once = field(default_factory=Once, repr=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def rows(self, full: int) -> int:
        """So many rows at this scale."""
        return max(round(full * self.scale), 1)

    def runs(self, full: int) -> int:
        """How often a thing is measured: once below full size."""
        return full if self.scale >= 1 else 1

    def again(self, measures: Sequence[Measure]) -> bool:
        """Whether a thing is measured once more: three times, or until it has taken six seconds.

        What takes long wavers little. Below full size once.
        """
        return len(measures) < self.runs(3) and sum(one.seconds for one in measures) < _ENOUGH

    @property
    def office(self) -> Office:
        """The PostgreSQL of this run; it starts when it is first asked for."""
        return self.once("office", lambda: self._stack.enter_context(office()))

    def beforehand(self, tasks: Iterable[Callable[[Bench], object]]) -> None:
        """Makes what is going to be measured, two things at a time: most keep one core busy.

        Where one breaks, no other is begun; the one at work is waited for, as its folder goes.
        """
        with ThreadPoolExecutor(2) as pool:
            doing = [pool.submit(task, self) for task in tasks]
            try:
                for one in as_completed(doing):
                    one.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        if self.once.has("office"):
            self.office.execute("postgres", "CHECKPOINT")
        os.sync()  # what is still to be written isn't written beside what is measured

    def kept(self, name: str, make: Callable[[Path], None]) -> Path:
        """A folder that outlives the run, for what takes minutes to build; nobody changes it.

        It is built anew where anything has changed that it is made by, and, below full size, in
        every run.
        """

        def made() -> Path:
            if self.scale != 1:
                path = self.room(name)
                make(path)
                return path
            path = KEPT / f"{name}-{_digest()}"
            if not path.exists():
                sys.stderr.write(f"building {path}, which is kept\n")
                making = path.with_suffix(".making")
                for old in KEPT.glob(f"{name}-*"):
                    shutil.rmtree(old)
                making.mkdir()
                make(making)
                making.rename(path)
            return path

        return self.once(f"kept {name}", made)

    def room(self, name: str) -> Path:
        """A new folder that stays as long as the run."""
        path = self.folder / name
        path.mkdir()
        return path

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of its own for one task."""
        with TemporaryDirectory(prefix="task-", dir=self.folder) as path:
            yield Path(path)

    @contextmanager
    def copy(self, of: Path) -> Iterator[Path]:
        """A copy of a folder for one task; see `linked`."""
        with self.scratch() as path:
            yield linked(of, path / "copy")


def linked(of: Path, to: Path) -> Path:
    """Copies a folder; Parquet and Delta's log by hard links, as Delta never changes a file."""

    def copy(source: str, target: str) -> None:
        is_delta = source.endswith((".parquet", ".json"))
        (os.link if is_delta else shutil.copy2)(source, target)

    shutil.copytree(of, to, copy_function=copy)
    return to


@contextmanager
def bench(scale: float) -> Iterator[Bench]:
    """A run in a folder of its own, with everything it started ended afterwards.

    Raises:
        RuntimeError: Another run of full size is at work: both would measure each other.
    """
    with ExitStack() as stack:
        beside = None
        if scale == 1:  # where hard links to what is kept are possible
            beside = KEPT
            stack.enter_context(_alone())
        folder = stack.enter_context(TemporaryDirectory(prefix=_RUN, dir=beside))
        yield Bench(scale=scale, folder=Path(folder), _stack=stack)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else uses what is kept, and what killed runs left is deleted."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{KEPT}: another run of the benchmarks is at work") from None
        for left in KEPT.glob(f"{_RUN}*"):
            shutil.rmtree(left)
        yield


def _digest() -> str:
    """Of all code and data that a kept folder is made by, and of the libraries' versions."""
    told = hashlib.sha256((ROOT / "constraints.txt").read_bytes())
    for place in _MADE_BY:
        for file in sorted((ROOT / place).rglob("*")):
            if file.suffix in _SOURCES:
                told.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return told.hexdigest()[:12]
