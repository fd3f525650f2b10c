"""The total time-out of a request: a server that drips bytes never runs into a read time-out."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

_current = threading.local()


class _Watch:
    """One thread that looks after the deadlines of all requests.

    A timer of its own for each would start a thread a request, and wait until it runs: a twentieth
    of the time of a quick API.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: dict[Deadline, float] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline, seconds: float) -> None:
        """Sees to it that a deadline is over so many seconds from now."""
        at = time.monotonic() + seconds
        with self._changed:
            self._open[deadline] = at
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="deadlines", daemon=True)
                self._thread.start()
            elif at < self._wakes_at:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        """The request has ended."""
        with self._changed:
            self._open.pop(deadline, None)

    def _look(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in [one for one, at in self._open.items() if at <= now]:
                    del self._open[deadline]
                    deadline.cut()
                # Who leaves meanwhile wakes nobody: it is found out at the next look.
                self._wakes_at = min(self._open.values(), default=math.inf)
                is_idle = math.isinf(self._wakes_at)
                self._changed.wait(None if is_idle else self._wakes_at - now)


_watch = _Watch()


class Deadline:
    """Hangs up on the connection that this thread uses once the time is over.

    Attributes:
        is_over: The time was over, and the connection was cut.
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._seconds = seconds
        self._connection: Any = None
        self._socket: Any = None

    def watch(self, connection: HTTPConnection) -> None:
        """Names the connection to cut.

        Its socket is kept beside it: a connection that will be closed lets go of it while the
        body is still read.
        """
        self._connection = connection
        self._socket = connection.sock or self._socket
        if self.is_over:  # while it was being connected there was nothing to cut
            self.cut()

    def cut(self) -> None:
        """Hangs up: the time is over."""
        self.is_over = True
        held = getattr(self._connection, "sock", None) or self._socket
        if held is not None:
            # Whatever a socket answers: this thread has the deadlines of others to keep.
            with contextlib.suppress(Exception):
                held = getattr(held, "socket", held)  # TLS within TLS, through a proxy
                held.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Deadline:
        _current.deadline = self
        _watch.add(self, self._seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _watch.remove(self)
        _current.deadline = None


def _watched(connection: HTTPConnection) -> None:
    deadline = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.watch(connection)


class _Plain(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        _watched(self)
        super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        _watched(self)
        return super().getresponse()


class _Secure(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's own
        _watched(self)
        super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        _watched(self)
        return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class Adapter(HTTPAdapter):
    """requests' adapter over connections that a `Deadline` can cut; it retries nothing."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Makes the pools of connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' own
        """The pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager
