"""What offices' files look like: titles, drifting headers, copies, corrections."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from connectors.protocol import ReadRequest
from connectors.registry import FilesOptions, FilesStream, connect
from schemas.errors import ConfigError, ContractError, SourceError
from tests.connectors.files.support import both, read, rows, spec, unchanged


def test_rows_carry_their_file_its_hash_and_their_line(tmp_path: Path) -> None:
    content = b'a,b\n1,"x\ny"\n2,z\n'
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.csv").write_bytes(content)
    table, summary = read(tmp_path, spec("b", "a", files="**/*.csv"))
    digest = hashlib.sha256(content).hexdigest()
    assert table.drop_columns(["_unreadable", "_raw"]).to_pylist() == [
        {"b": "x\ny", "a": "1", "_file": "sub/a.csv", "_file_hash": digest, "_line": 2},
        {"b": "z", "a": "2", "_file": "sub/a.csv", "_file_hash": digest, "_line": 4},
    ]
    assert table.schema == pa.schema(
        {"b": pa.string(), "a": pa.string(), "_file": pa.string(), "_file_hash": pa.string(),
         "_line": pa.int64(), "_unreadable": pa.string(), "_raw": pa.string()}
    )  # fmt: skip
    (file,) = summary.files
    assert (file.path, file.hash, file.size) == ("sub/a.csv", digest, len(content))
    assert (file.rows, file.unchanged) == (2, False)


@pytest.mark.parametrize(
    "options",
    [{}, {"header_row": 4}, {"header_contains": ["Số hồ sơ"]}],
    ids=["found", "row", "has"],
)
def test_title_lines_above_the_header_are_passed_over(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    text = "UBND phường A;;\n\nBáo cáo tháng 1;;\nSố hồ sơ;Ngày; Trạng thái \n1;2;3\n"
    (tmp_path / "a.csv").write_text(text)
    assert rows(tmp_path, spec("Số hồ sơ", "Trạng thái", **options)) == [(5, "1", "3")]


def test_a_stated_header_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="line 3 is no header"):
        read(tmp_path, spec("a", header_row=3))
    with pytest.raises(SourceError, match="none of the first 50 lines"):
        read(tmp_path, spec("a", header_contains=["Số hồ sơ"]))


def test_a_drifting_header_is_found_by_alias_case_and_unicode_form(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("Số hồ sơ,Ngày nhận\n1,x\n")
    (tmp_path / "2.csv").write_text("SO\u0302\u0301  HO\u0302\u0300 SO\u031b,Ngày tiếp nhận\n2,y\n")
    (tmp_path / "3.csv").write_text("NGÀY TIẾP NHẬN;Ghi chú;Mã HS\n z ;-;3\n")
    aliases = {"so_ho_so": ["Số hồ sơ", "mã hs"], "ngay": ["ngày nhận", "Ngày tiếp nhận"]}
    wanted = spec("so_ho_so", "ngay", aliases=aliases)
    assert [row[1:] for row in rows(tmp_path, wanted)] == [("1", "x"), ("2", "y"), ("3", " z ")]


@pytest.mark.parametrize("sign", [",", ";", "|", "\t"])
def test_the_delimiter_is_seen_in_the_header(tmp_path: Path, sign: str) -> None:
    others = "".join({",", ";", "|", "\t"} - {sign})
    (tmp_path / "a.csv").write_text(f"a{sign}b\n1{sign}2{others}7\n")
    assert rows(tmp_path, spec("b")) == [(2, f"2{others}7")]


def test_a_tsv_is_cut_at_tabs_whatever_its_header_holds(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a,b;c\td\n1\t2\n")
    assert rows(tmp_path, spec("d", files="*.tsv")) == [(2, "2")]


def test_quotes_can_be_switched_off_or_be_another_sign(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n\"1,2\n'3,4',5\n")
    assert both(tmp_path, spec("a", quote=""))[0] == [(2, '"1')]
    found, wrong = both(tmp_path, spec("a", "b", quote="'"))
    assert found == [(2, '"1', "2"), (3, "3,4", "5")]
    assert wrong == []


def test_blank_lines_are_counted_as_lines_but_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n\n1,2\n \n\n3,4\n\n\n")
    assert rows(tmp_path, spec("a", "b")) == [(3, "1", "2"), (6, "3", "4")]


def test_a_known_file_is_not_read_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.csv").write_text("a\n2\n")
    _, first = read(tmp_path, spec("a"))
    known = frozenset(f.hash for f in first.files if f.path == "a.csv")
    table, second = read(tmp_path, spec("a"), known_files=known)
    assert table["a"].to_pylist() == ["2"]
    assert unchanged(second.files) == ["a.csv"]
    assert [(f.path, f.rows) for f in second.files] == [("a.csv", 0), ("b.csv", 1)]
    assert second.is_complete


def test_a_copy_under_another_name_changes_nothing(tmp_path: Path) -> None:
    for name in ("a.csv", "copy of a.csv"):
        (tmp_path / name).write_text("a\n1\n")
    table, summary = read(tmp_path, spec("a"))
    assert table["_file"].to_pylist() == ["a.csv"]
    assert unchanged(summary.files) == ["copy of a.csv"]


def test_hidden_files_and_office_locks_are_no_files_of_a_stream(tmp_path: Path) -> None:
    for name in (".~lock.a.csv", "~$a.csv", ".hidden.csv", "notes.txt", "REPORT.CSV"):
        (tmp_path / name).write_text("a\n1\n")
    table, _ = read(tmp_path, spec("a"))
    assert table["_file"].to_pylist() == ["REPORT.CSV"]


def test_a_limit_stops_early_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n" + "1\n" * 100)
    table, summary = read(tmp_path, spec("a"), limit=7, batch_rows=3)
    assert (table.num_rows, summary.is_complete) == (7, False)


def test_batches_are_never_longer_than_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 1000)
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    with connector.read(spec("a"), ReadRequest(batch_rows=300)) as reading:
        assert [batch.num_rows for batch in reading.batches()] == [300, 300, 300, 100]


def test_keys_are_those_of_the_readable_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\nbroken\n3,4\n")
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    batches = list(connector.keys(spec("a", "b")))
    assert pa.Table.from_batches(batches).to_pydict() == {"a": ["1", "3"]}


def test_check_shows_columns_sample_and_how_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a;b;c\n1;2;3\n".encode("utf-16"))
    found = connect("files", FilesOptions(path=str(tmp_path))).check(spec("b", "a"))
    assert found.columns == {"a": "text", "b": "text", "c": "text"}
    assert found.sample.select(["b", "a"]).to_pylist() == [{"b": "2", "a": "1"}]
    assert found.notes == ("a.csv: utf-16, delimiter ';', header in line 1, 3 columns, 26 bytes",)


def test_check_looks_at_as_many_rows_as_asked_for(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("v\n" + f"{name}\n" * 150)
    asked = connect("files", FilesOptions(path=str(tmp_path)))
    assert asked.check(spec("v")).sample.num_rows == 200
    assert asked.check(spec("v"), sample_rows=3).sample["v"].to_pylist() == ["a"] * 3
    assert asked.check(spec("v"), sample_rows=1_000).sample.num_rows == 300


def test_cells_are_told_as_columns_only_where_the_line_is_a_header(tmp_path: Path) -> None:
    asked = connect("files", FilesOptions(path=str(tmp_path)))
    for text, found in (("a,c\n1,2\n", {"a": "text", "c": "text"}), ("x,y\n1,2\n", {})):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(ContractError) as caught:
            asked.check(spec("a", "b"))
        assert "b" in caught.value.missing
        assert caught.value.found == found


def test_a_relative_path_starts_at_the_yaml_s_folder(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.csv").write_text("a\n1\n")
    connector = connect("files", FilesOptions(path="drop"), base=tmp_path)
    assert connector.check(spec("a")).sample.num_rows == 1


def test_options_of_another_connector_are_refused(tmp_path: Path) -> None:
    from connectors.registry import SqlOptions

    with pytest.raises(ConfigError, match="not FilesOptions"):
        connect("files", SqlOptions(url="postgresql://x"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"no connector type 'file'.*did you mean 'files'"):
        connect("file", FilesOptions(path=str(tmp_path)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoding": "utf-88"}, "did you mean utf-8"),
        ({"encoding": "base64"}, "no such text encoding"),
        ({"delimiter": "ab"}, "one ASCII character"),
        ({"delimiter": ";", "quote": ";"}, "same character"),
        ({"header_row": 1, "header_contains": ["a"]}, "only one of"),
        ({"headerrow": 1}, "Extra inputs"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FilesStream(files="*.csv", **wrong)  # type: ignore[arg-type]
