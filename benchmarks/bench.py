"""What the groups of one run have in common: how large, how often, and where they work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from benchmarks.measuring import Measure
from benchmarks.office import Office, office

Made = TypeVar("Made")

_ENOUGH: Final = 6  # seconds


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

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What more than one group looks at, made when it is first asked for."""
        if name not in self._kept:
            self._kept[name] = make()
        found: Made = self._kept[name]  # type: ignore[assignment]  # a name has one maker
        return found

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
