from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.keys import key_text

WORDS = st.text(alphabet='ab/\\ "1', max_size=6)


def keys(rows: list[tuple[object, ...]], width: int) -> list[str | None]:
    names = [f"c{n}" for n in range(width)]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.select(key_text([pl.col(name) for name in names])).to_series().to_list()


@settings(max_examples=200, deadline=None)
@given(st.tuples(WORDS, WORDS), st.tuples(WORDS, WORDS))
@example(("a/b", "c"), ("a", "b/c"))
@example(("a\\", "b"), ("a", "\\b"))
@example(("a\\", "b/c"), ("a/b\\", "c"))
def test_two_keys_have_one_text_only_when_their_parts_are_equal(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    first, second = keys([one, other], 2)
    parts = [tuple(part.strip() for part in key) for key in (one, other)]
    assert (first is None) == ("" in parts[0])
    if first is not None and second is not None:
        assert (first == second) == (parts[0] == parts[1])


def test_a_key_of_one_plain_column_is_its_value() -> None:
    assert keys([(" H41.15-240111-0001 ",)], 1) == ["H41.15-240111-0001"]
    assert keys([(6038724,)], 1) == ["6038724"]


@pytest.mark.parametrize("part", [None, "", "  \n"])
def test_a_key_that_lacks_a_part_is_null(part: str | None) -> None:
    assert keys([("a", part), ("a", "b")], 2) == [None, "a/b"]
