"""HTTP on loopback down to the socket: what is answered, and how the bytes of it arrive.

The standard library's server reads the requests; the answers are written here, because a body that
breaks off, a reset and a port that goes dark are not things that a framework lets one send.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

Ending = Literal[
    "whole",  # everything arrives
    "silence",  # reset before a byte was answered
    "reset",  # half of the body, then a reset
    "short",  # half of the body of the stated length, then an orderly end
    "cut",  # half of a body of no stated length, then an orderly end
    "unfinished",  # half of the body in chunks, without the last chunk
    "drip",  # everything, a few bytes at a time
    "hang",  # half of the body, then nothing until the client gives up
    "endless",  # the body, and then blanks for ever
]
_MOST_ENDLESS = 8_000_000  # bytes: more than a reader with any bound takes
_HANG = 5.0  # seconds: longer than a reader with any patience waits
_DRIPS = 12  # pieces of a dripping body


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request as it came; `number` counts the requests of the server from 1."""

    number: int
    method: str
    path: str
    target: str  # path and query string as they were sent
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]  # names in small letters
    body: bytes = field(repr=False)

    def param(self, name: str) -> str | None:
        """The last value of a query parameter."""
        return dict(self.query).get(name)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent back, and how it arrives; `latency` in seconds comes before the first byte."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    ending: Ending = "whole"
    latency: float = 0.0


class LoopbackServer:
    """Serves one function from requests to answers; can die, and live again at the same port."""

    def __init__(self, answer: Callable[[Ask], Answer], *, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self.asked = 0
        self.most_at_once = 0
        self.connections = 0
        self.defects: list[str] = []  # of the office itself: a test that sees one has to fail
        self.ending = threading.Event()
        self._answer = answer
        self._at_once = 0
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._server: _Server | None = None
        self.revive()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def is_alive(self) -> bool:
        return self._server is not None

    def revive(self) -> None:
        """Listens (again), at the port it had."""
        with self._lock:
            if self._server is not None:
                return
            self._server = _Server((self.host, self.port), self)
            self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True
        ).start()

    def die(self) -> None:
        """The port goes dark and every connection is reset."""
        with self._lock:
            server, self._server = self._server, None
            live = list(self._live)
        if server is not None:
            server.shutdown()
            server.server_close()
        for connection in live:
            _reset(connection)

    def close(self) -> None:
        """Dies for good; what still hangs is let go."""
        self.ending.set()
        self.die()

    def count_in(self) -> int:
        """The number of a request that begins."""
        with self._lock:
            self.asked += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return self.asked

    def count_out(self) -> None:
        """A request has been answered."""
        with self._lock:
            self._at_once -= 1

    def answer(self, ask: Ask) -> Answer:
        """What the served function says; where it breaks, a 500 that is kept as a defect."""
        try:
            answer = self._answer(ask)
        except Exception:  # noqa: BLE001 - whatever it is, the test has to hear of it
            self.defects.append(traceback.format_exc())
            return Answer(status=500, body=b'{"error": "defect of the test server"}')
        # Whoever was being answered when the server died hears nothing any more.
        return answer if self.is_alive else replace(answer, ending="silence")

    def remember(self, connection: socket.socket) -> None:
        """A connection is open."""
        with self._lock:
            self.connections += 1
            self._live.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """A connection is closed."""
        with self._lock:
            self._live.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: LoopbackServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news; anything else in a handler is a defect of a test."""
        if not isinstance(sys.exception(), (ConnectionError, OSError, ValueError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.remember(self.connection)

    def finish(self) -> None:
        self.server.owner.forget(self.connection)
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *args: object) -> None:
        """Tests look at the requests themselves."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the parser of the standard library refuses, in the form of every other refusal."""
        del explain
        body = b'{"error": "not a request"}'
        self.close_connection = True
        self._head(Answer(status=code, body=body), length=len(body), text=message or "")
        self._send(body)

    def _serve(self) -> None:
        owner = self.server.owner
        number = owner.count_in()
        try:
            answer = owner.answer(self._ask(number))
            if answer.latency:
                owner.ending.wait(answer.latency)
            self._deliver(answer)
        finally:
            owner.count_out()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
    do_OPTIONS = do_HEAD = do_TRACE = do_QUERY = _serve

    def _ask(self, number: int) -> Ask:
        parts = urlsplit(self.path)
        size = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(size)) if size.isdigit() and int(size) else b""
        return Ask(
            number=number,
            method=self.command,
            path=parts.path,
            target=self.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def _deliver(self, answer: Answer) -> None:
        half = answer.body[: max(1, len(answer.body) // 2)]
        if answer.ending == "silence":
            self._abort()
        elif self.command == "HEAD" or answer.ending == "whole":
            self._whole(answer)
        elif answer.ending in {"reset", "short", "hang"}:
            self._head(answer, length=len(answer.body) + 1)
            self._send(half)
            if answer.ending == "hang":
                self._wait_for_the_client()
            if answer.ending == "short":
                self.close_connection = True
            else:
                self._abort()
        elif answer.ending == "cut":
            self.close_connection = True
            self._head(answer, length=None)
            self._send(half)
        elif answer.ending == "unfinished":
            self.close_connection = True
            self._head(answer, length="chunked")
            self._send(b"%x\r\n%s\r\n" % (len(half), half))
        elif answer.ending == "drip":
            self._drip(answer)
        else:
            self._endless(answer)

    def _whole(self, answer: Answer) -> None:
        body = b"" if self.command == "HEAD" else answer.body
        self._head(answer, length=len(answer.body), after=body)

    def _drip(self, answer: Answer) -> None:
        self._head(answer, length=len(answer.body))
        step = max(1, len(answer.body) // _DRIPS)
        for start in range(0, len(answer.body), step):
            self._send(answer.body[start : start + step])
            self.server.owner.ending.wait(0.002)

    def _endless(self, answer: Answer) -> None:
        self.close_connection = True
        self._head(answer, length="chunked")
        self._send(b"%x\r\n%s\r\n" % (len(answer.body), answer.body))
        blanks = b" " * 4096
        for _ in range(_MOST_ENDLESS // len(blanks)):
            if self.server.owner.ending.wait(0.001):
                break
            self._send(b"%x\r\n%s\r\n" % (len(blanks), blanks))

    def _head(
        self, answer: Answer, *, length: int | str | None, after: bytes = b"", text: str = ""
    ) -> None:
        self.send_response(answer.status, text or None)
        stated = {name.lower() for name, _ in answer.headers}
        if "content-type" not in stated and answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers:
            self.send_header(name, value)
        if length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif length is not None:
            self.send_header("Content-Length", str(length))
        if length is None or self.close_connection:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if after:
            self._send(after)

    def send_response(self, code: int, message: str | None = None) -> None:
        """The status line without the standard library's own headers: the office says its date."""
        self.send_response_only(code, message)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)

    def _abort(self) -> None:
        self.close_connection = True
        self.server.owner.forget(self.connection)
        _reset(self.connection)

    def _wait_for_the_client(self) -> None:
        """Until the client closes, the server ends, or a bound is reached."""
        step = 0.02
        for _ in range(int(_HANG / step)):
            readable, _, _ = select.select([self.connection], [], [], step)
            if readable or self.server.owner.ending.is_set():
                return


def _reset(connection: socket.socket) -> None:
    """Closes with RST instead of FIN."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The handler's two files hold the descriptor too: shutting down wakes whoever reads there.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        connection.close()
