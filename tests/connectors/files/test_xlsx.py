"""Workbooks: titles, merged cells, true dates, sheets, and what can be wrong with them."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from connectors.files.formats.cells import cell_text, text_column
from connectors.protocol import ReadRequest
from connectors.registry import FilesOptions, connect
from schemas.errors import ContractError, SourceError
from tests.connectors.files.books import MAIN, book, with_part
from tests.connectors.files.support import read, rows, spec
from tests.support.processes import python

MORNING = datetime.fromisoformat("2024-01-05T10:11:12")
SHEET = "xl/worksheets/sheet1.xml"


def wanted(*columns: str, **options: Any) -> Any:
    return spec(*columns, files="*.xlsx", **options)


def test_title_rows_above_the_header_are_passed_over(tmp_path: Path) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = made.add_worksheet()
    sheet.merge_range(0, 0, 0, 2, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM")
    sheet.write_row(3, 0, ["Số hồ sơ", "Ngày", " Trạng  thái "])
    sheet.write_row(4, 0, ["1", "x", "xong"])
    made.close()
    for options in ({}, {"header_row": 4}, {"header_contains": ["Số hồ sơ"]}):
        found = rows(tmp_path, wanted("Số hồ sơ", "trạng thái", **options))
        assert found == [(5, "1", "xong")]
    with pytest.raises(SourceError, match=r"'a\.xlsx', sheet 'Sheet1': row 2 is no header"):
        read(tmp_path, wanted("Số hồ sơ", header_row=2))
    with pytest.raises(ContractError, match=r"no column 'Mã' .*'aliases|no column 'Mã'"):
        read(tmp_path, wanted("Mã"))


def test_a_table_that_begins_far_from_the_corner_keeps_its_row_numbers(tmp_path: Path) -> None:
    made = [[]] * 60 + [[None, None, "a", "b"], [None, None, 1, 2], [None, None, 3, 4]]
    book(tmp_path / "a.xlsx", {"A": made})
    assert rows(tmp_path, wanted("b", "a")) == [(62, "2", "1"), (63, "4", "3")]


def test_values_arrive_as_the_text_a_person_means(tmp_path: Path) -> None:
    values = [
        ((date(2024, 1, 5), "day"), "2024-01-05"),
        ((MORNING, "stamp"), "2024-01-05T10:11:12"),
        ((time(10, 11), "hour"), "10:11:00"),
        ((timedelta(hours=30), "long"), "30:00:00"),
        (12.0, "12"),
        (0.1 + 0.2, "0.3"),
        (-1.5, "-1.5"),
        (1e-7, "0.0000001"),
        (45296, "45296"),
        (79203001234, "79203001234"),
        ("0790", "0790"),
        ("Se\u0302", "Sê"),
        (True, "true"),
        (False, "false"),
    ]
    made = [["id", "v"], *([n, value] for n, (value, _) in enumerate(values))]
    book(tmp_path / "a.xlsx", {"A": made}, day="dd/mm/yyyy", stamp="dd/mm/yyyy hh:mm:ss",
         hour="hh:mm", long="[hh]:mm")  # fmt: skip
    assert [v for *_, v in rows(tmp_path, wanted("id", "v"))] == [text for _, text in values]


@pytest.mark.parametrize("count", [3, 20_500])
def test_a_column_of_one_kind_arrives_like_a_mixed_one(tmp_path: Path, count: int) -> None:
    stamps = [MORNING.replace(second=n % 60) for n in range(count)]
    made = [["n", "s", "t"], *([float(n), f"{n}", (s, "x")] for n, s in enumerate(stamps))]
    book(tmp_path / "a.xlsx", {"A": made}, x="yyyy-mm-dd hh:mm:ss")
    found = rows(tmp_path, wanted("n", "s", "t"))
    assert [row[1:] for row in found] == [
        (str(n), str(n), s.isoformat()) for n, s in enumerate(stamps)
    ]
    assert [row[0] for row in found] == list(range(2, count + 2))


def test_a_column_of_one_kind_says_what_each_cell_says() -> None:
    numbers = [0.0, -0.0, 12.0, 0.3, 0.1 + 0.2, 1e-7, 1e15, 123456789012345.6, -1234567.125,
               9007199254740991.0, 1.5e300, 40.740575425134001]  # fmt: skip
    stamps = [MORNING, date(2024, 1, 5), MORNING.replace(microsecond=500_000), date(1899, 12, 31)]
    for values in (numbers, stamps, stamps[:2], [True, False], [time(10), time(11, 1)]):
        assert text_column(values).to_pylist() == [cell_text(value) for value in values]
    assert cell_text(MORNING.replace(microsecond=500_000)) == "2024-01-05T10:11:12.500"


def test_a_cell_merged_downwards_counts_for_every_row_and_one_merged_sideways_for_one(
    tmp_path: Path,
) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = made.add_worksheet()
    sheet.write_row(0, 0, ["Đơn vị", "Số", "Ghi chú"])
    sheet.merge_range(1, 0, 3, 0, "Xã A")
    sheet.write_column(1, 1, ["1", "2", "3"])
    sheet.write(4, 0, "Xã B")
    sheet.merge_range(4, 1, 4, 2, "4")
    made.close()
    assert rows(tmp_path, wanted("Đơn vị", "Số", "Ghi chú")) == [
        (2, "Xã A", "1", ""), (3, "Xã A", "2", ""), (4, "Xã A", "3", ""), (5, "Xã B", "4", "")
    ]  # fmt: skip


def test_a_header_of_two_rows_is_one_header(tmp_path: Path) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = made.add_worksheet()
    sheet.merge_range(1, 0, 2, 0, "Số hồ sơ")
    sheet.merge_range(1, 1, 1, 2, "Thời gian")
    sheet.merge_range(1, 3, 1, 4, "Kết quả")
    sheet.write_row(2, 1, ["Nhận", "Ngày trả", "Nhận", "Ghi chú"])
    sheet.write_row(3, 0, ["1", "a", "b", "c", "d"])
    made.close()
    columns = ("Số hồ sơ", "Thời gian / Nhận", "Ngày trả", "Kết quả / Nhận")
    assert rows(tmp_path, wanted(*columns)) == [(4, "1", "a", "b", "c")]


def test_blank_rows_and_a_header_that_comes_again_are_no_rows(tmp_path: Path) -> None:
    made = [["a", "b"], [1, 2], [None, "  "], ["a", "b"], [3, None], [None, None], [None, " "]]
    book(tmp_path / "a.xlsx", {"A": made})
    table, summary = read(tmp_path, wanted("a"))
    assert (table["_line"].to_pylist(), table["a"].to_pylist()) == ([2, 5], ["1", "3"])
    assert summary.files[0].rows == 2


def test_a_row_with_something_in_a_column_nobody_wants_is_a_row(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", {"A": [["a", "b"], [None, "x"], [None, None], [2, None]]})
    assert rows(tmp_path, wanted("a")) == [(2, ""), (4, "2")]


def test_the_sheets_are_chosen_by_name_or_pattern_and_hidden_ones_by_name_only(
    tmp_path: Path,
) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    for name, value in (("Tháng 1", "1"), ("Tháng 2", "2"), ("Tháng 3", "3"), ("Rỗng", None)):
        sheet = made.add_worksheet(name)
        if value:
            sheet.write_column(0, 0, ["a", value])
        if name == "Tháng 3":
            sheet.hide()
    made.close()

    def found(**options: Any) -> list[tuple[str, str]]:
        table, _ = read(tmp_path, wanted("a", **options))
        return list(zip(table["_file"].to_pylist(), table["a"].to_pylist(), strict=True))

    first, second = ("a.xlsx#Tháng 1", "1"), ("a.xlsx#Tháng 2", "2")
    assert found() == [first, second]
    assert found(sheets="tháng *") == [first, second]
    assert found(sheets="Tháng 3") == [("a.xlsx", "3")]
    assert found(sheets=["Tháng 2", "tháng 3"]) == [second, ("a.xlsx#Tháng 3", "3")]
    with pytest.raises(ContractError, match=r"no sheet Quý \*; there are 'Tháng 1'"):
        found(sheets="Quý *")
    with pytest.raises(SourceError, match="has nothing in 'Rỗng'"):
        found(sheets="Rỗng")
    notes = connect("files", FilesOptions(path=str(tmp_path))).check(wanted("a")).notes
    assert any("hidden: 'Tháng 3'" in note for note in notes)


def test_a_sheet_without_the_columns_stops_the_read(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", {"A": [["a"], [1]], "Hướng dẫn": [["Đọc kỹ"], ["trước khi dùng"]]})
    with pytest.raises(ContractError, match="sheet 'Hướng dẫn'"):
        read(tmp_path, wanted("a"))
    assert rows(tmp_path, wanted("a", sheets="A")) == [(2, "1")]


def test_formulas_give_their_last_value_and_what_has_none_is_remembered(tmp_path: Path) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = made.add_worksheet()
    sheet.write_row(0, 0, ["id", "v", "w"])
    for row in range(1, 6):
        sheet.write(row, 0, row)
    sheet.write_formula(1, 1, "=A2*2", None, 2)
    sheet.write_formula(2, 1, "=1/0", None, "#DIV/0!")
    sheet.write_formula(3, 1, '=""', None, "")
    sheet.write_formula(4, 2, "=NA()", None, "#N/A")
    made.close()
    # As Excel writes an empty text that was calculated.
    with_part(tmp_path / "a.xlsx", SHEET, lambda xml: xml.replace('r="B4"', 'r="B4" t="str"'))
    table, _ = read(tmp_path, wanted("id", "v"))
    assert table["v"].to_pylist() == ["2", "", "", "", ""]
    assert table["_bad_values"].to_pylist() == [None, ["v"], None, None, None]
    table, _ = read(tmp_path, wanted("id", "w"))
    assert table["_bad_values"].to_pylist() == [None, None, None, ["w"], None]


def test_a_formula_never_calculated_and_a_row_of_errors_alone_are_not_lost(tmp_path: Path) -> None:
    made = openpyxl.Workbook()  # which writes formulas without their values
    sheet = made.active
    assert sheet is not None
    sheet.append(["id", "v"])
    sheet.append([1, "=A2*2"])
    sheet.append([None, "=A3*2"])
    sheet.append([3, "x"])
    made.save(tmp_path / "a.xlsx")
    table, _ = read(tmp_path, wanted("id", "v"))
    assert table["_bad_values"].to_pylist() == [["v"], ["v"], None]
    assert table["_line"].to_pylist() == [2, 3, 4]
    notes = connect("files", FilesOptions(path=str(tmp_path))).check(wanted("id", "v")).notes
    assert "2 cells hold an error or a formula never calculated" in notes[0]


def test_a_workbook_in_another_form_of_xml_gives_the_same(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"A": [["id", "v"], ["1", 2], ["3", 4]]})
    expected = rows(tmp_path, wanted("id", "v"))

    def prefixed(text: str) -> str:
        text = text.replace(MAIN, MAIN.replace("xmlns=", "xmlns:x="))
        for name in ("worksheet", "dimension", "sheetViews", "sheetView", "sheetFormatPr",
                     "sheetData", "row", "c", "v", "pageMargins", "selection"):  # fmt: skip
            text = text.replace(f"<{name} ", f"<x:{name} ").replace(f"<{name}>", f"<x:{name}>")
            text = text.replace(f"</{name}>", f"</x:{name}>")
        return text

    with_part(path, SHEET, prefixed)
    assert "<x:c r=" in zipfile.ZipFile(path).read(SHEET).decode()
    assert rows(tmp_path, wanted("id", "v")) == expected == [(2, "1", "2"), (3, "3", "4")]
    with_part(path, SHEET, lambda text: text.replace("<x:v>4</x:v>", "<x:f>A1</x:f>"))
    table, _ = read(tmp_path, wanted("id", "v"))
    assert table["_bad_values"].to_pylist() == [None, ["v"]]
    with_part(path, SHEET, lambda text: text.replace('<x:c r="B2"', '<x:c  t="e" r="B2"'))
    with_part(path, SHEET, lambda text: text.replace("<x:v>2</x:v>", "<x:v>#N/A</x:v>"))
    table, _ = read(tmp_path, wanted("id", "v"))
    assert table["_bad_values"].to_pylist() == [["v"], ["v"]]


def test_a_long_row_costs_itself_only(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", {"A": [["a", "b"], ["1", "x" * 3000], ["2", "y"]]})
    table, _ = read(tmp_path, wanted("a", "b", max_record_bytes=2048))
    assert table["_unreadable"].to_pylist() == ["line_too_long", None]
    assert table["a"].to_pylist() == [None, "2"]
    assert table["_raw"].to_pylist()[0].startswith("1 xxx")


def test_a_workbook_of_200_wide_columns_is_read(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(200)]
    book(tmp_path / "a.xlsx", {"A": [names, *([n] * 200 for n in range(300))]})
    assert len(rows(tmp_path, wanted("c0", "c199"))) == 300


STRAY = f"""<worksheet {MAIN}><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c>
</row><row r="%s"><c r="%s"><v>1</v></c></row></sheetData></worksheet>"""

MEASURED = """
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import FilesOptions, FilesStream, connect
from schemas.errors import SourceError
spec = StreamSpec(name="s", columns=("a",), key=("a",), options=FilesStream(files="*.xlsx"))
import connectors.files.formats.xlsx
base = peak_mib()
try: connect("files", FilesOptions(path=sys.argv[1])).read(spec, ReadRequest()); print("read")
except SourceError as error: print(error)
print(peak_mib() - base)
"""


@pytest.mark.parametrize("form", ['<c r="XFD1048576"', "<c r='XFD1048576'"])
def test_a_stray_cell_at_the_end_of_the_world_is_refused_in_bounded_memory(
    tmp_path: Path, form: str
) -> None:
    path = book(tmp_path / "a.xlsx", {"A": [["a"], [1]]})
    xml = STRAY % ("1048576", "XFD1048576")
    with_part(path, SHEET, lambda _: xml.replace('<c r="XFD1048576"', form))
    said, grown = python(MEASURED, str(tmp_path)).splitlines()
    assert "'a.xlsx' spreads sheet 'A' over 1048576 rows and 16384 columns" in said
    assert int(grown) < 100


def test_a_workbook_that_unpacks_out_of_all_bounds_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"A": [["a"], [1]]})
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("xl/bomb.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(1025):
            part.write(b" " * 1024 * 1024)
    said, grown = python(MEASURED, str(tmp_path)).splitlines()
    assert "'a.xlsx' unpacks to more than 1 GiB" in said
    assert int(grown) < 100


def test_a_text_repeated_into_gigabytes_is_refused(tmp_path: Path) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = made.add_worksheet("A")
    sheet.write_column(0, 0, ["a", *["x" * 32_000] * 90_000])
    made.close()
    said, grown = python(MEASURED, str(tmp_path)).splitlines()
    assert "'a.xlsx' unpacks to more than 1 GiB" in said
    assert int(grown) < 200


@pytest.mark.parametrize("name", ["a.xls", "a.ods", "a.xlsb"])
def test_other_spreadsheets_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    with pytest.raises(SourceError, match=r"save it as \.xlsx"):
        read(tmp_path, spec("a", files="a.*"))


def test_csv_and_xlsx_may_be_one_stream(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    book(tmp_path / "2.xlsx", {"A": [["B", "A"], ["y", 2]]})
    table, _ = read(tmp_path, spec("a", "b", files=["*.csv", "*.xlsx"]))
    assert table.select(["a", "b", "_file", "_bad_values"]).to_pylist() == [
        {"a": "1", "b": "x", "_file": "1.csv", "_bad_values": None},
        {"a": "2", "b": "y", "_file": "2.xlsx", "_bad_values": None},
    ]


def test_several_workbooks_are_read_without_being_kept(tmp_path: Path) -> None:
    for n in range(3):
        book(tmp_path / f"{n}.xlsx", {"A": [["a"], [n]], "B": [["a"], [n + 10]]})
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    with connector.read(wanted("a"), ReadRequest()) as reading:
        assert [r._kept for r in reading.readers] == [None] * 6
        found = [v for batch in reading.batches() for v in batch["a"].to_pylist()]
    assert found == ["0", "10", "1", "11", "2", "12"]
