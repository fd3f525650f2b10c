"""Who may ask: the ways in which offices let a reader in, each with what it hands out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import parse_qs

from tests.support.hostile_office.clock import OfficeClock
from tests.support.hostile_office.wire import Answer, Ask

NAME, PASSWORD = "nguoi-doc-6120", "mat-khau:8264/van+phong"
CLIENT, CLIENT_SECRET = "lien-thong", "bi-mat-ung-dung-5093"
API_KEY = "khoa/api+7718=hong-ha"
BEARER = "the-mang-theo-4401-sen"
SIGNING_ID, SIGNING_KEY = "khoa-so-3", "khoa-ky+9920/lam-son"


class Auth(Protocol):
    """One way to be let in."""

    scheme: dict[str, Any] | None  # as OpenAPI describes it; None: the description can't

    def allows(self, ask: Ask) -> bool:
        """Whether the request carries what is needed."""
        ...

    def endpoint(self, ask: Ask) -> Answer | None:
        """The answer of the way's own endpoint (a token, a login), None for any other path."""
        ...

    def revoke(self) -> int:
        """Nothing handed out so far is good any more; how many that were good until now."""
        ...


@dataclass
class Open:
    """Everybody is let in."""

    scheme: dict[str, Any] | None = None

    def allows(self, ask: Ask) -> bool:
        return True

    def endpoint(self, ask: Ask) -> Answer | None:
        return None

    def revoke(self) -> int:
        return 0


@dataclass
class Basic(Open):
    """Name and password with every request."""

    scheme: dict[str, Any] | None = field(
        default_factory=lambda: {"type": "http", "scheme": "basic"}
    )

    def allows(self, ask: Ask) -> bool:
        return ask.headers.get("authorization") == f"Basic {_basic(NAME, PASSWORD)}"


@dataclass
class ApiKey(Open):
    """A key in a header or in the query string."""

    place: Literal["header", "query"] = "header"
    name: str = "X-Api-Key"

    def __post_init__(self) -> None:
        self.scheme = {"type": "apiKey", "in": self.place, "name": self.name}

    def allows(self, ask: Ask) -> bool:
        given = ask.headers.get(self.name.lower()) if self.place == "header" else None
        return (ask.param(self.name) if self.place == "query" else given) == API_KEY


@dataclass
class Bearer(Open):
    """A token that somebody was given on paper."""

    scheme: dict[str, Any] | None = field(
        default_factory=lambda: {"type": "http", "scheme": "bearer"}
    )

    def allows(self, ask: Ask) -> bool:
        return ask.headers.get("authorization") == f"Bearer {BEARER}"


class _Handing(Open):
    """Hands out tokens that are good for a while."""

    def __init__(self, clock: OfficeClock, *, prefix: str, lifetime: float) -> None:
        super().__init__()
        self.handed: list[str] = []
        self.lifetime = lifetime  # seconds
        self._clock, self._prefix = clock, prefix
        self._good: dict[str, float] = {}
        self._lock = threading.Lock()

    def hand_out(self, kind: str = "truy-cap") -> str:
        """A new token; every one is another secret that has to appear nowhere."""
        with self._lock:
            token = f"{self._prefix}-{kind}-{len(self.handed) + 1:04}-{self.seed_of(kind)}"
            self.handed.append(token)
            self._good[token] = self._clock.seconds() + self.lifetime
            return token

    def seed_of(self, kind: str) -> str:
        """What makes a token hard to guess; `handed` is locked when it is asked."""
        return hashlib.sha256(f"{kind}{len(self.handed)}".encode()).hexdigest()[:12]

    def is_good(self, token: str | None) -> bool:
        with self._lock:
            return token is not None and self._good.get(token, 0.0) > self._clock.seconds()

    def revoke(self) -> int:
        with self._lock:
            now = self._clock.seconds()
            good = [token for token, until in self._good.items() if until > now]
            for token in good:
                if "lam-moi" not in token:
                    del self._good[token]
            return sum("lam-moi" not in token for token in good)


class OAuth(_Handing):
    """OAuth2: client credentials or a password give an access token that expires (RFC 6749)."""

    def __init__(
        self, clock: OfficeClock, *, grant: str = "client_credentials", lifetime: float = 300.0
    ) -> None:
        super().__init__(clock, prefix="oauth", lifetime=lifetime)
        self.grant = grant
        self.grants: list[str] = []  # the ones that were answered, in their order
        self.scheme = {"type": "http", "scheme": "bearer"}

    def allows(self, ask: Ask) -> bool:
        kind, _, token = ask.headers.get("authorization", "").partition(" ")
        return kind == "Bearer" and "truy-cap" in token and self.is_good(token)

    def endpoint(self, ask: Ask) -> Answer | None:
        if ask.path != "/oauth/token":
            return None
        if ask.method != "POST":
            return refused(405, "only POST", ("Allow", "POST"))
        form = {name: values[-1] for name, values in parse_qs(ask.body.decode("latin-1")).items()}
        if not self._is_the_client(ask, form):
            return refused(401, "invalid_client", ("WWW-Authenticate", "Basic"))
        grant = form.get("grant_type", "")
        if not self._may(grant, form):
            return refused(400, "invalid_grant")
        self.grants.append(grant)
        handed: dict[str, Any] = {
            "access_token": self.hand_out(), "token_type": "Bearer", "expires_in": self.lifetime,
        }  # fmt: skip
        if self.grant == "password":
            handed["refresh_token"] = self.hand_out("lam-moi")
        return Answer(body=json.dumps(handed).encode())

    def _is_the_client(self, ask: Ask, form: Mapping[str, str]) -> bool:
        if ask.headers.get("authorization") == f"Basic {_basic(CLIENT, CLIENT_SECRET)}":
            return True
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, CLIENT_SECRET)

    def _may(self, grant: str, form: Mapping[str, str]) -> bool:
        if grant == "refresh_token":
            token = form.get("refresh_token")
            return self.grant == "password" and "lam-moi" in (token or "") and self.is_good(token)
        if grant != self.grant:
            return False
        given = (form.get("username"), form.get("password"))
        return grant == "client_credentials" or given == (NAME, PASSWORD)


class Session(_Handing):
    """A login call whose answer holds a token, for a header or for the body of the searches."""

    def __init__(
        self,
        clock: OfficeClock,
        *,
        place: Literal["header", "body"] = "header",
        lifetime: float = 300.0,
    ) -> None:
        super().__init__(clock, prefix="phien", lifetime=lifetime)
        self.place = place
        self.is_closed = False  # whether even the right password is refused, and said back
        if place == "header":
            self.scheme = {"type": "apiKey", "in": "header", "name": "X-Session"}

    def allows(self, ask: Ask) -> bool:
        if self.place == "header":
            return self.is_good(ask.headers.get("x-session"))
        body = json_of(ask)
        token = body.get("session") if isinstance(body, dict) else None
        return self.is_good(token if isinstance(token, str) else None)

    def endpoint(self, ask: Ask) -> Answer | None:
        if ask.path != "/login":
            return None
        if ask.method != "POST":
            return refused(405, "only POST", ("Allow", "POST"))
        body = json_of(ask)
        if not isinstance(body, dict):
            return refused(400, "a JSON object is expected")
        if self.is_closed:
            return refused(403, f"no login for {body}")
        if (body.get("username"), body.get("password")) != (NAME, PASSWORD):
            return refused(401, "unknown name or wrong password", ("WWW-Authenticate", "Session"))
        return Answer(body=json.dumps({"result": {"token": self.hand_out()}}).encode())


@dataclass
class Signed(Open):
    """HMAC-SHA256, in hex, of five lines: method, path, query, time, and the body's hash."""

    def allows(self, ask: Ask) -> bool:
        given = ask.headers.get("x-signature", "")
        return ask.headers.get("x-key-id") == SIGNING_ID and hmac.compare_digest(
            given.encode("utf-8", "replace"), self.signature(ask).encode()
        )

    def signature(self, ask: Ask) -> str:
        """The signature that the request should carry."""
        path, _, query = ask.target.partition("?")
        digest = hashlib.sha256(ask.body).hexdigest()
        text = "\n".join([ask.method, path, query, ask.headers.get("x-timestamp", ""), digest])
        return hmac.new(SIGNING_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def json_of(ask: Ask) -> Any:
    """The body as JSON; None where it is none."""
    try:
        return json.loads(ask.body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None


def refused(status: int, why: str, *headers: tuple[str, str]) -> Answer:
    """A refusal in the form that every refusal of the office has."""
    return Answer(status=status, body=json.dumps({"error": why}).encode(), headers=headers)


def _basic(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()
