"""`sources new`: from a system that nobody described to a YAML that `check` and `sync` take."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from flows.catalog import load_catalog
from flows.cli import main
from flows.newsource.create import new_source
from flows.newsource.document import Facts
from tests.connectors.encodings.alphabet import encoded
from tests.support.postgres import Server, execute, fresh_database

PERSON = "040099012345"
NAME = "Nguyễn Văn Thử"
PHONE = "0912345678"
SECRET = "mat-khau-9917"
STATUSES = ("Đang xử lý", "Đã trả kết quả")

HEADER = ("Số hồ sơ", "Tên thủ tục", "Họ và tên", "Số CCCD", "Điện thoại", "Ngày tiếp nhận",
          "Ngày hẹn trả", "Trạng thái", "Lệ phí", "Ghi chú")  # fmt: skip


def lines(month: int, count: int = 20) -> list[tuple[str, ...]]:
    return [
        (
            f"H41.7-2601{n % 28 + 1:02d}-{month}{n:03d}", "Đăng ký khai sinh", f"{NAME} {n}",
            f"0400990{n:05d}", f"09123{n:05d}", f"{n % 28 + 1:02d}/{month:02d}/2026",
            f"{n % 28 + 1:02d}/{month:02d}/2026 16:30", STATUSES[n % 2], "25.000",
            "Chờ bổ sung giấy tờ",
        )
        for n in range(count)
    ]  # fmt: skip


def write_csv(path: Path, rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(exist_ok=True)
    text = "\n".join(";".join(row) for row in [HEADER, *rows])
    path.write_text(text, "utf-8")


def run(root: Path, *words: str, env: dict[str, str | None] | None = None) -> Result:
    options = ["--warehouse", str(root / "warehouse"), "--sources", str(root / "sources")]
    return CliRunner().invoke(main, [*options, *words], env=env)


def new(root: Path, *words: str, status: int = 0, env: dict[str, str | None] | None = None) -> Any:
    done = run(root, "sources", "new", *words, "--json", env=env)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def yaml_of(root: Path, name: str) -> str:
    return (root / "sources" / f"{name}.yaml").read_text("utf-8")


def test_a_folder_of_spreadsheets_becomes_a_source_that_syncs_without_an_edit(
    tmp_path: Path,
) -> None:
    write_csv(tmp_path / "desk" / "so-2026-01.csv", lines(1))
    write_csv(tmp_path / "desk" / "so-2026-02.csv", lines(2))
    made = new(tmp_path, "xa-thu", str(tmp_path / "desk"), "--agency", "H41.7")
    assert made["streams"][0]["entities"] == ["dossier"]
    assert [one["status"] for one in made["checks"]] == ["done"]
    receipts = json.loads(run(tmp_path, "sync", "xa-thu", "--json").stdout)
    assert [(r["read"], r["inserted"], r["quarantined"]) for r in receipts] == [(40, 40, 0)]
    asked = run(
        tmp_path, "sql", "--core", "--format", "json",
        "SELECT status, fee, received_date, due_is_date_only, applicant_id FROM dossier "
        "WHERE dossier_code LIKE '%-1000'",
    )  # fmt: skip
    (row,) = json.loads(asked.stdout)
    assert row["status"] == "in_progress"
    assert float(row["fee"]) == 25_000
    assert row["received_date"] == "2026-01-01"
    assert row["due_is_date_only"] is False
    assert PERSON not in str(row["applicant_id"])


def test_new_files_of_a_series_are_read_by_the_next_night(tmp_path: Path) -> None:
    write_csv(tmp_path / "desk" / "so-2026-01.csv", lines(1))
    write_csv(tmp_path / "desk" / "so-2026-02.csv", lines(2))
    new(tmp_path, "xa-thu", str(tmp_path / "desk"))
    assert 'files: "so-2026-*.csv"' in yaml_of(tmp_path, "xa-thu")  # 2026 is in all of them
    run(tmp_path, "sync", "xa-thu")
    write_csv(tmp_path / "desk" / "so-2026-03.csv", lines(3))
    (receipt,) = json.loads(run(tmp_path, "sync", "xa-thu", "--json").stdout)
    assert receipt["inserted"] == 20
    assert receipt["tombstoned"] == 0


def test_a_desk_that_changes_its_headers_and_dates_is_connected_without_an_edit(
    tmp_path: Path,
) -> None:
    """Another name, a column that came later, and dates written in two ways, over four months."""
    desk = tmp_path / "desk"
    desk.mkdir()
    heads = ["Mã hồ sơ", "Mã hồ sơ", "Số hồ sơ", "Số hồ sơ"]
    for month, code in enumerate(heads, start=1):
        rows = [f"SỔ THEO DÕI THÁNG {month}", f"{code},Thủ tục,Ngày tiếp nhận,Trạng thái,Lệ phí"]
        for n in range(30):
            day = f"{n % 28 + 1:02d}/{month:02d}/2026"
            if month == 2:
                day = f"2026-{month:02d}-{n % 28 + 1:02d}"
            rows.append(f"T{month}-{n},Khai sinh,{day},{STATUSES[n % 2]},8000")
        if month == 1:
            rows = [row.rpartition(",")[0] or row for row in rows]
        (desk / f"so-{month}.csv").write_text("\n".join(rows), "utf-8")
    made = new(tmp_path, "xa-thu", str(desk))
    text = yaml_of(tmp_path, "xa-thu")
    assert "aliases: {Số hồ sơ: [Mã hồ sơ]}" in text
    assert "optional: [Lệ phí]" in text
    assert "header_contains: [Thủ tục, Trạng thái, Ngày tiếp nhận]" in text  # all files have them
    assert [one["status"] for one in made["checks"]] == ["done"]
    (receipt,) = json.loads(run(tmp_path, "sync", "xa-thu", "--json").stdout)
    assert (receipt["read"], receipt["inserted"], receipt["quarantined"]) == (120, 120, 0)
    question = "SELECT count(received_at) AS dated, count(fee) AS paid FROM dossier"
    asked = run(tmp_path, "sql", question, "--format", "json")
    assert json.loads(asked.stdout) == [{"dated": 120, "paid": 90}]


def test_no_value_of_a_person_is_in_the_yaml_the_output_or_the_mapping(tmp_path: Path) -> None:
    write_csv(tmp_path / "desk" / "so.csv", lines(1))
    done = run(tmp_path, "sources", "new", "xa-thu", str(tmp_path / "desk"))
    text = yaml_of(tmp_path, "xa-thu")
    for value in (NAME, PERSON[:7], PHONE[:5], "Chờ bổ sung"):
        assert value not in text
        assert value not in done.output
    (made,) = new(tmp_path, "xa-thu", str(tmp_path / "desk"), "--force")["streams"]
    assert set(made["withheld"]) == {"Họ và tên", "Điện thoại", "Ghi chú"}
    assert "applicant_id: Số CCCD" in text  # tagged personal: a pseudonym in core


def test_words_that_few_rows_hold_are_not_written_down(tmp_path: Path) -> None:
    rows = ["Mã hồ sơ,Ngày nhận,Nguồn,Kênh"]
    rows += [f"A{n},0{n % 9 + 1}/02/2026,Lê Thị Kín {n % 7},Quầy số {n % 2}" for n in range(14)]
    (tmp_path / "so.csv").write_text("\n".join(rows), "utf-8")
    new(tmp_path, "xa-thu", str(tmp_path / "so.csv"))
    text = yaml_of(tmp_path, "xa-thu")
    assert "Lê Thị Kín" not in text
    assert "Quầy số 0 (7 rows)" in text
    assert "`codes: [{Quầy số 0: ..., Quầy số 1: ...}, channel]`" in text  # the list stays


def test_a_number_of_a_person_in_a_coded_column_is_not_repeated(tmp_path: Path) -> None:
    rows = [*lines(1), *[(*lines(2)[0][:7], PERSON, "25.000", "")] * 4]
    write_csv(tmp_path / "desk" / "so.csv", rows)
    made = run(tmp_path, "sources", "new", "xa-thu", str(tmp_path / "desk"))
    checked = run(tmp_path, "check", "xa-thu")
    assert "looks like a person's number" in checked.output
    for place in (made.output, checked.output, yaml_of(tmp_path, "xa-thu")):
        assert PERSON not in place


def test_a_file_without_a_header_is_refused_and_none_of_its_cells_is_repeated(
    tmp_path: Path,
) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "a.csv").write_text(f"{NAME},Phường Một,x\n{NAME},Xã Hai,y\n", "utf-8")
    (tmp_path / "desk" / "b.csv").write_text(f"{PERSON},01/02/2026,x\n{PERSON},,y\n", "utf-8")
    done = run(tmp_path, "sources", "new", "xa-thu", str(tmp_path / "desk"))
    assert done.exit_code == 3
    assert "is it a header?" in done.output
    assert "looks like a row" in done.output
    for place in (done.output, yaml_of(tmp_path, "xa-thu")):
        assert NAME not in place
        assert PERSON not in place


@pytest.mark.parametrize("encoding", ["cp1258", "tcvn3"])
def test_the_encoding_of_an_old_desk_is_stated_with_its_evidence(
    tmp_path: Path, encoding: str
) -> None:
    text = "\n".join(";".join(row) for row in [HEADER, *lines(1)])
    (tmp_path / "so.csv").write_bytes(encoded(text, encoding))
    new(tmp_path, "xa-cu", str(tmp_path / "so.csv"))
    assert f"encoding: {encoding}" in yaml_of(tmp_path, "xa-cu")
    assert f"read well as {encoding}" in yaml_of(tmp_path, "xa-cu")
    assert "dossier_code: Số hồ sơ" in yaml_of(tmp_path, "xa-cu")


def test_a_database_url_stands_in_no_file_and_the_variable_is_named(
    postgres_server: Server, tmp_path: Path
) -> None:
    with fresh_database(postgres_server) as url:
        execute(
            url,
            'create table "HoSo" (so_ho_so text primary key, ten_tthc text, '
            "ngay_tiep_nhan timestamptz, ngay_cap_nhat timestamptz not null, trang_thai text, "
            "is_deleted boolean not null)",
            "insert into \"HoSo\" select 'H41.7-260101-' || lpad(n::text, 4, '0'), 'Khai tử', "
            "timestamptz '2026-01-01 08:00+07' + n * interval '1 hour', "
            "timestamptz '2026-02-01 08:00+07' + n * interval '1 hour', '4', false "
            "from generate_series(1, 50) n",
            "create view v_linh_tinh as select 1 as x",
        )
        secret = f"{url}&application_name={SECRET}"
        made = new(tmp_path, "so-tu-phap", secret)
        text = yaml_of(tmp_path, "so-tu-phap")
        assert made["variable"] == "SO_TU_PHAP_URL"
        assert 'url: "${SO_TU_PHAP_URL}"' in text
        assert SECRET not in text + json.dumps(made)
        assert "key: so_ho_so # declared by the source" in text
        assert "version: ngay_cap_nhat" in text
        assert "# cursor: {column: ngay_cap_nhat, late_window: 2 days}" in text
        assert "deleted: is_deleted" in text
        assert "codes: national_status" in text
        assert made["trouble"]["v_linh_tinh"] == "it looks like none of our tables"
        done = run(tmp_path, "sync", "so-tu-phap", "--json", env={"SO_TU_PHAP_URL": url})
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)[0]["inserted"] == 50


def test_a_url_from_a_variable_and_one_that_can_t_be_reached(
    postgres_server: Server, tmp_path: Path
) -> None:
    with fresh_database(postgres_server) as url:
        execute(url, "create table ho_so (ma_ho_so text primary key, ngay_nhan date)")
        new(tmp_path, "mot", "${DESK_URL}", env={"DESK_URL": url}, status=3)  # it has no rows
        assert 'url: "${DESK_URL}"' in yaml_of(tmp_path, "mot")
    done = run(tmp_path, "sources", "new", "hai", "${KHONG_CO}", env={"KHONG_CO": None})
    assert done.exit_code == 2
    assert "export KHONG_CO=" in done.output
    done = run(
        tmp_path,
        "sources",
        "new",
        "ba",
        f"postgresql://ai:{SECRET}@127.0.0.1:1/x?connect_timeout=2",
    )
    assert done.exit_code == 1
    assert SECRET not in done.output
    assert not (tmp_path / "sources" / "ba.yaml").exists()


def test_a_name_that_is_taken_or_none_is_refused_and_force_writes_over(tmp_path: Path) -> None:
    write_csv(tmp_path / "desk" / "so.csv", lines(1))
    new(tmp_path, "xa-thu", str(tmp_path / "desk"))
    before = yaml_of(tmp_path, "xa-thu")
    assert "--force" in run(tmp_path, "sources", "new", "xa-thu", str(tmp_path / "desk")).output
    for wrong in ("Xã Thử", "../x", "", "-a"):
        done = run(tmp_path, "sources", "new", "--", wrong, str(tmp_path / "desk"))
        assert done.exit_code == 2, wrong
    assert yaml_of(tmp_path, "xa-thu") == before
    new(tmp_path, "xa-thu", str(tmp_path / "desk"), "--level", "commune", "--force")
    assert "level: commune" in yaml_of(tmp_path, "xa-thu")


def test_what_is_no_place_is_refused_with_what_would_be_one(tmp_path: Path) -> None:
    done = run(tmp_path, "sources", "new", "xa", str(tmp_path / "nirgends"))
    assert done.exit_code == 2
    assert "postgresql://" in done.output
    (tmp_path / "leer").mkdir()
    done = run(tmp_path, "sources", "new", "xa", str(tmp_path / "leer"))
    assert done.exit_code == 2
    assert "there are no files" in done.output


def test_an_office_of_a_known_vendor_is_a_few_lines(tmp_path: Path) -> None:
    write_csv(tmp_path / "desk" / "so.csv", lines(1))
    new(tmp_path, "mau", str(tmp_path / "desk"))
    vendor = yaml_of(tmp_path, "mau").partition("connector:")[2].partition("streams:")[2]
    (tmp_path / "sources" / "vendors").mkdir()
    (tmp_path / "sources" / "vendors" / "desk.yaml").write_text(f"streams:{vendor}", "utf-8")
    made = new(tmp_path, "xa-hai", str(tmp_path / "desk"), "--vendor", "desk")
    assert [one["status"] for one in made["checks"]] == ["done"]
    written = [x for x in yaml_of(tmp_path, "xa-hai").splitlines() if not x.startswith("#")]
    assert len(written) <= 10
    done = run(tmp_path, "sources", "new", "x", str(tmp_path / "desk"), "--vendor", "dsk")
    assert done.exit_code == 2
    assert "desk" in done.output


ODD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1,
              max_size=24)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=ODD, odd=st.lists(ODD, min_size=1, max_size=4))
def test_a_database_with_the_oddest_names_gives_a_yaml_that_loads_and_syncs(
    tmp_path_factory: pytest.TempPathFactory, table: str, odd: list[str]
) -> None:
    names = {name.casefold().strip(): name for name in ["so_ho_so", "ngay_nhan", *odd]}
    columns = list(names.values())
    root = tmp_path_factory.mktemp("odd")
    database = root / "office.db"
    try:
        with sqlite3.connect(database) as connection:
            quoted = ", ".join('"' + name.replace('"', '""') + '" text' for name in columns)
            named = '"' + table.replace('"', '""') + '"'
            connection.execute(f"create table {named} ({quoted})")
            marks = ", ".join("?" * len(columns))
            for n in range(3):
                row = [f"H{n}", f"2026-01-0{n + 1}", *("x" for _ in columns[2:])]
                connection.execute(f"insert into {named} values ({marks})", row)
        connection.close()
    except sqlite3.Error:
        return  # a name that SQLite itself refuses
    made = new_source(Facts(source="odd"), str(database), sources=root / "sources")
    catalog = load_catalog(root / "sources")
    event("proposed" if made.streams else "not proposed")
    if made.streams:
        assert not catalog.broken, catalog.broken
        assert [one.status for one in made.checks] != []
        assert made.error is None
    else:
        assert made.trouble
