"""One source while it is read: its session, token, budget and circuit, shared by its streams."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Container
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.rest.auth import ANYBODY, Auth, auth_of
from connectors.rest.budget import Pace, http_date
from connectors.rest.client import Client
from connectors.rest.clock import Clock, Stop, wait
from connectors.rest.errors import Failure
from connectors.rest.masking import Secrets
from connectors.rest.options import RestOptions
from connectors.rest.request import Answer, Request
from connectors.rest.retry import Backoff, Circuit
from schemas.errors import TransientSourceError

T = TypeVar("T")

_RENEWALS = 2  # new tokens for one request


class Office:
    """What the streams of one source have in common.

    Args:
        options: The source's options, secrets filled in.
        base: Folder that relative paths start from.
        clock: Passes the time.
    """

    def __init__(self, options: RestOptions, *, base: Path, clock: Clock) -> None:
        self.options = options
        self.base = base
        self.clock = clock
        self.host = urlsplit(options.url).netloc
        self.secrets = Secrets()
        for held in (*options.headers.values(), *options.query.values(), options.proxy):
            if isinstance(held, SecretStr):
                self.secrets.add(held.get_secret_value())
        self.client = Client(options, base=base, clock=clock, secrets=self.secrets)
        self.pace = Pace(options.budget, clock)
        self.backoff = Backoff(options.retries)
        self.circuit = Circuit(options.retries, clock, host=self.host)
        self.auth = auth_of(
            options.auth, url=options.url, send=self._send, clock=clock, secrets=self.secrets
        )
        self.difference: timedelta | None = None  # the server's clock minus ours

    def close(self) -> None:
        """Gives back the connections."""
        self.client.close()

    def saw(self, answer: Answer, sent: datetime) -> None:
        """Takes what an answer says of the server's clock."""
        date = http_date(answer.headers.get("date", ""))
        if date is not None:
            age = answer.headers.get("age", "")
            date += timedelta(seconds=int(age) if age.isdigit() else 0)
            ours = sent + (self.clock.now() - sent) / 2
            self.difference = date - ours

    def server_now(self, request: Request, stop: Stop | None) -> datetime | None:
        """The server's time (UTC, to the second), by its `Date`; None where it doesn't tell.

        Args:
            request: Asked by HEAD where no answer has told it yet; its status doesn't matter.
            stop: The run was stopped.
        """
        if self.difference is None:
            self._look(request, stop)
        if self.difference is None:
            return None
        return self.clock.now() + self.difference

    def _look(self, request: Request, stop: Stop | None) -> None:
        self.auth.ready(stop)
        try:
            with self.pace.slot(stop):
                sent = self.clock.now()
                answer = self.client.send(request, self.auth, accepted=range(100, 600))
        except Failure:
            return  # the request for rows says what is wrong
        self.saw(answer, sent)

    def _send(
        self, request: Request, *, basic: tuple[str, str] | None, stop: Stop | None
    ) -> Answer:
        """A request of the authentication's own."""
        asking = Asking(self, stop)
        return asking.ask(request, lambda answer: answer, basic=basic, is_anybody=True)


class Asking:
    """The requests of one read: made within the budget, made again, counted.

    Attributes:
        failures: What went wrong and was made good by another try, with its number.
        notes: What was seen beside (redirects, content types), with its number.
        requests: Requests made.
    """

    def __init__(self, office: Office, stop: Stop | None) -> None:
        self.office = office
        self.stop = stop
        self.failures: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.requests = 0
        self._lock = threading.Lock()

    def ask(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        basic: tuple[str, str] | None = None,
        is_anybody: bool = False,
        accepted: Container[int] = (),
    ) -> T:
        """Makes a request until its answer can be read.

        Args:
            request: The request.
            read: Makes something of the answer; a `Failure` of it is one of the request.
            basic: User and password of this request alone.
            is_anybody: It doesn't say who asks (a login).
            accepted: Statuses beside those of success whose answer is read.

        Raises:
            TransientSourceError: No answer in spite of every try, or the circuit is open.
            SourceError: The server refuses.
            ContractError: Every answer was of a wrong form.
        """
        retries = self.office.options.retries
        tries = renewals = 0
        while True:
            tries += 1
            try:
                if is_anybody:
                    return self._try(request, read, ANYBODY, basic=basic, accepted=accepted)
                auth = self.office.auth
                return self._try(request, read, auth, basic=basic, accepted=accepted)
            except Failure as failed:
                failure = failed
            except _Refused as refused:
                if not is_anybody and renewals < _RENEWALS and self.office.auth.renew(refused.used):
                    renewals += 1
                    tries -= 1
                    self._count("the token was renewed after status 401")
                    continue
                failure = refused.failure
            if not failure.is_transient or tries >= retries.attempts:
                if failure.is_transient:
                    self.office.circuit.failed()
                raise failure.error(self._where(request), tries=tries) from None
            self._count(failure.kind)
            self._wait(request, failure, tries)

    def _try(
        self,
        request: Request,
        read: Callable[[Answer], T],
        auth: Auth,
        *,
        basic: tuple[str, str] | None,
        accepted: Container[int],
    ) -> T:
        office = self.office
        office.circuit.demand_closed()
        used = auth.ready(self.stop)
        try:
            with office.pace.slot(self.stop):
                sent = office.clock.now()
                self.requests += 1
                answer = office.client.send(request, auth, basic=basic, accepted=accepted)
            office.saw(answer, sent)
            result = read(answer)
        except Failure as failure:
            if failure.is_unauthorized:
                office.circuit.succeeded()
                raise _Refused(failure, used) from None
            if failure.status == 429:
                office.pace.complained()
            if not failure.is_transient:
                office.circuit.succeeded()
            raise
        office.circuit.succeeded()
        office.pace.heed(answer.headers)
        for note in answer.notes:
            self.note(note)
        return result

    def _wait(self, request: Request, failure: Failure, tries: int) -> None:
        office = self.office
        asked = failure.retry_after
        if asked is not None and asked > office.options.retries.longest_asked:
            message = (
                f"{self._where(request)}: {failure.kind}, and the server asks to wait {asked:.0f} "
                "seconds (`Retry-After`), longer than `longest_asked`; run it again later"
            )
            raise TransientSourceError(message)
        own = office.backoff.wait(tries)
        if asked is not None:
            # The others wait too: the server means all of us.
            office.pace.pause(asked, why=f"Retry-After of {asked:.0f} seconds")
            own = max(own, asked)
        wait(office.clock, own, self.stop)

    def note(self, text: str) -> None:
        """Counts something that was seen."""
        with self._lock:
            self.notes[text] += 1

    def _count(self, kind: str) -> None:
        with self._lock:
            self.failures[kind] += 1

    def _where(self, request: Request) -> str:
        return self.office.secrets.hidden(f"{self.office.host}: {request.label}")

    def told(self) -> list[str]:
        """What happened, as sentences for the receipt."""
        said = [f"{note} ({n} times)" if n > 1 else note for note, n in self.notes.items()]
        if self.failures:
            kinds = ", ".join(f"{n} x {kind}" for kind, n in sorted(self.failures.items()))
            said.append(f"requests made again: {kinds}")
        return [self.office.secrets.hidden(text) for text in said]


class _Refused(Exception):
    """Who asks wasn't accepted; `used` is the token that was sent."""

    def __init__(self, failure: Failure, used: object) -> None:
        super().__init__(failure.kind)
        self.failure = failure
        self.used = used


_lock = threading.Lock()
_offices: list[tuple[Office, list[object]]] = []


def shared(options: RestOptions, *, base: Path, clock: Clock, holder: object) -> Office:
    """The office of these options: one for all the streams that are read at the same time."""
    with _lock:
        for office, holders in _offices:
            if (office.options, office.base, office.clock) == (options, base, clock):
                holders.append(holder)
                return office
        office = Office(options, base=base, clock=clock)
        _offices.append((office, [holder]))
        return office


def release(office: Office, *, holder: object) -> None:
    """Gives the office back; its connections are closed with the last holder."""
    with _lock:
        for place, (known, holders) in enumerate(_offices):
            if known is office:
                holders[:] = [other for other in holders if other is not holder]
                if not holders:
                    del _offices[place]
                    office.close()
                return
