"""Where the time of a run goes: looks at every thread's stack now and then.

A sampler sees into threads and into native code (as the Python function that called it), and costs
the run next to nothing; a tracing profiler does neither.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from warehouse.phases import listen

_EVERY: Final = 0.004  # seconds
_OURS: Final = ("connectors", "flows", "schemas", "warehouse")
_WAITING: Final = ("threading", "queue", "selectors", "concurrent.futures.thread",
                   "concurrent.futures._base")  # fmt: skip

Stack = Sequence[str]
"""Functions of ours as `module:function`, the innermost first."""


def _within(*names: str) -> Callable[[Stack], bool]:
    """Whether, for every name, some function's name begins with it."""
    return lambda stack: all(any(f.startswith(name) for f in stack) for name in names)


AREAS: Final[tuple[tuple[str, Callable[[Stack], bool]], ...]] = (
    ("read: the source and its driver", _within("connectors.")),
    ("hash of landed rows", _within("warehouse.hashing", "warehouse.landing")),
    ("hash of mapped rows", _within("warehouse.hashing")),
    ("people: HMAC", _within("schemas.personal")),
    ("rules", _within("schemas.validation")),
    ("map: values, codes, times", _within("schemas.mapping")),
    ("land: compare with what is landed", _within("warehouse.prior")),
    ("land: stamp and key", _within("warehouse.landing_stamp")),
    ("land: write Parquet, commit", _within("warehouse.landing", "warehouse.delta:append")),
    ("land: other", lambda stack: _within("warehouse.landing")(stack[:1])),
    ("derive: read landing back", _within("warehouse.landing", "warehouse.feeds")),
    ("quarantine", _within("warehouse.quarantine")),
    ("core: plan", _within("warehouse.merge_plan")),
    ("core: keys are unique", _within("warehouse.core:check_unique")),
    ("core: look for the keys that are there", _within("warehouse.core:_existing")),
    ("core: append", _within("warehouse.core", "warehouse.delta:append")),
    ("core: merge", _within("warehouse.core", "warehouse.delta:merge")),
    ("core: other", _within("warehouse.core")),
    ("derive: other", _within("warehouse.feeds")),
    ("release: gates", _within("warehouse.gating")),
    ("release: views", _within("flows.views")),
    ("release: other", _within("flows.releasing")),
    ("receipts and summary", _within("flows.history")),
)


@dataclass
class Profile:
    """Where time went.

    Attributes:
        wall: Area to seconds in which a thread was in it; of several at once each gets its share.
        cpu: Area to CPU seconds of all threads, native ones included.
        functions: Innermost function of ours to seconds.
        phases: `warehouse.phases` in the order they came: name, seconds from the start.
        seconds: Of the whole.
    """

    wall: Counter[str] = field(default_factory=Counter)
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    functions: Counter[str] = field(default_factory=Counter)
    phases: list[tuple[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@contextmanager
def sampled() -> Iterator[Profile]:
    """Samples what happens inside; the profile is complete afterwards."""
    profile = Profile()
    over = threading.Event()
    started = time.perf_counter()
    listen(lambda phase: profile.phases.append((phase, time.perf_counter() - started)))
    watcher = threading.Thread(target=_watch, args=(profile, over), daemon=True)
    watcher.start()
    try:
        yield profile
    finally:
        profile.seconds = time.perf_counter() - started
        over.set()
        watcher.join()


def _watch(profile: Profile, over: threading.Event) -> None:
    me = threading.get_ident()
    then, spent = time.perf_counter(), time.process_time()
    while not over.wait(_EVERY):
        now, burnt = time.perf_counter(), time.process_time()
        frames = [frame for ident, frame in sys._current_frames().items() if ident != me]
        stacks = [stack for frame in frames if (stack := _stack(frame))]
        for stack in stacks:
            area = next((name for name, fits in AREAS if fits(stack)), "other")
            profile.wall[area] += (now - then) / len(stacks)  # type: ignore[assignment]
            profile.cpu[area] += (burnt - spent) / len(stacks)
            profile.functions[stack[0]] += (now - then) / len(stacks)  # type: ignore[assignment]
        then, spent = now, burnt


def _stack(leaf: FrameType) -> list[str]:
    """Our functions of a thread; empty where it only waits for another one."""
    if leaf.f_globals.get("__name__", "") in _WAITING:
        return []
    stack = []
    frame: FrameType | None = leaf
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in _OURS:
            stack.append(f"{name}:{frame.f_code.co_name}")
        frame = frame.f_back
    return stack
