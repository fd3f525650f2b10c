"""Whatever becomes of a file: its rows are in core or in quarantine, or an error names it."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.context import Context
from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, sync
from tests.support.spoiling import exchanged, spoiled
from tests.support.tables import FILES

pytestmark = pytest.mark.slow

YAML = """\
source: SOURCE
connector: {type: files, path: ../SOURCE}
streams:
  ho_so:
    files: "*"
    mode: snapshot
    ROWS
    key: so
    into:
      - entity: dossier
        columns:
          dossier_code: so
          procedure_name: ten
          status: trang_thai
          received_at: {from: ngay, on_bad: reject}
"""
PROCEDURE = "Đăng ký khai sinh"  # stands for what no error may hold
ROWS = [
    {
        "so": f"HS-{number}",
        "ten": f"{PROCEDURE} {number}",
        "trang_thai": "received",
        "ngay": f"2026-03-{number:02}",
    }
    for number in range(1, 29)
]
SPOILED = 12  # inputs a format


def zipped(raw: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("so.csv", raw)
    return held.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {"csv.gz": gzip.compress, "zip": zipped}
KINDS = [*FILES, *PACKED]


def content(folder: Path, kind: str, rows: list[dict[str, Any]]) -> bytes:
    """A file of that kind with these rows."""
    FILES.get(kind, FILES["csv"])(folder / "right", rows)
    raw = (folder / "right").read_bytes()
    return PACKED[kind](raw) if kind in PACKED else raw


def synced(root: Path, kind: str, inputs: list[bytes]) -> tuple[Context, dict[str, Receipt]]:
    """Every input as the only file of an office of its own, after a sync of all."""
    (root / "sources").mkdir()
    for number, raw in enumerate(inputs):
        source = f"xa-{number}"
        (root / source).mkdir()
        (root / source / f"so.{kind}").write_bytes(raw)
        text = YAML.replace("SOURCE", source).replace("ROWS", "rows: /r/d" if kind == "xml" else "")
        (root / "sources" / f"{source}.yaml").write_text(text, "utf-8")
    context = open_context(warehouse_uri=str(root / "warehouse"), sources_dir=root / "sources")
    return context, {one.source: one for one in sync(context, [], SyncOptions())}


def in_core(context: Context) -> dict[str, int]:
    found = query(context.warehouse.uri, "SELECT _source, count(*) AS n FROM dossier GROUP BY 1")
    return {row["_source"]: row["n"] for row in found.to_pylist()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_spoiled_file_ends_in_core_in_quarantine_or_in_an_error_that_names_it(
    tmp_path: Path, kind: str
) -> None:
    right = content(tmp_path, kind, ROWS)
    inputs = [right, *(spoiled(right, random.Random(seed)) for seed in range(SPOILED))]
    context, receipts = synced(tmp_path, kind, inputs)
    assert len(receipts) == len(inputs)
    core = in_core(context)
    assert core["xa-0"] == len(ROWS)
    for source, one in receipts.items():
        if one.status == "failed":
            assert f"'so.{kind}" in str(one.error)
            assert PROCEDURE not in str(one.error)
            assert (source in core, one.read) == (False, 0)
        else:
            assert one.read == one.landed + one.unreadable
            assert one.landed == one.inserted + one.superseded + one.quarantined
            assert core.get(source, 0) == one.inserted
    assert audit(context, []).findings == ()
    assert any(one.status == "failed" for one in receipts.values())


@pytest.mark.parametrize("kind", KINDS)
def test_values_in_the_wrong_column_are_rejected_row_by_row_and_none_is_lost(
    tmp_path: Path, kind: str
) -> None:
    mixed = [exchanged(ROWS, "trang_thai", "ngay", random.Random(seed)) for seed in range(3)]
    context, receipts = synced(tmp_path, kind, [content(tmp_path, kind, rows) for rows in mixed])
    for number, rows in enumerate(mixed):
        one = receipts[f"xa-{number}"]
        wrong = sum(row["trang_thai"] != "received" for row in rows)
        assert 0 < wrong < len(ROWS)
        assert (one.status, one.read, one.landed) == ("done", len(ROWS), len(ROWS))
        assert (one.inserted, one.quarantined) == (len(ROWS) - wrong, wrong)
    assert audit(context, []).findings == ()
