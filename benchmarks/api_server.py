"""An office's API on loopback that costs next to nothing: pages made beforehand, kept as bytes.

Usage: python -m benchmarks.api_server RECORDS PAGES. Prints its port; ends with its standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.measuring import ROOT

STATUSES = ("2", "4", "9", "10")


def record(number: int) -> dict[str, Any]:
    """An invented dossier as an API gives it."""
    received = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number * 7)
    return {
        "id": number,
        "maHoSo": f"H41.15-{received:%y%m%d}-{number:06d}",
        "thuTuc": {"ma": f"1.{number % 300:06d}", "ten": "Đăng ký khai sinh"},
        "donVi": "H41.15",
        "kenh": str(number % 3 + 1),
        "trangThai": STATUSES[number % 4],
        "ngayTiepNhan": f"{received:%Y%m%d%H%M%S}",
        "ngayHenTra": f"{received + timedelta(days=5):%Y%m%d%H%M%S}",
        "lePhi": number % 50 * 1_000 + 0.5,
        "soDinhDanh": f"{40_000_000_000 + number:012d}",
        "ngayCapNhat": f"{received + timedelta(days=1):%Y-%m-%dT%H:%M:%S}Z",
    }


def pages(records: int, count: int) -> list[bytes]:
    """The answers, one a page."""
    size = records // count
    return [
        json.dumps(
            {"total": records, "data": [record(n) for n in range(p * size, (p + 1) * size)]},
            ensure_ascii=False,
        ).encode()
        for p in range(count)
    ]


def serve(records: int, count: int) -> None:
    """Serves until standard input ends."""
    made = pages(records, count)
    nothing = json.dumps({"total": records, "data": []}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together

        def do_GET(self) -> None:
            number = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
            body = made[number - 1] if number <= len(made) else nothing
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


@contextmanager
def served(records: int, count: int) -> Iterator[str]:
    """The server in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.api_server", str(records), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        if process.stdout is None or process.stdin is None:
            message = "the server has no pipes"
            raise RuntimeError(message)
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
