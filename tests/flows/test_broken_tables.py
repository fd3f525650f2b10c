"""A table whose file is damaged breaks its own source only."""

from __future__ import annotations

from pathlib import Path

from flows.receipts import SyncOptions
from flows.steps import open_context, sync

YAML = """\
source: NAME
connector: {type: files, path: ../desk}
streams:
  ho_so:
    files: "*.csv"
    mode: snapshot
    key: so
    into: [{entity: dossier, columns: {dossier_code: so}}]
"""


def test_a_truncated_landing_file_fails_its_source_and_no_other(tmp_path: Path) -> None:
    for folder in ("sources", "desk"):
        (tmp_path / folder).mkdir()
    for name in ("xa-mot", "xa-hai"):
        (tmp_path / "sources" / f"{name}.yaml").write_text(YAML.replace("NAME", name), "utf-8")
    desk = tmp_path / "desk" / "thang-3.csv"
    desk.write_text("so\nHS-1\n", "utf-8")
    context = open_context(
        warehouse_uri=str(tmp_path / "warehouse"), sources_dir=tmp_path / "sources"
    )
    assert {r.status for r in sync(context, [], SyncOptions())} == {"done"}
    (damaged,) = (tmp_path / "warehouse/restricted/landing/xa-mot/ho_so").glob("*.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-40])
    desk.write_text("so\nHS-1\nHS-2\n", "utf-8")
    receipts = {r.source: r for r in sync(context, [], SyncOptions())}
    assert receipts["xa-mot"].status == "failed"
    assert (receipts["xa-hai"].status, receipts["xa-hai"].inserted) == ("done", 1)
