"""A small web API on loopback, answering by a function of the test's own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived. Header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    raw_query: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """What is answered.

    Attributes:
        value: JSON value, or bytes as they are.
        cut: Send so many bytes of the body only, then hang up.
        headers: Further headers; one that is None is left out.
    """

    value: Any = None
    status: int = 200
    headers: dict[str, str | None] = field(default_factory=dict)
    cut: int | None = None

    @property
    def body(self) -> bytes:
        if isinstance(self.value, bytes):
            return self.value
        return json.dumps(self.value, ensure_ascii=False).encode()


Answering = Callable[[Asked], Reply]


@dataclass
class Api:
    """A running API.

    Attributes:
        url: Its address.
        asked: Every request but those of HEAD, in order.
        answer: What answers; may be replaced at any time.
    """

    url: str
    answer: Answering
    asked: list[Asked] = field(default_factory=list)
    has_clock: bool = True

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]


@contextmanager
def serving(answer: Answering, *, tls: ssl.SSLContext | None = None) -> Iterator[Api]:
    """An API on a port of its own."""
    api = Api(url="", answer=answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def _asked(self) -> Asked:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length", 0))
            return Asked(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
                raw_query=parts.query,
            )

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp)

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)
            if api.has_clock and not self._own_date:
                self.send_header("Date", self.date_time_string())

        def do_HEAD(self) -> None:
            self._own_date = False
            self.send_response(405)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _answer(self) -> None:
            asked = self._asked()
            api.asked.append(asked)
            reply = api.answer(asked)
            own = {name.lower() for name in reply.headers}
            self._own_date = "date" in own
            self.send_response(reply.status)
            if "content-type" not in own:
                self.send_header("Content-Type", "application/json")
            if "content-length" not in own:
                self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            if reply.cut is None:
                self.wfile.write(reply.body)
            else:
                self.wfile.write(reply.body[: reply.cut])
                self.wfile.flush()
                self.close_connection = True

        do_GET = do_POST = do_PUT = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    api.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
