"""Köln's requests by their API and the vendor's file: the same core as from the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, sync
from tests.conftest import needs_service
from tests.real.run import DATA_VARIABLE, data_folder
from tests.sources.support import office_of
from tests.support.georeport import GeoReport, georeport

FROM_API = """\
source: koeln-api
extends: open311
timezone: Europe/Berlin
currency: EUR
connector: {{url: "{url}", budget: {{per_second: 500}}, query: {{jurisdiction_id: stadt-koeln.de}}}}
streams: {{requests: {{paging: {{page: {{size: 12, size_parameter: page_size}}}}}}}}
"""
FROM_FILE = """\
source: koeln-file
extends: open311
timezone: Europe/Berlin
currency: EUR
connector: {type: files, budget: null, path: "${LIENTHONG_REAL_DATA}/open311"}
streams:
  requests: {files: "*.json", path: null, paging: null, interval: null, cursor: null}
"""


@pytest.fixture(scope="module")
def api() -> Iterator[GeoReport]:
    file = data_folder() / "open311" / "koeln_2016.json"
    if not file.is_file():
        needs_service(
            f"the real records are not in {data_folder().name}/ beside the project: set "
            f"{DATA_VARIABLE} to their folder"
        )
    with georeport(file) as served:
        yield served


def test_the_api_gives_the_same_core_as_the_file(
    api: GeoReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(data_folder()))
    office_of(tmp_path, "koeln-file", FROM_FILE)
    sources = office_of(tmp_path, "koeln-api", FROM_API.format(url=api.url))
    warehouse = str(tmp_path / "warehouse")

    def night() -> dict[str, Receipt]:
        context = open_context(warehouse_uri=warehouse, sources_dir=sources)
        receipts = {receipt.source: receipt for receipt in sync(context, [], SyncOptions())}
        assert {name: r.error for name, r in receipts.items() if r.status != "done"} == {}
        assert audit(context, []).findings == ()
        return receipts

    first = night()
    assert first["koeln-api"].read == first["koeln-file"].read == len(api.rows) == 50
    shown = "SELECT COLUMNS('^[^_]') FROM dossier WHERE _source = "
    for one, other in (("koeln-file", "koeln-api"), ("koeln-api", "koeln-file")):
        assert query(warehouse, f"({shown}'{one}') EXCEPT ALL ({shown}'{other}')").num_rows == 0
        assert query(warehouse, f"{shown}'{one}'").num_rows == 50
    assert {ask.param("page") for ask in api.asks} >= {"1", "2", "3", "4", "5"}
    again = night()["koeln-api"]  # asks for the late window alone, and nothing is gone
    assert (again.read, again.landed, again.tombstoned) == (0, 0, 0)
    assert query(warehouse, f"{shown}'koeln-api'").num_rows == 50
