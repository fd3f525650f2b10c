"""Processes that sync and integrate, to be killed or set against each other.

Importing costs more than a sync of a small office, so a process is begun ahead of the run that
needs it and serves runs until it is killed. It isn't forked from one that has imported everything:
the thread pools of polars and delta-rs begin while our modules are imported, and a forked child
waits for threads that it doesn't have.

A process reads one `Order` a line, says so where it holds (until a line comes), and answers with
receipts and error at the end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds until a run that says nothing counts as hung
_HOLDING = '{"holding": true}\n'


@dataclass(frozen=True, kw_only=True)
class Order:
    """One run.

    Attributes:
        warehouse: Folder of the warehouse.
        sources: Folder of the YAML.
        action: One of `tests.support.runs.ACTIONS`.
        stream: Sync only this stream.
        kill_at: Phase in which the process kills itself, when it reaches it for the `nth` time.
        nth: See `kill_at`.
        hold_at: Phase in which it waits for a word, when it reaches it for the first time.
        skip: Gates that a `publish` leaves out.
        person: Identity number of whom a `forget` is about.
        clock: Seconds that the process's clock is ahead.
        by_path: Break the guard: every commit goes to the table as it is then, whatever was read.
        full: Read everything again.
        part_rows: Rows of a part of a large read; twice as many are a large one.
        claim_every: Seconds between two commits of landing that hold no row.
    """

    warehouse: str
    sources: str
    action: str = "sync"
    stream: str | None = None
    kill_at: str | None = None
    nth: int = 1
    hold_at: str | None = None
    skip: tuple[str, ...] = ()
    person: str | None = None
    clock: int = 0
    by_path: bool = False
    full: bool = False
    part_rows: int | None = None
    claim_every: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a run ended: killed, or with its receipts and what failed."""

    killed: bool
    receipts: tuple[dict[str, Any], ...] = ()
    error: str | None = None


class Runner:
    """The handle of one process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._next: str | None = None

    def begin(self, order: Order) -> None:
        """Sends an order."""
        self._say(json.dumps(asdict(order)))

    def go_on(self) -> None:
        """Lets a process go on that holds."""
        self._say("go")

    def held(self) -> bool:
        """Waits until the process holds (true) or has ended its run without."""
        self._next = self._line()
        if self._next != _HOLDING:
            return False
        self._next = None
        return True

    def answer(self, *, within: float | None = None) -> Answer:
        """Waits for the end of a run; kills the process when it isn't there `within` seconds."""
        if within is not None and not self._has_line(within):
            self.process.kill()
        line = self._next or self._line()
        self._next = None
        if not line:
            status = self.process.wait(PATIENCE)
            assert status == -signal.SIGKILL, f"a run died with status {status}"
            return Answer(killed=True)
        said = json.loads(line)
        assert "receipts" in said, "a run holds, and nobody expected it"
        return Answer(killed=False, receipts=tuple(said["receipts"]), error=said["error"])

    def end(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout is not None
        assert self._has_line(PATIENCE), "a run has hung"
        return self.process.stdout.readline()

    def _has_line(self, seconds: float) -> bool:
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout.fileno()], [], [], seconds)[0])


class Nursery:
    """One process at work, the next one getting ready."""

    def __init__(self) -> None:
        self._runner, self._spare = Runner(), Runner()

    @property
    def runner(self) -> Runner:
        """The process that does the next run."""
        return self._runner

    def run(self, order: Order, *, within: float | None = None) -> Answer:
        """Does one run; kills it when it hasn't ended `within` seconds."""
        self._runner.begin(order)
        answer = self._runner.answer(within=within)
        if answer.killed:
            self._runner.end()
            self._runner, self._spare = self._spare, Runner()
        return answer

    def close(self) -> None:
        """Ends the processes."""
        self._runner.end()
        self._spare.end()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that ends with the context."""
    with closing(Nursery()) as runs:
        yield runs


@contextmanager
def two_runners() -> Iterator[tuple[Runner, Runner]]:
    """Two processes that end with the context."""
    one, other = Runner(), Runner()
    try:
        yield one, other
    finally:
        one.end()
        other.end()


class _Served:
    """The order that this process works on, as the phases see it."""

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._reached = 0
        self._order: Order | None = None

    def take(self, order: Order) -> None:
        self._order, self._reached = order, 0

    def listen(self, phase: str) -> None:
        order = self._order
        assert order is not None
        if phase not in {order.kill_at, order.hold_at}:
            return
        with self._lock:
            self._reached += 1
            count = self._reached
        if phase == order.kill_at and count == order.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        if phase == order.hold_at and count == 1:
            self._write(_HOLDING)
            sys.stdin.readline()

    def say(self, receipts: list[dict[str, Any]], error: str | None) -> None:
        self._write(json.dumps({"receipts": receipts, "error": error}) + "\n")

    def _write(self, line: str) -> None:
        with self._lock:
            self._answers.write(line)
            self._answers.flush()


@contextmanager
def _guards(*, by_path: bool) -> Iterator[None]:
    """Breaks the guard on purpose, so that a test can show that it is one.

    A commit through a handle that was brought up to date first is a commit by path: it sees no
    conflict with what came since its precondition was read.
    """
    from warehouse.delta import Table

    if not by_path:
        yield
        return
    guarded = {name: getattr(Table, name) for name in ("append", "replace", "merge")}

    def broken(name: str) -> Any:
        def write(table: Table, *args: Any, **kwargs: Any) -> Any:
            table._handle.update_incremental()
            return guarded[name](table, *args, **kwargs)

        return write

    for name in guarded:
        setattr(Table, name, broken(name))
    try:
        yield
    finally:
        for name, write in guarded.items():
            setattr(Table, name, write)


def main() -> None:
    """Serves orders until standard input ends."""
    import flows.steps
    import warehouse.duck
    from connectors.sql import connector
    from flows.faults import told
    from schemas.errors import LienThongError
    from tests.support import runs
    from warehouse import phases

    del flows, warehouse, connector
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    served = _Served(answers)
    phases.listen(served.listen)
    while line := sys.stdin.readline():
        order = Order(**json.loads(line))
        served.take(order)
        try:
            with _guards(by_path=order.by_path):
                receipts, error = runs.work(order)
        except (LienThongError, FileNotFoundError) as failure:
            receipts, error = [], told(failure).what
        served.say(receipts, error)


if __name__ == "__main__":
    main()
