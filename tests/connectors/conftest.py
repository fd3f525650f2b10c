"""The session's PostgreSQL under the names that these tests use."""

from __future__ import annotations

import pytest

from tests.support.postgres import Server


@pytest.fixture(scope="session")
def server(postgres_server: Server) -> Server:
    return postgres_server


@pytest.fixture
def database(postgres_url: str) -> str:
    """A new, empty database."""
    return postgres_url
