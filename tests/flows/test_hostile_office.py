"""Nights of an office whose network and server fail, one fault at a time.

After as many nights as it takes core is the office's truth by key and value, and on the way there
no night put a row into core that was never true, doubled one or buried one in error
(`Connected.night` holds each of them to it). Every test shows that its fault struck.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flows.cli import main
from flows.steps import quarantine_list
from tests.support.connected import AUTHS, PAGINGS, SECRETS, Connected, connected
from tests.support.hostile_office import Answer, Ask, LoopbackServer, RateLimit
from tests.support.hostile_office.auth import OAuth
from tests.support.hostile_office.catalogue import FAULTS
from tests.support.hostile_office.faults import (
    ChangesType,
    Dies,
    Drifts,
    Fault,
    Latency,
    LuresAway,
    NeverEnds,
    Redirects,
    Refuses,
    ServerErrors,
    SkipsRows,
    TokensExpire,
    TooMany,
    at,
    during,
    every,
    first,
)
from tests.support.leaks import Heard

SEVERAL = {"per_second": 1000, "concurrent": 3}
WINDOWS = {"start": "2025-03-01", "window": "6 hours"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Connected]:
    with connected(tmp_path) as office:
        yield office


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    """An office that was read in a calm night before, and is in a calm night after the tests."""
    with connected(tmp_path_factory.mktemp("synced")) as office:
        office.connect(retries={"attempts": 2})
        assert office.night().status == "done"
        yield office
        office.office.faults = ()
        office.next_day(changes=3)
        assert office.nights_until_true() == 1


def strike(office: Connected, *faults: Fault) -> None:
    office.office.faults = faults


def struck(office: Connected) -> list[int]:
    return [fault.struck for fault in office.office.faults]


@pytest.mark.parametrize("paging", [*PAGINGS, "details"])
def test_every_way_of_paging_tells_the_truth(office: Connected, paging: str) -> None:
    office.connect(paging, budget=SEVERAL)
    night = office.night()
    assert (night.status, night.read, night.inserted) == ("done", 45, 45)
    assert office.is_true()
    gone = next(iter(office.truth.core()))
    office.truth.remove(gone)
    office.next_day(changes=5)
    assert office.night().tombstoned == 1
    assert office.is_true()


@pytest.mark.parametrize("auth", AUTHS)
def test_every_way_of_being_let_in_tells_the_truth(tmp_path: Path, auth: str) -> None:
    with connected(tmp_path, auth=auth) as office:
        office.connect("search" if auth == "session_body" else "page", auth=auth)
        assert office.night().status == "done"
        assert office.is_true()
        assert 401 not in office.office.statuses


@pytest.mark.parametrize("auth", ["client_credentials", "password", "session_header"])
def test_a_token_that_is_revoked_in_the_middle_is_renewed(tmp_path: Path, auth: str) -> None:
    with connected(tmp_path, auth=auth) as office:
        office.connect(auth=auth)
        strike(office, TokensExpire(at(3)))
        assert office.night().status == "done"
        assert struck(office) == [1]
        assert office.is_true()
        assert office.office.statuses.count(401) in {1, 2}


def test_a_token_is_renewed_before_it_expires(tmp_path: Path) -> None:
    with connected(tmp_path, auth="password") as office:
        way = office.office.auth
        assert isinstance(way, OAuth)
        way.lifetime = 90.0
        office.connect(auth="password")
        strike(office, TooMany(every(2), wait=45))
        assert office.night().status == "done"
        assert struck(office)[0] > 2
        assert office.is_true()
        assert 401 not in office.office.statuses
        assert "refresh_token" in way.grants


ONCE = {
    # what the receipt of a night that ended well says of it
    "latency": "", "drip": "", "silence": "reset", "reset": "cut short", "short": "cut short",
    "cut": "cut short", "unfinished": "cut short", "hang": "time-out", "endless": "time-out",
    "429_seconds": "429", "429_date": "429", "429_bare": "429", "503_retry_after": "503",
    "500": "500", "502": "502", "504": "504", "html": "HTML", "html_as_json": "HTML",
    "foreign_bytes": "charset", "broken_json": "JSON", "empty": "empty", "cut_gzip": "cut short",
    "error_with_200": "no list",
}  # fmt: skip


@pytest.mark.parametrize("name", ONCE)
def test_what_happens_once_costs_no_night(office: Connected, name: str) -> None:
    office.connect(budget=SEVERAL)
    strike(office, FAULTS[name](at(3)))
    night = office.night()
    assert struck(office) == [1]
    assert (night.status, night.read, night.inserted) == ("done", 45, 45)
    assert ONCE[name] in (night.note or "")
    assert office.is_true()


ALWAYS = {
    # what the receipt has to say of it
    "silence": "reset", "short": "cut short", "cut": "cut short", "hang": "time-out",
    "endless": "time-out", "429_date": "429", "503_retry_after": "503", "504": "504",
    "html": "HTML", "foreign_bytes": "charset", "broken_json": "JSON", "empty": "empty",
    "cut_gzip": "cut short", "error_with_200": "no list",
}  # fmt: skip


@pytest.mark.parametrize("name", ALWAYS)
def test_what_happens_always_is_named_and_buries_nothing(synced: Connected, name: str) -> None:
    synced.next_day(changes=2)
    before = synced.dossiers(alive=True)
    strike(synced, FAULTS[name](during(3, 10_000)))
    night = synced.night()
    assert struck(synced)[0] > 1
    assert (night.status, night.landed) == ("failed", 0)
    for word in (ALWAYS[name], "/by-page", "page 3"):
        assert word in str(night.error)
    assert synced.dossiers(alive=True) == before


@pytest.mark.parametrize("name", ["lying_charset", "wrong_type", "no_type"])
def test_json_that_is_called_something_else_is_read_and_not_garbled(
    office: Connected, name: str
) -> None:
    office.connect()
    strike(office, FAULTS[name](every(1)))
    assert office.night().status == "done"
    assert struck(office)[0] > 0
    assert office.is_true()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_is_heeded_to_the_second(office: Connected, form: Any) -> None:
    office.connect()
    fault = TooMany(at(2, 4), form=form, wait=17)
    strike(office, fault)
    begun = office.office.clock.seconds()
    assert office.night().status == "done"
    assert fault.struck == 2
    assert office.office.clock.seconds() - begun >= 34
    assert office.is_true()


def test_the_budget_is_kept_and_connections_are_reused(tmp_path: Path) -> None:
    with connected(tmp_path, rows=200) as office:
        office.connect(budget={"per_second": 4, "concurrent": 3})
        strike(office, Latency(every(1), seconds=0.01))
        assert office.night().status == "done"
        asked = len(office.office.asks)
        assert struck(office) == [asked]
        assert asked >= 20
        assert office.office.clock.seconds() >= (asked - 1) / 4
        assert 1 < office.office.server.most_at_once <= 3
        assert office.office.server.connections <= 3
        assert office.is_true()


def test_a_true_limit_of_requests_is_learned(tmp_path: Path) -> None:
    limit = RateLimit(requests=4, window=60.0)
    with connected(tmp_path, rows=120, limit=limit) as office:
        office.connect("slice")
        assert office.night().status == "done"
        assert office.is_true()
        # The office says how much is left: more than a refusal now and then is not listening.
        assert limit.refused <= 4
        assert office.office.clock.seconds() >= 60


def test_a_storm_of_500_is_not_answered_by_a_storm_of_requests(office: Connected) -> None:
    office.connect(retries={"attempts": 4})
    strike(office, ServerErrors(every(1)))
    night = office.night()
    assert night.status == "failed"
    assert "500" in str(night.error)
    assert struck(office) == [len(office.office.asks)] == [4]
    strike(office, ServerErrors(first(3)))
    assert office.night().status == "done"
    assert struck(office) == [3]
    assert office.is_true()


def test_a_refusal_is_not_asked_again(synced: Connected) -> None:
    strike(synced, Refuses(every(1), status=403))
    night = synced.night()
    assert (night.status, struck(synced)) == ("failed", [1])
    assert "403" in str(night.error)


@pytest.mark.parametrize(
    ("paging", "how"),
    [
        ("page", "insert"), ("page", "remove"), ("page", "change"),
        ("offset", "remove"), ("slice", "remove"), ("search", "insert"),
        ("link", "remove"), ("next", "change"),
    ],
)  # fmt: skip
def test_rows_that_move_between_the_pages_are_neither_lost_nor_doubled(
    office: Connected, paging: str, how: Any
) -> None:
    office.connect(paging)
    assert office.night().status == "done"
    office.next_day(changes=6)
    before = office.truth.core().keys()
    strike(office, Drifts(at(2, 4), how=how))
    assert office.night().status == "done"
    stayed = before & office.truth.core().keys()
    assert stayed <= office.dossiers(alive=True).keys()
    assert struck(office) == [2]
    assert office.nights_until_true() <= 2


@pytest.mark.parametrize("name", ["repeats_rows", "skips_rows", "moves_total"])
@pytest.mark.parametrize("paging", ["page", "offset"])
def test_a_listing_that_errs_once_is_read_again(office: Connected, paging: str, name: str) -> None:
    office.connect(paging)
    strike(office, FAULTS[name](at(3)))
    night = office.night()
    assert struck(office) == [1]
    assert night.status == "done"
    assert office.is_true()


@pytest.mark.parametrize("paging", ["page", "slice"])
def test_a_page_that_repeats_is_read_again_and_named_if_it_goes_on(
    office: Connected, paging: str
) -> None:
    office.connect(paging)
    strike(office, FAULTS["repeats_pages"](at(3)))
    night = office.night()
    assert (night.status, struck(office)) == ("done", [1])
    assert "a page repeated the one before it" in str(night.note)
    assert office.is_true()
    office.next_day(changes=6)
    strike(office, FAULTS["repeats_pages"](every(3)))
    night = office.night()
    assert struck(office)[0] > 1
    assert (night.status, " again: does the API" in str(night.error)) == ("failed", True)
    strike(office)
    office.next_day()
    assert office.nights_until_true() == 1


@pytest.mark.parametrize("paging", ["page", "cursor"])
def test_rows_that_are_skipped_every_time_are_told_of_and_not_buried(
    office: Connected, paging: str
) -> None:
    office.connect(paging)
    assert office.night().status == "done"
    office.next_day(changes=6)
    before = office.dossiers(alive=True).keys()
    strike(office, SkipsRows(every(1)))
    night = office.night()
    assert struck(office)[0] > 0
    assert (night.status, night.tombstoned) == ("degraded", 0)
    assert "rows, and" in str(night.note)
    assert before <= office.dossiers(alive=True).keys()
    strike(office)
    office.next_day()
    assert office.nights_until_true() == 1


@pytest.mark.parametrize("paging", ["page", "offset", "slice", "cursor", "next"])
def test_pages_that_never_end_are_recognised(tmp_path: Path, paging: str) -> None:
    with connected(tmp_path, rows=50) as office:
        office.connect(paging)
        strike(office, NeverEnds(every(1)))
        night = office.night()
        assert struck(office)[0] > 5
        assert (night.status, night.landed) == ("failed", 0)
        assert "again" in str(night.error)
        assert len(office.office.asks) < 50
        strike(office)
        assert office.nights_until_true() == 1


@pytest.mark.parametrize("into", ["text", "object", "list", "bool"])
def test_a_field_that_changes_type_at_page_57(tmp_path: Path, into: Any) -> None:
    with connected(tmp_path, rows=600) as office:
        office.connect()
        strike(office, ChangesType(during(57, 60), into=into))
        night = office.night()
        assert struck(office)[0] > 0
        assert night.status == "done"
        assert "column 'fee' changes its type" in str(night.note)
        assert "from page 57" in str(night.note)
        if into == "text":  # the same value, written with quotes
            assert (night.quarantined, office.is_true()) == (0, True)
            return
        # Its rows wait by name: no value of another type stands in core.
        rules = {line.rule for line in quarantine_list(office.context)}
        assert (rules, night.quarantined > 0) == ({"unparseable:fee"}, True)
        assert not office.is_true()
        strike(office)
        office.next_day(changes=5)
        office.nights_until_true(most=2)


def test_a_server_that_dies_and_comes_back(office: Connected) -> None:
    office.connect()
    assert office.night().status == "done"
    office.next_day(changes=6)
    strike(office, Dies(at(3)))
    night = office.night()
    assert struck(office) == [1]
    assert not office.office.server.is_alive
    assert night.status == "failed"
    office.next_day()
    assert office.nights_until_true() == 1


def test_the_command_says_what_happened(office: Connected) -> None:
    office.connect()
    places = [
        "--warehouse",
        office.nights.warehouse,
        "--sources",
        str(office.nights.root / "sources"),
    ]

    def run(*faults: Fault) -> tuple[int, dict[str, Any]]:
        strike(office, *faults)
        office.next_day(changes=2)
        done = CliRunner().invoke(main, [*places, "sync", "so-xa", "--json"])
        assert all(fault.struck for fault in faults)
        return done.exit_code, json.loads(done.stdout)[0]

    status, told = run(ServerErrors(at(2)))
    assert (status, told["status"], told["read"]) == (0, "done", len(office.truth.core()))
    assert "1 x status 500" in told["note"]
    status, told = run(SkipsRows(every(1)))
    assert (status, told["status"], told["tombstoned"]) == (3, "degraded", 0)
    assert "the API says that there are" in told["note"]
    status, told = run(Refuses(every(1)))
    assert (status, told["status"]) == (1, "failed")
    assert "status 403" in told["error"]
    status, told = run(Dies(at(1)))
    assert (status, told["status"]) == (1, "failed")
    assert "refused" in told["error"]
    office.office.revive()
    assert run()[0] == 0
    assert office.is_true()


def test_a_dead_office_does_not_hold_the_night(office: Connected) -> None:
    office.connect()
    strike(office, Dies(at(1)))
    begun = office.office.clock.seconds()
    assert office.night().status == "failed"
    assert struck(office) == [1]
    assert office.office.clock.seconds() - begun < 600


def test_what_failed_goes_on_behind_the_last_window_that_landed(tmp_path: Path) -> None:
    with connected(tmp_path, rows=200) as office:
        office.connect(interval=WINDOWS, late_window="1 hour")
        strike(office, ServerErrors(during(12, 10_000)))
        night = office.night()
        assert struck(office)[0] > 0
        assert (night.status, night.landed) == ("failed", 59)  # of three windows that came whole
        assert "updated_from=2025-03-01T18:00:00+07:00" in str(night.error)
        strike(office)
        asked = len(office.office.data_asks())
        assert office.night().status == "done"
        assert office.is_true()
        low = office.office.data_asks()[asked].param("updated_from")
        assert low == "2025-03-01T17:00:00+07:00"


def test_the_late_window_does_not_lead_back_behind_the_first_day(office: Connected) -> None:
    office.connect("cursor", interval=WINDOWS, late_window="60 days")
    for _ in range(2):
        assert office.night().status == "done"
        asked = [str(ask.param("updated_from")) for ask in office.office.data_asks()]
        assert min(asked) == "2025-03-01T00:00:00+07:00"
        office.next_day()


@pytest.mark.parametrize("paging", ["page", "slice", "cursor", "link", "search"])
def test_changes_are_read_by_interval(office: Connected, paging: str) -> None:
    office.connect(paging, interval=WINDOWS, late_window="6 hours")
    assert office.night().status == "done"
    assert office.is_true()
    for _ in range(2):
        office.next_day(changes=7)
        night = office.night()
        assert night.status == "done"
        assert office.is_true()
        assert night.read < len(office.truth.core())


@pytest.mark.parametrize("auth", ["basic", "key_query", "password", "session_body", "signed"])
def test_a_redirect_within_the_office_is_followed(tmp_path: Path, auth: str) -> None:
    with connected(tmp_path, auth=auth) as office:
        office.connect("search" if auth == "session_body" else "page", auth=auth)
        strike(office, Redirects(at(2), to=office.office.url, status=307))
        assert office.night().status == "done"
        assert struck(office) == [1]
        assert office.is_true()


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, Heard]]:
    """Another host: its address, and what it hears."""
    heard = Heard()

    def listen(ask: Ask) -> Answer:
        heard.texts[str(ask.number)] = f"{ask.target} {ask.headers} {ask.body!r}"
        return Answer(body=b'{"items": [], "total": 0}')

    other = LoopbackServer(listen, host="127.0.0.2")
    yield other.url, heard
    other.close()


def assert_no_secret_in(heard: Heard, office: Connected) -> None:
    for secret in (*SECRETS.values(), *getattr(office.office.auth, "handed", [])):
        assert heard.found_in_any_form(secret) == []


@pytest.mark.parametrize("auth", ["basic", "key_query", "password", "session_header", "signed"])
def test_a_redirect_to_another_host_carries_nothing_along(
    tmp_path: Path, elsewhere: tuple[str, Heard], auth: str
) -> None:
    to, heard = elsewhere
    with connected(tmp_path, auth=auth) as office:
        office.connect(auth=auth)
        strike(office, Redirects(at(2), to=to, status=307))
        office.night()
        assert struck(office) == [1]
        assert_no_secret_in(heard, office)


@pytest.mark.parametrize("paging", ["link", "next"])
@pytest.mark.parametrize("auth", ["key_header", "key_query"])
def test_a_next_page_at_another_host_is_asked_for_without_credentials(
    tmp_path: Path, elsewhere: tuple[str, Heard], auth: str, paging: str
) -> None:
    to, heard = elsewhere
    with connected(tmp_path, auth=auth) as office:
        office.connect(paging, auth=auth)
        strike(office, LuresAway(at(2), own=office.office.url, to=to))
        night = office.night()
        assert (night.status, struck(office)) == ("failed", [1])
        assert_no_secret_in(heard, office)
