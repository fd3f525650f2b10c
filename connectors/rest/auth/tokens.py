"""Tokens that have to be asked for: OAuth2 grants, and login calls of an API's own."""

from __future__ import annotations

import json
import threading
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from pydantic import SecretStr

from connectors.rest.auth.protocol import Anybody, Sender
from connectors.rest.auth_options import LoginAuth, OAuth2Auth
from connectors.rest.clock import Clock, Stop
from connectors.rest.masking import Secrets
from connectors.rest.request import Draft, Request, at_path, text_of, with_value
from schemas.errors import ContractError, SourceError

_LONGEST_MARGIN = 0.5  # share of a token's life that `renew_before` may take


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token, and when (on our monotonic clock) it should be renewed; None: on 401 only."""

    text: str
    renew_at: float | None


class Tokens(Anybody):
    """One token at a time for all streams of a source; whoever needs it first asks for it.

    Args:
        send: Makes the request for a token.
        clock: Passes the time.
        secrets: Where a new token is remembered as a secret.
        renew_before: Seconds before its end that a token is renewed.
    """

    def __init__(
        self, *, send: Sender, clock: Clock, secrets: Secrets, renew_before: float
    ) -> None:
        self._send = send
        self._clock = clock
        self._learned = secrets
        self._renew_before = renew_before
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._is_refused = False

    def ready(self, stop: Stop | None) -> object:
        """See `Auth.ready`."""
        with self._lock:
            token = self._token
            is_old = token is not None and (
                token.renew_at is not None and self._clock.monotonic() >= token.renew_at
            )
            if token is None or is_old or self._is_refused:
                token = self._token = self._asked(stop)
                self._is_refused = False
            return token

    def renew(self, used: object) -> bool:
        """See `Auth.renew`. Of many requests refused at once only the first asks anew."""
        with self._lock:
            if self._token is used:
                self._is_refused = True
        return True

    @property
    def text(self) -> str:
        """The token that lives."""
        return "" if self._token is None else self._token.text

    def made(self, text: object, expires_in: object, *, started: float, where: str) -> Token:
        """A token out of what an answer says of it."""
        if not isinstance(text, str) or not text:
            message = f"{where}: the answer has no token where one is expected; compare `auth:`"
            raise ContractError(message)
        self._learned.add(text)
        seconds = _seconds(expires_in)
        if seconds is None:
            return Token(text=text, renew_at=None)
        margin = min(self._renew_before, seconds * _LONGEST_MARGIN)
        return Token(text=text, renew_at=started + seconds - margin)

    @abstractmethod
    def _asked(self, stop: Stop | None) -> Token:
        """Asks for a token."""


class OAuth2(Tokens):
    """Client credentials and password grant (RFC 6749, 4.3 and 4.4), refresh tokens (6)."""

    def __init__(
        self, options: OAuth2Auth, *, url: str, send: Sender, clock: Clock, secrets: Secrets
    ) -> None:
        super().__init__(
            send=send, clock=clock, secrets=secrets,
            renew_before=options.renew_before.total_seconds(),
        )  # fmt: skip
        self._options = options
        self._url = below(url, options.token_url)
        self._refresh: str | None = None

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        given = (self._options.client_secret, self._options.password)
        extra = self._options.extra.values()
        return [secret.get_secret_value() for secret in (*given, *extra) if secret is not None]

    def apply(self, draft: Draft) -> None:
        """See `Auth.apply`."""
        draft.headers[self._options.header] = f"{self._options.prefix}{self.text}"

    def _asked(self, stop: Stop | None) -> Token:
        if self._refresh is not None:
            refresh, self._refresh = self._refresh, None
            try:
                return self._granted(
                    {"grant_type": "refresh_token", "refresh_token": refresh}, stop
                )
            except SourceError:
                pass  # a refresh token may be used up; the grant itself is asked again
        grant: dict[str, str] = {"grant_type": self._options.grant}
        if self._options.grant == "password":
            grant |= {"username": _plain(self._options.username)}
            grant |= {"password": _plain(self._options.password)}
        return self._granted(grant, stop)

    def _granted(self, fields: dict[str, str], stop: Stop | None) -> Token:
        options = self._options
        form = dict(fields)
        if options.scope is not None:
            form["scope"] = options.scope
        form |= {name: value.get_secret_value() for name, value in options.extra.items()}
        basic = None
        if options.client_in == "header" and options.client_secret is not None:
            basic = _plain(options.client_id), _plain(options.client_secret)
        else:
            form["client_id"] = _plain(options.client_id)
            if options.client_secret is not None:
                form["client_secret"] = _plain(options.client_secret)
        where = "POST token endpoint"
        started = self._clock.monotonic()
        request = Request(method="POST", url=self._url, label=where, body=form, is_form=True)
        value = _json(self._send(request, basic=basic, stop=stop).body, where)
        refresh = value.get("refresh_token")
        if isinstance(refresh, str) and refresh:
            self._learned.add(refresh)
            self._refresh = refresh
        return self.made(
            value.get("access_token"), value.get("expires_in"), started=started, where=where
        )


class Login(Tokens):
    """A call of the API's own that answers with a token."""

    def __init__(
        self, options: LoginAuth, *, url: str, send: Sender, clock: Clock, secrets: Secrets
    ) -> None:
        super().__init__(
            send=send, clock=clock, secrets=secrets,
            renew_before=options.renew_before.total_seconds(),
        )  # fmt: skip
        self._options = options
        self._url = below(url, options.path)

    def secrets(self) -> list[str]:
        """See `Auth.secrets`."""
        values = self._options.body.values()
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]

    def apply(self, draft: Draft) -> None:
        """See `Auth.apply`."""
        options = self._options
        if options.query is not None:
            draft.query.append((options.query, self.text))
        elif options.body_field is not None:
            draft.body = with_value(draft.body, options.body_field, self.text)
        else:
            prefix = "Bearer " if options.prefix is None else options.prefix
            draft.headers[options.header or "Authorization"] = f"{prefix}{self.text}"

    def _asked(self, stop: Stop | None) -> Token:
        options = self._options
        sent: dict[str, str | int | bool] = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in options.body.items()
        }
        where = f"{options.method} login"
        started = self._clock.monotonic()
        in_query = options.send == "query"
        body: Any = None
        if not in_query and options.method != "GET":
            body = {}
            for name, one in sent.items():
                body = with_value(body, name, one)
        request = Request(
            method=options.method, url=self._url, label=where,
            query=tuple((n, text_of(v)) for n, v in sent.items()) if body is None else (),
            body=body, is_form=options.send == "form",
        )  # fmt: skip
        value = _json(self._send(request, basic=None, stop=stop).body, where)
        lifetime: object = None
        if options.expires_in is not None:
            lifetime = at_path(value, options.expires_in)
        if lifetime is None and options.lifetime is not None:
            lifetime = options.lifetime.total_seconds()
        return self.made(at_path(value, options.token), lifetime, started=started, where=where)


def below(url: str, path: str) -> str:
    """A path below the connector's url; an absolute URL stays one."""
    if "://" in path:
        return path
    return urljoin(url.rstrip("/") + "/", path.lstrip("/"))


def _plain(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _seconds(value: object) -> float | None:
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return None


def _json(body: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ContractError(f"{where}: the answer is no JSON object; compare `auth:`")
    return value
