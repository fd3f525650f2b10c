"""`sql --format xlsx`: no cell is executed, nothing is rounded in silence, limits are errors."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import normalize

import openpyxl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from flows.cli import main
from flows.export import FORMULA_STARTS, write_xlsx
from flows.export_xlsx import MOST_CHARACTERS, MOST_COLUMNS, MOST_ROWS
from schemas.errors import ConfigError
from tests.connectors.files.support import read, spec
from tests.flows.cli_office import FORMULA, Office, open_office

NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
CELL = "<r><t>x</t></r></is></c><c r='B2'><f>cmd|' /C calc'!A0</f></c><c><is></r>"
SHOWN_ESCAPED = {"\ufffe", "\uffff"}  # Excel reads their escape, the readers here show it


def written(table: pa.Table) -> io.BytesIO:
    target = io.BytesIO()
    write_xlsx(table, target)
    target.seek(0)
    return target


def cells(table: pa.Table) -> list[list[Any]]:
    sheet = openpyxl.load_workbook(written(table)).active
    assert sheet is not None
    return [list(row) for row in sheet.iter_rows()]


def parts(book: io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(book) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def elements(book: io.BytesIO, tag: str) -> list[Any]:
    (sheet,) = [text for name, text in parts(book).items() if "worksheets/" in name]
    return list(etree.fromstring(sheet).iter(f"{NAMESPACE}{tag}"))


def stamp(*parts: int) -> datetime:
    """A moment as a cell holds it: without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type,misc]


def unescaped(text: str) -> str:
    """What Excel makes of its escapes; openpyxl leaves them to its caller."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)


def test_every_type_arrives_as_itself() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=7)))
    table = pa.table(
        {
            "n": pa.array([-1, None], pa.int64()),
            "money": pa.array([Decimal("-12.50"), None], pa.decimal128(18, 2)),
            "ratio": pa.array([0.25, None]),
            "day": pa.array([date(2026, 1, 2), None]),
            "at": pa.array([at, None], pa.timestamp("us", "UTC")),
            "local": pa.array([stamp(2026, 1, 2, 3, 4, 5), None], pa.timestamp("us")),
            "yes": pa.array([True, None]),
            "text": pa.array(["hồ sơ", None]),
            "row": pa.array(["1", "2"]),
        }
    )
    head, row, nothing = cells(table)
    assert [cell.value for cell in head] == table.column_names
    assert [(cell.value, cell.data_type) for cell in row] == [
        (-1, "n"), (-12.5, "n"), (0.25, "n"), (stamp(2026, 1, 2), "d"),
        (stamp(2026, 1, 1, 20, 4, 5), "d"), (stamp(2026, 1, 2, 3, 4, 5), "d"),
        (True, "b"), ("hồ sơ", "s"), ("1", "s"),
    ]  # fmt: skip
    assert row[1].number_format == "0.00"
    assert [cell.value for cell in nothing] == [None] * 8 + ["2"]
    assert len(elements(written(table), "c")) == 9 + 9 + 1  # a null is no cell


def test_what_a_number_of_excel_would_round_is_text() -> None:
    table = pa.table(
        {
            "long": pa.array([999_999_999_999_999, 1_234_567_890_123_456, -(10**18)], pa.int64()),
            "money": pa.array(
                [Decimal("9999999999999.99"), Decimal("-9999999999999999.99"), Decimal("0.10")],
                pa.decimal128(18, 2),
            ),
            "ratio": pa.array([1.5, float("nan"), float("-inf")]),
            "day": pa.array([date(1900, 3, 1), date(1900, 2, 28), date(1, 1, 1)]),
        }
    )
    _, *rows = cells(table)
    assert [[(c.value, c.data_type) for c in row] for row in rows] == [
        [(999_999_999_999_999, "n"), (9999999999999.99, "n"), (1.5, "n"),
         (stamp(1900, 3, 1), "d")],
        [("1234567890123456", "s"), ("-9999999999999999.99", "s"), ("nan", "s"),
         ("1900-02-28", "s")],
        [("-1000000000000000000", "s"), (0.1, "n"), ("-inf", "s"), ("0001-01-01", "s")],
    ]  # fmt: skip


def test_what_excel_has_no_type_for_is_text() -> None:
    table = pa.table(
        {
            "words": pa.array([["a", "=b"]]),
            "raw": pa.array([b"\x00\xff"]),
            "took": pa.array([timedelta(seconds=90)], pa.duration("us")),
            "hour": pa.array([time(7, 30)], pa.time64("us")),
        }
    )
    _, row = cells(table)
    assert [cell.value for cell in row] == ['["a", "=b"]', "00ff", "PT90S", "07:30:00"]


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_that_looks_like_a_formula_is_text_by_type_and_by_mark(start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    table = pa.table({f"{start}1": [text]})
    for row in cells(table):
        (cell,) = row
        assert cell.data_type == "s"
        assert cell.quotePrefix  # Excel keeps it text also when a person edits the cell
    assert unescaped(cells(table)[1][0].value) == text
    assert elements(written(table), "f") == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), min_size=1))
@example([CELL])
@example(["<r></r>", "<r>&</r>", "</t></is></c><c><f>1+1</f></c>", "]]>", "<!--", "&#61;1"])
@example(["_x0007_", "\x07", "_x005F_x0007_", "_x0007\x1f", "a\rb", "\r\n", " \t ", "\x1f", "\x7f"])
@example(["1", "-1", "1e5", "TRUE", "2026-01-01", "https://example.org", "#REF!", "{=1}"])
def test_every_text_comes_back_from_both_readers_and_none_is_a_formula(texts: list[str]) -> None:
    book = written(pa.table({"n": range(len(texts)), "v": texts}))
    assert elements(book, "f") == []
    heading, text_cells = 2, len(texts)
    assert len([c for c in elements(book, "c") if c.get("t") == "inlineStr"]) == (
        heading + text_cells
    )
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    assert [unescaped(str(row[1].value)) for row in sheet.iter_rows(min_row=2)] == texts
    if SHOWN_ESCAPED & set("".join(texts)):
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.xlsx").write_bytes(book.getvalue())
        found, _ = read(Path(folder), spec("n", "v", files="*.xlsx"))
    taken = [normalize("NFC", value or "").strip() for value in found["v"].to_pylist()]
    assert taken == [normalize("NFC", text).strip() for text in texts]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(st.none(), st.decimals(-(10**15), 10**15, places=2, allow_nan=False)), min_size=1
    )
)
def test_no_cent_is_lost(amounts: list[Decimal | None]) -> None:
    table = pa.table({"money": pa.array(amounts, pa.decimal128(18, 2))})
    _, *rows = cells(table)
    back = [None if row[0].value is None else Decimal(str(row[0].value)) for row in rows]
    assert back + [None] * (len(amounts) - len(back)) == amounts  # empty rows at the end are none


def test_a_workbook_holds_nothing_that_runs_or_reaches_out() -> None:
    table = pa.table({"v": ["https://example.org/x", "mailto:a@example.org", FORMULA, CELL]})
    book = parts(written(table))
    assert not [name for name in book if re.search(r"vba|external|connections|\.bin", name)]
    assert elements(written(table), "hyperlink") == []
    relations = b"".join(text for name, text in book.items() if name.endswith(".rels"))
    assert b"External" not in relations


def test_the_limits_of_excel_are_errors_that_name_the_place() -> None:
    fits = "ư" * MOST_CHARACTERS
    assert cells(pa.table({"v": [fits]}))[1][0].value == fits
    with pytest.raises(ConfigError, match=r"column v, row 2: a text of 32,768 characters"):
        write_xlsx(pa.table({"v": ["a", fits + "x"]}), io.BytesIO())
    with pytest.raises(ConfigError, match=r"column v, row 1: a text of 32,768 characters"):
        write_xlsx(pa.table({"v": ["\U0001f600" * (MOST_CHARACTERS // 2 + 1)]}), io.BytesIO())
    with pytest.raises(ConfigError, match=r"has 1,048,577 rows"):
        write_xlsx(pa.table({"v": pa.nulls(MOST_ROWS, pa.int64())}), io.BytesIO())
    wide = pa.Table.from_arrays(
        [pa.array([1])] * (MOST_COLUMNS + 1), [f"c{n}" for n in range(MOST_COLUMNS + 1)]
    )
    with pytest.raises(ConfigError, match=r"has 16,385 columns"):
        write_xlsx(wide, io.BytesIO())


def test_an_answer_without_rows_is_its_heading() -> None:
    (head,) = cells(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}))
    assert [cell.value for cell in head] == ["a", "b"]


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write_xlsx(pa.table({"v": ["a"]}), io.BytesIO())
    with pytest.raises(ConfigError):
        write_xlsx(pa.table({"v": ["a", "x" * (MOST_CHARACTERS + 1)]}), io.BytesIO())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_of_the_system() -> None:
    with Path("/dev/full").open("wb") as full, pytest.raises(OSError, match="No space left"):
        write_xlsx(pa.table({"v": ["a"]}), full)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = open_office(tmp_path_factory.mktemp("xlsx"))
    assert CliRunner().invoke(main, [*office.options, "sync"]).exit_code == 0
    return office


def test_the_command_writes_a_workbook_by_ending_by_format_and_into_a_pipe(
    synced: Office, tmp_path: Path
) -> None:
    query = "SELECT dossier_code, procedure_name, received_date FROM dossier ORDER BY 1"
    for words in (["-o", "a.xlsx"], ["--format", "xlsx", "--output", "b.out"]):
        target = tmp_path / words[-1]
        done = CliRunner().invoke(main, [*synced.options, "sql", query, *words[:-1], str(target)])
        assert done.exit_code == 0, done.output
        sheet = openpyxl.load_workbook(io.BytesIO(target.read_bytes())).active
        assert sheet is not None
        assert list(sheet.values)[2] == ("XA-002", FORMULA, stamp(2026, 3, 3))
        assert sheet["B3"].data_type == "s"
    piped = CliRunner().invoke(main, [*synced.options, "sql", query, "--format", "xlsx"])
    assert openpyxl.load_workbook(io.BytesIO(piped.stdout_bytes)).sheetnames == ["lienthong"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xlsx", "b.out"]


def test_a_cell_too_long_ends_with_2_and_leaves_the_old_file(
    synced: Office, tmp_path: Path
) -> None:
    target = tmp_path / "a.xlsx"
    target.write_bytes(b"yesterday's")
    query = "SELECT repeat('x', 40000) AS long"
    done = CliRunner().invoke(main, [*synced.options, "sql", query, "-o", str(target)])
    assert done.exit_code == 2
    assert "column long, row 1" in done.stderr
    assert target.read_bytes() == b"yesterday's"
    assert list(tmp_path.iterdir()) == [target]
    assert json.loads(CliRunner().invoke(main, [*synced.options, "sql", query, "--json"]).stdout)


def test_a_moment_is_utc_in_the_cell() -> None:
    moment = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    table = pa.table({"at": pa.array([moment], pa.timestamp("us", "Asia/Ho_Chi_Minh"))})
    assert cells(table)[1][0].value == stamp(2026, 7, 1, 23, 30)
