"""Forty thousand changed events into years of them, beside months of them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import psycopg

from benchmarks import dossiers, province
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, as_expected, beside, run
from benchmarks.province import LONG, SHORT

CHANGED = 40_000
_DATABASE = "qua_trinh_changed"
_VALUES = (
    "so_ho_so, thu_tu, ma_buoc, ten_buoc, (extract(epoch FROM thoi_diem) * 1000000)::bigint, don_vi"
)


def rows(bench: Bench) -> Iterator[Row]:
    """The line of this benchmark."""
    taken: dict[int, list[Measure]] = {LONG: [], SHORT: []}
    while bench.again(taken[LONG]):
        for months, measures in taken.items():
            measures.append(_night(bench, months))
    sizes = {months: province.events(bench.scale, months) for months in taken}
    yield beside(
        f"{bench.rows(CHANGED):,} changed events into {sizes[LONG]:,} of {LONG} months",
        ours=taken[LONG], peer=f"into {sizes[SHORT]:,} of {SHORT} months", theirs=taken[SHORT],
        bound=1.5,
    )  # fmt: skip


def _night(bench: Bench, months: int) -> Measure:
    with bench.copy(province.warehouse(bench, months)) as folder, bench.scratch() as scratch:
        url = bench.office.url(office(bench))
        province.connect(folder, url)
        done = run("benchmarks.province:sync_events", folder=str(folder), scratch=str(scratch),
                   url=url)  # fmt: skip
    return as_expected(f"{months} months", done, _truth(bench, months))


def office(bench: Bench) -> str:
    """Name of the database that has only what changed: half new, half steps known before.

    Of the known ones most are of the last two months, one in twenty of the last six.
    """
    return bench.once("changed events", lambda: _office(bench))


def _office(bench: Bench) -> str:
    half = bench.rows(CHANGED) // 2
    last, month = round(dossiers.LAST * bench.scale), max(round(province.A_MONTH * bench.scale), 1)
    old = max(half // 20, 1)
    new = pl.int_range(last - half, last, eager=True)
    recent = last - 2 * month + pl.int_range(half - old, eager=True) * (2 * month) // half
    older = last - 6 * month + pl.int_range(old, eager=True) * (4 * month) // old
    known = pl.concat([recent, older])
    made = dossiers.columns(bench.scale)
    names = ("so_thu_tu", "so_ho_so", "don_vi", "can_bo", "ngay_tiep_nhan")
    numbers = pl.DataFrame({"number": pl.concat([new, known])})
    steps = [province.EVENTS + 1] * half + [3] * half
    each = numbers.select(**{n: made[n] for n in names}).with_columns(
        pl.Series("thu_tu", steps, pl.Int64)
    )
    rows = province.with_steps(each).with_columns(
        pl.lit("Xin ý kiến lại").alias("ten_buoc"),
        pl.lit(None, pl.Datetime("us")).alias("ngay_cap_nhat"),
    )
    columns = ("so_ho_so", "thu_tu", "ma_buoc", "ten_buoc", "thoi_diem", "trang_thai", "don_vi",
               "can_bo", "ngay_cap_nhat")  # fmt: skip
    server = bench.office
    server.execute("postgres", f"CREATE DATABASE {_DATABASE}")
    server.execute(_DATABASE, province.DDL)
    server.fill(_DATABASE, "qua_trinh", [rows.select(columns)])
    server.execute(
        _DATABASE,
        "UPDATE qua_trinh SET ngay_cap_nhat = date_trunc('second', localtimestamp) "
        "- interval '1 hour'",
        "CREATE INDEX ON qua_trinh (ngay_cap_nhat)",
        "VACUUM ANALYZE qua_trinh",
    )
    return _DATABASE


def _truth(bench: Bench, months: int) -> dict[str, object]:
    """What core has to hold: the changed events as the office has them, and all others."""
    half = bench.rows(CHANGED) // 2
    sql = (
        f"SELECT sum(('x' || substr(md5(concat_ws('|', {_VALUES})), 1, 8))::bit(32)::bigint)::text "
        "FROM qua_trinh"
    )
    with psycopg.connect(bench.office.url(office(bench))) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    before = province.events(bench.scale, months)
    return {
        "inserted": half, "updated": half, "quarantined": 0, "written": 2 * half,
        "checksum": row[0], "rows": before + 1 + half,
        "steps": before // 10 * 55 + 1 + half * (province.EVENTS + 1),
    }  # fmt: skip
