"""Open311 GeoReport v2 on loopback: real requests, told in pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.hostile_office import Answer, Ask, LoopbackServer

_BOUNDS = ("start_date", "end_date")


class GeoReport:
    """`GET /requests.json` of GeoReport v2, newest first, with the paging that its servers add.

    See the specification at wiki.open311.org, "GeoReport v2": `start_date` and `end_date` are
    W3C times that bound `requested_datetime`, `status` is open or closed.

    Attributes:
        asks: Every request so far.
    """

    def __init__(self, file: Path) -> None:
        self.rows: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
        self.asks: list[Ask] = []
        self.server = LoopbackServer(self._answer)

    @property
    def url(self) -> str:
        return f"{self.server.url}/georeport/v2"

    def _answer(self, ask: Ask) -> Answer:
        self.asks.append(ask)
        if ask.path != "/georeport/v2/requests.json" or ask.method != "GET":
            return _error(404, "no such resource")
        if ask.param("jurisdiction_id") != "stadt-koeln.de":
            return _error(400, "jurisdiction_id was not provided")
        page, size = int(ask.param("page") or 1), int(ask.param("page_size") or 10)
        rows = [row for row in self.rows if _is_asked_for(row, ask)]
        part = rows[(page - 1) * size : page * size]
        return Answer(
            body=json.dumps(part).encode(), content_type="application/json; charset=utf-8"
        )


@contextmanager
def georeport(file: Path) -> Iterator[GeoReport]:
    """Serves the requests of a file, and stops on the way out."""
    served = GeoReport(file)
    try:
        yield served
    finally:
        served.server.close()
    assert served.server.defects == []


def _is_asked_for(row: dict[str, Any], ask: Ask) -> bool:
    low, high = (
        datetime.fromisoformat(text) if (text := ask.param(name)) else None for name in _BOUNDS
    )
    moment = datetime.fromisoformat(row["requested_datetime"])
    return (
        (low is None or moment >= low)
        and (high is None or moment <= high)
        and ask.param("status") in {None, row["status"]}
    )


def _error(status: int, why: str) -> Answer:
    """A refusal in GeoReport's form: a list of code and description."""
    body = json.dumps([{"code": status, "description": why}])
    return Answer(status=status, body=body.encode())
