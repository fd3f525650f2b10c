"""What could be a stream of an API: one list, looked at through a URL that somebody has tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel

from connectors.protocol import Candidate
from connectors.registry import is_secret_option
from connectors.rest.auth.tokens import below
from connectors.rest.connector import connect
from connectors.rest.decoding import Decoded, decoded
from connectors.rest.office import Asking
from connectors.rest.options import RestOptions
from connectors.rest.request import Answer, Request, at_path
from schemas.errors import ConfigError

# Names by which APIs call their parameters and figures; capitals don't count.
_PAGES = ("page", "pagenumber", "page_number", "pageno", "page_no", "pageindex", "trang", "p")
_OFFSETS = ("offset", "start", "skip", "from_row", "$skip", "batdau", "bat_dau")
_SIZES = (
    "size", "limit", "per_page", "page_size", "pagesize", "perpage", "count", "$top", "rows",
    "sodong", "so_dong", "soluong", "so_luong", "max",
)  # fmt: skip
_ENDS = ("end",)
_FROM = (
    "from", "since", "start_date", "startdate", "after", "tu", "tu_ngay", "tungay",
    "updated_since", "updated_from", "accepted-from", "from_date", "fromdate",
)  # fmt: skip
_TO = (
    "to", "until", "end_date", "enddate", "before", "den", "den_ngay", "denngay", "updated_to",
    "accepted-to", "to_date", "todate",
)  # fmt: skip
_TOTALS = (
    "total", "totalElements", "totalCount", "total_count", "totalItems", "recordsTotal",
    "totalRecords", "tong", "tongSo", "tong_so",
)  # fmt: skip
_COUNTS = ("totalPages", "total_pages", "pages", "pageCount", "last_page", "tongTrang")
_LASTS = ("last", "isLast", "is_last")
_MORES = ("has_more", "hasMore", "hasNext", "has_next", "more")
_NEXTS = ("next", "links.next", "_links.next.href", "_links.next", "paging.next", "@odata.nextLink")
_CURSORS = ("next_cursor", "nextCursor", "next_page_token", "nextPageToken", "cursor")
_ROOMS = ("", "meta.", "paging.", "page.", "pagination.", "data.", "result.")
_DEEPEST = 3

_DAY = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{2}/[0-9]{2}/[0-9]{4}|[0-9]{10,13}$")
_HINTS: tuple[tuple[str, tuple[str, ...], type], ...] = (
    ("total", _TOTALS, str), ("last", _LASTS, bool), ("more", _MORES, bool),
    ("pages", _COUNTS, str),
)  # fmt: skip

Paging = dict[str, dict[str, object]]


def survey(
    options: BaseModel, *, timezone: str | None, base: Path | None, only: str | None = None
) -> tuple[Candidate, ...]:
    """See `connectors.registry.survey`: the longest list of objects in one answer.

    Args:
        options: Where the API is, and who asks.
        timezone: As for `connect`.
        base: As for `connect`.
        only: Path below the URL, with the query that gave an answer.

    Raises:
        ConfigError: The answer holds no list of objects, or a secret stands in the query.
        SourceError: The API could not be reached, or refused.
    """
    if not isinstance(options, RestOptions):
        message = f"connector rest: its options are {type(options).__name__}, not RestOptions"
        raise ConfigError(message)
    parts = urlsplit(only or "")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if secret := next(filter(is_secret_option, query), None):
        message = (
            f"the parameter {secret!r} of the URL looks like a secret, which no YAML may hold: "
            "write the source by hand with `auth: {api_key: {query: ..., value: ${VARIABLE}}}`, as "
            "docs/connect-an-api.md shows"
        )
        raise ConfigError(message)
    path = unquote(parts.path)
    with closing(connect(options, timezone=timezone, base=base)) as connector:
        request = Request(
            method="GET", url=below(options.url, path), label=f"GET {path}",
            query=tuple(query.items()),
        )  # fmt: skip
        asking = Asking(connector.office, None)
        answer, value = asking.ask(request, lambda a: (a, decoded(a, encoding=None)))
    return (_candidate(path, query, answer, value),)


def _candidate(path: str, query: Mapping[str, str], answer: Answer, value: Decoded) -> Candidate:
    lists = dict(_lists(value.value, ""))
    if not lists:
        message = f"the answer of {path} holds no list of objects; a detail of one row is no stream"
        raise ConfigError(message)
    rows = max(lists, key=lambda at: lists[at])
    around = f"{rows.rpartition('.')[0]}." if "." in rows else ""
    paging, taken, notes = _paging(query, answer, value, Seen(rows=lists[rows], around=around))
    options: dict[str, object] = {"path": path}
    bounds, said = _interval(query)
    kept = {name: text for name, text in query.items() if name not in {*taken, *bounds}}
    if kept:
        options["query"] = kept
    if rows:
        options["rows"] = rows
        notes.insert(0, f"the list at {rows} is the longest list of objects: {lists[rows]} of them")
    if paging:
        options["paging"] = paging
    notes += said
    name = PurePosixPath(path).stem
    return Candidate(name=name, kind="list", options=options, mode="snapshot", notes=tuple(notes))


def _lists(value: Any, at: str) -> Iterator[tuple[str, int]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield at, len(value)
    if isinstance(value, dict) and at.count(".") < _DEEPEST:
        for key, inner in value.items():
            yield from _lists(inner, f"{at}.{key}" if at else key)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The list that was found.

    Attributes:
        rows: How many rows came.
        around: Path of the object that it stands in, with a dot behind; empty for the answer.
    """

    rows: int
    around: str


def _paging(
    query: Mapping[str, str], answer: Answer, value: Decoded, seen: Seen
) -> tuple[Paging, set[str], list[str]]:
    """How the list comes in pages, the parameters that say so, and what speaks for it."""
    if re.search(r'rel="?next\b', answer.headers.get("link", "")):
        return {"link": {}}, set(), ["a Link header names the next page"]
    if (at := _first(value, _NEXTS, str)) and "/" in (value.text(at) or ""):
        return {"next": {"at": at}}, set(), [f"{at} holds the next page's URL"]
    if at := _first(value, _CURSORS, str):
        parameter = next((n for n in query if re.search("cursor|token", n, re.IGNORECASE)), None)
        said = f"{at} holds what the next page is asked with"
        if parameter is None:
            parameter = at.rpartition(".")[2].removeprefix("next_").removeprefix("next").lower()
            said += f"; that the parameter is called {parameter!r} is a guess"
        return {"cursor": {"parameter": parameter, "at": at}}, {parameter}, [said]
    return _numbered(query, value, seen)


def _numbered(
    query: Mapping[str, str], value: Decoded, seen: Seen
) -> tuple[Paging, set[str], list[str]]:
    hints: dict[str, object] = {}
    for key, names, type_ in _HINTS:
        if at := _first(value, names, type_):
            hints[key] = at
    if "total" not in hints and (at := _greater(value, seen)) is not None:
        hints["total"] = at
    offset, page = _named(query, _OFFSETS), _named(query, _PAGES)
    size = _named(query, _SIZES) or next(
        (n for n, text in query.items() if text == str(seen.rows) and n not in {offset, page}), None
    )
    asked: dict[str, object] = {}
    if size is not None and query[size].isdigit() and int(query[size]):
        asked = {"size": int(query[size]), "size_parameter": size}
    if offset is not None:
        return _by_offset(query, offset, asked, hints, seen)
    if page is None:
        _demand_whole(value, hints, seen)
        return {}, set(), ["all rows seem to come in one answer"]
    if "total" not in hints:
        hints.pop("pages", None)
    kind = "page" if "total" in hints else "slice"
    first = 0 if query[page] == "0" else 1
    way: Paging = {kind: {"parameter": page, "first": first, **asked, **hints}}
    taken = {page} | ({size} if asked and size else set())
    return way, taken, [f"the URL has the parameter {page!r}: pages by number"]


def _by_offset(
    query: Mapping[str, str],
    offset: str,
    asked: dict[str, object],
    hints: dict[str, object],
    seen: Seen,
) -> tuple[Paging, set[str], list[str]]:
    taken = {offset, *(str(asked[n]) for n in ("size_parameter",) if n in asked)}
    end = _named(query, _ENDS)
    if end is not None and query[end].isdigit():
        taken.add(end)
        asked = {"end_parameter": end, "size": max(int(query[end]) - int(query[offset] or 0), 1)}
    hints.pop("pages", None)
    way: Paging = {"offset": {"parameter": offset, **(asked or {"size": seen.rows}), **hints}}
    return way, taken, [f"the URL has the parameter {offset!r}: pages by rows skipped"]


def _demand_whole(value: Decoded, hints: Mapping[str, object], seen: Seen) -> None:
    """Raises ConfigError where the answer itself says that there are more rows than came."""
    total = value.count(str(hints["total"])) if "total" in hints else None
    if total is not None and total > seen.rows:
        message = (
            f"{seen.rows} of {total} rows came ({hints['total']}), and the URL has no parameter of "
            "a page: give the URL of a first page ('...?page=1&size=100', as the API calls them)"
        )
        raise ConfigError(message)


def _greater(value: Decoded, seen: Seen) -> str | None:
    """A number beside the list that is greater than it: a total, whatever it is called."""
    beside = at_path(value.value, seen.around[:-1]) if seen.around else value.value
    if not isinstance(beside, dict):
        return None
    paths = (f"{seen.around}{name}" for name in beside)
    return next((at for at in paths if (value.count(at) or 0) > seen.rows), None)


def _named(query: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((name for name in query if name.lower() in names), None)


def _first(value: Decoded, names: tuple[str, ...], kind: type) -> str | None:
    """The first of some paths that leads to something of a kind; numbers count as texts."""
    kinds = {str, int} if kind is str else {kind}
    for room in _ROOMS:
        for name in names:
            if type(at_path(value.value, room + name)) in kinds:
                return room + name
    return None


def _interval(query: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """Parameters that bound a time, which aren't kept: they would freeze what is read."""
    found = {
        kind: name
        for kind, names in (("from", _FROM), ("to", _TO))
        if (name := _named(query, names)) is not None and _DAY.match(query[name])
    }
    if not found:
        return set(), []
    stated = ", ".join(f"{kind}: {name}" for kind, name in found.items())
    form = ', format: "%Y-%m-%d"' if all(len(query[n]) == 10 for n in found.values()) else ""
    said = (
        f"{' and '.join(map(repr, found.values()))} of the URL are left out, so that every row is "
        f"read; `interval: {{{stated}{form}, start: 2020-01-01, window: 7 days}}` with a `cursor:` "
        "reads only what changed"
    )
    return set(found.values()), [said]
