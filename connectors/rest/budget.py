"""How much a source is asked: requests a second, requests at once, and what its answers ask for."""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from connectors.rest.clock import Clock, Stop, wait
from connectors.rest.options import Budget

_SLOWEST = 0.1  # requests a second that are left after many a 429
_RECOVERY = 1.05  # by how much an answer without complaint raises the pace again
_EPOCH_FROM = 1_000_000_000  # a larger `X-RateLimit-Reset` is a time, a smaller one a length
_LIMITS = (
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
)


class Pace:
    """The budget of one source, shared by all of its streams.

    Args:
        budget: What the YAML allows.
        clock: Passes the time.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.concurrent = budget.concurrent
        self._allowed = budget.per_second
        self._per_second = budget.per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(budget.concurrent)
        self._next = 0.0  # when the next request may start
        self.learned: list[str] = []

    @property
    def per_second(self) -> float:
        """Requests a second now; less than allowed after a 429."""
        return self._per_second

    @contextmanager
    def slot(self, stop: Stop | None) -> Iterator[None]:
        """Waits for its turn, and holds one of the concurrent requests."""
        while not self._slots.acquire(timeout=0.2):
            wait(self._clock, 0, stop)
        try:
            wait(self._clock, self._turn(), stop)
            yield
        finally:
            self._slots.release()

    def _turn(self) -> float:
        """Seconds until this request may start; the next one comes behind it."""
        with self._lock:
            now = self._clock.monotonic()
            start = max(now, self._next)
            self._next = start + 1 / self._per_second
            return start - now

    def pause(self, seconds: float, *, why: str) -> None:
        """No request starts before so many seconds are over."""
        with self._lock:
            self._next = max(self._next, self._clock.monotonic() + seconds)
            if why not in self.learned:
                self.learned.append(why)

    def complained(self) -> None:
        """The server said that it is too much: half the pace."""
        with self._lock:
            self._per_second = max(self._per_second / 2, min(_SLOWEST, self._allowed))

    def heed(self, headers: Mapping[str, str]) -> None:
        """Takes what an answer without complaint says of its limits."""
        with self._lock:
            self._per_second = min(self._per_second * _RECOVERY, self._allowed)
        for remaining, reset in _LIMITS:
            left, until = headers.get(remaining), headers.get(reset)
            if left is None or until is None or not _is_number(left) or float(left) > 0:
                continue
            server = http_date(headers.get("date", "")) or self._clock.now()
            seconds = _seconds_until(until, server)
            if seconds is not None:
                self.pause(seconds, why=f"{remaining} 0: waited for {reset}")
                return


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, in either form (RFC 9110, 10.2.3); None: it doesn't.

    The date is counted from the server's own `Date`, where it gives one.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    moment = http_date(text)
    if moment is None:
        return None
    server = http_date(headers.get("date", "")) or now
    return max(0.0, (moment - server).total_seconds())


def http_date(text: str) -> datetime | None:
    """A date of HTTP as UTC; None where it is none."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _seconds_until(text: str, now: datetime) -> float | None:
    if not _is_number(text):
        return None
    value = float(text)
    if value < _EPOCH_FROM:
        return value
    if value > _EPOCH_FROM * 1000:
        value /= 1000
    return max(0.0, value - now.timestamp())
