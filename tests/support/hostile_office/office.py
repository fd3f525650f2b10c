"""The hostile office: a truth, a way to be let in, and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from tests.support.hostile_office import listings
from tests.support.hostile_office.auth import Auth, Open, refused
from tests.support.hostile_office.clock import OfficeClock
from tests.support.hostile_office.faults import Fault, Page
from tests.support.hostile_office.listings import LISTINGS, BadParam
from tests.support.hostile_office.openapi import description
from tests.support.hostile_office.truth import Truth, to_json
from tests.support.hostile_office.wire import Answer, Ask, LoopbackServer

_DETAIL = "/dossiers/"


@dataclass
class RateLimit:
    """So many requests in a window of the office's clock; above it 429, and truly so.

    Attributes:
        requests: How many a window lets through.
        window: Length in seconds.
        refused: Requests that were one too many.
    """

    requests: int
    window: float
    refused: int = 0
    _times: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, now: float) -> float:
        """Seconds until the next request is let through; 0.0: this one is, and counts."""
        with self._lock:
            self._times = [moment for moment in self._times if moment > now - self.window]
            if len(self._times) < self.requests:
                self._times.append(now)
                return 0.0
            self.refused += 1
            return self._times[0] + self.window - now

    def left(self) -> int:
        """Requests that the window still lets through."""
        with self._lock:
            return max(0, self.requests - len(self._times))


class HostileOffice:
    """A server over a truth.

    Attributes:
        truth: The dossiers.
        clock: The office's time.
        auth: How a reader is let in.
        faults: What goes wrong now; replaced between nights as a test likes.
        limit: A true limit of requests, or None.
        asks: Every request so far.
    """

    def __init__(
        self,
        truth: Truth | None = None,
        *,
        clock: OfficeClock | None = None,
        auth: Auth | None = None,
        faults: tuple[Fault, ...] = (),
        limit: RateLimit | None = None,
    ) -> None:
        self.truth = truth or Truth()
        self.clock = clock or OfficeClock()
        self.auth: Auth = auth or Open()
        self.faults = faults
        self.limit = limit
        self.asks: list[Ask] = []
        self.statuses: list[int] = []
        self._lock = threading.Lock()
        self.server = LoopbackServer(self._answer)

    @property
    def url(self) -> str:
        return self.server.url

    def revive(self) -> None:
        """A dead server comes back at its port."""
        self.server.revive()

    def told(self, ask: Ask, page: Page) -> Page:
        """The page after what the faults make of it."""
        for fault in self.faults:
            page = fault.page(ask, page)
        return page

    def data_asks(self) -> list[Ask]:
        """The requests for data so far."""
        with self._lock:
            return [ask for ask in self.asks if _is_data(ask)]

    def openapi(self) -> dict[str, Any]:
        """The office's own description, OpenAPI 3.1."""
        return description(self.auth.scheme)

    def _answer(self, ask: Ask) -> Answer:
        with self._lock:
            self.asks.append(ask)
        answer = self._struck(ask)
        answer = replace(answer, headers=(*answer.headers, ("Date", self.clock.http_date())))
        with self._lock:
            self.statuses.append(answer.status)
        return answer

    def _struck(self, ask: Ask) -> Answer:
        """The answer with every fault that is due."""
        if not _is_data(ask):
            return self._true(ask)
        faults = self.faults
        for fault in faults:
            fault.look(ask)
        for fault in faults:
            instead = fault.before(ask, self)
            if instead is not None:
                return instead
        answer = self._true(ask)
        for fault in faults:
            answer = fault.after(ask, answer)
        return answer

    def _true(self, ask: Ask) -> Answer:
        """What a well-behaved office answers."""
        if ask.path == "/openapi.json" and ask.method == "GET":
            return Answer(body=to_json(self.openapi()))
        own = self.auth.endpoint(ask)
        if own is not None:
            return own
        unheard = self._unheard(ask)
        if unheard is not None:
            return unheard
        try:
            return self._limits(self._data(ask))
        except BadParam as bad:
            return refused(400, f"bad parameter: {bad}")

    def _unheard(self, ask: Ask) -> Answer | None:
        """The refusal of a request that isn't looked at any further."""
        allowed = _methods(ask.path)
        if not allowed:
            return refused(404, "no such path")
        if ask.method not in allowed:
            return refused(405, f"only {allowed[0]}", ("Allow", ", ".join(allowed)))
        wait = self.limit.wait(self.clock.seconds()) if self.limit else 0.0
        if wait > 0:
            return refused(429, "too many requests", ("Retry-After", str(int(wait) + 1)))
        if not self.auth.allows(ask):
            return refused(401, "who are you?", ("WWW-Authenticate", "Office"))
        return None

    def _data(self, ask: Ask) -> Answer:
        if ask.path.startswith(_DETAIL):
            return listings.detail(unquote(ask.path.removeprefix(_DETAIL)), ask, self)
        return LISTINGS[ask.method, ask.path](ask, self)

    def _limits(self, answer: Answer) -> Answer:
        if self.limit is None:
            return answer
        said = (
            ("X-RateLimit-Limit", str(self.limit.requests)),
            ("X-RateLimit-Remaining", str(self.limit.left())),
            ("X-RateLimit-Reset", str(int(self.limit.window))),
        )
        return replace(answer, headers=(*answer.headers, *said))


@contextmanager
def hostile_office(truth: Truth | None = None, **how: Any) -> Iterator[HostileOffice]:
    """Opens an office, and closes it on the way out. `how` is that of `HostileOffice`."""
    office = HostileOffice(truth, **how)
    try:
        yield office
    finally:
        office.server.close()
    assert office.server.defects == [], "\n".join(office.server.defects)


def _is_data(ask: Ask) -> bool:
    return ask.method != "HEAD" and bool(_methods(ask.path))


def _methods(path: str) -> list[str]:
    if path.startswith(_DETAIL) and path != _DETAIL and "/" not in path.removeprefix(_DETAIL):
        return ["GET"]
    return [method for method, known in LISTINGS if known == path]
