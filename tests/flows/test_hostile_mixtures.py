"""Mixtures of everything that goes wrong, over nights in which the office goes on working.

Hypothesis makes the mixtures. `Connected.night` holds every night, the worst too, to what is true
in each: no key twice, no row that was never true, receipts that add up, an audit without findings.
When the office has calmed down core is its truth, by key and value.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, event, given, note, settings
from hypothesis import strategies as st

from tests.support.connected import PAGINGS, SECRETS, Connected, connected
from tests.support.hostile_office.catalogue import BODY, FAULTS, ROWS, STATUS, WIRE
from tests.support.hostile_office.faults import Fault, Schedule, TokensExpire, at, chance, during

CALM_NIGHTS = 3
WINDOWS = {"start": "2025-03-01", "window": "12 hours"}
SLOW = {"hang", "endless"}  # each costs the time-out of a request, in real seconds
FAMILIES = [WIRE, STATUS, BODY, ROWS, {"tokens_expire": TokensExpire}]
BOUNDED = settings(
    deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
Hostile = list[tuple[int, tuple[Fault, ...]]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def secrets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        yield


def schedules() -> st.SearchStrategy[Schedule]:
    numbers = st.integers(1, 12)
    return st.one_of(
        st.builds(at, numbers, numbers),
        st.builds(lambda start, length: during(start, start + length), numbers, st.integers(0, 5)),
        st.builds(lambda seed: chance(0.2, seed=seed), st.integers(0, 1000)),
    )


@st.composite
def faults(draw: st.DrawFn) -> tuple[Fault, ...]:
    """Two to four things that go wrong in one night, of one family or of several.

    The first is sure to be due, and comes before the others.
    """
    kinds = draw(st.lists(st.sampled_from(FAMILIES), min_size=2, max_size=4))
    names = [draw(st.sampled_from(sorted(set(kind) - SLOW))) for kind in kinds]
    sure = at(draw(st.integers(1, 3)), draw(st.integers(1, 9)))
    whens = [sure, *(draw(schedules()) for _ in names[1:])]
    return tuple(FAULTS[name](when) for name, when in zip(names, whens, strict=True))


def nights() -> st.SearchStrategy[Hostile]:
    """Hostile nights: what changed on the day before, and what goes wrong."""
    return st.lists(st.tuples(st.integers(0, 8), faults()), min_size=1, max_size=3)


def live_through(office: Connected, hostile: Hostile) -> None:
    """Nights of faults, then calm ones until core is the truth."""
    statuses = []
    for changes, evil in hostile:
        office.next_day(changes)
        office.office.faults = evil
        night = office.night()
        statuses.append(night.status)
        struck = {fault.name: fault.struck for fault in evil if fault.struck}
        note(f"{changes} changes; struck {struck}; {night.status}: {night.error}, {night.note}")
        assume(struck)
        for name in struck:
            event(f"struck: {name}")
    event(f"nights: {', '.join(statuses)}")
    office.office.faults = ()
    office.next_day(changes=3)
    event(f"calm nights: {office.nights_until_true(most=CALM_NIGHTS)}")
    silent = office.night()
    assert (silent.status, silent.landed) == ("done", 0)


@given(
    hostile=nights(),
    paging=st.sampled_from([*PAGINGS, "details"]),
    auth=st.sampled_from(["password", "client_credentials", "session_header", "signed"]),
)
@settings(BOUNDED, max_examples=12)
def test_after_any_mixture_core_is_the_truth(
    tmp_path_factory: pytest.TempPathFactory, hostile: Hostile, paging: str, auth: str
) -> None:
    with connected(tmp_path_factory.mktemp("mixture"), rows=40, auth=auth) as office:
        office.connect(paging, auth=auth)
        live_through(office, hostile)


@given(hostile=nights(), paging=st.sampled_from(sorted(PAGINGS)))
@settings(BOUNDED, max_examples=6)
def test_after_any_mixture_the_intervals_are_the_truth(
    tmp_path_factory: pytest.TempPathFactory, hostile: Hostile, paging: str
) -> None:
    with connected(tmp_path_factory.mktemp("mixture"), rows=40, auth="password") as office:
        office.connect(paging, auth="password", interval=WINDOWS)
        # Who reads by changes doesn't see what is gone: nothing is removed here.
        office.truth.is_kept = True
        live_through(office, hostile)
