"""Nights of an office that offers a web API only: windows, failures, and what the receipts say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.checking import check_source
from flows.receipts import Receipt, SyncOptions
from flows.steps import status, sync
from tests.support.api import Api, Asked, Reply, serving
from tests.support.nights import Nights
from tests.support.nursery import Order, nursery

SECRET = "khoa-cua-so-tu-phap"
YAML = """\
source: so-api
timezone: UTC
connector:
  type: rest
  url: {url}
  auth: {{api_key: {{query: key, value: "${{SO_API_KEY}}"}}}}
  budget: {{per_second: 1000}}
  retries: {{attempts: 2, first_wait: 0}}
streams:
  ho_so:
    path: /ho-so
    rows: items
    paging: {{page: {{size: 3, size_parameter: size, total: total}}}}
    key: ma
    {how}
    into: [{{entity: dossier, columns: {{dossier_code: ma, phase: buoc}}}}]
"""
WINDOWS = (
    "cursor: {{column: sua, late_window: 1 day}}\n"
    "    interval: {{from: tu, to: den, window: 5 days, start: '{start}'}}"
)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


class Office:
    """An office's records, by code; asked for by the time they were changed."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.dead_from: datetime | None = None
        self.lock = threading.Lock()

    def write(self, number: int, *, changed: datetime, phase: str = "1") -> None:
        code = f"HS-{number:03}"
        self.records[code] = {"ma": code, "buoc": phase, "sua": changed.isoformat()}

    def __call__(self, asked: Asked) -> Reply:
        assert asked.query["key"] == SECRET
        found = sorted(self.records.values(), key=lambda r: (r["sua"], r["ma"]))
        if "tu" in asked.query:
            low, high = (datetime.fromisoformat(asked.query[name]) for name in ("tu", "den"))
            if self.dead_from is not None and high > self.dead_from:
                return Reply({"error": SECRET}, status=500)
            found = [r for r in found if low <= datetime.fromisoformat(r["sua"]) < high]
        start = (int(asked.query["page"]) - 1) * 3
        return Reply({"items": found[start : start + 3], "total": len(found)})


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def api(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SO_API_KEY", SECRET)
    with serving(office) as running:
        yield running


def nights(tmp_path: Path, api: Api, how: str) -> Nights:
    found = Nights(tmp_path)
    found.write("so-api", YAML.format(url=api.url, how=how))
    return found


def windowed(tmp_path: Path, api: Api, *, days: int = 40) -> Nights:
    start = (TODAY - timedelta(days=days)).date().isoformat()
    return nights(tmp_path, api, WINDOWS.format(start=start))


def test_a_first_load_comes_window_by_window(tmp_path: Path, api: Api, office: Office) -> None:
    for number in range(30):
        office.write(number, changed=TODAY - timedelta(days=number))
    one = windowed(tmp_path, api)
    first = one.dossier("so-api")
    assert (first.read, first.landed, first.inserted, first.status) == (30, 30, 30, "done")
    starts = {a.query["tu"] for a in api.asked}
    assert len(starts) == 9  # 40 days and today in steps of five
    office.write(3, changed=TODAY + timedelta(seconds=1), phase="2")
    second = one.dossier("so-api")
    # What the late window gives again, and the changed one.
    assert (second.read, second.updated, second.inserted) == (2, 1, 0)


def test_a_failure_keeps_what_has_landed_and_the_next_night_goes_on(
    tmp_path: Path, api: Api, office: Office
) -> None:
    for number in range(30):
        office.write(number, changed=TODAY - timedelta(days=number, hours=1))
    office.dead_from = TODAY - timedelta(days=11)
    one = windowed(tmp_path, api)
    (broken,) = failed(one)
    assert broken.entity == "dossier"
    assert broken.read == broken.landed == broken.inserted > 0
    assert "status 500 after 2 tries" in str(broken.error)
    assert "page 1, tu=" in str(broken.error)
    assert SECRET not in str(broken)
    assert broken.interval is not None
    asked = len(api.asked)
    landing = one.context.warehouse.landing("so-api", "ho_so")
    assert landing.state().last_read_at is None  # no read of the whole has ended well
    office.dead_from = None
    again = one.dossier("so-api")
    assert landing.state().last_read_at is not None
    assert again.status == "done"
    assert again.inserted + broken.inserted == 30
    # Only the late window before where it broke is asked for once more.
    earliest = min(a.query["tu"] for a in api.asked[asked:])
    assert datetime.fromisoformat(earliest) == datetime.fromisoformat(
        str(broken.interval[1])
    ) - timedelta(days=1)


def test_windows_without_a_row_that_were_read_before_a_failure_count(
    tmp_path: Path, api: Api, office: Office
) -> None:
    office.write(1, changed=TODAY - timedelta(days=1))
    office.dead_from = TODAY - timedelta(days=11)
    one = windowed(tmp_path, api)
    failed(one)
    (line,) = status(one.context)
    ((low, high),) = line.coverage
    assert datetime.fromisoformat(str(low)) == TODAY - timedelta(days=40)
    assert datetime.fromisoformat(str(high)) == TODAY - timedelta(days=15)
    assert [gap[0] for gap in line.gaps] == [high]
    asked = len(api.asked)
    office.dead_from = None
    assert one.dossier("so-api").inserted == 1
    earliest = min(datetime.fromisoformat(a.query["tu"]) for a in api.asked[asked:])
    assert earliest == TODAY - timedelta(days=16)  # the late window before it
    (line,) = status(one.context)
    assert line.gaps == ()


def test_windows_without_a_row_that_were_read_before_a_kill_count(
    tmp_path: Path, api: Api, office: Office
) -> None:
    office.write(1, changed=TODAY - timedelta(days=1))
    one = windowed(tmp_path, api, days=200)
    order = Order(warehouse=one.warehouse, sources=str(tmp_path / "sources"), claim_every=0.0)
    honest, seen = api.answer, [0]
    with nursery() as runs:
        runner = runs.runner

        def killing(asked: Asked) -> Reply:
            seen[0] += 1
            if seen[0] == 21:
                runner.process.kill()
            return honest(asked)

        api.answer = killing
        assert runs.run(order).killed
        api.answer = honest
        asked = len(api.asked)
        answer = runs.run(order)
    assert (answer.killed, answer.error) == (False, None)
    earliest = min(datetime.fromisoformat(a.query["tu"]) for a in api.asked[asked:])
    # Of twenty windows of five days, what a bound and the clock's probe left.
    assert earliest >= TODAY - timedelta(days=200 - 18 * 5 + 1)
    assert list(one.alive("so-api", "1")) == ["HS-001"]


def test_a_start_that_moved_earlier_is_read_from_there_and_the_rest_not_again(
    tmp_path: Path, api: Api, office: Office
) -> None:
    for number in range(30):
        office.write(number, changed=TODAY - timedelta(days=number, hours=1))
    one = windowed(tmp_path, api, days=10)
    assert one.dossier("so-api").inserted == 10
    windowed(tmp_path, api, days=40)
    (line,) = status(one.context)
    (gap,) = line.gaps
    assert [datetime.fromisoformat(str(g)) for g in gap] == [
        TODAY - timedelta(days=40), TODAY - timedelta(days=10),
    ]  # fmt: skip
    asked = len(api.asked)
    second = one.dossier("so-api")
    assert second.inserted == 20
    starts = {datetime.fromisoformat(a.query["tu"]) for a in api.asked[asked:]}
    old = {TODAY - timedelta(days=days) for days in (40, 35, 30, 25, 20, 15)}
    assert starts >= old
    assert len(starts - old) == 1  # the late window before now
    (line,) = status(one.context)
    assert line.gaps == ()
    third = one.dossier("so-api")
    assert third.read <= 2


def test_rows_that_two_windows_give_land_once(tmp_path: Path, api: Api, office: Office) -> None:
    for number in range(30):
        office.write(number, changed=TODAY - timedelta(days=number, hours=1))

    def by_days(asked: Asked) -> Reply:
        """`den` is the last day of the answer."""
        low, high = (datetime.fromisoformat(asked.query[n] + "T00:00Z") for n in ("tu", "den"))
        found = [
            record
            for record in office.records.values()
            if low <= datetime.fromisoformat(record["sua"]) < high + timedelta(days=1)
        ]
        start = (int(asked.query["page"]) - 1) * 3
        return Reply({"items": found[start : start + 3], "total": len(found)})

    api.answer = by_days
    start = (TODAY - timedelta(days=40)).date().isoformat()
    how = WINDOWS.format(start=start).replace(
        "to: den", 'to: den, format: "%Y-%m-%d", inclusive: true'
    )
    first = nights(tmp_path, api, how.replace("{{", "{").replace("}}", "}")).dossier("so-api")
    assert (first.landed, first.inserted) == (30, 30)
    assert first.same == first.read - 30 > 3


def test_a_dead_office_lands_nothing_and_says_why(tmp_path: Path, api: Api, office: Office) -> None:
    office.dead_from = datetime(2000, 1, 1, tzinfo=UTC)
    (broken,) = failed(windowed(tmp_path, api))
    assert (broken.entity, broken.read) == (None, 0)
    assert "GET /ho-so" in str(broken.error)
    assert SECRET not in str(broken)


def failed(one: Nights) -> list[Receipt]:
    receipts = sync(one.context, ["so-api"], SyncOptions())
    assert {r.status for r in receipts} == {"failed"}
    return receipts


def test_a_taste_is_of_the_newest_rows_and_claims_nothing(
    tmp_path: Path, api: Api, office: Office
) -> None:
    for number in range(30):
        office.write(number, changed=TODAY - timedelta(days=number, hours=1))
    one = windowed(tmp_path, api)
    taste = one.dossier("so-api", limit=4)
    assert taste.read == 4
    assert len(api.asked) <= 3
    assert one.dossier("so-api").inserted == 26


def test_a_list_that_is_read_whole_finds_what_is_gone(
    tmp_path: Path, api: Api, office: Office
) -> None:
    for number in range(30):
        office.write(number, changed=TODAY)
    one = nights(tmp_path, api, "mode: snapshot")
    assert one.dossier("so-api").inserted == 30
    del office.records["HS-007"]
    second = one.dossier("so-api")
    assert (second.tombstoned, second.same) == (1, 29)


def test_rows_that_never_hold_still_bury_nothing_and_leave_the_night_degraded(
    tmp_path: Path, api: Api, office: Office
) -> None:
    for number in range(30):
        office.write(number, changed=TODAY)
    one = nights(tmp_path, api, "mode: snapshot")
    one.dossier("so-api")
    honest = api.answer

    def lossy(asked: Asked) -> Reply:
        office.write(len(api.asked) + 100, changed=TODAY + timedelta(seconds=len(api.asked)))
        reply = honest(asked)
        return Reply({**reply.value, "items": reply.value["items"][1:]})

    api.answer = lossy
    second = one.dossier("so-api")
    assert (second.status, second.tombstoned) == ("degraded", 0)
    assert "didn't agree" in str(second.note)
    api.answer = honest
    third = one.dossier("so-api")
    assert third.status == "done"


def test_check_shows_the_first_page_the_paging_the_clock_and_the_budget(
    tmp_path: Path, api: Api, office: Office
) -> None:
    for number in range(5):
        office.write(number, changed=TODAY - timedelta(hours=number))
    one = windowed(tmp_path, api)
    (seen,) = check_source(one.context, "so-api")
    assert seen.status == "done", seen.error
    assert seen.columns_found == {"ma": "text", "buoc": "text", "sua": "text"}
    assert seen.sample_rows == 5
    notes = " | ".join(seen.notes)
    assert "paging by page: 3 rows on the first page, total 5" in notes
    assert "clock agrees with ours" in notes
    assert "budget: 1000 requests a second" in notes
    assert not (tmp_path / "warehouse" / "restricted" / "landing").exists()


def test_no_secret_is_in_landing_logs_or_receipts(
    tmp_path: Path, api: Api, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(9):
        office.write(number, changed=TODAY - timedelta(days=number, hours=1))
    office.dead_from = TODAY - timedelta(days=1)
    one = windowed(tmp_path, api)
    with caplog.at_level(logging.DEBUG):
        receipts = failed(one)
        office.dead_from = None
        one.dossier("so-api")
    assert SECRET not in caplog.text
    assert SECRET not in str(receipts)
    held = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(held) > 10
    assert [path.name for path in held if SECRET.encode() in path.read_bytes()] == []
