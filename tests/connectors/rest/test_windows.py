"""Intervals as an API is asked for them, and the clock that bounds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.protocol import Cursor, ReadRequest
from connectors.rest.options import Interval
from connectors.rest.windows import parameters, resolution
from tests.connectors.rest.support import FakeClock, connector, rows, stream
from tests.support.api import Asked, Reply, serving

LOW = datetime(2026, 11, 22, 17, 30, 15, 250_000, tzinfo=UTC)  # 00:30:15.25 on the 23rd in Hà Nội
HIGH = datetime(2026, 11, 23, 3, 0, 0, 1, tzinfo=UTC)
ZONE = "Asia/Ho_Chi_Minh"

FORMS = [
    ("iso", {}, "2026-11-23T00:30:15+07:00", "2026-11-23T10:00:01+07:00"),
    ("iso", {"timezone": "UTC"}, "2026-11-22T17:30:15+00:00", "2026-11-23T03:00:01+00:00"),
    ("%Y%m%d%H%M%S", {}, "20261123003015", "20261123100001"),
    ("%Y-%m-%d %H:%M", {}, "2026-11-23 00:30", "2026-11-23 10:01"),
    ("%d/%m/%Y", {}, "23/11/2026", "24/11/2026"),
    ("%d/%m/%Y", {"inclusive": True}, "23/11/2026", "23/11/2026"),
    ("epoch_s", {}, "1795368615", "1795402801"),
    ("epoch_ms", {}, "1795368615250", "1795402800001"),
    ("%Y-%m-%dT%H:%M:%S.%f", {}, "2026-11-23T00:30:15.250000", "2026-11-23T10:00:00.000001"),
]


@pytest.mark.parametrize(("form", "more", "low", "high"), FORMS)
def test_an_interval_is_written_as_the_api_reads_it(
    form: str, more: dict[str, object], low: str, high: str
) -> None:
    interval = Interval.model_validate({"from": "tu", "to": "den", "format": form, **more})
    assert parameters(interval, low=LOW, high=HIGH, zone=ZONE) == {"tu": low, "den": high}


ZONES = st.sampled_from([ZONE, "UTC", "Europe/Amsterdam"])
MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis gives the zone
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENTS, MOMENTS, st.sampled_from(["%Y-%m-%d", "%Y%m%d%H", "%Y%m%d%H%M", "epoch_s"]), ZONES)
def test_what_a_format_cuts_off_is_asked_for_in_full(
    low: datetime, high: datetime, form: str, zone: str
) -> None:
    interval = Interval.model_validate({"from": "f", "to": "t", "format": form})
    asked = parameters(interval, low=low, high=high, zone=zone)

    def moment(text: str) -> datetime:
        if form == "epoch_s":
            return datetime.fromtimestamp(int(text), UTC)
        return datetime.strptime(text, form).replace(tzinfo=ZoneInfo(zone))

    # On the wall clock, which is what the API compares.
    moments = {"low": low, "high": high, "f": moment(asked["f"]), "t": moment(asked["t"])}
    wall = {n: m.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for n, m in moments.items()}
    assert wall["f"] <= wall["low"] < wall["f"] + resolution(form)
    assert wall["t"] - resolution(form) < wall["high"] <= wall["t"]


def test_the_servers_clock_bounds_the_interval() -> None:
    clock = FakeClock()
    server = clock.now() + timedelta(hours=3)

    def answer(asked: Asked) -> Reply:
        return Reply([], headers={"Date": format_datetime(server, usegmt=True)})

    cursor = Cursor(column="v", lag=timedelta(seconds=10))
    spec = stream(cursor=cursor, interval={"from": "tu"})
    with serving(answer) as api:
        one = connector(api.url, clock=clock)
        rows(one, spec)
        high = one.high(spec)
        assert isinstance(high, datetime)
        assert abs(high - (server - timedelta(seconds=10))) < timedelta(seconds=2)
        with one.read(spec, ReadRequest()) as read:
            assert any("seconds ahead of ours" in note for note in read.summary.notes)


def test_without_a_date_our_own_clock_counts_and_that_is_told() -> None:
    clock = FakeClock()
    spec = stream(cursor=Cursor(column="v"), interval={"from": "tu"})
    with serving(lambda asked: Reply([])) as api:
        api.has_clock = False
        one = connector(api.url, clock=clock)
        high = one.high(spec)
        assert high == (clock.now() - timedelta(seconds=10)).replace(microsecond=0)
        with one.read(spec, ReadRequest()) as read:
            assert any("doesn't tell its time" in note for note in read.summary.notes)


def test_a_read_of_an_interval_asks_for_it() -> None:
    spec = stream(
        cursor=Cursor(column="v"), interval={"from": "tu", "to": "den", "format": "%Y-%m-%d"}
    )
    with serving(lambda asked: Reply([])) as api:
        one = connector(api.url)
        rows(one, spec, ReadRequest(low=LOW, high=HIGH))
        assert api.asked[0].query == {"tu": "2026-11-23", "den": "2026-11-24"}
        rows(one, spec, ReadRequest(high=HIGH))
        assert api.asked[1].query == {}


@pytest.mark.parametrize(
    ("days", "outside"),
    [
        (["2026-11-22", "2026-11-23", "2026-11-24"], 0),  # a local day beside those of UTC is none
        (["2024-01-01T08:00:00+07:00", "2026-11-23", "2027-03-01"], 2),
        (["23/11/2020", None, ""], 0),  # what can't be told isn't claimed
    ],
)
def test_rows_outside_of_the_interval_are_told_with_the_parameters(
    days: list[str | None], outside: int
) -> None:
    spec = stream(
        cursor=Cursor(column="v"), interval={"from": "tu", "to": "den", "format": "%Y-%m-%d"}
    )
    answer = [{"id": str(number), "v": day} for number, day in enumerate(days)]
    with serving(lambda _: Reply(answer)) as api:
        one = connector(api.url)
        with one.read(spec, ReadRequest(low=LOW, high=HIGH)) as read:
            assert sum(batch.num_rows for batch in read.batches()) == 3
    told = [note for note in read.summary.notes if "outside" in note]
    assert bool(told) == bool(outside)
    if told:
        assert told == [
            f"{outside} of 3 rows lie outside of the interval that was asked for: does the API "
            "know 'tu' and 'den'? Every window may read the whole list"
        ]
