"""Deadlines of requests: one thread looks after all of them."""

from __future__ import annotations

import threading
import time

from connectors.rest.deadline import Deadline

LONG = 3_600.0


def is_cut(deadline: Deadline) -> bool:
    """Waits for a deadline that has to be over soon."""
    until = time.monotonic() + 30
    while not deadline.is_over and time.monotonic() < until:
        time.sleep(0.005)
    return deadline.is_over


def test_a_short_deadline_behind_long_ones_is_met() -> None:
    with Deadline(LONG) as long, Deadline(LONG) as other, Deadline(0.05) as short:
        assert is_cut(short)
        assert not long.is_over
        assert not other.is_over


def test_deadlines_are_met_one_after_another_and_after_a_pause() -> None:
    for _ in range(3):
        with Deadline(0.02) as one, Deadline(0.04) as two:
            assert is_cut(one)
            assert is_cut(two)
        time.sleep(0.05)


def test_a_request_that_has_ended_is_not_cut() -> None:
    with Deadline(0.5) as ended:
        pass
    with Deadline(0.8) as later:
        assert is_cut(later)
    assert not ended.is_over


class _Socket:
    """What a connection holds: a socket that can be shut, or something that breaks."""

    def __init__(self, *, breaks: bool = False, within: _Socket | None = None) -> None:
        self.breaks = breaks
        self.shut = False
        if within is not None:
            self.socket = within  # as urllib3's SSLTransport has it, which has no `shutdown`
            self.breaks = True

    def shutdown(self, how: int) -> None:
        if self.breaks:
            raise AttributeError(how)
        self.shut = True


class _Connection:
    def __init__(self, sock: _Socket | None) -> None:
        self.sock = sock


def watched(deadline: Deadline, sock: _Socket | None) -> None:
    deadline.watch(_Connection(sock))  # type: ignore[arg-type]


def test_a_socket_that_breaks_leaves_the_deadlines_of_others_alone() -> None:
    mine, other, inner = _Socket(breaks=True), _Socket(), _Socket()
    with Deadline(0.05) as broken, Deadline(0.2) as later, Deadline(0.2) as nested:
        watched(broken, mine)
        watched(later, other)
        watched(nested, _Socket(within=inner))
        assert all(map(is_cut, (broken, later, nested)))
        until = time.monotonic() + 30
        while not (other.shut and inner.shut) and time.monotonic() < until:
            time.sleep(0.005)
    assert other.shut
    assert inner.shut


def test_a_connection_that_is_made_too_late_is_cut_at_once() -> None:
    late = _Socket()
    with Deadline(0.05) as deadline:
        watched(deadline, None)
        assert is_cut(deadline)
        assert not late.shut
        watched(deadline, late)
    assert late.shut


def test_many_requests_need_one_thread() -> None:
    with Deadline(LONG):
        before = threading.active_count()
        for _ in range(200):
            with Deadline(LONG):
                assert threading.active_count() == before


def test_the_deadlines_of_many_threads_are_met() -> None:
    met: list[bool] = []

    def ask() -> None:
        with Deadline(0.05) as own:
            met.append(is_cut(own))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == [True] * 20
