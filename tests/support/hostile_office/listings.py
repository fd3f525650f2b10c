"""One truth, told in every way of paging that offices have."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.support.hostile_office.auth import json_of
from tests.support.hostile_office.faults import Page
from tests.support.hostile_office.truth import ZONE, Dossier, Truth, to_json
from tests.support.hostile_office.wire import Answer, Ask

MOST = 200  # rows of a page
LAST_PAGE = 1_000_000
_SORTS = ("code", "updatedAt", "-updatedAt")
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_LOCAL = re.compile(
    r"(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])",
    re.ASCII,
)
LOCAL_PATTERN = f"^{_LOCAL.pattern}$".replace("(20", "(?:20")


class BadParam(Exception):
    """A parameter that can't be understood: 400, with its name."""


class Desk(Protocol):
    """What a listing needs of its office."""

    truth: Truth
    url: str

    def told(self, ask: Ask, page: Page) -> Page:
        """The page after what the faults make of it."""
        ...


@dataclass(frozen=True)
class Params:
    """Parameters of a request, from its query string or its JSON body."""

    values: Mapping[str, Any]

    def number(self, name: str, *, low: int, high: int, default: int) -> int:
        """A whole number within its bounds."""
        value = self.values.get(name, default)
        if isinstance(value, str):
            if not _NUMBER.fullmatch(value):
                raise BadParam(name)
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadParam(name)
        return value

    def moment(self, name: str) -> datetime | None:
        """A time of RFC 3339."""
        if name not in self.values:
            return None
        try:
            found = datetime.fromisoformat(self.values[name])
        except (TypeError, ValueError):
            raise BadParam(name) from None
        if found.tzinfo is None:
            raise BadParam(name)
        # The ends of the calendar have no UTC; nothing of the office lies there.
        is_inside = 1 < found.year < 9999
        return found.astimezone(UTC) if is_inside else found.replace(tzinfo=UTC)

    def local(self, name: str) -> datetime | None:
        """A local time as yyyyMMddHHmmss; a day past its month's end is the month's last."""
        if name not in self.values:
            return None
        value = self.values[name]
        found = _LOCAL.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise BadParam(name)
        year, month, day, *clock = map(int, found.groups())
        day = min(day, calendar.monthrange(year, month)[1])
        return datetime(year, month, day, *clock, tzinfo=ZONE)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of the known words; the first is the default."""
        value = self.values.get(name, known[0])
        if value not in known:
            raise BadParam(name)
        return str(value)


def chosen(params: Params, truth: Truth) -> list[Dossier]:
    """The dossiers asked for: changed in [from, to), in the order asked for."""
    low, high = params.moment("updated_from"), params.moment("updated_to")
    local_low, local_high = params.local("tu_ngay"), params.local("den_ngay")
    low, high = low or local_low, high or local_high
    return [
        dossier
        for dossier in truth.rows(sort=params.choice("sort", _SORTS))
        if (low is None or dossier.updated_at >= low)
        and (high is None or dossier.updated_at < high)
    ]


def _told(ask: Ask, desk: Desk, rows: list[Dossier], start: int, size: int) -> Page:
    part = [dossier.as_json() for dossier in rows[start : start + size]]
    return desk.told(ask, Page(part, len(rows), start + size < len(rows)))


def _numbered(ask: Ask, desk: Desk, *, base: int = 1, params: Params | None = None) -> Page:
    params = params or Params(dict(ask.query))
    page = params.number("page", low=base, high=LAST_PAGE, default=base)
    size = params.number("size", low=1, high=MOST, default=20)
    return _told(ask, desk, chosen(params, desk.truth), (page - base) * size, size)


def _json(value: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(body=to_json(value), headers=headers)


def by_page(ask: Ask, desk: Desk) -> Answer:
    """Page number from 1, with a total."""
    page = _numbered(ask, desk)
    return _json({"items": page.rows, "total": page.total})


def by_offset(ask: Ask, desk: Desk) -> Answer:
    """Offset and limit, with a total."""
    params = Params(dict(ask.query))
    start = params.number("offset", low=0, high=LAST_PAGE, default=0)
    size = params.number("limit", low=1, high=MOST, default=20)
    page = _told(ask, desk, chosen(params, desk.truth), start, size)
    return _json({"data": {"items": page.rows}, "meta": {"total": page.total}})


def by_slice(ask: Ask, desk: Desk) -> Answer:
    """Page number from 0; neither a total nor a word about the end."""
    return _json({"content": _numbered(ask, desk, base=0).rows})


def by_cursor(ask: Ask, desk: Desk) -> Answer:
    """A cursor in the body, null at the end."""
    page, cursor = _after(ask, desk)
    return _json({"items": page.rows, "next": cursor, "total": page.total})


def by_cursor_header(ask: Ask, desk: Desk) -> Answer:
    """A bare list; the cursor is in a header, which is missing at the end."""
    page, cursor = _after(ask, desk)
    return _json(page.rows, *([("X-Next-Cursor", cursor)] if cursor else []))


def by_link(ask: Ask, desk: Desk) -> Answer:
    """A bare list; the next page is in the Link header (RFC 8288)."""
    page, there = _next_url(ask, desk)
    own = f'<{desk.url}{ask.path}>; rel="first"'
    link = f'{own}, <{there}>; title="a, b"; rel="next"' if there else own
    return _json(page.rows, ("Link", link))


def by_next(ask: Ask, desk: Desk) -> Answer:
    """The next page's address in the body, null at the end."""
    page, there = _next_url(ask, desk)
    return _json({"items": page.rows, "links": {"next": there}})


def search(ask: Ask, desk: Desk) -> Answer:
    """POST with a JSON body."""
    if ask.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return Answer(status=415, body=b'{"error": "application/json is expected"}')
    body = json_of(ask)
    if not isinstance(body, dict):
        raise BadParam("body")
    page = _numbered(ask, desk, params=Params(body))
    return _json({"result": {"rows": page.rows, "count": page.total}})


def ids(ask: Ask, desk: Desk) -> Answer:
    """Codes only; everything else has to be asked for one by one."""
    page = _numbered(ask, desk)
    return _json({"items": [{"code": row["code"]} for row in page.rows], "total": page.total})


def detail(code: str, ask: Ask, desk: Desk) -> Answer:
    """One dossier."""
    with desk.truth.lock:
        dossier = desk.truth.dossiers.get(code)
    if dossier is None:
        return Answer(status=404, body=b'{"error": "no such dossier"}')
    (row,) = desk.told(ask, Page([dossier.as_json()], 1, False)).rows[:1]
    return _json(row)


def _after(ask: Ask, desk: Desk) -> tuple[Page, str | None]:
    params = Params(dict(ask.query))
    size = params.number("limit", low=1, high=MOST, default=20)
    cursor = str(params.values.get("cursor", ""))
    everything = chosen(params, desk.truth)
    rows = [dossier for dossier in everything if dossier.code > cursor]
    part = [dossier.as_json() for dossier in rows[:size]]
    page = desk.told(ask, Page(part, len(everything), len(rows) > size))
    return page, page.rows[-1]["code"] if page.more and page.rows else None


def _next_url(ask: Ask, desk: Desk) -> tuple[Page, str | None]:
    params = Params(dict(ask.query))
    number = params.number("page", low=1, high=LAST_PAGE, default=1)
    page = _numbered(ask, desk)
    if not page.more or number == LAST_PAGE:
        return page, None
    query = urlencode({**dict(ask.query), "page": number + 1})
    return page, f"{desk.url}{ask.path}?{query}"


Listing = Callable[[Ask, Desk], Answer]
LISTINGS: dict[tuple[str, str], Listing] = {
    ("GET", "/by-page"): by_page,
    ("GET", "/by-offset"): by_offset,
    ("GET", "/by-slice"): by_slice,
    ("GET", "/by-cursor"): by_cursor,
    ("GET", "/by-cursor-header"): by_cursor_header,
    ("GET", "/by-link"): by_link,
    ("GET", "/by-next"): by_next,
    ("GET", "/ids"): ids,
    ("POST", "/search"): search,
}
