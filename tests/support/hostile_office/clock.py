"""The office's clock: it stands still unless somebody waits or a test moves it on."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


@dataclass(eq=False)
class OfficeClock:
    """A clock that a reader's waiting moves on: no test waits for real."""

    start: datetime = datetime(2025, 3, 4, tzinfo=UTC)
    waited: list[float] = field(default_factory=list)  # seconds, one for each wait
    _seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def seconds(self) -> float:
        """Seconds since the clock was made."""
        with self._lock:
            return self._seconds

    def monotonic(self) -> float:
        """The same, by the name that a reader's clock gives it."""
        return self.seconds()

    def now(self) -> datetime:
        """The office's time, UTC."""
        return self.start + timedelta(seconds=self.seconds())

    def http_date(self, *, later: float = 0.0) -> str:
        """The time as HTTP writes it (RFC 9110, 5.6.7), so many seconds from now."""
        return format_datetime((self.now() + timedelta(seconds=later)), usegmt=True)

    def advance(self, seconds: float) -> None:
        """Time goes by."""
        with self._lock:
            self._seconds += max(0.0, seconds)

    def sleep(self, seconds: float) -> None:
        """What a reader calls instead of sleeping: the time goes by at once."""
        self.waited.append(seconds)
        self.advance(seconds)
