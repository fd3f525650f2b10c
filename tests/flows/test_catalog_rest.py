"""The YAML of a web API: what is right is read, what is wrong is told with its line."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.rest.options import RestOptions, RestStream
from flows.catalog import load_source
from flows.catalog_errors import CatalogError, Problem

GOOD = """\
source: so-api
agency: H41.20
connector:
  type: rest
  url: https://api.office.test/v2
  auth: {oauth2: {token_url: /token, client_id: "${ID}", client_secret: "${SECRET}"}}
  headers: {Accept-Language: vi, Authorization-Extra: "${EXTRA}"}
streams:
  ho_so:
    path: /ho-so
    rows: data.items
    paging: {page: {total: data.total}}
    cursor: {column: sua_luc, late_window: 2 days}
    interval: {from: tu, to: den, start: 2020-01-01, window: 7 days}
    key: ma
    into: [{entity: dossier, columns: {dossier_code: ma}}]
"""


def written(folder: Path, before: str = "", after: str = "") -> Path:
    assert before in GOOD
    path = folder / "so-api.yaml"
    path.write_text(GOOD.replace(before, after) if before else GOOD, encoding="utf-8")
    return path


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as raised:
        load_source(path)
    return raised.value.problems


def test_an_api_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    source = load_source(written(tmp_path))
    assert isinstance(source.connector_options, RestOptions)
    spec = source.stream("ho_so").spec
    assert isinstance(spec.options, RestStream)
    assert spec.columns == ("ma", "sua_luc")
    assert spec.mode == "increment"
    assert spec.cursor is not None
    assert (spec.cursor.chunk, spec.cursor.deletes) == (timedelta(days=7), False)
    assert spec.cursor.start == datetime(2020, 1, 1, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))


def test_a_list_that_is_read_whole_is_a_snapshot(tmp_path: Path) -> None:
    text = GOOD.replace("    cursor: {column: sua_luc, late_window: 2 days}\n", "")
    text = text.replace(
        "    interval: {from: tu, to: den, start: 2020-01-01, window: 7 days}\n", ""
    )
    path = tmp_path / "so-api.yaml"
    path.write_text(text, encoding="utf-8")
    spec = load_source(path).stream("ho_so").spec
    assert (spec.cursor, spec.mode) == (None, "snapshot")


WRONG = [
    ("    interval: {from: tu, to: den, start: 2020-01-01, window: 7 days}\n", "", "'interval' is"),
    ("    cursor: {column: sua_luc, late_window: 2 days}\n", "", "'cursor' is missing"),
    ("late_window: 2 days", "deletes: true", "deletes of an API's cursor"),
    ("late_window: 2 days", "unit: epoch_ms", "unit of an API's cursor"),
    ("{page: {total: data.total}}", "pages", "paging"),
    ("{page: {total: data.total}}", "{page: {}, link: {}}", "exactly one of"),
    ("start: 2020-01-01, ", "", "a 'window' needs 'start'"),
    ("to: den, ", "", "a 'window' needs both"),
    ("window: 7 days", "format: YYYY", "letters of strftime"),
    ("start: 2020-01-01", "start: 01/01/2020", "a day is written 2015-01-01"),
    ("path: /ho-so", "path: /ho-so\n    body: {a: 1}", "needs 'method: POST'"),
    ("https://api.office.test/v2", "ftp://api.office.test", "starts with https://host"),
    ("https://api.office.test/v2", "https://an:x@api.office.test", "aren't part of the URL"),
    ("https://api.office.test/v2", "https://api.office.test?k=1", "no '?' or '#'"),
    ('client_secret: "${SECRET}"', "client_secret: abc123", "connector.auth.oauth2.client_secret"),
    ('"${EXTRA}"', "abc123", "connector.headers.Authorization-Extra"),
    ("token_url", "token_uri", "connector.auth.oauth2.token_uri"),
    ("auth: {oauth2", "auth: {bearer: {token: \"${T}\"}, oauth2", "exactly one of basic"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "said"), WRONG, ids=lambda v: str(v)[:30])
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    found = problems(written(tmp_path, before, after))
    assert any(said in str(problem) for problem in found), found
    assert all(problem.place.line >= 3 for problem in found)
    assert not any("abc123" in str(problem) for problem in found)


def test_a_vendors_api_is_laid_under_an_office(tmp_path: Path) -> None:
    (tmp_path / "vendors").mkdir()
    vendor = GOOD.replace("source: so-api\nagency: H41.20\n", "").replace(
        "  url: https://api.office.test/v2\n", ""
    )
    (tmp_path / "vendors" / "phan-mem.yaml").write_text(vendor, encoding="utf-8")
    path = tmp_path / "xa-mot.yaml"
    path.write_text(
        "source: xa-mot\nextends: phan-mem\nagency: H41.901\n"
        'connector: {url: "${XA_MOT_URL}", budget: {per_second: 2}}\n',
        encoding="utf-8",
    )
    source = load_source(path, env={"XA_MOT_URL": "https://x.test", "ID": "a", "SECRET": "b"})
    assert source.stream("ho_so").entities == ("dossier",)
    options = source.connector_options
    assert isinstance(options, RestOptions)
    assert (options.budget.per_second, options.budget.concurrent) == (2, 4)


def test_reading_the_catalog_needs_no_http_library(tmp_path: Path) -> None:
    code = (
        "import sys, flows.catalog_reading; "
        "print({'requests', 'urllib3', 'connectors.rest.connector'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "set()"
