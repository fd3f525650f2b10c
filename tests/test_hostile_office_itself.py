"""The hostile office is an honest one underneath: without faults it keeps to its description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode

from tests.support.hostile_office import HostileOffice, OfficeClock, Truth, hostile_office
from tests.support.hostile_office import auth as ways
from tests.support.hostile_office.catalogue import FAULTS
from tests.support.hostile_office.faults import at, during
from tests.support.hostile_office.openapi import description

BOUNDED = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SCHEMA = schemathesis.openapi.from_dict(description(None))
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


def rows(count: int) -> Truth:
    truth = Truth()
    truth.add(count)
    return truth


@pytest.fixture(scope="module")
def office() -> Iterator[HostileOffice]:
    with hostile_office(rows(45)) as office:
        yield office


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        (label, mode)
        for label in OPERATIONS
        for mode in GenerationMode
        # Every text is a code: there is none that the description forbids.
        if (label, mode) != ("GET /dossiers/{code}", GenerationMode.NEGATIVE)
    ],
)
def test_every_operation_keeps_to_its_description(
    office: HostileOffice, label: str, mode: GenerationMode
) -> None:
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @BOUNDED
    def keeps_to_it(case: Case) -> None:
        case.call_and_validate(base_url=office.url, timeout=5)

    keeps_to_it()


def let_in(way: ways.Auth) -> dict[str, Any]:
    """What a request has to carry for it, as `requests` takes it."""
    match way:
        case ways.Basic():
            return {"auth": (ways.NAME, ways.PASSWORD)}
        case ways.ApiKey(place="query"):
            return {"params": {way.name: ways.API_KEY}}
    headers = {}
    match way:
        case ways.ApiKey():
            headers = {way.name: ways.API_KEY}
        case ways.Bearer():
            headers = {"Authorization": f"Bearer {ways.BEARER}"}
        case ways.OAuth():
            headers = {"Authorization": f"Bearer {way.hand_out()}"}
        case ways.Session():
            headers = {"X-Session": way.hand_out()}
    return {"headers": headers}


@pytest.mark.parametrize("kind", ["basic", "header", "query", "bearer", "oauth", "session"])
def test_nobody_comes_in_by_another_way_than_the_described_one(kind: str) -> None:
    clock = OfficeClock()
    way: ways.Auth = {
        "basic": ways.Basic,
        "header": lambda: ways.ApiKey(place="header"),
        "query": lambda: ways.ApiKey(place="query"),
        "bearer": ways.Bearer,
        "oauth": lambda: ways.OAuth(clock),
        "session": lambda: ways.Session(clock),
    }[kind]()
    with hostile_office(rows(3), auth=way, clock=clock) as office:
        operation = schemathesis.openapi.from_dict(office.openapi())["/by-page"]["GET"]

        @given(case=operation.as_strategy())
        @BOUNDED
        def keeps_to_it(case: Case) -> None:
            case.call_and_validate(base_url=office.url, timeout=5, **let_in(way))

        keeps_to_it()
        assert requests.get(f"{office.url}/by-page", timeout=5).status_code == 401
        assert requests.get(f"{office.url}/by-page", timeout=5, **let_in(way)).status_code == 200


def test_an_office_that_breaks_its_word_is_found_out(office: HostileOffice) -> None:
    lied = description(None)
    lied["components"]["schemas"]["Dossier"]["properties"]["version"] = {"type": "string"}
    operation = schemathesis.openapi.from_dict(lied)["/by-slice"]["GET"]

    @given(case=operation.as_strategy())
    @BOUNDED
    def keeps_to_it(case: Case) -> None:
        case.query = {}
        case.call_and_validate(base_url=office.url, timeout=5)

    with pytest.raises(schemathesis.core.failures.FailureGroup):
        keeps_to_it()


def naive(office: HostileOffice, path: str, **sent: Any) -> dict[str, tuple[int, Any]]:
    """What a reader that expects no evil takes home from the pages: code to version and fee."""
    codes: dict[str, tuple[int, Any]] = {}
    totals, count = set(), 0
    for page in range(1, 12):
        query = {"page": page, "size": 10, "sort": sent.get("sort", "code")}
        reply = requests.get(
            office.url + path, params=query, headers=sent.get("headers"), timeout=2
        )
        reply.raise_for_status()
        items = reply.json(parse_float=str)["items"]
        codes |= {row["code"]: (row["version"], row["fee"]) for row in items}
        count += len(items)
        totals.add(reply.json()["total"])
        if not items:
            assert count == len(codes), "a row came twice"
            assert totals == {count}, "the total is another"
            return codes
    raise AssertionError("the pages don't end")


HARMLESS = {"latency", "drip", "wrong_type", "no_type", "lying_charset", "type_text"}
"""To a reader that takes JSON for JSON, whatever it is called, and every value for text."""


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_stops_or_deceives_whoever_expects_no_evil(name: str) -> None:
    clock = OfficeClock()
    way = ways.OAuth(clock) if name == "tokens_expire" else ways.Open()
    with hostile_office(rows(45), clock=clock, auth=way) as office:
        sent = let_in(way)
        if name == "drift_change":
            sent["sort"] = "-updatedAt"
        assert set(naive(office, "/by-page", **sent)) == set(office.truth.core())
        fault = FAULTS[name](during(3, 99) if name == "never_ends" else at(3))
        office.faults = (fault,)
        got: object = None
        try:
            got = naive(office, "/by-page", **sent)
        except (requests.RequestException, AssertionError, ValueError, KeyError) as error:
            got = error
        truth = {
            d.code: (d.version, None if d.fee is None else str(d.fee)) for d in office.truth.rows()
        }
        assert fault.struck > 0
        assert (got == truth) == (name in HARMLESS)
        office.revive()
        office.faults = ()
        assert set(naive(office, "/by-page", **{**sent, **let_in(way)})) == set(truth)
