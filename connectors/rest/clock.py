"""Time, in one place: a test puts its own clock here and never sleeps."""

from __future__ import annotations

import threading
import time
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


def wait(clock: Clock, seconds: float, stop: threading.Event | None) -> None:
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
