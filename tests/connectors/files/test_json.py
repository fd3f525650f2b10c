"""JSON and JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import FilesOptions, connect
from schemas.errors import ContractError, SourceError
from tests.connectors.files.support import both, read, rows, spec
from tests.support.processes import python


def wanted(*columns: str, **options: Any) -> Any:
    return spec(*columns, files="*.json*", **options)


def put(folder: Path, text: str, name: str = "a.json") -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_numbers_keep_their_digits_and_nested_values_are_json(tmp_path: Path) -> None:
    put(tmp_path, '[{"id":1,"v":1.10},{"id":"02","v":{"a":[1.50,null,true,"Sở"]}},{"id":3,"v":[]},'
                  '{"id":12345678901234567890,"v":false},{"id":5,"v":null},{"id":6}]')  # fmt: skip
    assert rows(tmp_path, wanted("id", "v")) == [
        (1, "1", "1.10"),
        (2, "02", '{"a":[1.50,null,true,"Sở"]}'),
        (3, "3", "[]"),
        (4, "12345678901234567890", "false"),
        (5, "5", None),
        (6, "6", None),
    ]


def test_rows_lie_at_a_path_and_columns_at_paths(tmp_path: Path) -> None:
    put(tmp_path, '{"meta":{"items":[0]},"data":{"skip":[{"a":"]"}],"items":[{"a":{"code":"x"},'
                  '"l":[{"n":1},{"n":2}],"b.c":7}],"after":{"x":[]}},"end":1}\n')  # fmt: skip
    found = rows(tmp_path, wanted("code", "second", "b.c", rows="data.items",
                                  fields={"code": "a.code", "second": "l.1.n"}))  # fmt: skip
    assert found == [(1, "x", "2", "7")]


def test_keys_are_found_by_name_alias_case_and_unicode_form(tmp_path: Path) -> None:
    put(tmp_path, json.dumps([{"Sô\u0301 hồ sơ": 1}, {"so_hs": 2}, {"SỐ HỒ SƠ": 3}]))
    aliases = {"Số hồ sơ": ["so_hs"]}
    assert [row[1] for row in rows(tmp_path, wanted("Số hồ sơ", aliases=aliases))] == list("123")


def test_a_column_that_no_record_has_stops_the_read_unless_it_is_optional(tmp_path: Path) -> None:
    put(tmp_path, '[{"id":1},{"id":2}]')
    with pytest.raises(ContractError, match=r"'a\.json': no record has 'v'; say in `fields:`"):
        read(tmp_path, wanted("id", "v"))
    assert rows(tmp_path, wanted("id", "v", optional=["v"])) == [(1, "1", None), (2, "2", None)]
    notes = connect("files", FilesOptions(path=str(tmp_path))).check(
        wanted("id", "v", optional=["v"])
    ).notes  # fmt: skip
    assert notes == ("a.json: JSON, utf-8; none of the first 2 records has 'v'",)


def test_a_list_without_elements_has_no_rows(tmp_path: Path) -> None:
    put(tmp_path, " [ ] \n")
    assert rows(tmp_path, wanted("id")) == []


def test_an_element_that_is_no_object_goes_to_quarantine(tmp_path: Path) -> None:
    put(tmp_path, '[{"id":1}, 7, ["x"], null, {"id":2}]')
    found, broken = both(tmp_path, wanted("id"))
    assert found == [(1, "1"), (5, "2")]
    assert broken == [("a.json", 2, "broken_record", "7"),
                      ("a.json", 3, "broken_record", '["x"]'),
                      ("a.json", 4, "broken_record", "null")]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"id":1},', "ends or breaks"),
        ('[{"id":1} {"id":2}]', "no ',' where one should be"),
        ('[{"id":1}', "no ',' where one should be"),
        ('[{"id":1}] x', "text behind its end"),
        ('{"id":1}', "has no list in it; `rows:`"),
        ('"id"', "has no list in it"),
        ("[1,2]", "isn't JSON of objects"),
        ("id,v\n1,2\n", "has no list in it"),
        ("[" * 100_000, "nested too deep"),
        ('[{"id":' * 50_000, "nested too deep"),
    ],
)
def test_what_is_no_json_is_refused_by_name_without_its_values(
    tmp_path: Path, text: str, said: str
) -> None:
    put(tmp_path, text.replace('"id":1', '"id":"079203001234"'))
    with pytest.raises(SourceError) as caught:
        read(tmp_path, wanted("id"))
    assert said in str(caught.value)
    assert "'a.json'" in str(caught.value)
    assert "079203001234" not in str(caught.value)


def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    put(tmp_path, '{"data":{"items":[{"id":1}]}}')
    for path in ("data", "items", "data.items.0", "data.items.7", "data.x"):
        with pytest.raises(SourceError, match=r"'a\.json' has no"):
            read(tmp_path, wanted("id", rows=path))


def test_a_broken_line_of_json_lines_costs_itself_only(tmp_path: Path) -> None:
    text = '{"id":1}\r\n{bad\n\n[1]\n{"id":"' + "x" * 3000 + '"}\n{"id":"\\ud800"}\n{"id":2}'
    put(tmp_path, text, "a.jsonl")
    table, _ = read(tmp_path, wanted("id", max_record_bytes=2048))
    assert list(zip(*(table[c].to_pylist() for c in ("_line", "id", "_unreadable", "_bad_values")),
                    strict=True)) == [
        (1, "1", None, None),
        (2, None, "broken_line", None),
        (4, None, "broken_record", None),
        (5, None, "line_too_long", None),
        (6, None, None, ["id"]),
        (7, "2", None, None),
    ]  # fmt: skip


def test_lines_with_broken_bytes_are_named_where_utf8_is_stated(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id":"a"}\n{"id":"\xff"}\n{"id":"b"}\n')
    found, broken = both(tmp_path, wanted("id", encoding="utf-8"))
    assert found == [(1, "a"), (3, "b")]
    assert broken == [("a.jsonl", 2, "bad_encoding", '{"id":"\\xff"}')]
    with pytest.raises(SourceError, match="isn't UTF-8"):
        read(tmp_path, wanted("id"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1258"])
def test_other_encodings_give_the_same(tmp_path: Path, encoding: str) -> None:
    text = '[{"id":"đơn"}]'
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    stated = {"encoding": encoding} if encoding == "cp1258" else {}
    assert rows(tmp_path, wanted("id", **stated)) == [(1, "đơn")]


def test_elements_cut_by_pieces_anywhere_are_whole(tmp_path: Path) -> None:
    records = [{"id": n, "v": "x" * (n % 977), "w": '\\" é]}'} for n in range(12_000)]
    put(tmp_path, json.dumps(records, ensure_ascii=False))
    found = rows(tmp_path, wanted("id", "v", "w"))
    assert (tmp_path / "a.json").stat().st_size > 5_000_000
    assert [(r["v"], r["w"]) for r in records] == [row[2:] for row in found]


def test_a_long_file_and_a_long_element_are_answered_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("w") as file:
        file.write("[")
        for n in range(100):
            file.write(f'{{"id":{n},"v":"{"x" * 9900}"}},' * 100)
        file.write('{"id":7,"v":"' + "y" * 100_000_000 + '"}]')
    code = """
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import FilesOptions, FilesStream, connect
from schemas.errors import SourceError
import connectors.files.formats.json_rows
spec = StreamSpec(name="s", columns=("id", "v"), key=("id",), options=FilesStream(files="*.json"))
base, rows = peak_mib(), 0
try:
    with connect("files", FilesOptions(path=sys.argv[1])).read(spec, ReadRequest()) as read:
        for batch in read.batches(): rows += batch.num_rows
except SourceError as error: print(rows > 5000, error)
print(peak_mib() - base)
"""
    said, grown = python(code, str(tmp_path)).splitlines()
    assert said.startswith("True")
    assert "'a.json' isn't JSON: a broken element, or one longer than `max_record_bytes`" in said
    assert int(grown) < 350
