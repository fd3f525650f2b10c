"""A real Prefect server on a free loopback port, and what it knows."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
POOL = "lienthong"


@dataclass(frozen=True)
class PrefectServer:
    """The server's address, its home, and the environment of whoever talks to it."""

    url: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_API_URL": self.url,
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    def prefect(self, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Prefect's own command line, with nobody there to answer a question."""
        return subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=cwd, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=240, check=False,
        )  # fmt: skip

    def lienthong(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Our command line, with this server configured."""
        return self._python("-m", "flows.cli", *words, variables=variables)

    def script(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A few lines of Python, with this server configured."""
        return self._python("-c", code, variables=variables)

    def _python(self, *words: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT, env=self.environment | variables, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def find(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        """What the server has of a kind: flow_runs, task_runs, artifacts, logs, deployments."""
        answer = requests.post(f"{self.url}/{what}/filter", json=filters, timeout=30)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def flow_run(self, name: str) -> dict[str, Any]:
        """The newest flow run of that name."""
        named = {"name": {"any_": [name]}}
        runs = self.find("flow_runs", flow_runs=named, sort="EXPECTED_START_TIME_DESC")
        assert runs, f"no flow run {name!r}"
        return runs[0]

    def tasks(self, run: dict[str, Any], *, expected: int) -> dict[str, dict[str, Any]]:
        """The task runs of a flow run by name, once the server has recorded how they ended.

        Task runs reach the server as events, a moment after the run itself has ended.
        """
        by_run = {"id": {"any_": [run["id"]]}}
        for _ in range(300):
            found = {task["name"]: task for task in self.find("task_runs", flow_runs=by_run)}
            states = {task["state_type"] for task in found.values()}
            if len(found) >= expected and states <= {"COMPLETED", "FAILED", "CRASHED"}:
                return found
            threading.Event().wait(0.1)
        raise AssertionError(f"the task runs never ended: {found}")

    def everything(self) -> bytes:
        """All bytes that the server and its clients keep: the database's cells, and files."""
        parts = [path.read_bytes() for path in self.home.rglob("*") if path.is_file()]
        with closing(sqlite3.connect(self.home / "prefect.db")) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                rows = database.execute(f'SELECT * FROM "{table}"')
                parts += [
                    cell if isinstance(cell, bytes) else str(cell).encode()
                    for row in rows for cell in row
                ]  # fmt: skip
        return b"\n".join(parts)


@contextmanager
def running_server(home: Path) -> Iterator[PrefectServer]:
    """Starts a server; stops it in the end."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PrefectServer(url=f"http://127.0.0.1:{port}/api", home=home)
    environment = {key: v for key, v in server.environment.items() if key != "PREFECT_API_URL"}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
             "--port", str(port)],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_until_it_answers(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(server: PrefectServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if requests.get(f"{server.url}/health", timeout=2).ok:
                return
        except requests.ConnectionError:
            threading.Event().wait(0.1)
    raise AssertionError((server.home / "server.log").read_text("utf-8")[-3_000:])
