"""A province's warehouse: ten events for each dossier, over months or years.

Fifty million events would be hours of an office's exports. They are written through the warehouse's
own door to Delta instead, in the very schemas that an ordinary sync of the stream has made before:
landing and core hold the same rows, landing's state goes on, and core's transaction says that all
of landing is integrated. Hashes are of the key alone; nothing that is measured compares them with
more than the rows that change.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from benchmarks import dossiers
from benchmarks.bench import Bench
from benchmarks.measuring import Timer, as_expected, run
from benchmarks.warming import warm_up

EVENTS: Final = 10  # for each dossier
A_MONTH: Final = dossiers.A_YEAR // 12  # dossiers
STEPS: Final = ("Tiếp nhận", "Phân công", "Thẩm định", "Xin ý kiến", "Trình ký", "Ký duyệt",
                "Đóng dấu", "Chuyển trả", "Báo công dân", "Lưu hồ sơ", "Bổ sung")  # fmt: skip
_STATUS: Final = ("received", *["in_progress"] * 7, "completed", "returned", "returned")
_CODES: Final = ("2", *["4"] * 7, "9", "10", "10")
_ZONE: Final = pl.duration(hours=7)
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
_APP: Final = "province/qua_trinh"


def warehouse(bench: Bench, months: int) -> Path:
    """A folder with the warehouse of the newest months, and `sources/`."""

    def make(path: Path) -> None:
        database = f"qua_trinh_{months}"
        bench.office.execute("postgres", f"CREATE DATABASE {database}")
        bench.office.execute(database, DDL, SEED)
        connect(path, bench.office.url(database))
        done = run("benchmarks.province:found", folder=str(path), months=months, scale=bench.scale)
        as_expected("the province", done, {"rows": events(bench.scale, months) + 1})

    return bench.once(f"province-{months}", make)


def connect(folder: Path, url: str) -> None:
    """Writes the source's YAML below a folder."""
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "province.yaml").write_text(SOURCE.format(url=url), "utf-8")


def events(scale: float, months: int) -> int:
    """How many events so many months have."""
    return months * _a_month(scale) * EVENTS


def _a_month(scale: float) -> int:
    return max(round(A_MONTH * scale), 1)


def found(timer: Timer, *, folder: str, months: int, scale: float) -> dict[str, Any]:
    """Syncs the seed, then writes the events of so many months behind it."""
    from flows.receipts import SyncOptions
    from flows.steps import open_context, sync

    del timer
    context = open_context(warehouse_uri=f"{folder}/warehouse", sources_dir=Path(folder, "sources"))
    (receipt,) = sync(context, [], SyncOptions())
    if receipt.error:
        raise RuntimeError(receipt.error)
    for version, numbers in enumerate(_months(scale, months), 2):
        _append(folder, _events(numbers, scale), version)
    core = context.warehouse.core("dossier_event")
    return {"rows": 0 if core is None else core.rows}


def _months(scale: float, months: int) -> Iterator[pl.DataFrame]:
    """The numbers of the dossiers of each month, the oldest first."""
    last, size = round(dossiers.LAST * scale), _a_month(scale)
    for back in range(months, 0, -1):
        start = last - back * size
        yield pl.DataFrame({"number": pl.int_range(start, start + size, eager=True)})


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


def _append(folder: str, rows: pl.DataFrame, version: int) -> None:
    """Writes events into landing and core, as the landing version `version`."""
    from warehouse.delta import Table
    from warehouse.duck import md5_of
    from warehouse.state import StreamState

    landing = Table.open(f"{folder}/warehouse/restricted/landing/province/qua_trinh")
    core = Table.open(f"{folder}/warehouse/analysts/core/dossier_event")
    if landing is None or core is None:
        message = "the seed was never synced"
        raise RuntimeError(message)
    keys = pa.table(rows.select("_key").to_arrow())
    system = rows.with_columns(
        pl.Series("_row_hash", md5_of("_key", keys), pl.String),
        pl.lit(datetime(2026, 1, 2, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")).alias("_read_at"),
        pl.lit("made").alias("_sync_id"),
        pl.lit(version, pl.Int64).alias("_landing_version"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_row"),
        pl.lit(value=False).alias("_tombstone"),
    )
    state = StreamState.from_json(landing.newest_state())
    moved = replace(state, rows=state.rows + rows.height)

    def land() -> int:
        made = _as(system, landing.schema)
        return landing.append(made, txns={"landing": version}, state=moved.to_json())

    def integrate() -> int:
        return core.append(_as(_core_events(system), core.schema), txns={_APP: version})

    with ThreadPoolExecutor(2) as pool:  # each is written by one core
        for write in [pool.submit(land), pool.submit(integrate)]:
            write.result()


def _core_events(system: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("thoi_diem")
    step = (pl.col("thu_tu") - 1).cast(pl.Int32)
    return system.select(
        *_pseudonymous(system, {"actor_id": "can_bo"}),
        *_same(system),
        dossier_code=pl.col("so_ho_so"),
        sequence=pl.col("thu_tu"),
        event_code=pl.col("ma_buoc"),
        event_name=pl.col("ten_buoc"),
        occurred_at=at - _ZONE,
        occurred_date=at.dt.date(),
        occurred_is_date_only=pl.lit(value=False),
        status=step.replace_strict(dict(enumerate(_STATUS)), return_dtype=pl.String),
        agency_code=pl.col("don_vi"),
        _source=pl.lit("province"),
        _stream=pl.lit("qua_trinh"),
        _version=(pl.col("ngay_cap_nhat") - _ZONE).dt.epoch("us"),
        _month=at.dt.strftime("%Y-%m"),
    )


def add_dossiers(timer: Timer, *, folder: str, rows: int, scale: float) -> dict[str, Any]:
    """Writes the newest dossiers into core, where only queries look for them."""
    from schemas.entities import entity
    from schemas.fields import core_schema
    from warehouse.delta import Table
    from warehouse.duck import md5_of

    del timer
    schema = core_schema(entity("dossier"))
    uri = f"{folder}/warehouse/analysts/core/dossier"
    core = Table.open_or_create(uri, schema, partition_by=["_month"])
    for version, frame in enumerate(dossiers.frames(rows, scale=scale), 1):
        keys = pa.table(frame.select("so_ho_so").to_arrow())
        system = frame.with_columns(
            pl.col("so_ho_so").alias("_key"),
            pl.Series("_row_hash", md5_of("so_ho_so", keys), pl.String),
            pl.lit("made").alias("_sync_id"),
            pl.lit(version, pl.Int64).alias("_landing_version"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_row"),
        )
        core.append(_as(_core_dossiers(system), schema), txns={"province/ho_so": version})
    return {"rows": core.rows}


def _core_dossiers(system: pl.DataFrame) -> pl.DataFrame:
    words = {"2": "received", "4": "in_progress", "5": "supplement_requested", "9": "completed",
             "10": "returned"}  # fmt: skip
    channels = {"1": "direct", "2": "online", "3": "post"}
    moments = {"received": "ngay_tiep_nhan", "due": "ngay_hen_tra", "finished": "ngay_xong"}
    stamps: dict[str, pl.Expr] = {}
    for ours, theirs in moments.items():
        stamps[f"{ours}_at"] = pl.col(theirs) - _ZONE
        stamps[f"{ours}_date"] = pl.col(theirs).dt.date()
        stamps[f"{ours}_is_date_only"] = pl.when(pl.col(theirs).is_not_null()).then(
            pl.lit(value=False)
        )
    people = {"applicant_id": "so_dinh_danh", "responsible_id": "can_bo"}
    return system.select(
        *_pseudonymous(system, people),
        *_same(system),
        dossier_code=pl.col("so_ho_so"),
        procedure_code=pl.col("ma_thu_tuc"),
        procedure_name=pl.col("ten_thu_tuc"),
        agency_code=pl.col("don_vi"),
        channel=pl.col("kenh").replace_strict(channels),
        status=pl.col("trang_thai").replace_strict(words),
        fee=pl.col("le_phi"),
        currency=pl.lit("VND"),
        _source=pl.lit("province"),
        _stream=pl.lit("ho_so"),
        _version=(pl.col("ngay_cap_nhat") - _ZONE).dt.epoch("us"),
        _month=pl.col("ngay_tiep_nhan").dt.strftime("%Y-%m"),
        **stamps,
    )


def _same(system: pl.DataFrame) -> list[pl.Expr]:
    """The system columns that have one form for every entity."""
    del system
    return [
        pl.col("_key"), pl.col("_key").alias("_landing_key"), pl.col("_landing_version"),
        pl.col("_row"), pl.col("_row_hash"), pl.col("_sync_id"),
        pl.lit(datetime(2026, 1, 2, tzinfo=UTC)).alias("_changed_at"),
        pl.lit(value=False).alias("_is_stale"),
        pl.lit([], pl.List(pl.String)).alias("_warnings"),
    ]  # fmt: skip


def _pseudonymous(system: pl.DataFrame, columns: dict[str, str]) -> list[pl.Series]:
    from warehouse.duck import md5_of

    return [
        pl.Series(ours, md5_of(theirs, pa.table(system.select(theirs).to_arrow())), pl.String)
        for ours, theirs in columns.items()
    ]


def _as(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """A frame in a table's columns and types; what it lacks is null."""
    made = rows.to_arrow()
    arrays = [
        made.column(field.name).cast(field.type)
        if field.name in made.column_names
        else pa.nulls(made.num_rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


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
    """All of core in two numbers, and the checksum of what the sync wrote."""
    import duckdb

    listed = ", ".join(f"'{file}'" for file in core.files)
    values = (
        "dossier_code, sequence, event_code, event_name, epoch_us(occurred_at) + 25200000000, "
        "agency_code"
    )
    sql = (
        f"SELECT count(*), sum(sequence)::BIGINT, count(*) FILTER (WHERE _sync_id = '{sync_id}'), "
        f"sum(('0x' || substr(md5(concat_ws('|', {values})), 1, 8))::BIGINT) "
        f"FILTER (WHERE _sync_id = '{sync_id}')::VARCHAR "
        f"FROM read_parquet([{listed}], hive_partitioning = true, union_by_name = true)"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        row = connection.execute(sql).fetchone()
    assert row is not None
    return {"rows": row[0], "steps": row[1], "written": row[2], "checksum": row[3]}
