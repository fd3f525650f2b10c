"""Who asks: every way of saying it, tokens that end, and nothing of it at another host."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from schemas.errors import ConfigError, SourceError
from tests.connectors.rest.support import FakeClock, connector, ids, notes, rows, stream
from tests.support.api import Asked, Reply, serving

ROWS = [{"id": 1, "v": "một"}]
SECRET = "mat-khau-rat-bi-mat"


def guarded(accepts: Any) -> Any:
    def answer(asked: Asked) -> Reply:
        return Reply(ROWS) if accepts(asked) else Reply({"error": "no"}, status=401)

    return answer


BASIC = "Basic " + base64.b64encode(f"vũ:{SECRET}".encode()).decode()
FIXED: list[tuple[dict[str, Any], Any]] = [
    (
        {"basic": {"username": "vũ", "password": SECRET}},
        lambda a: a.headers["authorization"] == BASIC,
    ),
    (
        {"api_key": {"header": "X-Api-Key", "value": SECRET}},
        lambda a: a.headers["x-api-key"] == SECRET,
    ),
    ({"api_key": {"query": "key", "value": SECRET}}, lambda a: a.query["key"] == SECRET),
    (
        {"bearer": {"token": SECRET}},
        lambda a: a.headers["authorization"] == f"Bearer {SECRET}",
    ),
]


@pytest.mark.parametrize(("auth", "accepts"), FIXED, ids=lambda v: str(v)[:20])
def test_credentials_that_stay_are_sent_with_every_request(auth: Any, accepts: Any) -> None:
    with serving(guarded(accepts)) as api:
        assert ids(rows(connector(api.url, auth=auth), stream())) == ["1"]


def test_a_signed_request_is_signed_as_it_was_sent() -> None:
    def accepts(asked: Asked) -> bool:
        body = hashlib.sha256(asked.body).hexdigest()
        stamp = asked.headers["x-timestamp"]
        message = f"{asked.method}\n{asked.path}\n{asked.raw_query}\n{stamp}\n{body}"
        wanted = hmac.new(SECRET.encode(), message.encode(), "sha256").hexdigest()
        return asked.headers["x-signature"] == wanted

    with serving(guarded(accepts)) as api:
        auth = {"hmac": {"secret": SECRET}}
        for spec in (
            stream(query={"tên": "một & hai"}),
            stream(method="POST", body={"tên": "một"}),
        ):
            assert ids(rows(connector(api.url, auth=auth), spec)) == ["1"]


class TokenOffice:
    """Gives tokens that live for a while, and counts what it was asked for."""

    def __init__(self, *, lives: int | None = 300, refreshes: bool = False) -> None:
        self.given = 0
        self.grants: list[dict[str, str]] = []
        self.valid: set[str] = set()
        self.refuses = False
        self._lives = lives
        self._refreshes = refreshes

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            return self._token(asked)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        is_good = token in self.valid and not self.refuses
        return Reply(ROWS) if is_good else Reply({"error": "no"}, status=401)

    def _token(self, asked: Asked) -> Reply:
        form = asked.form
        self.grants.append(form)
        user = "Basic " + base64.b64encode(b"kho:" + SECRET.encode()).decode()
        is_client = (
            asked.headers.get("authorization") == user or form.get("client_secret") == SECRET
        )
        if not is_client or form.get("refresh_token", "refresh-1") != "refresh-1":
            return Reply({"error": "invalid_client"}, status=401)
        self.given += 1
        token = f"token-{self.given}-abcdef"
        self.valid = {token}
        answer = {"access_token": token, "token_type": "Bearer"}
        if self._lives is not None:
            answer["expires_in"] = self._lives  # type: ignore[assignment]
        if self._refreshes:
            answer["refresh_token"] = "refresh-1"
        return Reply(answer)


CLIENT = {"token_url": "/token", "client_id": "kho", "client_secret": SECRET}


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_client_asks_for_a_token_once(where: str) -> None:
    office = TokenOffice()
    with serving(office) as api:
        one = connector(api.url, auth={"oauth2": {**CLIENT, "client_in": where, "scope": "a b"}})
        for _ in range(3):
            assert ids(rows(one, stream())) == ["1"]
        assert office.grants == [
            {
                "grant_type": "client_credentials",
                "scope": "a b",
                **({"client_id": "kho", "client_secret": SECRET} if where == "body" else {}),
            }
        ]


def test_a_token_is_renewed_before_it_ends() -> None:
    office = TokenOffice(lives=300)
    clock = FakeClock()
    with serving(office) as api:
        one = connector(api.url, auth={"oauth2": CLIENT}, clock=clock)
        rows(one, stream())
        clock.seconds += 230
        rows(one, stream())
        assert office.given == 1
        clock.seconds += 15  # less than a minute is left
        rows(one, stream())
        assert office.given == 2
        # No request was refused on the way.
        assert all(a.path == "/token" or "token-" in str(a.headers) for a in api.asked)


def test_a_refused_token_is_renewed_and_the_request_made_again() -> None:
    office = TokenOffice(lives=None)
    with serving(office) as api:
        one = connector(api.url, auth={"oauth2": CLIENT})
        rows(one, stream())
        office.valid = set()
        assert notes(one, stream()) == ["requests made again: 1 x the token was renewed after "
                                        "status 401"]  # fmt: skip
        assert office.given == 2


def test_a_password_grant_uses_its_refresh_token_and_falls_back() -> None:
    office = TokenOffice(refreshes=True)
    clock = FakeClock()
    with serving(office) as api:
        auth = {"oauth2": {**CLIENT, "grant": "password", "username": "an", "password": SECRET}}
        one = connector(api.url, auth=auth, clock=clock)
        for _ in range(2):
            rows(one, stream())
            clock.seconds += 299
        assert [g["grant_type"] for g in office.grants] == ["password", "refresh_token"]
        assert office.grants[0]["username"] == "an"


def test_an_office_that_never_accepts_is_a_refusal_and_not_an_endless_login() -> None:
    office = TokenOffice()
    with serving(office) as api:
        one = connector(api.url, auth={"oauth2": CLIENT})
        rows(one, stream())
        office.refuses = True
        with pytest.raises(SourceError, match=r"status 401.*doesn't accept who asks") as raised:
            rows(one, stream())
        assert office.given <= 4
        assert SECRET not in str(raised.value)
        assert "token-" not in str(raised.value)


LOGINS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda a: a.headers.get("authorization") == "Bearer phien-1234"),
    (
        {"header": "X-Session", "prefix": ""},
        lambda a: a.headers.get("x-session") == "phien-1234",
    ),
    ({"query": "sid"}, lambda a: a.query.get("sid") == "phien-1234"),
    ({"body_field": "auth.sid"}, lambda a: a.json["auth"]["sid"] == "phien-1234"),
]


@pytest.mark.parametrize(("place", "accepts"), LOGINS, ids=lambda v: str(v)[:20])
def test_a_login_gives_the_token_for_header_query_or_body(place: Any, accepts: Any) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/login":
            assert asked.json == {"user": "an", "pass": SECRET, "remember": True}
            return Reply({"data": {"sessionId": "phien-1234", "ttl": 600}})
        return Reply(ROWS) if accepts(asked) else Reply({}, status=401)

    login = {
        "path": "/login", "token": "data.sessionId", "expires_in": "data.ttl",
        "body": {"user": "an", "pass": SECRET, "remember": True}, **place,
    }  # fmt: skip
    with serving(answer) as api:
        one = connector(api.url, auth={"login": login})
        assert ids(rows(one, stream(method="POST", body={"x": 1}))) == ["1"]
        assert api.paths() == ["/login", "/rows"]


def test_a_code_in_the_body_can_say_that_the_token_has_ended() -> None:
    logins: list[int] = []

    def answer(asked: Asked) -> Reply:
        if asked.path == "/login":
            logins.append(1)
            return Reply({"token": f"phien-{len(logins)}"})
        is_new = asked.headers["authorization"] == "Bearer phien-2"
        return Reply({"code": 0, "rows": ROWS} if is_new else {"code": 401, "rows": None})

    with serving(answer) as api:
        one = connector(api.url, auth={"login": {"path": "/login", "body": {"u": "a"}}})
        success = {"at": "code", "is": [0], "unauthorized": [401]}
        assert ids(rows(one, stream(rows="rows", success=success))) == ["1"]


def test_a_redirect_carries_no_credentials_to_another_host() -> None:
    with serving(lambda asked: Reply(ROWS)) as other:

        def answer(asked: Asked) -> Reply:
            return Reply(b"", status=302, headers={"Location": f"{other.url}/elsewhere?x=1"})

        for auth, _ in FIXED:
            with serving(answer) as api:
                one = connector(
                    api.url, auth=auth, headers={"X-Office": SECRET}, query={"k": SECRET}
                )
                assert any("without credentials" in note for note in notes(one, stream()))
        assert len(other.asked) == len(FIXED)
        for asked in other.asked:
            assert asked.query == {"x": "1"}
            assert not {"authorization", "x-api-key", "x-office", "cookie"} & set(asked.headers)
            assert SECRET not in str(asked)


def test_a_redirect_at_home_keeps_who_asks() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/rows":
            return Reply(b"", status=307, headers={"Location": "/v2/rows?page=1"})
        assert asked.query == {"page": "1", "key": SECRET}
        return Reply(ROWS)

    with serving(answer) as api:
        auth = {"api_key": {"query": "key", "value": SECRET}}
        assert ids(rows(connector(api.url, auth=auth), stream())) == ["1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_sent_is_not_sent_to_another_host(status: int) -> None:
    with serving(lambda asked: Reply(ROWS)) as other:
        target = {"Location": f"{other.url}/rows"}
        message = "redirect of a request that sends something"
        with (
            serving(lambda asked: Reply(b"", status=status, headers=target)) as api,
            pytest.raises(SourceError, match=message),
        ):
            rows(connector(api.url), stream(method="POST", body={"pass": SECRET}))
        assert other.asked == []


def test_redirects_without_end_are_named() -> None:
    target = {"Location": "/rows"}
    with (
        serving(lambda asked: Reply(b"", status=302, headers=target)) as api,
        pytest.raises(SourceError, match="more than 5 redirects"),
    ):
        rows(connector(api.url), stream())


def test_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login an password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(lambda asked: Reply(ROWS)) as api:
        rows(connector(api.url), stream())
        assert "authorization" not in api.asked[0].headers


def test_a_secret_that_no_header_takes_is_not_shown() -> None:
    with serving(lambda asked: Reply(ROWS)) as api:
        auth = {"api_key": {"header": "X-Key", "value": f"{SECRET}\r\nX-Evil: 1"}}
        with pytest.raises(ConfigError, match="can't be written") as raised:
            rows(connector(api.url, auth=auth), stream())
        assert SECRET not in str(raised.value)
