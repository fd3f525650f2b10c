"""The Department of Justice: a vendor's PostgreSQL database with views of the vendor's own naming.

The views keep what such systems really do: dates as `yyyyMMddHHmmss` text with fourteen zeros for
"none", fees as text with a thousands point, rows marked as deleted instead of removed, and now and
then a value that nobody can read.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql

from demo.dossiers import JUSTICE, ZONE, Dossier, finish, generate

DOSSIERS = 2_400
SEED = 1501

_TABLES = """
drop schema if exists vendor cascade;
drop view if exists v_ho_so, v_qua_trinh_xu_ly, v_thanh_toan;
create schema vendor;
create table vendor.ho_so (
    id bigint generated always as identity primary key, so_ho_so text, ma_thu_tuc text,
    ten_thu_tuc text, ma_don_vi text, kenh text, trang_thai text, loai_doi_tuong text,
    so_dinh_danh text, ten_chu_ho_so text, ngay_nop text, ngay_tiep_nhan text, ngay_hen_tra text,
    ngay_ket_thuc text, ngay_tra text, le_phi text, ngay_cap_nhat timestamptz,
    da_xoa boolean not null default false
);
create table vendor.qua_trinh (
    id bigint generated always as identity primary key, so_ho_so text, thu_tu integer,
    trang_thai text, phong_ban text, nguoi_xu_ly text, thoi_diem timestamp,
    ngay_cap_nhat timestamptz, unique (so_ho_so, thu_tu)
);
create table vendor.thanh_toan (
    ma_giao_dich text primary key, so_ho_so text, so_tien numeric(18, 2), hinh_thuc text,
    thoi_diem timestamp, ngay_cap_nhat timestamptz
);
create view v_ho_so as
    select so_ho_so, ma_thu_tuc, ten_thu_tuc, ma_don_vi, kenh, trang_thai, loai_doi_tuong,
        so_dinh_danh, ten_chu_ho_so, ngay_nop, ngay_tiep_nhan, ngay_hen_tra, ngay_ket_thuc,
        ngay_tra, le_phi, ngay_cap_nhat
    from vendor.ho_so where not da_xoa;
create view v_qua_trinh_xu_ly as
    select id as ma_qua_trinh, so_ho_so, thu_tu, trang_thai, phong_ban, nguoi_xu_ly, thoi_diem,
        ngay_cap_nhat
    from vendor.qua_trinh;
create view v_thanh_toan as select * from vendor.thanh_toan;
"""
_DOSSIER = (
    "so_ho_so", "ma_thu_tuc", "ten_thu_tuc", "ma_don_vi", "kenh", "trang_thai", "loai_doi_tuong",
    "so_dinh_danh", "ten_chu_ho_so", "ngay_nop", "ngay_tiep_nhan", "ngay_hen_tra",
    "ngay_ket_thuc", "ngay_tra", "le_phi", "ngay_cap_nhat",
)  # fmt: skip
_STEP = (
    "so_ho_so", "thu_tu", "trang_thai", "phong_ban", "nguoi_xu_ly", "thoi_diem", "ngay_cap_nhat",
)  # fmt: skip
_PAYMENT = (
    "ma_giao_dich", "so_ho_so", "so_tien", "hinh_thuc", "thoi_diem", "ngay_cap_nhat",
)  # fmt: skip

Row = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """How many rows of the first night are spoiled in which way."""

    unknown_status: int = 5  # trang_thai 99, which no list knows: quarantined
    unreadable_reception: int = 4  # "chưa rõ" where a date belongs: quarantined
    without_code: int = 2  # so_ho_so is null: quarantined
    unreadable_due: int = 6  # accepted, due_at null, with a warning
    ends_before_it_starts: int = 7  # accepted, with a warning
    open_with_an_end: int = 9  # accepted, with a warning
    filler_identity: int = 40  # "000000001": null, joins nobody
    infinite_event: int = 3  # an event at 'infinity': quarantined


DIRT = Dirt()


def fill(url: str, *, today: date) -> None:
    """Creates the vendor's tables and views anew and fills them as of `today`."""
    dossiers = generate(JUSTICE, count=DOSSIERS, today=today, seed=SEED)
    rows = [_dossier_row(dossier) for dossier in dossiers]
    steps = [row for dossier in dossiers for row in _step_rows(dossier)]
    payments = [row for dossier in dossiers for row in _payment_rows(dossier)]
    _spoil(rows, steps, dice=random.Random(SEED + 1))
    with psycopg.connect(url) as connection:
        connection.execute(_TABLES)
        _copy(connection, table="ho_so", columns=_DOSSIER, rows=rows)
        _copy(connection, table="qua_trinh", columns=_STEP, rows=steps)
        _copy(connection, table="thanh_toan", columns=_PAYMENT, rows=payments)


@dataclass(frozen=True, kw_only=True)
class Day:
    """What one more day of work did to the database."""

    finished: int
    added: int
    deleted: int
    misdated: int


def one_more_day(url: str, *, today: date) -> Day:
    """Lets the office work for a day: dossiers are finished, added, one deleted, one misdated."""
    # A read stops some seconds short of the clock: this work was done a minute ago.
    now = datetime.now(ZONE).replace(microsecond=0) - timedelta(minutes=1)
    dossiers = generate(JUSTICE, count=DOSSIERS, today=today, seed=SEED)
    untouched = dossiers[: -DOSSIERS // 2]  # the newer half carries no dirt on its status
    still_open = [d for d in dossiers if d.status in ("2", "4", "5")][:30]
    fresh = [
        replace(dossier, code=f"{JUSTICE.prefix}-{now:%y%m%d}-{number:04d}")
        for number, dossier in enumerate(
            generate(JUSTICE, count=12, today=today, seed=SEED + 2), start=9001
        )
    ]
    with psycopg.connect(url) as connection:
        for dossier in still_open:
            _finish(connection, finish(dossier, at=now), now=now)
        rows = [{**_dossier_row(dossier), "ngay_cap_nhat": now} for dossier in fresh]
        rows[-1]["ngay_cap_nhat"] = now.replace(year=2099)
        steps = [{**row, "ngay_cap_nhat": now} for d in fresh for row in _step_rows(d)]
        _copy(connection, table="ho_so", columns=_DOSSIER, rows=rows)
        _copy(connection, table="qua_trinh", columns=_STEP, rows=steps)
        connection.execute(
            "update vendor.ho_so set da_xoa = true where so_ho_so = %s", (untouched[0].code,)
        )
    return Day(finished=len(still_open), added=len(fresh) - 1, deleted=1, misdated=1)


def _finish(connection: psycopg.Connection, dossier: Dossier, *, now: datetime) -> None:
    connection.execute(
        "update vendor.ho_so set trang_thai = %s, ngay_ket_thuc = %s, ngay_tra = %s,"
        " ngay_cap_nhat = %s where so_ho_so = %s",
        (dossier.status, _text(dossier.finished), _text(dossier.returned), now, dossier.code),
    )
    rows = [{**row, "ngay_cap_nhat": now} for row in _step_rows(dossier)]
    _copy(connection, table="qua_trinh", columns=_STEP, rows=rows[-2:])


def _text(moment: datetime | None) -> str:
    return f"{moment:%Y%m%d%H%M%S}" if moment else "0" * 14


def _dossier_row(dossier: Dossier) -> Row:
    fee = f"{dossier.procedure.fee:,}".replace(",", ".")
    return {
        "so_ho_so": dossier.code,
        "ma_thu_tuc": dossier.procedure.code,
        "ten_thu_tuc": dossier.procedure.name,
        "ma_don_vi": JUSTICE.prefix,
        "kenh": dossier.channel,
        "trang_thai": dossier.status,
        "loai_doi_tuong": "1",
        "so_dinh_danh": dossier.citizen_id,
        "ten_chu_ho_so": dossier.citizen_name,
        "ngay_nop": _text(dossier.submitted),
        "ngay_tiep_nhan": _text(dossier.received),
        "ngay_hen_tra": _text(dossier.due),
        "ngay_ket_thuc": _text(dossier.finished),
        "ngay_tra": _text(dossier.returned),
        "le_phi": fee,
        "ngay_cap_nhat": dossier.touched,
    }


def _step_rows(dossier: Dossier) -> Iterator[Row]:
    for number, step in enumerate(dossier.steps, start=1):
        yield {
            "so_ho_so": dossier.code,
            "thu_tu": number,
            "trang_thai": step.status,
            "phong_ban": step.unit,
            "nguoi_xu_ly": step.officer,
            "thoi_diem": step.at.replace(tzinfo=None),
            "ngay_cap_nhat": step.at,
        }


def _payment_rows(dossier: Dossier) -> Iterator[Row]:
    if dossier.paid_at is not None:
        yield {
            "ma_giao_dich": f"GD-{dossier.code}",
            "so_ho_so": dossier.code,
            "so_tien": dossier.procedure.fee,
            "hinh_thuc": "1" if dossier.channel == "2" else "3",
            "thoi_diem": dossier.paid_at.replace(tzinfo=None),
            "ngay_cap_nhat": dossier.paid_at,
        }


def _spoil(rows: list[Row], steps: list[Row], *, dice: random.Random) -> None:
    """Spoils rows of the older half, each in one way, as often as `DIRT` says."""
    finished = [row for row in rows[: len(rows) // 2] if row["trang_thai"] in ("9", "10")]
    victims = iter(dice.sample(finished, 120))
    for _ in range(DIRT.unknown_status):
        next(victims)["trang_thai"] = "99"
    for _ in range(DIRT.unreadable_reception):
        next(victims)["ngay_tiep_nhan"] = "chưa rõ"
    for _ in range(DIRT.without_code):
        next(victims)["so_ho_so"] = None
    for _ in range(DIRT.unreadable_due):
        next(victims)["ngay_hen_tra"] = "2025-13-45"
    for _ in range(DIRT.ends_before_it_starts):
        row = next(victims)
        start = datetime.strptime(str(row["ngay_tiep_nhan"]), "%Y%m%d%H%M%S").replace(tzinfo=ZONE)
        row["ngay_ket_thuc"] = row["ngay_tra"] = _text(start - timedelta(days=3))
    for _ in range(DIRT.open_with_an_end):
        next(victims)["trang_thai"] = "4"
    for _ in range(DIRT.filler_identity):
        next(victims)["so_dinh_danh"] = "000000001"
    for step in dice.sample(steps[: len(steps) // 2], DIRT.infinite_event):
        step["thoi_diem"] = "infinity"


def _copy(
    connection: psycopg.Connection, *, table: str, columns: tuple[str, ...], rows: Iterable[Row]
) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier("vendor", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])
