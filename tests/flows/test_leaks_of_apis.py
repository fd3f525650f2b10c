"""No secret of an API leaves the run: the office says it back in every answer it can."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.connected import AUTHS, SECRETS, Connected, connected
from tests.support.hostile_office import Answer, Ask, LoopbackServer
from tests.support.hostile_office.auth import Session
from tests.support.hostile_office.faults import (
    Breaks,
    Fault,
    Garbled,
    Redirects,
    Refuses,
    ServerErrors,
    every,
)
from tests.support.leaks import Heard

pytestmark = [pytest.mark.xdist_group("api-leaks"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
HEADER_SECRET, QUERY_SECRET = "tieu-de/3391+bi-mat", "truy-van/5527+bi-mat=="
PERSON_KEY = "5e" * 32
PLANTED = {
    **{name: value for name, value in SECRETS.items() if name != "OFFICE_SIGNING_ID"},
    "OFFICE_HEADER": HEADER_SECRET, "OFFICE_QUERY": QUERY_SECRET,
}  # fmt: skip
QUICK = {"attempts": 2, "first_wait": 0.01, "longest_wait": 0.02}


def evils(elsewhere: str) -> dict[str, Fault]:
    """What goes wrong from the second night on, by the name of the source it happens to."""
    return {
        "loi-500": ServerErrors(every(1)),
        "tu-choi": Refuses(every(1), status=403),
        "sai-cau": Refuses(every(1), status=400),
        "trang-html": Garbled(every(1), kind="html"),
        "json-hong": Garbled(every(1), kind="broken_json"),
        "cat-ngang": Breaks(every(1), ending="reset"),
        "treo": Breaks(every(1), ending="hang"),
        "chuyen-huong": Redirects(every(1), to=elsewhere),
        "chuyen-quanh": Redirects(every(1), to=""),
    }


@dataclass
class Offices:
    """Offices that know each other's secrets, their sources, and what the commands said."""

    root: Path
    heard: Heard = field(default_factory=Heard)
    elsewhere: list[str] = field(default_factory=list)
    offices: dict[str, Connected] = field(default_factory=dict)

    def add(self, stack: ExitStack, name: str, auth: str, *, paging: str = "page") -> None:
        """One more office, all of whose requests carry two secrets beside the way in."""
        office = stack.enter_context(connected(self.root, rows=6, auth=auth))
        self.offices[name] = office
        office.connect(
            "search" if auth == "session_body" else paging, auth=auth, source=name, retries=QUICK,
            timeouts={"connect": 1, "read": 0.5, "total": 1},
            headers={"X-Tenant": "${OFFICE_HEADER}"}, query={"khoa": "${OFFICE_QUERY}"},
        )  # fmt: skip

    def run(self, *words: str) -> int:
        """One command with its whole output."""
        done = subprocess.run(
            [
                sys.executable, "-m", "flows.cli", "--debug", "--log-level", "debug",
                "--warehouse", str(self.root / "warehouse"),
                "--sources", str(self.root / "sources"), *words,
            ],
            cwd=ROOT, env={**os.environ, **SECRETS, **PLANTED, "LIENTHONG_PERSON_KEY": PERSON_KEY},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        place = " ".join(words)
        self.heard.texts[place] = self.heard.texts.get(place, "") + done.stdout + done.stderr
        return done.returncode

    def tokens(self) -> list[str]:
        """Every token that an office handed out."""
        return [
            token
            for office in self.offices.values()
            for token in getattr(office.office.auth, "handed", [])
        ]

    def people(self) -> list[str]:
        """The identity numbers of the applicants."""
        return sorted(
            {dossier.applicant for o in self.offices.values() for dossier in o.truth.rows()}
        )


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offices]:
    """Two nights, the second of which goes wrong, and every command over them."""
    made = Offices(tmp_path_factory.mktemp("api-leaks"))

    def listen(ask: Ask) -> Answer:
        made.elsewhere.append(f"{ask.target} {ask.headers} {ask.body!r}")
        return Answer(body=b'{"items": [], "total": 0}')

    with ExitStack() as stack:
        other = LoopbackServer(listen, host="127.0.0.2")
        stack.callback(other.close)
        for auth in AUTHS:
            made.add(stack, f"so-{auth.replace('_', '-')}", auth)
        made.add(stack, "so-link", "key_query", paging="link")
        made.add(stack, "so-next", "key_query", paging="next")
        faults = evils(other.url)
        for number, name in enumerate(faults):
            made.add(stack, name, ["key_query", "client_credentials", "basic"][number % 3])
        assert made.run("sync") == 0, made.heard.texts["sync"][-9000:]
        for name, fault in faults.items():
            made.offices[name].office.faults = (fault,)
        session = made.offices["so-session-header"].office.auth
        assert isinstance(session, Session)
        session.is_closed = True
        assert made.run("check") == 3
        assert made.run("sync") == 3
        assert made.run("sync", "loi-500") == 1
        assert made.run("nightly", "--json") == 3
        made.run("status")
        made.run("quarantine", "list")
        made.run("audit")
        made.run("sql", "SELECT * FROM dossier")
        assert {name: fault.struck for name, fault in faults.items() if not fault.struck} == {}
        yield made


def test_the_search_finds_what_is_there(offices: Offices) -> None:
    restricted = Heard()
    restricted.read_parquet(offices.root, "restricted")
    assert len(offices.people()) == 6
    for person in offices.people():
        assert "parquet warehouse/restricted/landing/so-basic/ho_so" in restricted.found(person)
    # What the office heard is what would be said again by a careless reader.
    office_heard = Heard({
        name: "\n".join(f"{ask.target} {ask.headers} {ask.body.decode()}" for ask in o.office.asks)
        for name, o in offices.offices.items()
    })  # fmt: skip
    for name, secret in PLANTED.items():
        is_sent = name not in {"OFFICE_SIGNING"}  # a signature stands for it
        assert bool(office_heard.found_in_any_form(secret)) == is_sent, name
    assert len(offices.tokens()) > 8
    for token in offices.tokens():
        assert office_heard.found(token) or "lam-moi" in token
    assert "sync" in offices.heard.found("so-basic")
    assert "check" in offices.heard.found("403")


@pytest.mark.parametrize("name", PLANTED)
def test_no_command_tells_a_secret(offices: Offices, name: str) -> None:
    assert offices.heard.found_in_any_form(PLANTED[name]) == []


def test_no_command_tells_a_token_or_a_person(offices: Offices) -> None:
    for word in (*offices.tokens(), *offices.people(), PERSON_KEY):
        assert offices.heard.found_in_any_form(word) == [], word


def test_no_secret_and_no_token_is_stored_anywhere(offices: Offices) -> None:
    kept = Heard()
    kept.read_parquet(offices.root, "")
    kept.read_logs(offices.root, "")
    kept.read_bytes(offices.root / "warehouse")
    assert len(kept.texts) > 50
    for secret in (*PLANTED.values(), *offices.tokens(), PERSON_KEY):
        assert kept.found_in_any_form(secret) == [], secret
    analysts = Heard()
    analysts.read_parquet(offices.root, "analysts")
    analysts.read_logs(offices.root, "analysts")
    for person in offices.people():
        assert analysts.found(person) == []


def test_another_host_hears_no_secret(offices: Offices) -> None:
    heard = Heard({str(number): told for number, told in enumerate(offices.elsewhere)})
    for secret in (*PLANTED.values(), *offices.tokens()):
        assert heard.found_in_any_form(secret) == [], secret


def test_the_errors_say_what_happened_without_the_secrets(offices: Offices) -> None:
    told = offices.heard.texts["nightly --json"]
    for words in ("500", "403", "400", "HTML", "JSON", "cut short", "time-out"):
        assert words in told, words
