"""A task in a fresh process: how long its timed part took, and the most memory it had."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

Compared = Literal["seconds", "peak memory"]

ROOT: Final = Path(__file__).resolve().parents[1]
_LONGEST: Final = 600  # seconds: a task that takes longer is given up
_QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "LIENTHONG_LOG_LEVEL": "ERROR",
}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One run of a task.

    Attributes:
        seconds: Of its timed part; imports and set-up don't count.
        cpu_seconds: Of all threads of the process in that part; of a server beside it none.
        peak_mib: Most resident memory of the process by the end of its timed part, imports
            included (MiB).
        facts: What it did: counts to be verified.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the result: ours beside a peer.

    Attributes:
        name: What is done.
        ours_s: Seconds, the median of the runs.
        peer: What it is measured beside.
        peer_s: Seconds of the peer, the median of the runs.
        ratio: Ours to the peer's: of the seconds, or of what `of` says.
        bound: What the ratio should be at most; None: nobody said.
        peak_mib: Most memory of ours (MiB).
        cpu_ratio: Ours to the peer's in CPU seconds: tells what a busy machine did to `ratio`.
        of: What `ratio` compares.
    """

    name: str
    ours_s: float
    peer: str
    peer_s: float
    ratio: float
    bound: float | None
    peak_mib: float
    cpu_ratio: float
    of: Compared = "seconds"


class Timer:
    """Times the part of a task that counts."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.peak_mib = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """What happens inside counts."""
        started, spent = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
            self.cpu_seconds += time.process_time() - spent
            self.peak_mib = peak_mib()  # what verifies the result afterwards doesn't count


def run(task: str, **given: Any) -> Measure:  # noqa: ANN401 - any JSON value
    """Runs a task (`module:function`) in a process of its own.

    The function is called with a `Timer` and `given`, and returns facts.

    Raises:
        RuntimeError: It failed; its own words are in the text.
    """
    command = [sys.executable, "-m", "benchmarks.measuring", task, json.dumps(given)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=_LONGEST, check=False,
        env={**os.environ, **_QUIET},
    )  # fmt: skip
    if done.returncode != 0:
        message = f"{task} failed:\n{done.stderr[-2_000:]}"
        raise RuntimeError(message)
    return Measure(**json.loads(done.stdout.splitlines()[-1]))


def beside(
    name: str,
    *,
    ours: list[Measure],
    peer: str,
    theirs: list[Measure],
    bound: float | None,
    of: Compared = "seconds",
) -> Row:
    """One line out of the runs of ours and of a peer."""
    mine = median(one.seconds for one in ours)
    other = median(one.seconds for one in theirs)
    memory = max(one.peak_mib for one in ours)
    ratio = mine / other
    if of == "peak memory":
        ratio = memory / max(one.peak_mib for one in theirs)
    return Row(
        name=name,
        ours_s=round(mine, 3),
        peer=peer,
        peer_s=round(other, 3),
        ratio=round(ratio, 3),
        bound=bound,
        peak_mib=round(memory, 1),
        cpu_ratio=round(
            median(one.cpu_seconds for one in ours) / median(one.cpu_seconds for one in theirs), 3
        ),
        of=of,
    )


def as_expected(name: str, measure: Measure, expected: Mapping[str, Any]) -> Measure:
    """The measure, where its facts hold everything expected.

    Raises:
        RuntimeError: A result isn't whole: it doesn't count.
    """
    wrong = {
        key: (measure.facts.get(key), value)
        for key, value in expected.items()
        if measure.facts.get(key) != value
    }
    if wrong:
        told = "; ".join(f"{k}: found {a}, expected {b}" for k, (a, b) in wrong.items())
        message = f"{name} doesn't count: {told}"
        raise RuntimeError(message)
    return measure


def peak_mib() -> float:
    """Most memory of this process (MiB); Linux hands `ru_maxrss` on from who began it."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # bytes on macOS


def main(task: str, given: str) -> None:
    """The process of a task."""
    module, _, function = task.partition(":")
    timer = Timer()
    facts = getattr(importlib.import_module(module), function)(timer, **json.loads(given))
    measure = {
        "seconds": timer.seconds,
        "cpu_seconds": timer.cpu_seconds,
        "peak_mib": timer.peak_mib,
        "facts": facts,
    }
    sys.stdout.write(json.dumps(measure) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
