"""A window that moves while it is read: what is believed holds every row that stayed in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.rest.decoding import Decoded
from connectors.rest.errors import RepeatedPageError
from connectors.rest.paging.followed import keeps_place
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


def told(parts: list[list[str]], total: int | None) -> Iterator[Page]:
    for number, ids in enumerate(parts, 1):
        part: list[Any] = [{"id": one, "v": "1"} for one in ids]
        rows = SHAPE.rows(part, Decoded(value=part))
        yield Page(ask=Ask(number=number), rows=rows, hint=Hint(total=total))


def test_a_list_that_stays_shorter_than_its_total_is_short_and_says_so() -> None:
    found = settled(lambda: told([["a", "b"], ["c"]], 4), schema=SHAPE.schema, key=("id",))
    assert (found.is_settled, found.is_short) == (True, True)
    assert "there are 4 rows, and 3 came" in found.notes[-1]
    longer = settled(lambda: told([["a", "b"], ["c"]], 2), schema=SHAPE.schema, key=("id",))
    assert (longer.is_settled, longer.is_short) == (True, False)


def test_a_row_that_left_between_two_reads_is_no_miscount() -> None:
    passes = iter([([["x", "a"], ["b"]], 4), ([["a"], ["b"]], 2), ([["a"], ["b"]], 2)])
    found = settled(lambda: told(*next(passes)), schema=SHAPE.schema, key=("id",))
    assert (found.is_settled, found.is_short, found.rows.num_rows) == (True, False, 3)
    assert not [note for note in found.notes if "there are" in note]


def test_one_page_is_believed_only_if_it_holds_what_it_says() -> None:
    passes = iter([(["a"], 2), (["a", "b"], 2)])
    reads = []

    def read() -> Iterator[Page]:
        ids, total = next(passes)
        reads.append(ids)
        return told([ids], total)

    found = settled(read, schema=SHAPE.schema, key=("id",))
    assert (len(reads), found.rows.num_rows, found.is_short) == (2, 2, False)


def test_pages_that_keep_their_place_are_read_once() -> None:
    reads = []

    def read() -> Iterator[Page]:
        reads.append(1)
        return told([["a"], ["b"], ["c"]], None)

    for holds, times in ((True, 1), (False, 2)):
        reads.clear()
        key = ("id",)
        settled(read, schema=SHAPE.schema, key=key, keeps_place=lambda holds=holds: holds)
        assert len(reads) == times


def test_addresses_that_only_count_on_keep_no_place() -> None:
    base = "https://office/list?size=10&"
    assert not keeps_place([])
    assert not keeps_place([f"{base}cursor=eyJpZCI6MTB9"])
    assert not keeps_place([f"{base}page={n}" for n in range(2, 12)])
    assert not keeps_place([f"{base}offset={n}" for n in range(10, 200, 10)])
    assert keeps_place([f"{base}cursor=eyJpZCI6MTB9", f"{base}cursor=eyJpZCI6MjB9"])
