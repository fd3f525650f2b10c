"""Stamps of a source become instants: formats tried in order, offsets kept, zones applied.

A stated offset decides. A time without one is local in its column's zone; a date without an hour
is local midnight in the source's zone. A local hour that happened twice is the earlier one; one
that never happened (clocks put forward) counts from before the change, as Python's `zoneinfo`
does with fold=0. Clock changes are known from 1970 to 2099: before and after them the zone's
database promises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal, cast
from zoneinfo import ZoneInfo

import polars as pl

from schemas.mapping.filled import filled, nowhere
from schemas.mapping.formats import NAIVE, STATED, time_format

DEFAULT_FORMATS = ("iso",)

_SCAN = range(1900, 2101)  # years in which a zone's clock changes are looked for
_WEEK = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Stamps as read. All series are as long as the input, in its order.

    Attributes:
        instant: UTC, microseconds; null where there is no value or it can't be read.
        date_only: The stamp is a date without an hour; null where `instant` is.
        ambiguous: The local hour happened twice, the earlier one was taken.
        nonexistent: The local hour never happened, it was moved past the change of clocks.
    """

    instant: pl.Series
    date_only: pl.Series
    ambiguous: pl.Series
    nonexistent: pl.Series


@dataclass(frozen=True, kw_only=True)
class TimeRules:
    """How a column's stamps are read.

    Attributes:
        formats: Formats tried in order, for texts and numbers.
        zone: Zone of a time without an offset.
        local_zone: The source's zone: of dates, and of what midnight is.
        date_only: Which stamps count as dates (see `ColumnMapping.date_only`).
    """

    formats: tuple[str, ...]
    zone: str
    local_zone: str
    date_only: Literal["auto", "midnight", "always", "never"] = "auto"


def read_times(values: pl.Series, rules: TimeRules) -> Times:
    """Reads a column of texts, numbers, dates or timestamps as instants."""
    stated = _stated(values, rules.formats or DEFAULT_FORMATS)
    local = _localised(stated["naive"], rules.zone)
    if rules.zone != rules.local_zone and stated["date_only"].any():
        days = _localised(stated["naive"], rules.local_zone)
        is_day = stated["date_only"].fill_null(value=False)
        local = _Local(
            instant=days.instant.zip_with(is_day, local.instant),
            ambiguous=local.ambiguous,
            nonexistent=local.nonexistent,
        )
    return _with_date_only(_shifted(stated, local), rules)


def _shifted(stated: pl.DataFrame, local: _Local) -> Times:
    """The stamps, each by its own offset where it states one."""
    if stated["offset"].null_count() == stated.height and not local.is_doubtful:
        return Times(
            instant=local.instant, date_only=stated["date_only"],
            ambiguous=local.ambiguous, nonexistent=local.nonexistent,
        )  # fmt: skip
    frame = stated.with_columns(
        local=local.instant, ambiguous=local.ambiguous, nonexistent=local.nonexistent
    )
    offset = pl.col("offset")
    is_local_hour = offset.is_null() & ~pl.col("date_only")
    shifted = (pl.col("naive") - offset).dt.replace_time_zone("UTC")
    read = frame.select(
        instant=pl.when(offset.is_null()).then(pl.col("local")).otherwise(shifted),
        date_only=pl.col("date_only"),
        ambiguous=(pl.col("ambiguous") & is_local_hour).fill_null(value=False),
        nonexistent=(pl.col("nonexistent") & is_local_hour).fill_null(value=False),
    )
    return Times(**{name: read[name] for name in read.columns})


def local_dates(instants: pl.Series, zone: str) -> pl.Series:
    """The local date of each instant."""
    offset = _steady_offset(instants.dt.replace_time_zone(None), zone)
    if offset is not None:
        return (instants + offset).dt.date()
    return instants.dt.convert_time_zone(zone).dt.date()


@dataclass(frozen=True, kw_only=True)
class _Local:
    instant: pl.Series
    ambiguous: pl.Series
    nonexistent: pl.Series

    @property
    def is_doubtful(self) -> bool:
        """Whether any of the times stands where the clock was changed."""
        return self.ambiguous.any() or self.nonexistent.any()


def _stated(values: pl.Series, formats: tuple[str, ...]) -> pl.DataFrame:
    """What a column states: columns naive (wall clock), offset (or null), date_only."""
    kind = values.dtype
    column = pl.col("value")
    frame = values.alias("value").to_frame()
    known = pl.when(column.is_not_null())
    no_offset = pl.lit(None, dtype=pl.Duration("us"))
    if kind == pl.Date:
        return frame.select(
            naive=column.cast(NAIVE), offset=no_offset, date_only=known.then(pl.lit(value=True))
        )
    if isinstance(kind, pl.Datetime):
        zero = known.then(pl.duration(seconds=0))
        in_utc = column if kind.time_zone is None else column.dt.convert_time_zone("UTC")
        return frame.select(
            naive=in_utc.dt.replace_time_zone(None).cast(NAIVE),
            offset=no_offset if kind.time_zone is None else zero.cast(pl.Duration("us")),
            date_only=known.then(pl.lit(value=False)),
        )
    if kind != pl.String:
        values = values.cast(pl.String, strict=False)
    return _by_formats(values, formats)


def _by_formats(values: pl.Series, formats: tuple[str, ...]) -> pl.DataFrame:
    """Reads texts by the first format that fits; later ones only look at what is left."""
    read = pl.DataFrame(schema=STATED)
    for number, name in enumerate(formats):
        now = time_format(name).read(values)
        if number > 0:
            missing = read["naive"].is_null()
            now = now.select(now[c].zip_with(missing, read[c]) for c in now.columns)
        read = now
        values = values.zip_with(read["naive"].is_null(), pl.Series([None], dtype=pl.String))
        if values.null_count() == len(values):
            break
    return read


def _localised(naive: pl.Series, zone: str) -> _Local:
    never = nowhere(len(naive))
    offset = _steady_offset(naive, zone)
    if offset is not None:
        instant = (naive - offset).dt.replace_time_zone("UTC")
        return _Local(instant=instant, ambiguous=never, nonexistent=never)
    early = _in_zone(naive, zone, "earliest")
    late = _in_zone(naive, zone, "latest")
    gap = early.is_null() & naive.is_not_null()
    if gap.any():
        # Counted on from the day before, the hour lands where the old offset puts it.
        day = timedelta(days=1)
        early = ((_in_zone(naive - day, zone, "earliest")) + day).zip_with(gap, early)
    return _Local(instant=early, ambiguous=(early != late).fill_null(value=False), nonexistent=gap)


def _in_zone(naive: pl.Series, zone: str, which: Literal["earliest", "latest"]) -> pl.Series:
    local = naive.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _with_date_only(times: Times, rules: TimeRules) -> Times:
    if rules.date_only == "auto":
        return times
    known = pl.col("instant").is_not_null()
    if rules.date_only == "midnight":
        local = times.instant.dt.convert_time_zone(rules.local_zone)
        days = times.date_only | (local == local.dt.truncate("1d"))
    else:
        days = filled(rules.date_only == "always", pl.Boolean, len(times.instant))
    frame = pl.DataFrame({"instant": times.instant, "days": days})
    return Times(
        instant=times.instant,
        date_only=frame.select(pl.when(known).then(pl.col("days")))["days"],
        ambiguous=times.ambiguous,
        nonexistent=times.nonexistent,
    )


@cache
def _steady_since(zone: str) -> tuple[int, timedelta] | None:
    """The first year from which a zone's clock never changed, and its offset; None: it does."""
    clock = ZoneInfo(zone)
    steady: tuple[int, timedelta] | None = None
    for year in reversed(_SCAN):
        moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        offsets = set()
        while moment < end:
            offsets.add(cast("timedelta", moment.astimezone(clock).utcoffset()))
            moment += _WEEK
        if len(offsets) > 1 or (steady is not None and steady[1] not in offsets):
            return steady
        steady = (year, offsets.pop())
    return steady


def _steady_offset(naive: pl.Series, zone: str) -> timedelta | None:
    """The one offset that all these times have, where the zone's clock stood still long before."""
    steady = _steady_since(zone)
    first = cast("datetime | None", naive.min())
    if steady is None or (first is not None and first.year <= steady[0] + 1):
        return None
    last = cast("datetime | None", naive.max())
    if last is not None and last.year >= _SCAN.stop - 1:
        return None
    return steady[1]
