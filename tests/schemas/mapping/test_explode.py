from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mapping.explode import Exploded, exploded
from schemas.mapping.models import Explode
from tests.support.hostile_office.truth import to_json

JSON = Explode(column="l")
ELEMENT = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(
        st.none(),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
        st.sampled_from(['"1.5"', ": 2.50,", "\\", '\\"[3.0', "[1e5]"]),
        st.integers(-(10**30), 10**30),
        st.decimals(-(10**18), 10**18, places=2),
        st.booleans(),
    ),
)


def texts(values: list[str | None]) -> pl.Series:
    return pl.Series("l", values, dtype=pl.String)


def as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def flat(children: Exploded) -> list[tuple[int, bool, dict[str, object]]]:
    return [
        (parent, unread, fields)
        for parent, unread, fields in zip(
            children.parent, children.unread, children.fields.to_dicts(), strict=True
        )
    ]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.none(), st.lists(ELEMENT, max_size=4)), max_size=5))
def test_every_element_becomes_one_row_in_order(
    parents: list[list[dict[str, object]] | None],
) -> None:
    column = texts([None if p is None else to_json(p).decode() for p in parents])
    children = exploded(column, JSON, fields=("l.a", "l.b", "l.#"))
    expected = [
        (n, False, {"l.a": as_text(e.get("a")), "l.b": as_text(e.get("b")), "l.#": position})
        for n, elements in enumerate(parents)
        for position, e in enumerate(elements or [], start=1)
    ]
    assert flat(children) == expected


def test_a_number_of_a_child_keeps_every_digit() -> None:
    text = '[{"a": 778451317244761.19, "b": 0.10}, {"a": 1.5e+3, "b": 9007199254740993}]'
    children = exploded(texts([text, '[{"a": 7}]']), JSON, fields=("l.a", "l.b"))
    assert [tuple(fields.values()) for _, _, fields in flat(children)] == [
        ("778451317244761.19", "0.10"), ("1.5e+3", "9007199254740993"), ("7", None),
    ]  # fmt: skip


def test_a_list_that_cannot_be_read_gives_one_row_and_spoils_no_other() -> None:
    bad = ["junk", "[", '"text"', "7", "[1, 2]", '[{"a": "1"}, 3]', '[{"a": "1"}] x', '["x"]']
    for text in bad:
        children = exploded(texts(['[{"a": "1"}]', text, '[{"a": "2"}]']), JSON, fields=("l.a",))
        assert flat(children) == [
            (0, False, {"l.a": "1"}),
            (1, True, {"l.a": None}),
            (2, False, {"l.a": "2"}),
        ], text


def test_many_bad_lists_are_all_found() -> None:
    column = texts(['[{"a": "1"}]', "[1]", "junk", "[{]"] * 50)
    children = exploded(column, JSON, fields=("l.a",))
    assert children.parent.to_list() == list(range(200))
    assert children.unread.to_list() == [False, True, True, True] * 50


def test_empty_lists_and_nulls_give_no_row() -> None:
    children = exploded(texts([None, "[]", "null", " [ ] "]), JSON, fields=("l.a",))
    assert flat(children) == []


def test_one_object_is_a_list_of_one() -> None:
    assert flat(exploded(texts(['{"a": 7}']), JSON, fields=("l.a",))) == [(0, False, {"l.a": "7"})]


def test_dotted_fields_reach_into_objects() -> None:
    column = texts(['[{"o": {"p": {"q": "deep"}, "r": 1}}, {"o": null}, {}]'])
    fields = exploded(column, JSON, fields=("l.o.p.q", "l.o.r")).fields
    assert fields.to_dicts() == [
        {"l.o.p.q": "deep", "l.o.r": "1"},
        {"l.o.p.q": None, "l.o.r": None},
        {"l.o.p.q": None, "l.o.r": None},
    ]


def test_fields_that_are_not_mapped_do_not_disturb() -> None:
    column = texts(['[{"a": "1", "deep": {"x": [1, {"y": 2}]}}]'])
    assert flat(exploded(column, JSON, fields=("l.a",))) == [(0, False, {"l.a": "1"})]
    assert flat(exploded(column, JSON, fields=("l.#",))) == [(0, False, {"l.#": 1})]


def test_plain_values_are_called_value() -> None:
    explode = Explode(column="l", values=True)
    children = exploded(
        texts(['["a", 2, null]', '[{"a": [1]}]']), explode, fields=("l.value", "l.#")
    )
    assert flat(children)[:3] == [
        (0, False, {"l.value": "a", "l.#": 1}),
        (0, False, {"l.value": "2", "l.#": 2}),
        (0, False, {"l.value": None, "l.#": 3}),
    ]


def test_separated_values_are_rows_without_blanks() -> None:
    explode = Explode(column="l", split="##")
    column = texts(["a.pdf## b.pdf ##", None, "##", "c.pdf"])
    assert flat(exploded(column, explode, fields=("l.value", "l.#"))) == [
        (0, False, {"l.value": "a.pdf", "l.#": 1}),
        (0, False, {"l.value": "b.pdf", "l.#": 2}),
        (3, False, {"l.value": "c.pdf", "l.#": 1}),
    ]
