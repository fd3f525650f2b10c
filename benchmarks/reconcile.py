"""1,000 planted differences among 1,000,000 rows of a PostgreSQL, found beside a full read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, Timer, beside, run
from benchmarks.warming import warm_up

ROWS = 1_000_000
_DATABASE = "doi_soat"
EACH = 250  # missing, extra, changed in a value, changed in the month
_READ = "reading all rows as Arrow, nothing compared"

YAML = """\
source: office
timezone: Asia/Ho_Chi_Minh
connector: {{type: sql, url: "{url}"}}
streams:
  ho_so:
    table: ho_so
    key: so
    version: cap_nhat
    cursor: {{column: cap_nhat, late_window: 2 days}}
    into:
      - entity: dossier
        columns:
          dossier_code: so
          procedure_code: ma_thu_tuc
          procedure_name: ten
          status: {{from: trang_thai, codes: national_status}}
          received_at: tiep_nhan
          due_at: hen_tra
          fee: le_phi
"""
# One row of 1,000 has no time, one of 1,000 is dated 2099; the others span 24 months.
TABLE = """\
CREATE TABLE ho_so AS
SELECT 'HS-' || i AS so, '1.00' || i % 97 AS ma_thu_tuc, 'Thủ tục số ' || i % 997 AS ten,
  (1 + i % 5)::text AS trang_thai,
  timestamp '2022-01-01' + i % 720 * interval '1 day' AS tiep_nhan,
  timestamp '2022-01-20' + i % 720 * interval '1 day' AS hen_tra,
  (i % 50 * 1000 + 0.5)::numeric(12,2) AS le_phi,
  CASE i % 1000 WHEN 1 THEN NULL WHEN 2 THEN timestamptz '2099-01-01'
    ELSE timestamptz '2022-01-02' + i % 720 * interval '1 day' END AS cap_nhat
FROM generate_series(1, {rows}) i
"""


def planted(rows: int, each: int) -> tuple[list[str], dict[str, list[str]]]:
    """Statements that plant the differences, and the keys that are to be found, by kind.

    A twentieth of each kind has no time, a twentieth is dated 2099. `rows` is at least 3,000 for
    each difference of a kind.
    """
    step = rows // each

    def placed(block: int) -> list[int]:
        """Numbers of rows, each in a thousand of its own."""
        odd = {0: 1, 1: 2}  # without a time, from 2099
        firsts = [(n * step // 1000 + block) * 1000 for n in range(each)]
        return [first + odd.get(n % 20, 10) for n, first in enumerate(firsts)]

    gone, valued, moved = placed(0), placed(1), placed(2)
    usual = "'2022-05-05'::timestamptz"
    times = {0: "NULL::timestamptz", 1: "'2099-02-02'"}
    late = [f"MOI-{n}" for n in range(each)]
    values = ", ".join(
        f"('{key}', '1.001', 'Mới', '1', '2022-03-03'::timestamp, '2022-04-04'::timestamp, 7,"
        f" {times.get(n % 20, usual)})"
        for n, key in enumerate(late)
    )

    def listed(found: list[int]) -> str:
        return "(" + ", ".join(f"'HS-{n}'" for n in found) + ")"

    statements = [
        f"INSERT INTO ho_so VALUES {values}",
        f"DELETE FROM ho_so WHERE so IN {listed(gone)}",
        f"UPDATE ho_so SET le_phi = le_phi + 0.01 WHERE so IN {listed(valued)}",
        "UPDATE ho_so SET tiep_nhan = tiep_nhan - interval '40 days', ten = ten || ' (sửa)'"
        f" WHERE so IN {listed(moved)}",
    ]
    return statements, {
        "missing": sorted(late),
        "extra": sorted(f"HS-{n}" for n in gone),
        "differing": sorted(f"HS-{n}" for n in [*valued, *moved]),
    }


def set_up(timer: Timer, *, url: str, folder: str, rows: int) -> dict[str, Any]:
    """A warehouse into which the office's table was synced."""
    from flows.receipts import SyncOptions
    from flows.steps import sync

    (Path(folder) / "sources").mkdir()
    (Path(folder) / "sources" / "office.yaml").write_text(YAML.format(url=url), "utf-8")
    with timer.running():
        (receipt,) = sync(_context(folder), [], SyncOptions())
    if receipt.landed != rows or receipt.quarantined:
        message = f"the first sync gave {receipt}"
        raise RuntimeError(message)
    return {"landed": rows}


def _context(folder: str) -> Any:  # noqa: ANN401 - imported late
    from flows.steps import open_context

    return open_context(warehouse_uri=f"{folder}/warehouse", sources_dir=Path(folder) / "sources")


def _warm() -> None:
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        warm_up(f"{folder}/warm")


def ours(timer: Timer, *, folder: str) -> dict[str, Any]:
    """Every difference by its key."""
    from flows.reconciliation import ReconcileOptions
    from flows.steps import new_sync_id, reconcile

    context = _context(folder)
    _warm()
    with timer.running():
        (report,) = reconcile(
            context, [], ReconcileOptions(), sync_id=new_sync_id(), shown_keys=ROWS
        )
    keys = {kind: sorted(found) for kind, found in report.keys.items()}
    return {"keys": keys, "read": report.read, "by": report.by, "error": report.error}


def full_sync(timer: Timer, *, folder: str) -> dict[str, Any]:
    """`sync --full`: reads all, hashes all, lands what differs, merges it."""
    from flows.receipts import SyncOptions
    from flows.steps import sync

    context = _context(folder)
    _warm()
    with timer.running():
        (receipt,) = sync(context, [], SyncOptions(full=True))
    return {"read": receipt.read, "landed": receipt.landed, "gone": receipt.tombstoned}


def full_read(timer: Timer, *, folder: str) -> dict[str, Any]:
    """All rows out of the database as Arrow, and nothing else."""
    from connectors.protocol import ReadRequest

    source = _context(folder).catalog.source("office")
    rows = 0
    with timer.running():
        connector = source.connect()
        with connector.read(source.stream("ho_so").spec, ReadRequest()) as read:
            for batch in read.batches():
                rows += batch.num_rows
        connector.close()
    return {"read": rows}


def warehouse(bench: Bench) -> Path:
    """A folder with the warehouse of the office's table, and `sources/`."""

    def make() -> Path:
        count, folder = _count(bench), bench.room("reconcile")
        bench.office.execute("postgres", f"CREATE DATABASE {_DATABASE}")
        bench.office.execute(_DATABASE, TABLE.format(rows=count), "VACUUM ANALYZE ho_so")
        url = bench.office.url(_DATABASE)
        run("benchmarks.reconcile:set_up", url=url, folder=str(folder), rows=count)
        return folder

    return bench.once("reconciled office", make)


def _count(bench: Bench) -> int:
    return max(bench.rows(ROWS), 4_000)


def rows(bench: Bench) -> Iterator[Row]:
    """The lines of this benchmark."""
    count, each, folder = _count(bench), bench.rows(EACH), warehouse(bench)

    def taken(take: Callable[[], Measure]) -> list[Measure]:
        measures: list[Measure] = []
        while bench.again(measures):
            measures.append(take())
        return measures

    bench.office.look_through(_DATABASE)
    reads = taken(lambda: run("benchmarks.reconcile:full_read", folder=str(folder)))
    clean = taken(lambda: _compared(folder, {}))
    yield beside(
        f"{count:,} rows of PostgreSQL without a difference, proved by reconcile", ours=clean,
        peer=_READ, theirs=reads, bound=2.0,
    )  # fmt: skip
    statements, expected = planted(count, each)
    bench.office.execute(_DATABASE, *statements)
    title = f"{4 * each:,} differences in {count:,} rows of PostgreSQL, found by reconcile"
    found = taken(lambda: _compared(folder, expected))
    yield beside(title, ours=found, peer=_READ, theirs=reads, bound=3.0)
    syncs = taken(lambda: _full_sync(bench, folder, each))
    yield beside(title, ours=found, peer="sync --full of the same", theirs=syncs, bound=1.0)


def _compared(folder: Path, expected: dict[str, list[str]]) -> Measure:
    measure = run("benchmarks.reconcile:ours", folder=str(folder))
    if measure.facts["keys"] != expected or measure.facts["by"] != "checksums":
        facts = {**measure.facts, "keys": {k: len(v) for k, v in measure.facts["keys"].items()}}
        message = f"reconcile gives {json.dumps(facts)}"
        raise RuntimeError(message)
    return measure


def _full_sync(bench: Bench, holding: Path, each: int) -> Measure:
    """On a copy of the warehouse, which the sync changes."""
    with bench.copy(holding) as folder:
        measure = run("benchmarks.reconcile:full_sync", folder=str(folder))
    if (measure.facts["landed"], measure.facts["gone"]) != (3 * each, each):
        message = f"sync --full gives {dict(measure.facts)}"
        raise RuntimeError(message)
    return measure
