"""Reconcile among many rows: every planted difference, no other, and little read for it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measuring import Timer
from benchmarks.reconcile import TABLE, YAML, planted, set_up
from flows.reconciliation import ReconcileOptions, Reconciliation
from flows.steps import audit, new_sync_id, open_context, reconcile
from tests.support.postgres import execute

ROWS, EACH = 100_000, 25


def compare(root: Path, **options: bool) -> Reconciliation:
    context = open_context(warehouse_uri=f"{root}/warehouse", sources_dir=root / "sources")
    asked = ReconcileOptions(**options)
    (report,) = reconcile(context, [], asked, sync_id=new_sync_id(), shown_keys=ROWS)
    assert report.error is None
    return report


def test_a_hundred_differences_among_100_000_rows_are_found_by_reading_few(
    postgres_url: str, tmp_path: Path
) -> None:
    assert "cursor" in YAML
    execute(postgres_url, TABLE.format(rows=ROWS), "ANALYZE ho_so")
    set_up(Timer(), url=postgres_url, folder=str(tmp_path), rows=ROWS)
    clean = compare(tmp_path)
    assert (clean.differences, clean.read, clean.landed) == (0, 0, ROWS)
    statements, expected = planted(ROWS, EACH)
    execute(postgres_url, *statements)
    report = compare(tmp_path)
    assert {kind: sorted(k or "" for k in found) for kind, found in report.keys.items()} == expected
    assert report.by == "checksums"
    assert 0 < report.read < ROWS // 20
    mended = compare(tmp_path, repair=True)
    assert (mended.differences, mended.is_repaired) == (4 * EACH, True)
    assert compare(tmp_path).differences == 0
    context = open_context(warehouse_uri=f"{tmp_path}/warehouse", sources_dir=tmp_path / "sources")
    assert audit(context, []).findings == ()
