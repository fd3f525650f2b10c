"""Every fault by name: what goes wrong, ready to be given its hour."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from tests.support.hostile_office.faults import (
    Breaks,
    ChangesType,
    Dies,
    Drifts,
    Fault,
    Garbled,
    Garbling,
    Latency,
    MovesTotal,
    NeverEnds,
    Refuses,
    RepeatsPages,
    RepeatsRows,
    Schedule,
    ServerErrors,
    SkipsRows,
    TokensExpire,
    TooMany,
)
from tests.support.hostile_office.wire import Ending

MakeFault = Callable[[Schedule], Fault]

_ENDINGS: tuple[Ending, ...] = (
    "silence", "reset", "short", "cut", "unfinished", "drip", "hang", "endless",
)  # fmt: skip


def _breaks(ending: Ending) -> MakeFault:
    return lambda when: Breaks(when, ending=ending)


def _garbled(kind: Garbling) -> MakeFault:
    return lambda when: Garbled(when, kind=kind)


def _errors(status: int) -> MakeFault:
    return lambda when: ServerErrors(when, status=status)


WIRE: dict[str, MakeFault] = {
    "latency": Latency,
    **{ending: _breaks(ending) for ending in _ENDINGS},
    "dies": Dies,
}
"""What the network does to a good answer."""
STATUS: dict[str, MakeFault] = {
    "429_seconds": lambda when: TooMany(when, form="seconds"),
    "429_date": lambda when: TooMany(when, form="date"),
    "429_bare": lambda when: TooMany(when, form="none"),
    "503_retry_after": lambda when: TooMany(when, form="seconds", status=503),
    **{str(status): _errors(status) for status in (500, 502, 504)},
    "403": Refuses,
}
"""What the server says instead of an answer."""
BODY: dict[str, MakeFault] = {kind: _garbled(kind) for kind in get_args(Garbling)}
"""What stands in an answer of status 200."""
ROWS: dict[str, MakeFault] = {
    "drift_insert": lambda when: Drifts(when, how="insert"),
    "drift_remove": lambda when: Drifts(when, how="remove"),
    "drift_change": lambda when: Drifts(when, how="change"),
    "repeats_rows": RepeatsRows,
    "skips_rows": SkipsRows,
    "repeats_pages": RepeatsPages,
    "moves_total": MovesTotal,
    "type_text": lambda when: ChangesType(when, into="text"),
    "type_object": lambda when: ChangesType(when, into="object"),
    "type_list": lambda when: ChangesType(when, into="list"),
    "never_ends": NeverEnds,
}
"""What the listings get wrong."""
FAULTS: dict[str, MakeFault] = {**WIRE, **STATUS, **BODY, **ROWS, "tokens_expire": TokensExpire}
