"""When a request is made again, and when a source isn't asked any more."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta

from connectors.rest.clock import Clock
from connectors.rest.options import Retries
from schemas.errors import TransientSourceError

Draw = Callable[[float, float], float]


class Backoff:
    """Exponential back-off with full jitter: between nothing and a bound that doubles.

    Full jitter spreads the clients of a server that comes back; see Brooker, "Exponential Backoff
    And Jitter" (AWS Architecture Blog, 2015).
    """

    def __init__(self, retries: Retries, draw: Draw = random.uniform) -> None:
        self._retries = retries
        self._draw = draw

    def wait(self, tries: int) -> float:
        """Seconds to wait after so many failed tries."""
        bound = self._retries.first_wait * 2.0 ** (tries - 1)
        return self._draw(0, min(bound, self._retries.longest_wait))


class Circuit:
    """Opens after repeated failure, so that a dead office doesn't hold the night.

    What counts are requests given up after all of their tries: several at once that live through
    one short outage don't open it. While it is open no request is made. After the pause one request
    tries, and closes it or not.
    """

    def __init__(self, retries: Retries, clock: Clock, *, host: str) -> None:
        self._most = retries.circuit
        self._pause: timedelta = retries.circuit_pause
        self._clock = clock
        self._host = host
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_at: float | None = None

    def demand_closed(self) -> None:
        """Lets a request pass.

        Raises:
            TransientSourceError: The circuit is open.
        """
        with self._lock:
            if self._closed_at is None:
                return
            left = self._closed_at - self._clock.monotonic()
            if left > 0:
                message = (
                    f"{self._host}: {self._failures} requests in a row were given up; it isn't "
                    f"asked for another {left:.0f} seconds; is the office's system down? Run it "
                    "again later"
                )
                raise TransientSourceError(message)
            # This request is the trial; others wait for what becomes of it.
            self._closed_at = self._clock.monotonic() + self._pause.total_seconds()

    def succeeded(self) -> None:
        """An answer came."""
        with self._lock:
            self._failures, self._closed_at = 0, None

    def failed(self) -> None:
        """A request was given up."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._most:
                self._closed_at = self._clock.monotonic() + self._pause.total_seconds()
