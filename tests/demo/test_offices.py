"""The invented offices hold the dirt they claim to hold, and are the same every time."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import desk, justice
from demo.dossiers import COMMUNE, JUSTICE, generate

TODAY = date(2026, 3, 16)


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_same_day_and_seed_give_the_same_dossiers() -> None:
    one, other = (generate(JUSTICE, count=50, today=TODAY, seed=7) for _ in range(2))
    assert one == other
    assert generate(JUSTICE, count=50, today=TODAY, seed=8) != one


def test_dossier_numbers_are_unique_and_nothing_happens_after_today() -> None:
    dossiers = generate(COMMUNE, count=500, today=TODAY, seed=1)
    assert len({dossier.code for dossier in dossiers}) == 500
    assert max(step.at for d in dossiers for step in d.steps).date() < TODAY
    assert {dossier.status for dossier in dossiers} >= {"2", "3", "4", "9", "10"}


def test_the_department_is_filled_twice_to_the_same_rows(postgres_url: str) -> None:
    query = "select so_ho_so, trang_thai, ngay_ket_thuc from v_ho_so order by 1, 2"
    justice.fill(postgres_url, today=TODAY)
    first = rows_of(postgres_url, query)
    justice.fill(postgres_url, today=TODAY)
    assert len(first) == justice.DOSSIERS
    assert rows_of(postgres_url, query) == first


def test_the_department_holds_the_dirt_it_claims(postgres_url: str) -> None:
    justice.fill(postgres_url, today=TODAY)
    (counts,) = rows_of(
        postgres_url,
        "select count(*) filter (where trang_thai = '99'),"
        " count(*) filter (where ngay_tiep_nhan !~ '^[0-9]{14}$'),"
        " count(*) filter (where so_ho_so is null),"
        " count(*) filter (where ngay_hen_tra !~ '^[0-9]{14}$'),"
        " count(*) filter (where so_dinh_danh = '000000001') from v_ho_so",
    )
    dirt = justice.DIRT
    assert counts == (
        dirt.unknown_status,
        dirt.unreadable_reception,
        dirt.without_code,
        dirt.unreadable_due,
        dirt.filler_identity,
    )
    (infinite,) = rows_of(
        postgres_url, "select count(*) from v_qua_trinh_xu_ly where not isfinite(thoi_diem)"
    )
    assert infinite == (dirt.infinite_event,)


def test_one_more_day_does_what_it_reports(postgres_url: str) -> None:
    justice.fill(postgres_url, today=TODAY)
    before: dict[Any, Any] = dict(rows_of(postgres_url, "select so_ho_so, trang_thai from v_ho_so"))
    day = justice.one_more_day(postgres_url, today=TODAY)
    after: dict[Any, Any] = dict(rows_of(postgres_url, "select so_ho_so, trang_thai from v_ho_so"))
    assert len(set(before) - set(after)) == day.deleted
    assert len(set(after) - set(before)) == day.added + day.misdated
    assert sum(before[c] != after[c] for c in set(before) & set(after)) == day.finished
    future = "select count(*) from v_ho_so where ngay_cap_nhat > now() + interval '1 day'"
    assert rows_of(postgres_url, future) == [(day.misdated,)]


def read(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    is_marked = content.startswith(b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig" if is_marked else "cp1258")
    text = unicodedata.normalize("NFC", text)
    delimiter = ";" if text.split("\r\n")[2].count(";") else ","
    return list(csv.reader(io.StringIO(text), delimiter=delimiter))


def test_the_desk_mixes_encodings_headings_and_broken_lines(tmp_path: Path) -> None:
    desk.fill(tmp_path, today=TODAY)
    files = sorted(tmp_path.glob("*.csv"))
    marked = Counter(path.read_bytes().startswith(b"\xef\xbb\xbf") for path in files)
    assert min(marked[True], marked[False]) >= 2
    tables = [read(path) for path in files]
    assert len({tuple(table[2]) for table in tables}) == 2
    lines = [line for table in tables for line in table[3:]]
    assert len(lines) == desk.DOSSIERS
    assert sum(len(line) > 6 for line in lines) == desk.DIRT.broken_line


@pytest.mark.parametrize("text", ["Đăng ký kết hôn", "Tiếp nhận hồ sơ ở xã Đô Lương", "ữ ở ệ ắ"])
def test_cp1258_keeps_every_vietnamese_letter(text: str) -> None:
    assert unicodedata.normalize("NFC", desk.as_cp1258(text).decode("cp1258")) == text


def test_one_more_day_at_the_desk_answers_open_dossiers(tmp_path: Path) -> None:
    desk.fill(tmp_path, today=TODAY)
    before = {line[0]: line for line in read(max(tmp_path.glob("*.csv")))[3:]}
    answered = desk.one_more_day(tmp_path, today=TODAY)
    after = {line[0]: line for line in read(max(tmp_path.glob("*.csv")))[3:]}
    assert answered > 0
    assert before.keys() == after.keys()
    assert sum(before[code] != after[code] for code in before) == answered
