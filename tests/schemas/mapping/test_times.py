# ruff: noqa: DTZ001 - times without a zone are what is read here

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from schemas.mapping.formats import DIRECTIVES, time_format
from schemas.mapping.times import TimeRules, Times, local_dates, read_times

AMSTERDAM = "Europe/Amsterdam"
HANOI = "Asia/Ho_Chi_Minh"
ZONES = st.sampled_from([AMSTERDAM, HANOI, "America/New_York", "America/Sao_Paulo", "UTC"])
# Databases of time zones agree on what happened since 1970, and polars' knows none past 2099.
SECONDS = st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30)).map(
    lambda moment: moment.replace(microsecond=0)
)
CHANGES = [
    datetime(2024, 10, 27, 2, 30),  # twice in Amsterdam
    datetime(2024, 3, 31, 2, 30),  # never in Amsterdam
    datetime(2024, 11, 3, 1, 0),  # twice in New York
    datetime(2018, 11, 4, 0, 0),  # a midnight that never was in São Paulo
    datetime(1975, 6, 13, 0, 0),  # Saigon changes its clock
    datetime(1943, 1, 1, 12, 0),
]
FORMATS = [
    "%Y%m%d%H%M%S",
    "%Y-%m-%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d-%m-%Y",
    "%Y%m%d",
    "%d/%m/%Y",
    "%d %b %Y %I:%M:%S %p",
    "%B %d, %Y",
    "%Y-%j",
    "%d.%m.%y %H:%M",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%H:%M %d%%%m%%%Y",
]


def read(
    values: list[object] | pl.Series,
    *formats: str,
    zone: str = HANOI,
    local: str | None = None,
    date_only: str = "auto",
) -> Times:
    rules = TimeRules(formats=formats, zone=zone, local_zone=local or zone, date_only=date_only)
    series = values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
    return read_times(series, rules)


def utc(local: datetime, zone: str) -> datetime:
    """What Python's zoneinfo says: the earlier of two, past the gap where there is none."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


@settings(deadline=None, max_examples=150)
@given(st.lists(SECONDS, min_size=1, max_size=6), st.sampled_from(FORMATS))
def test_every_format_reads_what_pythons_strptime_reads(moments: list[datetime], form: str) -> None:
    texts = [moment.strftime(form) for moment in moments]
    expected = [utc(datetime.strptime(text, form), HANOI) for text in texts]  # noqa: DTZ007
    assert read(texts, form).instant.to_list() == expected


@settings(deadline=None, max_examples=200)
@given(SECONDS, ZONES)
@example(CHANGES[0], AMSTERDAM)
@example(CHANGES[1], AMSTERDAM)
@example(CHANGES[2], "America/New_York")
@example(CHANGES[3], "America/Sao_Paulo")
@example(CHANGES[4], HANOI)
@example(CHANGES[5], HANOI)
def test_a_local_time_becomes_the_instant_that_zoneinfo_gives(moment: datetime, zone: str) -> None:
    times = read([moment.strftime("%Y%m%d%H%M%S")], "%Y%m%d%H%M%S", zone=zone)
    assert times.instant.to_list() == [utc(moment, zone)]


@settings(deadline=None, max_examples=150)
@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from([AMSTERDAM, "America/New_York"]),
)
@example(CHANGES[0], AMSTERDAM)
@example(CHANGES[1], AMSTERDAM)
def test_an_hour_that_came_twice_or_never_is_marked(moment: datetime, zone: str) -> None:
    times = read([moment.strftime("%Y-%m-%d %H:%M:%S")], zone=zone)
    moment = moment.replace(microsecond=0)
    early, late = (moment.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    differs = early.utcoffset() != late.utcoffset()
    back = early.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    never = back != moment
    assert times.nonexistent.to_list() == [never]
    assert times.ambiguous.to_list() == [differs and not never]
    event(f"twice: {differs and not never}, never: {never}")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 24 * 60 * 40))
def test_the_nights_when_clocks_change_are_read_like_zoneinfo(minutes: int) -> None:
    moments = [
        start + timedelta(minutes=minutes)
        for start in (datetime(2024, 10, 26), datetime(2024, 3, 30), datetime(2011, 10, 29))
    ]
    texts = [moment.strftime("%d/%m/%Y %H:%M") for moment in moments]
    times = read(texts, "%d/%m/%Y %H:%M", zone=AMSTERDAM)
    assert times.instant.to_list() == [utc(moment, AMSTERDAM) for moment in moments]


@settings(deadline=None, max_examples=200)
@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2199, 1, 1)),
    st.one_of(st.none(), st.integers(-14 * 60, 14 * 60)),
    st.sampled_from(["seconds", "milliseconds", "microseconds", "minutes"]),
    st.sampled_from(["T", " "]),
)
def test_iso_reads_what_pythons_fromisoformat_reads(
    moment: datetime, offset: int | None, precision: str, separator: str
) -> None:
    if offset is not None:
        moment = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    text = moment.isoformat(separator, precision)
    stated = datetime.fromisoformat(text)
    expected = stated.astimezone(UTC) if stated.tzinfo else utc(stated, HANOI)
    times = read([text])
    assert times.instant.to_list() == [expected]
    assert times.date_only.to_list() == [False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-11T10:11:12Z", datetime(2024, 1, 11, 10, 11, 12, tzinfo=UTC)),
        ("2024-01-11T10:11:12z", datetime(2024, 1, 11, 10, 11, 12, tzinfo=UTC)),
        ("2024-01-11 10:11:12,5 +07", datetime(2024, 1, 11, 3, 11, 12, 500_000, tzinfo=UTC)),
        ("2024-01-11T10:11+0700", datetime(2024, 1, 11, 3, 11, tzinfo=UTC)),
        ("2024-01-11T10:11:12.123456789", datetime(2024, 1, 11, 3, 11, 12, 123_456, tzinfo=UTC)),
        ("2024-01-11", datetime(2024, 1, 10, 17, tzinfo=UTC)),
    ],
)
def test_iso_has_its_variants(text: str, expected: datetime) -> None:
    assert read([text]).instant.to_list() == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2024-13-01",
        "2024-01-11T25:00:00",
        "2024-01-11T10",
        "11/01/2024",
        "soon",
        "2024-01-11T10:11:12+7",
        "2024-01-11T10:11:12.",
        "2024-01-11T10:11:12 UTC",
        "20240111",
        "2024-1-1",
        "２０２４-01-11",
        "2024-01-11T10:11:12.1234567891",
    ],
)
def test_iso_reads_nothing_else(text: str) -> None:
    assert read([text]).instant.to_list() == [None]


@settings(deadline=None, max_examples=100)
@given(
    st.integers(-2_208_988_800_000_000, 7_258_118_399_999_999),
    st.sampled_from([("epoch_s", 1_000_000), ("epoch_ms", 1_000), ("epoch_us", 1)]),
    st.booleans(),
)
def test_epochs_are_counted_from_1970(micros: int, form: tuple[str, int], as_number: bool) -> None:
    name, unit = form
    count = micros // unit
    values = pl.Series([count]) if as_number else pl.Series([str(count)])
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count * unit)
    assert read(values, name).instant.to_list() == [expected]


def test_an_epoch_may_have_a_fraction_and_must_be_a_date_of_this_age() -> None:
    values = ["1538492521.25", "99999999999999", "-99999999999", "1e9", "x", "9" * 40]
    expected = datetime(2018, 10, 2, 15, 2, 1, 250_000, tzinfo=UTC)
    assert read(values, "epoch_s").instant.to_list() == [expected, *[None] * 5]


@settings(deadline=None, max_examples=100)
@given(st.integers(61, 109_000), st.integers(0, 86_399))
def test_excel_serials_are_days_since_the_end_of_1899(days: int, second: int) -> None:
    moment = datetime(1899, 12, 30) + timedelta(days=days, seconds=second)
    times = read([str(days + second / 86_400)], "excel")
    assert times.instant.to_list() == [utc(moment, HANOI)]
    assert times.date_only.to_list() == [second == 0]


def test_the_29th_of_february_1900_that_excel_invented_is_not_read() -> None:
    assert read(["60", "0", "-3"], "excel").instant.to_list() == [None] * 3


def test_formats_are_tried_in_order() -> None:
    times = read(
        ["02/03/2024", "20240302101112", "2024-03-02T00:00:00Z"],
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%Y%m%d%H%M%S",
        "iso",
    )
    assert times.instant.to_list() == [
        datetime(2024, 3, 1, 17, tzinfo=UTC),
        datetime(2024, 3, 2, 3, 11, 12, tzinfo=UTC),
        datetime(2024, 3, 2, tzinfo=UTC),
    ]
    assert times.date_only.to_list() == [True, False, False]


@settings(deadline=None, max_examples=60)
@given(SECONDS, st.sampled_from(["+0700", "-03:30", "Z", "+00:00"]))
def test_a_stated_offset_decides_whatever_the_zone(moment: datetime, offset: str) -> None:
    text = moment.strftime("%d/%m/%Y %H:%M:%S ") + offset
    expected = datetime.strptime(text, "%d/%m/%Y %H:%M:%S %z").astimezone(UTC)
    times = read([text], "%d/%m/%Y %H:%M:%S %z", zone=AMSTERDAM)
    assert times.instant.to_list() == [expected]
    assert times.ambiguous.to_list() == [False]


def test_typed_times_pass_and_naive_ones_are_local() -> None:
    naive = pl.Series([datetime(2024, 7, 1, 2), None], dtype=pl.Datetime("ns"))
    assert read(naive, zone=AMSTERDAM).instant.to_list() == [datetime(2024, 7, 1, tzinfo=UTC), None]
    zoned = naive.dt.replace_time_zone("America/New_York")
    assert read(zoned, zone=AMSTERDAM).instant.to_list() == [
        datetime(2024, 7, 1, 6, tzinfo=UTC),
        None,
    ]
    days = pl.Series([date(2024, 7, 1), None])
    times = read(days, zone=AMSTERDAM)
    assert times.instant.to_list() == [datetime(2024, 6, 30, 22, tzinfo=UTC), None]
    assert times.date_only.to_list() == [True, None]


def test_numbers_are_read_by_patterns_too() -> None:
    times = read(pl.Series([20240111, None]), "%Y%m%d")
    assert times.instant.to_list() == [datetime(2024, 1, 10, 17, tzinfo=UTC), None]


def test_a_columns_zone_is_for_hours_and_the_sources_for_dates() -> None:
    times = read(["2024-01-11 18:00:00", "2024-01-11"], zone="UTC", local=HANOI)
    assert times.instant.to_list() == [
        datetime(2024, 1, 11, 18, tzinfo=UTC),
        datetime(2024, 1, 10, 17, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("auto", [False, False, True, None]),
        ("midnight", [True, False, True, None]),
        ("always", [True, True, True, None]),
        ("never", [False, False, False, None]),
    ],
)
def test_date_only_says_which_stamps_are_dates(mode: str, expected: list[bool | None]) -> None:
    texts = ["2024-01-10T17:00:00Z", "2024-01-10T17:00:01Z", "2024-01-11", "x"]
    assert read(texts, date_only=mode).date_only.to_list() == expected


@settings(deadline=None, max_examples=150)
@given(st.lists(SECONDS, min_size=1, max_size=4), ZONES)
@example([datetime(1975, 6, 13)], HANOI)
def test_a_local_date_is_the_one_of_zoneinfo(moments: list[datetime], zone: str) -> None:
    instants = pl.Series(moments, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    expected = [m.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date() for m in moments]
    assert local_dates(instants, zone).to_list() == expected


def test_years_at_the_ends_of_the_calendar_are_read_and_not_a_crash() -> None:
    texts = ["0001-01-01", "9999-12-31", "0024-05-06 10:00:00"]
    for zone in (HANOI, AMSTERDAM, "America/New_York"):
        assert read(texts, zone=zone).instant.null_count() == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("%Y-%m-%d %Q", "uses %Q"),
        ("iso8601", "named ones are iso"),
        ("%H:%M", "no day"),
        ("%Y%m%d%H%M%S%f", "needs a point"),
        ("%Y-%m-%d %Z", "uses %Z"),
        ("", "no format"),
    ],
)
def test_a_format_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        time_format(text)


def test_every_directive_is_tried_against_python() -> None:
    used = {letter for form in FORMATS for letter in DIRECTIVES if f"%{letter}" in form}
    assert used == set(DIRECTIVES) - {"z"}  # %z has a test of its own
