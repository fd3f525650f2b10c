"""A province's warehouse: ten events for each dossier, over months or years.

Fifty million events would be hours of an office's exports: they are written (see `writing`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks import dossiers
from benchmarks.bench import Bench, linked
from benchmarks.measuring import Timer, as_expected, run
from benchmarks.warming import warm_up
from benchmarks.writing import ZONE, Written, pseudonymous, same

LONG, SHORT = 60, 6  # months
EVENTS: Final = 10  # for each dossier
A_MONTH: Final = dossiers.A_YEAR // 12  # dossiers
STEPS: Final = ("Tiếp nhận", "Phân công", "Thẩm định", "Xin ý kiến", "Trình ký", "Ký duyệt",
                "Đóng dấu", "Chuyển trả", "Báo công dân", "Lưu hồ sơ", "Bổ sung")  # fmt: skip
_STATUS: Final = ("received", *["in_progress"] * 7, "completed", "returned", "returned")
_CODES: Final = ("2", *["4"] * 7, "9", "10", "10")
SOURCE: Final = """\
source: province
name: Every office's steps
connector: {{type: sql, url: "{url}"}}
streams:
  qua_trinh:
    table: qua_trinh
    mode: increment
    key: [so_ho_so, thu_tu]
    version: ngay_cap_nhat
    cursor: ngay_cap_nhat
    into:
      - entity: dossier_event
        columns:
          dossier_code: so_ho_so
          sequence: thu_tu
          event_code: ma_buoc
          event_name: ten_buoc
          occurred_at: thoi_diem
          status: {{from: trang_thai, codes: national_status}}
          agency_code: don_vi
          actor_id: can_bo
"""
DDL: Final = """\
CREATE UNLOGGED TABLE qua_trinh (
    so_ho_so text, thu_tu bigint, ma_buoc text, ten_buoc text, thoi_diem timestamp,
    trang_thai text, don_vi text, can_bo text, ngay_cap_nhat timestamp
)"""
SEED: Final = (
    "INSERT INTO qua_trinh VALUES ('H41-seed', 1, 'B1', 'Tiếp nhận', '2025-12-01', '2', 'H41.1', "
    "'CB1', '2025-12-02')"
)


def warehouse(bench: Bench, months: int) -> Path:
    """A folder with the warehouse of the newest LONG or SHORT months, and `sources/`."""
    return warehouses(bench) / str(months)


def warehouses(bench: Bench) -> Path:
    """Both of them."""

    def make(path: Path) -> None:
        long, short = path / str(LONG), path / str(SHORT)
        long.mkdir()
        bench.office.execute("postgres", "CREATE DATABASE qua_trinh")
        bench.office.execute("qua_trinh", DDL, SEED)
        connect(long, bench.office.url("qua_trinh"))
        done = run("benchmarks.province:found", folder=str(long), short=str(short),
                   scale=bench.scale)  # fmt: skip
        sizes = {f"rows of {each}": events(bench.scale, each) + 1 for each in (LONG, SHORT)}
        as_expected("the province", done, sizes)

    return bench.kept("province", make)


def connect(folder: Path, url: str) -> None:
    """Writes the source's YAML below a folder."""
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "province.yaml").write_text(SOURCE.format(url=url), "utf-8")


def events(scale: float, months: int) -> int:
    """How many events so many months have."""
    return months * _a_month(scale) * EVENTS


def _a_month(scale: float) -> int:
    return max(round(A_MONTH * scale), 1)


def found(timer: Timer, *, folder: str, short: str, scale: float) -> dict[str, Any]:
    """Syncs the seed, then writes the events of LONG months behind it, the newest month first.

    Args:
        timer: Nothing of it is measured.
        folder: Has `sources/`; the warehouse comes there.
        short: What is there behind SHORT months comes here.
        scale: How large a month is.
    """
    del timer
    seeded = Written.seeded(folder, stream="province/qua_trinh", entity="dossier_event")
    months = (_events(_month(number, scale), scale) for number in range(1, LONG + 1))
    sizes = {}
    for number, rows in enumerate(seeded.goes_on(months, _core_events), 1):
        if number == SHORT:
            linked(Path(folder), Path(short))
        if number in {LONG, SHORT}:
            sizes[f"rows of {number}"] = rows
    return sizes


def _month(number: int, scale: float) -> pl.DataFrame:
    """The numbers of the dossiers of a month; 1 is the newest."""
    start = round(dossiers.LAST * scale) - number * _a_month(scale)
    return pl.DataFrame({"number": pl.int_range(start, start + _a_month(scale), eager=True)})


def _events(numbers: pl.DataFrame, scale: float) -> pl.DataFrame:
    """The ten events of each dossier as an office has them, with their `_key`."""
    made = dossiers.columns(scale)
    chosen = ("so_thu_tu", "so_ho_so", "don_vi", "can_bo", "ngay_tiep_nhan")
    each = numbers.select(**{name: made[name] for name in chosen})
    steps = pl.DataFrame({"thu_tu": pl.int_range(1, EVENTS + 1, eager=True)})
    return with_steps(each.join(steps, how="cross"))


def with_steps(rows: pl.DataFrame) -> pl.DataFrame:
    """Dossiers with an ordinal `thu_tu` each as events."""
    step = (pl.col("thu_tu") - 1).cast(pl.Int32)
    hours = step * (pl.col("so_thu_tu") % 30 + 1)
    return rows.with_columns(
        ma_buoc=pl.concat_str(pl.lit("B"), pl.col("thu_tu")),
        ten_buoc=step.replace_strict(dict(enumerate(STEPS)), return_dtype=pl.String),
        thoi_diem=pl.col("ngay_tiep_nhan") + pl.duration(hours=hours),
        trang_thai=step.replace_strict(dict(enumerate(_CODES)), return_dtype=pl.String),
        ngay_cap_nhat=pl.col("ngay_tiep_nhan") + pl.duration(hours=hours),
        _key=pl.concat_str(pl.col("so_ho_so"), pl.lit("/"), pl.col("thu_tu")),
    )


def _core_events(system: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("thoi_diem")
    step = (pl.col("thu_tu") - 1).cast(pl.Int32)
    return system.select(
        *pseudonymous(system, {"actor_id": "can_bo"}),
        *same(),
        dossier_code=pl.col("so_ho_so"),
        sequence=pl.col("thu_tu"),
        event_code=pl.col("ma_buoc"),
        event_name=pl.col("ten_buoc"),
        occurred_at=at - ZONE,
        occurred_date=at.dt.date(),
        occurred_is_date_only=pl.lit(value=False),
        status=step.replace_strict(dict(enumerate(_STATUS)), return_dtype=pl.String),
        agency_code=pl.col("don_vi"),
        _source=pl.lit("province"),
        _stream=pl.lit("qua_trinh"),
        _version=(pl.col("ngay_cap_nhat") - ZONE).dt.epoch("us"),
        _month=at.dt.strftime("%Y-%m"),
    )


def sync_events(timer: Timer, *, folder: str, scratch: str, url: str) -> dict[str, Any]:
    """One night's sync of the events that changed, and what core holds then."""
    from flows.receipts import SyncOptions
    from flows.steps import open_context, sync

    warm_up(f"{scratch}/warm", url=url)
    context = open_context(warehouse_uri=f"{folder}/warehouse", sources_dir=Path(folder, "sources"))
    with timer.running():
        (receipt,) = sync(context, [], SyncOptions())
    return {
        "error": receipt.error, "inserted": receipt.inserted, "updated": receipt.updated,
        "quarantined": receipt.quarantined,
        **_held(context.warehouse.core("dossier_event"), receipt.sync_id),
    }  # fmt: skip


def _held(core: Any, sync_id: str) -> dict[str, Any]:  # noqa: ANN401 - a Table
    """All of core in two numbers, and the checksum of what the sync wrote.

    Two questions: behind a FILTER the checksum would be computed of every row.
    """
    import duckdb

    listed = ", ".join(f"'{file}'" for file in core.files)
    values = (
        "dossier_code, sequence, event_code, event_name, epoch_us(occurred_at) + 25200000000, "
        "agency_code"
    )
    every = f"read_parquet([{listed}], hive_partitioning = true, union_by_name = true)"
    checksum = f"sum(('0x' || substr(md5(concat_ws('|', {values})), 1, 8))::BIGINT)::VARCHAR"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(f"SELECT count(*), sum(sequence)::BIGINT FROM {every}").fetchone()
        written = connection.execute(
            f"SELECT count(*), {checksum} FROM {every} WHERE _sync_id = '{sync_id}'"
        ).fetchone()
    assert rows is not None
    assert written is not None
    return {"rows": rows[0], "steps": rows[1], "written": written[0], "checksum": written[1]}
