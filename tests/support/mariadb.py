"""A real MariaDB on loopback: Debian's server in a folder of its own, a fresh database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pymysql

_READY = b"ready for connections"
_SBIN = "/usr/sbin:/usr/local/sbin"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class MariaServer:
    """A running server; `root` has no password."""

    port: int

    def url(
        self, database: str = "", *, user: str = "root", password: str = "", scheme: str = "mariadb"
    ) -> str:
        """URL of a database for a user."""
        login = quote(user) + (f":{quote(password, safe='')}" if password else "")
        return f"{scheme}://{login}@127.0.0.1:{self.port}/{quote(database)}"

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Runs statements one by one as root, each committed by itself."""
        with (
            closing(
                pymysql.connect(
                    host="127.0.0.1", port=self.port, user="root", database=database,
                    charset="utf8mb4", autocommit=True,
                )
            ) as connection,
            connection.cursor() as cursor,
        ):  # fmt: skip
            for statement in statements:
                cursor.execute(statement)


def missing_program() -> str | None:
    """The program of Debian's mariadb-server that isn't there, or None."""
    return next((p for p in ("mariadbd", "mariadb-install-db") if _program(p) is None), None)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SBIN}")


@contextmanager
def mariadb_server(folder: Path) -> Iterator[MariaServer]:
    """Starts a server that lives in `folder`, and stops it on the way out."""
    data, port = folder / "data", _free_port()
    user = "--user=root" if os.geteuid() == 0 else "--skip-name-resolve"
    subprocess.run(
        [
            str(_program("mariadb-install-db")), "--no-defaults", f"--datadir={data}", user,
            "--auth-root-authentication-method=normal", "--skip-test-db",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    process = subprocess.Popen(
        [
            str(_program("mariadbd")), "--no-defaults", f"--datadir={data}", user,
            f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}", f"--port={port}",
            "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0", "--character-set-server=utf8mb4",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _await_ready(process)
        yield MariaServer(port=port)
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    """Reads the server's log until it says so, and goes on emptying it in the background."""
    assert process.stderr is not None
    said: list[bytes] = []
    for line in process.stderr:
        said.append(line)
        if _READY in line:
            break
    else:
        message = b"".join(said[-20:]).decode(errors="replace")
        raise RuntimeError(f"mariadbd didn't start:\n{message}")
    log = process.stderr
    threading.Thread(target=lambda: [None for _ in log], daemon=True).start()


@contextmanager
def fresh_maria(server: MariaServer) -> Iterator[str]:
    """Name of a new, empty database; dropped on the way out."""
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        yield name
    finally:
        server.execute(f"DROP DATABASE `{name}`")
