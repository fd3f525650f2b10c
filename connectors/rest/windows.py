"""An interval of time as the parameters that an API asks for."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.rest.options import Interval

_FINEST: tuple[tuple[str, timedelta], ...] = (
    ("f", timedelta(microseconds=1)),
    ("STcXs+", timedelta(seconds=1)),
    ("MR", timedelta(minutes=1)),
    ("HIkl", timedelta(hours=1)),
)
_NAMED = {
    "iso": timedelta(seconds=1),
    "epoch_s": timedelta(seconds=1),
    "epoch_ms": timedelta(milliseconds=1),
}
_DAY = timedelta(days=1)
_MIDNIGHT = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}


def parameters(
    interval: Interval, *, low: datetime | None, high: datetime | None, zone: str
) -> dict[str, str]:
    """The parameters for `[low, high)`; what a format cuts off is asked for in full.

    Args:
        interval: How the API asks.
        low: Beginning, with a zone; None: from the first row.
        high: End, with a zone; None: to the last row.
        zone: The source's zone, where the interval states none.
    """
    written: dict[str, str] = {}
    if interval.from_ is not None and low is not None:
        written[interval.from_] = _written(interval, low, zone, up=False)
    if interval.to is not None and high is not None:
        written[interval.to] = _written(interval, high, zone, up=not interval.inclusive)
    return written


def resolution(form: str) -> timedelta:
    """The finest step that a format can tell apart, a day at most."""
    if form in _NAMED:
        return _NAMED[form]
    letters = {form[i + 1] for i in range(len(form) - 1) if form[i] == "%"}
    return next((step for marks, step in _FINEST if letters & set(marks)), _DAY)


def _written(interval: Interval, moment: datetime, zone: str, *, up: bool) -> str:
    local = moment.astimezone(ZoneInfo(interval.timezone or zone))
    step = resolution(interval.format)
    floor = _floor(local, step)
    if up and floor < local:
        floor = _floor(floor + step, step)
    match interval.format:
        case "iso":
            return floor.isoformat(timespec="seconds")
        case "epoch_s":
            return str(int(floor.timestamp()))
        case "epoch_ms":
            return str(round(floor.timestamp() * 1000))
        case form:
            return floor.strftime(form)


def _floor(local: datetime, step: timedelta) -> datetime:
    if step == _DAY:
        return local.replace(**_MIDNIGHT)  # type: ignore[arg-type]
    midnight = local.replace(**_MIDNIGHT)  # type: ignore[arg-type]
    # On the wall clock: what a format writes is the wall clock's.
    since = local.replace(tzinfo=None) - midnight.replace(tzinfo=None)
    floored = midnight.replace(tzinfo=None) + (since // step) * step
    return floored.replace(tzinfo=local.tzinfo, fold=local.fold)
