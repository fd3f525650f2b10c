"""What networks and servers do: made good by another try, or named, with nothing secret in it."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from connectors.protocol import ReadRequest
from connectors.rest.masking import masked_start
from connectors.rest.options import Retries
from connectors.rest.retry import Backoff, Circuit
from schemas.errors import ContractError, LienThongError, SourceError, TransientSourceError
from tests.connectors.rest.support import (
    FAST,
    FakeClock,
    Script,
    connector,
    ids,
    notes,
    numbered,
    rows,
    stream,
)
from tests.support.api import Asked, Reply, serving

ROWS = numbered(3)
GOOD = Reply(ROWS)
LONG = json.dumps(numbered(500), ensure_ascii=False).encode()
HTML = b"<!DOCTYPE html><html><head><title>B\xe1\xba\xa3o tr\xc3\xac 24/11</title></head></html>"

PASSING: list[tuple[str, Reply]] = [
    ("status 500", Reply({"error": "x"}, status=500)),
    ("status 502", Reply(b"bad gateway", status=502, headers={"content-type": "text/plain"})),
    ("status 503", Reply(b"", status=503)),
    ("status 429", Reply({}, status=429)),
    ("the answer was cut short", Reply(LONG, cut=700)),
    ("HTML instead of JSON", Reply(HTML, headers={"content-type": "text/html"})),
    ("HTML instead of JSON", Reply(HTML)),
    ("an empty answer", Reply(b"")),
    ("the JSON is cut short", Reply(LONG[:-9])),
    ("invalid JSON", Reply(b'[{"id": 1,, "v": 2}, {"id": 2, "v": 3}]')),
    ("wrong charset", Reply('[{"id": 1, "v": "hồ sơ dở"}]'.encode("cp1258", "ignore"))),
    (
        "text/csv instead of JSON",
        Reply(b"id;v\n1;hai\n2;ba\n", headers={"content-type": "text/csv"}),
    ),
    ("compression is broken", Reply(b"no gzip", headers={"content-encoding": "gzip"})),
    ("no list at the top of the answer", Reply({"error": "later"})),
]


@pytest.mark.parametrize(("kind", "bad"), PASSING, ids=lambda v: str(v)[:30])
def test_an_accident_is_made_good_by_another_try_and_told(kind: str, bad: Reply) -> None:
    with serving(Script(bad, bad, GOOD)) as api:
        one = connector(api.url)
        with one.read(stream(), ReadRequest()) as read:
            assert sum(batch.num_rows for batch in read.batches()) == 3
            (note,) = read.summary.notes
        assert note.startswith("requests made again: 2 x ")
        assert kind in note


LASTING: list[tuple[Reply, type[SourceError], str]] = [
    (Reply(b"", status=503), TransientSourceError, "status 503 after 6 tries"),
    (Reply(HTML), TransientSourceError, "HTML instead of JSON, with status 200 after 6 tries"),
    (Reply(LONG[:-9]), TransientSourceError, "the JSON is cut short"),
    (Reply(b"[1,,2, 3, 4, 5, 6, 7, 8, 9]"), ContractError, "invalid JSON"),
    (Reply('["sơ dở"]'.encode("cp1258", "ignore")), ContractError, "wrong charset"),
    (Reply({"items": [], "x": 1}), ContractError, "there is one at items"),
]


@pytest.mark.parametrize(("bad", "family", "said"), LASTING, ids=lambda v: str(v)[:30])
def test_what_lasts_is_named_with_the_request(bad: Reply, family: Any, said: str) -> None:
    with serving(lambda asked: bad) as api:
        with pytest.raises(family) as raised:
            rows(connector(api.url), stream())
        assert type(raised.value) is family
        assert said in str(raised.value)
        assert "GET /rows (page 1)" in str(raised.value)
        assert len(api.asked) == 6


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 415, 422])
def test_another_4xx_is_asked_once(status: int) -> None:
    with serving(lambda asked: Reply({}, status=status)) as api:
        with pytest.raises(SourceError, match=f"status {status}") as raised:
            rows(connector(api.url), stream())
        assert not isinstance(raised.value, TransientSourceError)
        assert len(api.asked) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for_in_both_forms(form: str) -> None:
    server = datetime(2020, 1, 1, tzinfo=UTC)  # a clock far from ours
    later = format_datetime(server + timedelta(seconds=120), usegmt=True)
    busy = Reply(
        {}, status=429,
        headers={
            "Retry-After": "120" if form == "seconds" else later,
            "Date": format_datetime(server, usegmt=True),
        },
    )  # fmt: skip
    clock = FakeClock()
    with serving(Script(busy, GOOD)) as api:
        rows(connector(api.url, clock=clock), stream())
    assert 119.9 < sum(clock.slept) < 121


def test_a_wait_longer_than_the_night_ends_the_read() -> None:
    busy = Reply({}, status=503, headers={"Retry-After": "7200"})
    clock = FakeClock()
    with serving(lambda asked: busy) as api:
        with pytest.raises(TransientSourceError, match="asks to wait 7200 seconds"):
            rows(connector(api.url, clock=clock), stream())
        assert len(api.asked) == 1
    assert clock.slept == []


def test_limits_that_the_server_tells_are_kept() -> None:
    full = Reply(ROWS, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"})
    clock = FakeClock()
    with serving(lambda asked: full) as api:
        one = connector(api.url, clock=clock)
        rows(one, stream())
        assert sum(clock.slept) < 1
        rows(one, stream())
    assert 29 < sum(clock.slept) <= 31


def test_a_pace_is_kept_and_halved_after_a_429() -> None:
    clock = FakeClock()
    pages = [Reply([{"id": n, "v": "x"}]) for n in range(20)]
    with serving(Script(*pages, Reply([]))) as api:
        one = connector(api.url, clock=clock, budget={"per_second": 2, "concurrent": 1})
        spec = stream(paging={"page": {"stable": True}})
        assert len(ids(rows(one, spec))) == 20
        # 21 requests and at most one beyond the end, half a second each.
        assert 9.9 < sum(clock.slept) < 11.1
        api.answer = Script(Reply({}, status=429), Reply([]))
        assert one._office.pace.per_second == 2
        rows(one, stream())
        assert one._office.pace.per_second < 1.2


def test_no_more_requests_at_once_than_the_budget_allows() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def answer(asked: Asked) -> Reply:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        page = int(asked.query["page"])
        return Reply({"rows": [{"id": page, "v": "x"}], "total": 30})

    with serving(answer) as api:
        spec = stream(rows="rows", paging={"page": {"total": "total"}})
        table = rows(connector(api.url, budget={**FAST, "concurrent": 3}), spec)
    assert sorted(map(int, ids(table))) == list(range(1, 31))
    assert 2 <= most[0] <= 3


def test_a_dead_office_is_not_asked_for_ever() -> None:
    clock = FakeClock()
    with serving(lambda asked: Reply(b"", status=500)) as api:
        one = connector(api.url, clock=clock)
        for _ in range(2):
            with pytest.raises(TransientSourceError, match="status 500 after 6 tries"):
                rows(one, stream())
        for _ in range(3):
            with pytest.raises(TransientSourceError, match="2 requests in a row were given up"):
                rows(one, stream())
        assert len(api.asked) == 12
        clock.seconds += 301
        api.answer = lambda asked: GOOD
        assert ids(rows(one, stream())) == ["0", "1", "2"]


def test_streams_of_one_source_share_session_and_circuit() -> None:
    clock = FakeClock()
    with serving(lambda asked: Reply(b"", status=500)) as api:
        one, two = (connector(api.url, clock=clock, retries={"circuit": 1}) for _ in "12")
        with pytest.raises(TransientSourceError, match="after 6 tries"):
            rows(one, stream())
        with pytest.raises(TransientSourceError, match="isn't asked"):
            rows(two, stream())
        one.close()
        two.close()
        fresh = connector(api.url, clock=clock, retries={"circuit": 1})
        with pytest.raises(TransientSourceError, match="after 6 tries"):
            rows(fresh, stream())


def test_an_outage_that_pages_asked_for_at_once_live_through_opens_nothing() -> None:
    lock, asked_in_all = threading.Lock(), [0]

    def answer(asked: Asked) -> Reply:
        with lock:
            asked_in_all[0] += 1
            is_out = 4 < asked_in_all[0] <= 20
        page = int(asked.query["page"])
        good = Reply({"rows": [{"id": page, "v": "x"}], "total": 30})
        return Reply(b"", status=502) if is_out else good

    with serving(answer) as api:
        spec = stream(rows="rows", paging={"page": {"total": "total"}})
        one = connector(api.url, retries={"attempts": 20, "circuit": 1})
        assert len(ids(rows(one, spec))) == 30


def test_a_server_that_is_not_there_is_transient() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(TransientSourceError, match="connection was refused after 6 tries"):
            rows(connector(url), stream())


def test_a_reset_in_the_middle_of_an_answer_is_transient() -> None:
    with serving(Script(Reply(LONG, cut=0), Reply(LONG, cut=3000), GOOD)) as api:
        assert ids(rows(connector(api.url), stream())) == ["0", "1", "2"]


def dripping(stop: threading.Event) -> Any:
    """A server of its own that sends a byte now and then, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def serve() -> None:
        held = []
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                connection = None
            if connection is not None:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[")
                held.append(connection)
            for one in held:
                try:
                    one.sendall(b" ")
                except OSError:
                    held.remove(one)
        for one in held:
            one.close()
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_drips_is_given_up_after_the_total_time() -> None:
    stop = threading.Event()
    url = dripping(stop)
    try:
        timeouts = {"connect": 5, "read": 5, "total": 0.5}
        one = connector(url, timeouts=timeouts, retries={"attempts": 2})
        with pytest.raises(TransientSourceError, match="total time-out after 2 tries"):
            rows(one, stream())
    finally:
        stop.set()


def test_a_server_that_is_silent_is_given_up_after_the_read_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        one = connector(url, timeouts={"read": 0.2}, retries={"attempts": 2})
        with pytest.raises(TransientSourceError, match="read time-out after 2 tries"):
            rows(one, stream())


def test_an_answer_without_end_is_cut_at_its_bound() -> None:
    with serving(lambda asked: Reply(b"[" + b" " * 200_000 + b"]")) as api:
        with pytest.raises(SourceError, match="longer than 100000 bytes"):
            rows(connector(api.url, max_body_bytes=100_000), stream())
        assert len(api.asked) == 1


def test_a_run_that_is_stopped_stops_waiting() -> None:
    stop = threading.Event()
    stop.set()
    with serving(lambda asked: Reply({}, status=503)) as api:
        one = connector(api.url)
        with (
            pytest.raises(LienThongError, match="interrupted"),
            one.read(stream(), ReadRequest(stop=stop)) as read,
        ):
            list(read.batches())


def test_json_under_another_content_type_is_read_and_told() -> None:
    reply = Reply(ROWS, headers={"content-type": "text/html; charset=utf-8"})
    with serving(lambda asked: reply) as api:
        assert notes(connector(api.url), stream()) == ["JSON under the content type text/html"]


def test_no_error_shows_a_secret_or_a_value() -> None:
    secret, person = "bi-mat-cua-so", "Nguyễn Thị Bí Mật 001199001234"

    body = f'{{"ten": "{person}", "token": "{secret}", 5'.encode()
    for status in (200, 400, 401, 403, 500):
        reply = Reply(body, status=status)
        with serving(Script(reply)) as api:
            one = connector(
                f"{api.url}/{secret}/v1",
                auth={"api_key": {"query": "key", "value": secret}},
                headers={"X-A": secret},
                query={"b": secret},
            )
            with pytest.raises(SourceError) as raised:
                rows(one, stream(query={"tên": "x"}))
            said = str(raised.value)
            assert not [part for part in (secret, "Bí", "0011") if part in said]
            assert "the answer begins" in said
            assert raised.value.__cause__ is None
            assert raised.value.__suppress_context__


def test_the_masked_beginning_shows_the_form_only() -> None:
    assert masked_start(b'{"ten": "An", "n": 12}') == '{"xxx": "xx", "x": 99}'
    assert masked_start(HTML).startswith("<!xxxxxxx xxxx><html><head><title>xxx xxx 99/99</title>")
    assert masked_start(b"\xff\xfe\x00") == "xxx"


def test_waits_are_spread_between_nothing_and_a_bound_that_doubles() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    backoff = Backoff(Retries(first_wait=1, longest_wait=10), draw)
    assert [backoff.wait(n) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert {low for low, _ in drawn} == {0}


def test_a_circuit_lets_one_trial_pass_after_its_pause() -> None:
    clock = FakeClock()
    circuit = Circuit(Retries(circuit=2), clock, host="x")
    circuit.failed()
    circuit.demand_closed()
    circuit.failed()
    with pytest.raises(TransientSourceError):
        circuit.demand_closed()
    clock.seconds += 300
    circuit.demand_closed()
    with pytest.raises(TransientSourceError):
        circuit.demand_closed()
    circuit.succeeded()
    circuit.demand_closed()
