"""What could be a stream of an API: one list, looked at through a URL that somebody has tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
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

_PAGES = ("page", "pageNumber", "page_number", "pageNo", "page_no", "pageIndex", "trang", "p")
_OFFSETS = ("offset", "start", "skip", "from_row", "$skip")
_SIZES = ("size", "limit", "per_page", "page_size", "pageSize", "perPage", "count", "$top", "rows")
_ENDS = ("end",)
_TOTALS = ("total", "totalElements", "totalCount", "total_count", "totalItems", "recordsTotal")
_COUNTS = ("totalPages", "total_pages", "pages", "pageCount", "last_page")
_LASTS = ("last", "isLast", "is_last")
_MORES = ("has_more", "hasMore", "hasNext", "has_next", "more")
_NEXTS = ("next", "links.next", "_links.next.href", "_links.next", "paging.next", "@odata.nextLink")
_CURSORS = ("next_cursor", "nextCursor", "next_page_token", "nextPageToken", "cursor")
_FROM = ("from", "since", "start_date", "startDate", "after", "tu_ngay", "tuNgay", "updated_since")
_TO = ("to", "until", "end_date", "endDate", "before", "den_ngay", "denNgay")
_ROOMS = ("", "meta.", "paging.", "page.", "pagination.", "data.", "result.")
_DEEPEST = 3

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
            "leave it away, and add `auth: {api_key: {query: ..., value: ${VARIABLE}}}` to the file"
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
    paging, taken, notes = _paging(query, answer, value, lists[rows])
    options: dict[str, object] = {"path": path}
    kept = {name: text for name, text in query.items() if name not in taken}
    if kept:
        options["query"] = kept
    if rows:
        options["rows"] = rows
        notes.insert(0, f"the list at {rows} is the longest list of objects: {lists[rows]} of them")
    if paging:
        options["paging"] = paging
    notes += _interval_notes(query)
    name = PurePosixPath(path).stem
    return Candidate(name=name, kind="list", options=options, mode="snapshot", notes=tuple(notes))


def _lists(value: Any, at: str) -> Iterator[tuple[str, int]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield at, len(value)
    if isinstance(value, dict) and at.count(".") < _DEEPEST:
        for key, inner in value.items():
            yield from _lists(inner, f"{at}.{key}" if at else key)


def _paging(
    query: Mapping[str, str], answer: Answer, value: Decoded, rows: int
) -> tuple[Paging, set[str], list[str]]:
    """How the list comes in pages, the parameters that say so, and what speaks for it."""
    if re.search(r'rel="?next\b', answer.headers.get("link", "")):
        return {"link": {}}, set(), ["a Link header names the next page"]
    if (at := _first(value, _NEXTS, str)) and "/" in (value.text(at) or ""):
        return {"next": {"at": at}}, set(), [f"{at} holds the next page's URL"]
    if at := _first(value, _CURSORS, str):
        parameter = next((n for n in query if "cursor" in n.lower() or "token" in n.lower()), None)
        said = f"{at} holds what the next page is asked with"
        if parameter is None:
            parameter = at.rpartition(".")[2].removeprefix("next_").removeprefix("next").lower()
            said += f"; that the parameter is called {parameter!r} is a guess"
        return {"cursor": {"parameter": parameter, "at": at}}, {parameter}, [said]
    return _numbered(query, value, rows)


def _numbered(
    query: Mapping[str, str], value: Decoded, rows: int
) -> tuple[Paging, set[str], list[str]]:
    size = next((name for name in _SIZES if name in query), None)
    hints: dict[str, object] = {}
    for key, names, type_ in _HINTS:
        if at := _first(value, names, type_):
            hints[key] = at
    offset = next((name for name in _OFFSETS if name in query), None)
    page = next((name for name in _PAGES if name in query), None)
    asked: dict[str, object] = {}
    taken: set[str] = set()
    if size is not None and query[size].isdigit():
        asked = {"size": int(query[size]), "size_parameter": size}
        taken.add(size)
    if offset is not None:
        taken.add(offset)
        end = next((name for name in _ENDS if name in query), None)
        if end is not None and query[end].isdigit():
            taken.add(end)
            width = int(query[end]) - int(query[offset] or 0)
            asked = {"end_parameter": end, "size": max(width, 1)}
        hints.pop("pages", None)
        way: Paging = {"offset": {"parameter": offset, **(asked or {"size": rows}), **hints}}
        return way, taken, [f"the URL has the parameter {offset!r}: pages by rows skipped"]
    if page is not None:
        taken.add(page)
        first = 0 if query[page] == "0" else 1
        has_end = "total" in hints or "pages" in hints
        if not has_end:
            hints.pop("pages", None)
        kind = "page" if has_end else "slice"
        way = {kind: {"parameter": page, "first": first, **asked, **hints}}
        return way, taken, [f"the URL has the parameter {page!r}: pages by number"]
    total = value.count(str(hints["total"])) if "total" in hints else None
    if total is not None and total > rows:
        return {}, set(), [
            f"{rows} of {total} rows came: how it pages isn't seen. Give a URL with the parameters "
            "of a page, such as ?page=1&size=100"
        ]  # fmt: skip
    return {}, set(), ["all rows seem to come in one answer"]


def _first(value: Decoded, names: tuple[str, ...], kind: type) -> str | None:
    """The first of some paths that leads to something of a kind; numbers are texts here."""
    for room in _ROOMS:
        for name in names:
            if isinstance(at_path(value.value, room + name), kind):
                return room + name
    return None


def _interval_notes(query: Mapping[str, str]) -> list[str]:
    low = next((name for name in _FROM if name in query), None)
    high = next((name for name in _TO if name in query), None)
    if low is None and high is None:
        return []
    said = ", ".join(repr(name) for name in (low, high) if name)
    return [f"the URL has {said}: `interval:` and `cursor:` would read only what changed"]
