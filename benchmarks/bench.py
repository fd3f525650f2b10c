"""What the groups of one run have in common: how large, how often, and where they work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.measuring import Measure
from benchmarks.office import Office, office

_ENOUGH: Final = 10  # seconds


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run of benchmarks.

    Attributes:
        scale: 1 is the size that a bound is stated for; 0.05 is good for development.
        folder: Holds all that the run makes; removed with it.
    """

    scale: float
    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)
    _kept: dict[str, object] = field(default_factory=dict, repr=False)
    _taken: dict[str, list[Measure]] = field(default_factory=dict, repr=False)

    def rows(self, full: int) -> int:
        """So many rows at this scale."""
        return max(round(full * self.scale), 1)

    def runs(self, full: int) -> int:
        """How often a thing is measured: once below full size."""
        return full if self.scale >= 1 else 1

    def again(self, measures: Sequence[Measure]) -> bool:
        """Whether a thing is measured once more: three times, or until it has taken ten seconds.

        What takes long wavers little. Below full size once.
        """
        return len(measures) < self.runs(3) and sum(one.seconds for one in measures) < _ENOUGH

    @property
    def office(self) -> Office:
        """The PostgreSQL of this run; it starts when it is first asked for."""
        if "office" not in self._kept:
            self._kept["office"] = self._stack.enter_context(office())
        found = self._kept["office"]
        assert isinstance(found, Office)
        return found

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """A folder of this run, made when it is first asked for; nobody changes it."""
        path = self.folder / name
        if name not in self._kept:
            path.mkdir(parents=True)
            make(path)
            self._kept[name] = path
        return path

    def taken(self, name: str, take: Callable[[], list[Measure]]) -> list[Measure]:
        """Measures of this run that more than one group looks at, taken once."""
        if name not in self._taken:
            self._taken[name] = take()
        return self._taken[name]

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of its own for one task."""
        with TemporaryDirectory(prefix="task-", dir=self.folder) as path:
            yield Path(path)

    @contextmanager
    def copy(self, of: Path) -> Iterator[Path]:
        """A copy of a folder for one task, by hard links: Delta never changes a file."""
        with self.scratch() as path:
            made = path / "copy"
            shutil.copytree(of, made, copy_function=os.link)
            yield made


@contextmanager
def bench(scale: float) -> Iterator[Bench]:
    """A run in a folder of its own, with everything it started ended afterwards."""
    with TemporaryDirectory(prefix="lienthong-bench-") as folder, ExitStack() as stack:
        yield Bench(scale=scale, folder=Path(folder), _stack=stack)
