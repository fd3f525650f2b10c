"""Values arrive as they are written: every digit, absent and null, nested, whatever the charset."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files.formats.json_rows import json_text
from connectors.files.formats.json_stream import DECODER
from connectors.protocol import ReadRequest
from connectors.rest.decoding import decoded
from connectors.rest.errors import Failure
from connectors.rest.request import Answer
from connectors.rest.rows import Shape
from schemas.errors import ContractError, SourceError
from tests.connectors.rest.support import connector, ids, notes, rows, stream
from tests.support.api import Asked, Reply, serving


def read(body: bytes, *columns: str, encoding: str | None = None, **headers: str) -> list[Any]:
    """The rows of one answer, without its trail."""
    value = decoded(Answer(status=200, headers=headers, body=body, url=""), encoding=encoding)
    batch = Shape(columns=columns, paths={}).rows(value.value, value).batch
    return batch.select(list(columns)).to_pylist()


NUMBERS = ["1.50", "12345678901234567890123", "-0", "-0.0", "1e5", "1E-7", "0.1", "NaN", "Infinity"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_keeps_its_digits(number: str) -> None:
    body = f'[{{"a": {number}, "b": {{"c": [{number}, "{number}"]}}}}]'.encode()
    assert read(body, "a", "b") == [{"a": number, "b": f'{{"c":[{number},"{number}"]}}'}]


def test_absent_null_and_empty_are_told_apart_as_far_as_text_can() -> None:
    body = b'[{"a": null, "b": ""}, {"b": false, "a": "null"}, {"a": []}]'
    assert read(body, "a", "b") == [
        {"a": None, "b": ""}, {"a": "null", "b": "false"}, {"a": "[]", "b": None},
    ]  # fmt: skip


def test_escapes_are_letters_and_half_a_pair_is_a_bad_value() -> None:
    body = rb'[{"a": "\u0110\ud83d\ude00", "b": "\u0000\u00e9"}, {"a": "\ud83d", "b": 7}]'
    value = decoded(Answer(status=200, headers={}, body=body, url=""), encoding=None)
    batch = Shape(columns=("a", "b"), paths={}).rows(value.value, value).batch
    assert batch.column("a").to_pylist() == ["Đ😀", None]
    assert batch.column("b").to_pylist() == ["\0é", "7"]
    assert batch.column("_bad_values").to_pylist() == [None, ["a"]]


def test_text_is_composed() -> None:
    assert read('[{"a": "hồ sơ"}]'.encode(), "a") == [{"a": "hồ sơ"}]


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert read(b'[{"a": 1, "a": 2.0}]', "a") == [{"a": "2.0"}]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=5))
def test_a_value_lands_from_an_api_as_it_does_from_a_file(records: list[dict[str, Any]]) -> None:
    body = json.dumps(records).encode()
    expected = [
        {name: json_text(record.get(name)) for name in "abc"}
        for record in DECODER.decode(body.decode())
    ]
    if any("\ud800" <= c <= "\udfff" for c in str(expected)):
        return  # half a surrogate pair is a bad value here and there
    found = read(body, *"abc")
    # NFC is the landing's form; json_text leaves it to the column.
    import unicodedata

    composed = [
        {k: None if v is None else unicodedata.normalize("NFC", v) for k, v in row.items()}
        for row in expected
    ]
    assert found == composed


CHARSETS: list[tuple[bytes, str | None, dict[str, str]]] = [
    ('[{"a": "hồ sơ"}]'.encode(), None, {}),
    ('[{"a": "hồ sơ"}]'.encode("utf-8-sig"), None, {}),
    ('[{"a": "hồ sơ"}]'.encode("utf-16"), None, {}),
    ('[{"a": "hồ sơ"}]'.encode(), None, {"content-type": "application/json; charset=latin-1"}),
    ('[{"a": "hồ sơ"}]'.encode("utf-16-le"), "utf-16-le", {}),
]


@pytest.mark.parametrize(("body", "encoding", "headers"), CHARSETS)
def test_json_is_utf8_unless_it_isnt(
    body: bytes, encoding: str | None, headers: dict[str, str]
) -> None:
    value = decoded(Answer(status=200, headers=headers, body=body, url=""), encoding=encoding)
    assert value.value == [{"a": "hồ sơ"}]


def test_a_charset_that_is_said_counts_where_the_bytes_are_no_utf8() -> None:
    body = '[{"a": "café"}]'.encode("latin-1")
    said = {"content-type": "application/json; charset=iso-8859-1"}
    answer = Answer(status=200, headers=said, body=body, url="")
    assert decoded(answer, encoding=None).value == [{"a": "café"}]
    lying = Answer(status=200, headers={"content-type": "a/json; charset=ascii"}, body=body, url="")
    with pytest.raises(Failure, match="wrong charset: the answer isn't UTF-8, nor the ascii"):
        decoded(lying, encoding=None)


def test_nesting_without_end_is_named() -> None:
    deep = b"[" * 100_000
    with pytest.raises(Failure, match="nested too deep"):
        decoded(Answer(status=200, headers={}, body=deep, url=""), encoding=None)


def test_values_are_found_by_path() -> None:
    row = {"id": 1, "chu": {"ten": "An", "so": [{"cmnd": "x"}]}, "a.b": "with a dot"}
    with serving(lambda asked: Reply({"d": {"items": [row]}})) as api:
        spec = stream(
            columns=("id", "ten", "cmnd", "a.b"), rows="d.items",
            fields={"ten": "chu.ten", "cmnd": "chu.so.0.cmnd"},
        )  # fmt: skip
        (found,) = rows(connector(api.url), spec).to_pylist()
    assert {k: v for k, v in found.items() if v} == {
        "id": "1", "ten": "An", "cmnd": "x", "a.b": "with a dot",
    }  # fmt: skip


def test_one_object_is_a_list_of_one_and_null_an_empty_list() -> None:
    with serving(lambda asked: Reply({"d": {"id": 5, "v": "x"}})) as api:
        assert ids(rows(connector(api.url), stream(rows="d"))) == ["5"]
        api.answer = lambda asked: Reply({"d": None})
        assert ids(rows(connector(api.url), stream(rows="d"))) == []


def test_no_content_is_an_empty_list() -> None:
    with serving(lambda asked: Reply(b"", status=204)) as api:
        assert ids(rows(connector(api.url), stream())) == []


def test_what_is_no_object_is_unreadable_and_the_others_are_rows() -> None:
    with serving(lambda asked: Reply([{"id": 1, "v": "a"}, 7, {"id": 2, "v": "b"}])) as api:
        table = rows(connector(api.url), stream())
    assert table.column("_unreadable").to_pylist() == [None, "broken_record", None]
    assert table.column("_raw").to_pylist() == [None, "7", None]


def test_a_column_that_no_row_has_is_named_with_the_nearest() -> None:
    with serving(lambda asked: Reply([{"id": 1, "va": "x"}])) as api:
        with pytest.raises(ContractError, match=r"no row has 'val' \(there is 'va'\)"):
            rows(connector(api.url), stream(columns=("id", "val")))
        spec = stream(columns=("id", "val"), optional=["val"])
        assert ids(rows(connector(api.url), spec)) == ["1"]


def test_a_field_that_changes_its_type_lands_as_text_and_is_told() -> None:
    def answer(asked: Asked) -> Reply:
        page = int(asked.query["page"])
        if page > 60:
            return Reply([])
        return Reply([{"id": page, "v": page if page < 57 else {"ma": page}}])

    with serving(answer) as api:
        one = connector(api.url)
        spec = stream(paging={"page": {"stable": True}})
        table = rows(one, spec)
        assert table.column("v").to_pylist()[55:57] == ["56", '{"ma":57}']
        assert notes(one, spec) == [
            "column 'v' changes its type: number from page 1, object from page 57"
        ]


def test_a_code_in_the_answer_says_how_it_went() -> None:
    success = {"at": "code", "is": ["00", 0], "again": [99]}
    replies = [Reply({"code": 99, "d": None}), Reply({"code": "00", "d": [{"id": 1, "v": "x"}]})]
    with serving(lambda asked: replies.pop(0)) as api:
        spec = stream(rows="d", success=success)
        assert ids(rows(connector(api.url), spec)) == ["1"]
        api.answer = lambda asked: Reply({"code": 13, "d": None})
        with pytest.raises(SourceError, match="the answer's code is '13'"):
            rows(connector(api.url), spec)


def detailed(asked: Asked) -> Reply:
    if asked.path == "/rows":
        return Reply([{"id": f"H/{n}", "v": n} for n in range(5)] + [{"id": None, "v": 9}])
    number = asked.path.rpartition("%2F")[2]
    if number == "3":
        return Reply({}, status=404)
    return Reply({"data": {"fee": 1.50, "who": {"name": f"An {number}"}, "q": asked.query}})


def test_details_are_asked_for_each_row_once() -> None:
    with serving(detailed) as api:
        details = {
            "path": "/rows/{id}", "query": {"full": True, "of": "{v}"}, "at": "data",
            "fields": {"fee": "fee", "name": "who.name", "unused": "x"},
        }  # fmt: skip
        spec = stream(columns=("id", "fee", "name"), details=details)
        one = connector(api.url)
        with one.read(spec, ReadRequest()) as opened:
            table = [row for batch in opened.batches() for row in batch.to_pylist()]
            assert any("a row's detail isn't there" in note for note in opened.summary.notes)
    assert [(r["id"], r["fee"], r["name"], r["_bad_values"]) for r in table] == [
        ("H/0", "1.5", "An 0", None),
        ("H/1", "1.5", "An 1", None),
        ("H/2", "1.5", "An 2", None),
        ("H/3", None, None, ["fee", "name"]),
        ("H/4", "1.5", "An 4", None),
        (None, None, None, ["fee", "name"]),
    ]
    asked = [a for a in api.asked if a.path != "/rows"]
    assert sorted(a.query["of"] for a in asked) == ["0", "1", "2", "3", "4"]
    assert {a.query["full"] for a in asked} == {"true"}


def test_a_key_of_a_person_in_an_address_is_not_shown() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/rows":
            return Reply([{"id": "001199001234", "v": 1}])
        return Reply({}, status=403)

    with serving(answer) as api:
        details = {"path": "/rows/{id}", "fields": {"fee": "fee"}}
        with pytest.raises(SourceError, match=r"GET /rows/\{id\}: status 403") as raised:
            rows(connector(api.url), stream(columns=("id", "fee"), details=details))
        assert "0011" not in str(raised.value)
