"""A server for the connector's own tests, and what an office would hand out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Server, fresh_database, postgres_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("pg") / "data"
    with postgres_server(folder) as running:
        yield running


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    with fresh_database(server) as url:
        yield url
