"""The ground under the tests themselves."""

from __future__ import annotations

import os
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
