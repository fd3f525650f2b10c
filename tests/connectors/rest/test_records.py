"""Rows decoded into objects of their columns are the same as rows decoded into dictionaries."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import event, given

from connectors.rest.decoding import decoded, marked
from connectors.rest.errors import Failure
from connectors.rest.records import Records
from connectors.rest.request import Answer
from connectors.rest.rows import Rows, Shape, elements_at

PATHS = ("a", "b.c", "b.d.e", "tên", "B")
KEYS = ("a", "b", "c", "d", "e", "tên", "B", "b.c", "zz")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(["", "é", "e\u0301", "\0", "\ud800"]),
    st.floats(allow_nan=False), st.text(max_size=3),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=4,
)
INNER = st.fixed_dictionaries({"c": SCALARS}, optional={"d": st.fixed_dictionaries({"e": SCALARS})})
USUAL = st.fixed_dictionaries({"a": SCALARS, "b": INNER, "tên": SCALARS}, optional={"B": SCALARS})
ODD = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
LISTS = st.one_of(
    st.lists(USUAL, max_size=3), st.lists(st.one_of(USUAL, ODD), max_size=4), st.lists(VALUES)
)


def read(body: bytes, rows: str | None, records: Records | None) -> tuple[Rows, bool]:
    value = decoded(
        Answer(status=200, headers={}, body=body, url=""), encoding=None, records=records
    )
    elements = elements_at(value.value, rows)
    is_typed = records is not None and any(isinstance(e, records.kind) for e in elements)
    return Shape(columns=PATHS, paths={}).rows(elements, value), is_typed


def records_of(rows: str | None, *beside: str) -> Records | None:
    return Records.of(PATHS, rows=rows, beside=beside, number=marked)


@given(elements=LISTS, rows=st.sampled_from([None, "data", "data.items"]))
def test_objects_give_what_dictionaries_give(elements: list[Any], rows: str | None) -> None:
    answer: Any = elements
    for part in reversed([] if rows is None else rows.split(".")):
        answer = {"total": 7, part: answer, "page": {"next": None}}
    body = json.dumps(answer).encode()
    expected, _ = read(body, rows, None)
    found, is_typed = read(body, rows, records_of(rows, "total", "page.next"))
    event(f"objects: {is_typed}")
    assert found == expected


@pytest.mark.parametrize(
    ("body", "is_typed"),
    [
        (b'[{"a": 1, "b": {"c": 1.50}, "zz": [1, {"q": 2}]}]', True),
        (b'[{"a": 1}, {"b": null}, {"b": {}}]', True),
        (b'[{"a": 1, "a": 2}]', True),
        (b'[{"a": 1, "b.c": 5, "b": {"c": 6}}]', False),
        (b'[{"a": 1, "b": 3}]', False),
        (b'[{"a": 1}, 5]', False),
        (b'[{"a": -0}]', False),
        (b'[{"a": 123456789012345678901234567890}]', True),
    ],
)
def test_what_is_not_as_expected_is_decoded_otherwise(body: bytes, is_typed: bool) -> None:
    expected, _ = read(body, None, None)
    assert read(body, None, records_of(None)) == (expected, is_typed)


@pytest.mark.parametrize(
    ("paths", "rows", "beside"),
    [
        (["a", "a.b"], None, []),
        (["a.b", "a"], None, []),
        (["a.0"], None, []),
        (["a"], "data", ["data.0.total"]),
        (["a"], "data", ["data"]),
        (["a"], None, ["0.total"]),
        ([], "data", []),
    ],
)
def test_dictionaries_where_a_path_needs_them(
    paths: list[str], rows: str | None, beside: list[str]
) -> None:
    assert Records.of(paths, rows=rows, beside=beside, number=marked) is None


@pytest.mark.parametrize(
    "body", [b'[{"a": 1}', b"<html>", b'[{"a": "\xff"}]', b"", b'{"a": 1}', b'[{"a": NaN']
)
def test_a_broken_answer_says_the_same(body: bytes) -> None:
    kinds = []
    for records in (None, records_of(None)):
        with pytest.raises(Failure) as failure:
            read(body, None, records)
        kinds.append((failure.value.kind, failure.value.shown))
    assert kinds[0] == kinds[1]
