"""Köln's requests by their API: the same core as from the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, sync
from tests.conftest import needs_service
from tests.real.run import DATA_VARIABLE, data_folder
from tests.support.georeport import GeoReport, georeport

FROM_FILE = Path(__file__).parent / "sources" / "open311.yaml"
PAGES = {
    "path": "/requests.json",
    "query": {"jurisdiction_id": "stadt-koeln.de"},
    "paging": {"slice": {"first": 1, "size": 12, "size_parameter": "page_size"}},
}


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


def from_api(url: str) -> dict[str, Any]:
    """The source that reads the file, with another way to reach the same requests."""
    source: dict[str, Any] = yaml.safe_load(FROM_FILE.read_text("utf-8"))
    stream = source["streams"]["requests"]
    stream = {name: part for name, part in stream.items() if name not in {"files", "mode"}}
    source["streams"]["requests"] = {**PAGES, **stream}
    return {
        **source, "source": "open311-api",
        "connector": {"type": "rest", "url": url, "budget": {"per_second": 500}},
    }  # fmt: skip


def test_the_api_gives_the_same_core_as_the_file(
    api: GeoReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(data_folder()))
    sources, warehouse = tmp_path / "sources", str(tmp_path / "warehouse")
    sources.mkdir()
    (sources / "open311.yaml").write_text(FROM_FILE.read_text("utf-8"), "utf-8")
    (sources / "open311-api.yaml").write_text(yaml.safe_dump(from_api(api.url)), "utf-8")

    def night() -> dict[str, Receipt]:
        context = open_context(warehouse_uri=warehouse, sources_dir=sources)
        receipts = {receipt.source: receipt for receipt in sync(context, [], SyncOptions())}
        assert {name: r.error for name, r in receipts.items() if r.status != "done"} == {}
        assert audit(context, []).findings == ()
        return receipts

    first = night()
    assert first["open311-api"].read == first["open311"].read == len(api.rows) == 50
    shown = "SELECT COLUMNS('^[^_]') FROM dossier WHERE _source = "
    for one, other in (("open311", "open311-api"), ("open311-api", "open311")):
        assert query(warehouse, f"({shown}'{one}') EXCEPT ALL ({shown}'{other}')").num_rows == 0
        assert query(warehouse, f"{shown}'{one}'").num_rows == 50
    assert {ask.param("page") for ask in api.asks} >= {"1", "2", "3", "4", "5"}
    again = night()["open311-api"]
    assert (again.read, again.landed, again.same) == (50, 0, 50)
