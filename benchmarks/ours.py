"""What this project does with an office's table of dossiers, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import truth
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Timer, run
from benchmarks.warming import warm_up

SOURCE = """\
source: office
name: An office with a database
connector: {{type: sql, url: "{url}"}}
streams:
  ho_so:
    table: ho_so
    key: so_ho_so
    version: ngay_cap_nhat
    cursor: ngay_cap_nhat
    into:
      - entity: dossier
        columns:
          dossier_code: so_ho_so
          procedure_code: ma_thu_tuc
          procedure_name: ten_thu_tuc
          agency_code: don_vi
          channel: {{from: kenh, codes: national_channel}}
          status: {{from: trang_thai, codes: national_status}}
          received_at: ngay_tiep_nhan
          due_at: ngay_hen_tra
          finished_at: ngay_xong
          fee: le_phi
          applicant_id: so_dinh_danh
          responsible_id: can_bo
"""
COLUMNS = (
    "so_ho_so", "ma_thu_tuc", "ten_thu_tuc", "don_vi", "kenh", "trang_thai", "ngay_tiep_nhan",
    "ngay_hen_tra", "ngay_xong", "le_phi", "so_dinh_danh", "can_bo", "ngay_cap_nhat",
)  # fmt: skip
"""What the YAML above maps: what anybody else has to carry over too."""


def connect(folder: Path, url: str) -> None:
    """Writes the office's YAML below a folder."""
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    (sources / "office.yaml").write_text(SOURCE.format(url=url), "utf-8")


def synced(bench: Bench, folder: Path, url: str) -> Measure:
    """One sync of an office in a process of its own; the warehouse is below the folder."""
    connect(folder, url)
    with bench.scratch() as scratch:
        return run("benchmarks.ours:sync", folder=str(folder), scratch=str(scratch), url=url)


def sync(timer: Timer, *, folder: str, scratch: str, url: str) -> dict[str, Any]:
    """Reads, lands as evidence, maps, validates, merges; people become pseudonyms.

    Args:
        timer: Of the sync.
        folder: Has `sources/`; the warehouse is there, or comes there.
        scratch: An empty folder for the warm-up.
        url: The office, whose driver is warm then.
    """
    from flows.receipts import SyncOptions
    from flows.steps import open_context
    from flows.steps import sync as sync_all

    warm_up(f"{scratch}/warm", url=url)
    context = open_context(warehouse_uri=f"{folder}/warehouse", sources_dir=Path(folder, "sources"))
    with timer.running():
        (receipt,) = sync_all(context, [], SyncOptions())
    facts: dict[str, Any] = {
        "status": receipt.status, "error": receipt.error, "read": receipt.read,
        "landed": receipt.landed, "inserted": receipt.inserted, "updated": receipt.updated,
        "quarantined": receipt.quarantined,
    }  # fmt: skip
    return {**facts, **held(folder)}


def held(folder: str) -> dict[str, Any]:
    """What core holds now: rows and checksum; and every landed row, as evidence."""
    from warehouse.delta import Table

    core = Table.open(f"{folder}/warehouse/analysts/core/dossier")
    landing = Table.open(f"{folder}/warehouse/restricted/landing/office/ho_so")
    if core is None or landing is None:
        return {"rows": 0}
    facts = truth.of_files(core.files, truth.CORE, where="_deleted_at IS NULL")
    return {**facts, "evidence": landing.rows}


def pseudonyms(timer: Timer, *, folder: str, url: str) -> dict[str, Any]:
    """How right the people of core are; nothing of it is measured."""
    from warehouse.delta import Table
    from warehouse.warehouse import Warehouse

    del timer
    warehouse = Warehouse.open(f"{folder}/warehouse", create=False)
    core = Table.open(warehouse.core_uri("dossier"))
    files = [] if core is None else core.files
    return truth.of_people(files, url, key=warehouse.person_key.value)
