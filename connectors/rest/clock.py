"""Time, in one place: a test puts its own clock here and never sleeps."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from schemas.errors import LienThongError

_SLICE = 0.2  # seconds between two looks at whether the run was stopped


class Clock(Protocol):
    """What passes the time."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    def now(self) -> datetime:
        """Our own time, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


class Stop:
    """Whether a read is over, or the whole run.

    Args:
        outer: Set when the run is stopped.
    """

    def __init__(self, outer: threading.Event | None = None) -> None:
        self._outer = outer
        self._own = threading.Event()

    def set(self) -> None:
        """The read is over: what still waits gives up."""
        self._own.set()

    def is_set(self) -> bool:
        """Whether to give up."""
        return self._own.is_set() or (self._outer is not None and self._outer.is_set())


def wait(clock: Clock, seconds: float, stop: Stop | None) -> None:
    """Waits, but not beyond the moment the run is stopped.

    Raises:
        LienThongError: It was stopped.
    """
    end = clock.monotonic() + seconds
    while True:
        if stop is not None and stop.is_set():
            raise LienThongError("interrupted: run the same command again to go on")
        left = end - clock.monotonic()
        if left <= 0:
            return
        clock.sleep(min(left, _SLICE))
