"""What goes wrong, and when: every fault counts how often it really struck.

A fault looks at the requests for data, in the order in which they came, and strikes by their number
(`at`, `first`, `every`, `during`, `chance`): the same plan and the same requests give the same
night.
"""

from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from tests.support.hostile_office.auth import refused
from tests.support.hostile_office.wire import Answer, Ask, Ending

if TYPE_CHECKING:
    from tests.support.hostile_office.office import HostileOffice

Schedule = Callable[[int], bool]


def at(*numbers: int) -> Schedule:
    """At these requests, counted from 1."""
    return lambda number: number in numbers


def first(count: int) -> Schedule:
    """At the first so many requests."""
    return lambda number: number <= count


def during(start: int, end: int) -> Schedule:
    """From one request to another, both included."""
    return lambda number: start <= number <= end


def every(step: int) -> Schedule:
    """At every so many-th request."""
    return lambda number: number % step == 0


def chance(share: float, *, seed: int) -> Schedule:
    """At a share of the requests: always the same ones under the same seed."""
    return lambda number: random.Random(f"{seed}/{number}").random() < share


@dataclass(frozen=True)
class Page:
    """What a listing is about to say."""

    rows: list[dict[str, Any]]
    total: int
    more: bool  # whether rows follow


@dataclass
class Fault:
    """One thing that goes wrong.

    Attributes:
        when: Which of the requests it looks at it strikes.
        most: How often it may strike; None: as often as it is due.
        where: Only requests whose path begins so.
        seen: Requests looked at so far.
        struck: How often it changed what a reader got.
    """

    when: Schedule
    most: int | None = None
    where: str = "/"
    seen: int = 0
    struck: int = 0
    _due: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return type(self).__name__

    def look(self, ask: Ask) -> None:
        """Counts a request, and decides whether it is one to strike."""
        if not ask.path.startswith(self.where):
            return
        with self._lock:
            self.seen += 1
            if self.when(self.seen):
                self._due.add(ask.number)

    def strikes(self, ask: Ask) -> bool:
        """Whether it strikes this request now: counted, so to be asked once for each request."""
        with self._lock:
            if ask.number not in self._due or (self.most is not None and self.struck >= self.most):
                return False
            self.struck += 1
            return True

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        """What is answered instead of looking anything up."""
        return None

    def page(self, ask: Ask, page: Page) -> Page:
        """What a listing says instead."""
        return page

    def after(self, ask: Ask, answer: Answer) -> Answer:
        """What becomes of a good answer."""
        return answer


@dataclass
class Latency(Fault):
    """The answer takes its time."""

    seconds: float = 0.02

    def after(self, ask: Ask, answer: Answer) -> Answer:
        return replace(answer, latency=self.seconds) if self.strikes(ask) else answer


@dataclass
class Breaks(Fault):
    """The answer arrives as something less than itself."""

    ending: Ending = "reset"

    @property
    def name(self) -> str:
        return f"Breaks:{self.ending}"

    def after(self, ask: Ask, answer: Answer) -> Answer:
        return replace(answer, ending=self.ending) if self.strikes(ask) else answer


@dataclass
class TooMany(Fault):
    """429, and when to come again: in seconds, as a date, or not at all."""

    form: Literal["seconds", "date", "none"] = "seconds"
    wait: int = 7  # seconds
    status: int = 429

    @property
    def name(self) -> str:
        return f"TooMany:{self.status}:{self.form}"

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        if not self.strikes(ask):
            return None
        value = {
            "seconds": str(self.wait), "date": office.clock.http_date(later=self.wait),
        }  # fmt: skip
        headers = [("Retry-After", value[self.form])] if self.form in value else []
        return refused(self.status, "too many requests", *headers)


@dataclass
class ServerErrors(Fault):
    """5xx, with a page of HTML that tells more than it should."""

    status: int = 500

    @property
    def name(self) -> str:
        return f"ServerErrors:{self.status}"

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        if not self.strikes(ask):
            return None
        told = f"<h1>Error</h1><pre>{ask.target} {sorted(ask.headers.items())}</pre>"
        return Answer(status=self.status, body=told.encode(), content_type="text/html")


@dataclass
class Refuses(Fault):
    """A 4xx that no second try will change."""

    status: int = 403

    @property
    def name(self) -> str:
        return f"Refuses:{self.status}"

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        return refused(self.status, f"no: {ask.target}") if self.strikes(ask) else None


@dataclass
class Redirects(Fault):
    """Somebody else is said to know."""

    to: str = ""  # scheme, host and port of the other one
    status: int = 302

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        if not self.strikes(ask):
            return None
        return Answer(status=self.status, headers=(("Location", self.to + ask.target),))


@dataclass
class LuresAway(Fault):
    """The next page is said to be at somebody else's."""

    own: str = ""  # scheme, host and port of the office
    to: str = ""  # the same of the other one

    def after(self, ask: Ask, answer: Answer) -> Answer:
        if not self.strikes(ask):
            return answer
        headers = tuple((name, value.replace(self.own, self.to)) for name, value in answer.headers)
        body = answer.body.replace(self.own.encode(), self.to.encode())
        return replace(answer, body=body, headers=headers)


@dataclass
class Dies(Fault):
    """The port goes dark; it comes back when `HostileOffice.revive` is called."""

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        if not self.strikes(ask):
            return None
        office.server.die()
        return Answer(ending="silence")


@dataclass
class TokensExpire(Fault):
    """Every token handed out so far is worth nothing from now on."""

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        with self._lock:
            due = ask.number in self._due and (self.most is None or self.struck < self.most)
            self.struck += due and office.auth.revoke() > 0
        return None


Garbling = Literal[
    "html", "html_as_json", "lying_charset", "foreign_bytes", "wrong_type", "broken_json", "empty",
    "error_with_200", "cut_gzip", "no_type",
]  # fmt: skip
_HTML = "<!DOCTYPE html><html><body>Hệ thống đang bảo trì, xin quay lại sau</body></html>".encode()


@dataclass
class Garbled(Fault):
    """Status 200, and a body that isn't what was asked for, or doesn't say what it is."""

    kind: Garbling = "html"

    @property
    def name(self) -> str:
        return f"Garbled:{self.kind}"

    def after(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status != 200 or not self.strikes(ask):
            return answer
        body = answer.body
        kinds: dict[str, dict[str, Any]] = {
            "html": {"body": _HTML, "content_type": "text/html; charset=utf-8"},
            "html_as_json": {"body": _HTML},
            "error_with_200": {"body": '{"code": -1, "message": "phiên làm việc đã hết"}'.encode()},
            "lying_charset": {"content_type": "application/json; charset=iso-8859-1"},
            "foreign_bytes": {"body": _foreign(body)},
            "wrong_type": {"content_type": "text/plain"},
            "no_type": {"content_type": ""},
            "broken_json": {"body": body[: len(body) * 2 // 3]},
            "empty": {"body": b""},
            "cut_gzip": {
                "body": gzip.compress(body)[:-20],
                "headers": (*answer.headers, ("Content-Encoding", "gzip")),
            },
        }
        return replace(answer, **kinds[self.kind])


def _foreign(body: bytes) -> bytes:
    """Letters of a code page of Vietnam, one of which at least is no UTF-8."""
    foreign = body.decode(errors="replace").encode("cp1258", errors="replace")
    return foreign.replace(b"H41", b"\xd0H41", 1)


@dataclass
class Drifts(Fault):
    """The rows move while somebody pages through them.

    By code, one that is put in front pushes a row onto the next page, where it comes again; one
    that is taken out pulls a row onto the page before, where nobody looks any more. By the time of
    change, every change does both.
    """

    how: Literal["insert", "remove", "change"] = "insert"

    @property
    def name(self) -> str:
        return f"Drifts:{self.how}"

    def before(self, ask: Ask, office: HostileOffice) -> Answer | None:
        truth = office.truth
        with truth.lock:
            codes = [dossier.code for dossier in truth.rows()]
            if codes and self.strikes(ask):
                if self.how == "insert":
                    truth.add(prefix="H41.00")
                elif self.how == "remove":
                    truth.remove(codes[0])
                else:
                    truth.change(codes[len(codes) // 2])
        return None


@dataclass
class RepeatsRows(Fault):
    """A row comes twice in one page."""

    def page(self, ask: Ask, page: Page) -> Page:
        if not page.rows or not self.strikes(ask):
            return page
        return replace(page, rows=[*page.rows, page.rows[0]])


@dataclass
class SkipsRows(Fault):
    """Rows of a page aren't told, nor missed by the total."""

    count: int = 1

    def page(self, ask: Ask, page: Page) -> Page:
        if len(page.rows) <= self.count or not self.strikes(ask):
            return page
        return replace(page, rows=page.rows[: -self.count])


@dataclass
class RepeatsPages(Fault):
    """The page before comes again, under the next number."""

    _last: list[dict[str, Any]] = field(default_factory=list)

    def page(self, ask: Ask, page: Page) -> Page:
        with self._lock:
            before, self._last = self._last, page.rows
        if not before or before == page.rows or not self.strikes(ask):
            return page
        return replace(page, rows=before)


@dataclass
class MovesTotal(Fault):
    """The total isn't the one that was told a page ago."""

    by: int = 3

    def page(self, ask: Ask, page: Page) -> Page:
        return replace(page, total=page.total + self.by) if self.strikes(ask) else page


@dataclass
class ChangesType(Fault):
    """From one page on a field is another thing than it was."""

    into: Literal["text", "object", "list", "bool"] = "object"
    column: str = "fee"

    @property
    def name(self) -> str:
        return f"ChangesType:{self.into}"

    def page(self, ask: Ask, page: Page) -> Page:
        is_there = any(self.column in row for row in page.rows)
        if not is_there or not self.strikes(ask):
            return page
        return replace(page, rows=[{**row, **self._changed(row)} for row in page.rows])

    def _changed(self, row: dict[str, Any]) -> dict[str, Any]:
        value = row[self.column]
        other = {
            "text": None if value is None else str(value),
            "object": {"value": value, "currency": "VND"},
            "list": [value],
            "bool": True,
        }
        return {self.column: other[self.into]}


@dataclass
class NeverEnds(Fault):
    """There is always another page: past the end the last rows come again and again."""

    _last: list[dict[str, Any]] = field(default_factory=list)

    def page(self, ask: Ask, page: Page) -> Page:
        with self._lock:
            self._last = page.rows or self._last
        if not self.strikes(ask):
            return page
        return Page(rows=self._last, total=page.total + 1_000_000, more=True)
