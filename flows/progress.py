"""Progress that moves: rows and rows a second per stream, on stderr.

In a terminal it is a live list of the streams under way; anywhere else it is log lines, one when a
stream enters a phase and then one every few seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flows.logs import event

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, Task, TaskID

FINISHED = "done"
"""The phase in which a stream needs nothing more."""

LINE_EVERY = 5.0  # seconds between two lines of one stream in one phase


class Progress(Protocol):
    """Told how far a stream is, at most a few times a second."""

    def __call__(
        self, source: str, stream: str, phase: str, rows: int, part: str = ""
    ) -> None:
        """`rows` counts from the start of the phase; `part` is the interval that is being read."""


@dataclass
class _Phase:
    name: str
    started: float
    told: float
    rows: int = 0
    first: int = 0  # rows when the phase was first heard of

    def rate(self, now: float) -> int:
        """Rows a second since the phase was first heard of."""
        return round((self.rows - self.first) / max(now - self.started, 1e-3))


class LineProgress:
    """Progress as structured log lines."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, every: float = LINE_EVERY
    ) -> None:
        self._clock = clock
        self._every = every
        self._lock = threading.Lock()
        self._phases: dict[tuple[str, str], _Phase] = {}

    def __call__(
        self, source: str, stream: str, phase: str, rows: int, part: str = ""
    ) -> None:
        """Writes a line where the phase is new, or the last line is some seconds old."""
        now = self._clock()
        with self._lock:
            current = self._phases.get((source, stream))
            is_new = current is None or current.name != phase
            if current is None or is_new:
                current = self._phases[source, stream] = _Phase(phase, now, now, rows, rows)
            current.rows = rows
            if not is_new and now - current.told < self._every:
                return
            current.told = now
            rate = None if is_new else current.rate(now)
        event(
            "progress", source=source or None, stream=stream, phase=phase, part=part or None,
            rows=rows, rows_per_second=rate,
        )


@dataclass
class _Line:
    """One stream on the screen."""

    task: TaskID
    began: float
    phase: _Phase
    rate: int = 0

    def move(self, phase: str, rows: int, now: float) -> None:
        """Takes in how far the stream is.

        The rate is of the phase as long as rows move in it, and of the whole way in the end.
        """
        if phase == FINISHED:
            self.phase = _Phase(phase, self.began, now, rows or self.phase.rows)
            self.rate = self.phase.rate(now)
        elif phase != self.phase.name:
            self.phase = _Phase(phase, now, now, rows, rows)
        elif rows != self.phase.rows:
            self.phase.rows = rows
            self.rate = self.phase.rate(now)


class LiveProgress:
    """Progress as one moving line per stream in a terminal."""

    def __init__(self, display: RichProgress, *, lines: int) -> None:
        self._display = display
        self._lines = lines
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str], _Line] = {}

    def __call__(
        self, source: str, stream: str, phase: str, rows: int, part: str = ""
    ) -> None:
        """Moves the stream's line."""
        now = time.monotonic()
        with self._lock:
            line = self._streams.get((source, stream))
            if line is None:
                task = self._display.add_task(
                    _label(source, stream), total=None, phase=phase, rows=rows, rate=0
                )
                line = self._streams[source, stream] = _Line(
                    task, now, _Phase(phase, now, now, rows, rows)
                )
            line.move(phase, rows, now)
            shown = f"{phase} {part}" if part else phase
            self._display.update(line.task, phase=shown, rows=line.phase.rows, rate=line.rate)
            if phase == FINISHED:
                self._display.update(line.task, total=1, completed=1)
                self._hide_surplus()

    def _hide_surplus(self) -> None:
        """Keeps the display shorter than the terminal: finished streams go first."""
        shown = [task for task in self._display.tasks if task.visible]
        surplus = len(shown) - self._lines
        for task in [task for task in shown if task.finished][: max(surplus, 0)]:
            self._display.update(task.id, visible=False)

    @property
    def tasks(self) -> list[Task]:
        """The lines, shown and hidden, in the order in which their streams began."""
        return self._display.tasks

    def close(self) -> None:
        """Stops the clocks of streams that nobody finished."""
        for task in self._display.tasks:
            self._display.stop_task(task.id)


@contextmanager
def shown(*, quiet: bool = False) -> Iterator[Progress | None]:
    """The progress that fits where stderr goes, shown as long as the context lasts.

    Args:
        quiet: Show none.

    Yields:
        What to tell the progress to, or None when quiet.
    """
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield LineProgress()
        return
    from rich.console import Console

    with live(Console(stderr=True)) as progress:
        yield progress


@contextmanager
def busy(what: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows that something without a count goes on, as long as the context lasts.

    Args:
        what: What goes on ("auditing").
        quiet: Show nothing.

    Yields:
        What to call when something else goes on.
    """
    if quiet or not sys.stderr.isatty():
        if not quiet:
            event("progress", phase=what)
        yield lambda text: None if quiet else event("progress", phase=text)
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(what)) as status:
        yield lambda text: status.update(escape(text))


@contextmanager
def live(console: Console) -> Iterator[LiveProgress]:
    """A live display on a console, and what moves it."""
    from rich.progress import Progress as RichProgress
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    display = RichProgress(
        SpinnerColumn(finished_text="[green]\N{CHECK MARK}[/]"),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[phase]}", style="dim", markup=False),
        _number_column("rows", "rows"),
        _number_column("rate", "rows/s"),
        TimeElapsedColumn(),
        console=console,
        redirect_stdout=False,
    )
    with display:
        progress = LiveProgress(display, lines=max(console.size.height - 4, 4))
        try:
            yield progress
        finally:
            progress.close()


def _number_column(name: str, unit: str) -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Number(ProgressColumn):
        def render(self, task: Task) -> Text:
            number = task.fields[name]
            return Text(f"{number:>11,} {unit}" if number else "", justify="right")

    return Number()


def _label(source: str, stream: str) -> str:
    return f"{source} / {stream}" if source else stream
