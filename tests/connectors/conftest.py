"""The session's servers under the names that these tests use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.mariadb import MariaServer, fresh_maria
from tests.support.postgres import Server


@pytest.fixture(scope="session")
def server(postgres_server: Server) -> Server:
    return postgres_server


@pytest.fixture
def database(postgres_url: str) -> str:
    """A new, empty database."""
    return postgres_url


@dataclass(frozen=True)
class Maria:
    """A fresh database of the session's MariaDB."""

    server: MariaServer
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def execute(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.name)


@pytest.fixture
def maria(maria_server: MariaServer) -> Iterator[Maria]:
    with fresh_maria(maria_server) as name:
        yield Maria(maria_server, name)
