"""The ground under the tests themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.conftest import needs_service


def test_every_test_gets_an_empty_database_of_its_own(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("select count(*) from pg_tables where schemaname = 'public'")
        assert rows.fetchone() == (0,)


def test_prefect_keeps_its_home_in_a_folder_of_this_run_and_reports_to_nobody() -> None:
    assert Path(os.environ["PREFECT_HOME"]).is_dir()
    assert Path.home() not in Path(os.environ["PREFECT_HOME"]).parents
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert "PREFECT_API_URL" not in os.environ


def test_a_missing_service_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIENTHONG_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="a lamp"):
        needs_service("a lamp")
    monkeypatch.delenv("LIENTHONG_REQUIRE_SERVICES")
    with pytest.raises(pytest.skip.Exception, match="a lamp"):
        needs_service("a lamp")


GROUPED = """
import os, pathlib, pytest
pytestmark = pytest.mark.xdist_group("one")
@pytest.mark.parametrize("n", range(4))
def test_where_it_runs(n):
    with (pathlib.Path(__file__).parent / "workers").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_the_tests_of_a_group_share_one_worker_and_what_it_has_set_up(tmp_path: Path) -> None:
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / name).write_text(GROUPED)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "."],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    workers = (tmp_path / "workers").read_text().split()
    assert (len(workers), len(set(workers))) == (8, 1)
