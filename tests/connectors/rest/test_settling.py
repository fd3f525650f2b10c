"""A window that moves while it is read: what is believed holds every row that stayed in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.rest.decoding import Decoded
from connectors.rest.errors import RepeatedPageError
from connectors.rest.paging.protocol import Ask, Hint, Page
from connectors.rest.rows import Shape
from connectors.rest.settling import MOST_PASSES, settled

SHAPE = Shape(columns=("id", "v"), paths={})
SIZE = 3


class Moving:
    """A window of an office, newest first, that is changed before some of its pages are read."""

    def __init__(self, count: int, changes: dict[int, str], *, tells: bool) -> None:
        self.rows = [{"id": str(n), "v": "1"} for n in range(count)]
        self.stayed = {row["id"] for row in self.rows}
        self._changes = changes
        self._tells = tells
        self._asked = 0

    def _change(self, what: str) -> None:
        if what == "leaves" and self.rows:
            self.stayed.discard(self.rows.pop(0)["id"])
        elif what == "comes":
            self.rows.insert(0, {"id": f"new-{self._asked}", "v": "1"})
        elif what == "changes" and self.rows:
            row = self.rows.pop()
            self.rows.insert(0, {**row, "v": f"{self._asked}"})

    def read(self) -> Iterator[Page]:
        start, number = 0, 1
        while True:
            self._asked += 1
            self._change(self._changes.get(self._asked, ""))
            part: list[Any] = [dict(row) for row in self.rows[start : start + SIZE]]
            total = len(self.rows) if self._tells else None
            rows = SHAPE.rows(part, Decoded(value=part))
            yield Page(ask=Ask(number=number), rows=rows, hint=Hint(total=total))
            if not part:
                return
            start, number = start + SIZE, number + 1

    def newest(self) -> dict[str, str]:
        return {row["id"]: row["v"] for row in self.rows}


CHANGES = st.dictionaries(
    st.integers(1, 14), st.sampled_from(["leaves", "comes", "changes"]), max_size=5
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 13), CHANGES, st.booleans())
def test_a_settled_window_has_every_row_that_stayed(
    count: int, changes: dict[int, str], tells: bool
) -> None:
    office = Moving(count, changes, tells=tells)
    found = settled(office.read, schema=SHAPE.schema, key=("id",))
    came = found.rows.column("id").to_pylist()
    pairs = list(zip(came, found.rows.column("v").to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    if found.is_settled and not changes:
        assert dict(pairs) == office.newest()
    if not found.is_settled:
        assert any("didn't agree" in note for note in found.notes)


@settings(max_examples=200, deadline=None)
@given(st.integers(4, 13), st.integers(1, 6), st.sampled_from(["leaves", "comes", "changes"]))
def test_one_change_in_mid_read_loses_nothing(count: int, when: int, what: str) -> None:
    office = Moving(count, {when: what}, tells=True)
    found = settled(office.read, schema=SHAPE.schema, key=("id",))
    assert found.is_settled
    came = dict(
        zip(
            found.rows.column("id").to_pylist(), found.rows.column("v").to_pylist(), strict=True
        )
    )  # fmt: skip
    assert office.stayed <= came.keys()
    # A row that changed behind the reader's back comes as it was, and is asked for again by its
    # new time; one that was read in both versions comes as the newer one.
    newest = office.newest()
    assert all(came[i] in {"1", newest[i]} for i in office.stayed)


def test_a_window_that_never_holds_still_is_read_a_bounded_number_of_times() -> None:
    office = Moving(12, {n: "comes" for n in range(1, 200, 2)}, tells=False)
    found = settled(office.read, schema=SHAPE.schema, key=("id",))
    assert not found.is_settled
    assert office.stayed <= set(found.rows.column("id").to_pylist())


def test_a_page_that_repeats_every_time_is_an_error_in_the_end() -> None:
    reads = []

    def read() -> Iterator[Page]:
        reads.append(1)
        raise RepeatedPageError("page 2 is page 1 again")
        yield

    try:
        settled(read, schema=SHAPE.schema, key=("id",))
    except RepeatedPageError:
        assert len(reads) == MOST_PASSES
    else:
        raise AssertionError


def test_a_value_that_was_changed_back_comes_last() -> None:
    reads = iter([["a1", "a2 b1"], ["a1", "b1"], ["a1", "b1"]])

    def read() -> Iterator[Page]:
        for number, text in enumerate(next(reads), 1):
            part: list[Any] = [{"id": word[0], "v": word[1]} for word in text.split()]
            rows = SHAPE.rows(part, Decoded(value=part))
            yield Page(ask=Ask(number=number), rows=rows, hint=Hint())

    found = settled(read, schema=SHAPE.schema, key=("id",))
    came = list(
        zip(found.rows.column("id").to_pylist(), found.rows.column("v").to_pylist(), strict=True)
    )
    assert (came, found.is_settled) == ([("a", "2"), ("a", "1"), ("b", "1")], True)
