"""Sets of intervals, and what a stream's state makes of them: laws over small numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import WarehouseError
from warehouse.intervals import Interval, Intervals, is_comparable, joined, within, without
from warehouse.state import Snapshot, StreamState, Unfinished

READ_AT = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = -100
"""Stands for the first row: an interval without a low bound begins here."""
points = st.integers(0, 20)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low, high = sorted((draw(points), draw(points) + 1))
    return Interval.of(None if draw(st.integers(0, 5)) == 0 else min(low, high - 1), high)


sets = st.lists(intervals(), max_size=6)


def members(some: list[Interval] | Intervals) -> set[int]:
    found: set[int] = set()
    for one in some:
        low, high = one.bounds
        assert isinstance(high, int)
        assert low is None or isinstance(low, int)
        found |= set(range(FIRST if low is None else low, high))
    return found


def is_in_order(some: Intervals) -> bool:
    """In order, none empty, none touching the next."""
    numbers = [(FIRST if i.bounds[0] is None else i.bounds[0], i.bounds[1]) for i in some]
    flat = [value for pair in numbers for value in pair]
    return flat == sorted(set(flat))  # type: ignore[type-var]


@given(sets, sets)
def test_sets_of_intervals_are_sets(one: list[Interval], other: list[Interval]) -> None:
    assert members(joined([*one, *other])) == members(one) | members(other)
    assert members(without(one, other)) == members(one) - members(other)
    assert members(within(one, other)) == members(one) & members(other)
    for some in (joined(one), without(one, other), within(one, other)):
        assert is_in_order(some)


@given(sets, st.integers(22, 30), st.integers(0, 3), st.booleans())
def test_the_next_read_covers_every_gap_and_what_is_new(
    covered: list[Interval], high: int, late: int, full: bool
) -> None:
    state = StreamState(coverage=joined(covered))
    plan = state.to_read(high=high, late_window=late, full=full)
    assert is_in_order(plan)
    everything = set(range(FIRST, high))
    missing = everything - members(covered)
    assert members(plan) >= missing
    if covered and not full:
        # Nothing more than the late window before a gap is read twice.
        allowed = {at + back for at in missing for back in range(-late, 1)}
        newest = max(members(covered)) + 1
        assert members(plan) <= allowed | set(range(newest - late, high))
    else:
        assert members(plan) == everything
    for part in plan:
        state = state.after_part(part)
    assert members(state.coverage) == everything
    assert state.gaps() == ()


@given(
    sets,
    st.integers(22, 30),
    st.integers(0, 3),
    st.booleans(),
    st.lists(st.lists(st.integers(-1, 30), max_size=3).map(sorted), max_size=3),
)
def test_however_often_a_read_breaks_off_nothing_is_skipped_and_little_is_read_twice(
    covered: list[Interval], high: int, late: int, full: bool, runs: list[list[int]]
) -> None:
    state = StreamState(coverage=joined(covered))
    owed = members(state.to_read(high=high, late_window=late, full=full))
    for cuts in runs:  # each run claims up to its last cut, and dies
        plan = state.to_read(high=high, late_window=late, full=full)
        begins = full and not (state.unfinished and state.unfinished.is_full)
        for cut in cuts:
            part = within(plan, [Interval.of(None, cut)])
            rest = without(plan, [Interval.of(None, cut)])
            if not part or not rest:
                continue
            for one in part:
                state = state.after_part(one, rest=rest, is_full=begins)
            owed -= members(part)
            state = StreamState.from_json(state.to_json())
            plan = rest
    last = state.to_read(high=high, late_window=late, full=full)
    assert members(last) >= owed
    if state.unfinished is not None or not full:
        unread = owed | members(state.gaps())
        newest = max(members(state.coverage), default=FIRST) + 1
        allowed = {at + back for at in unread for back in range(-late, 1)}
        assert members(last) <= allowed | set(range(newest - late, high))
    for one in last[:-1]:
        state = state.after_part(one)
    low, top = last[-1].bounds
    state = state.after_read(low=low, high=top, read_at=READ_AT, snapshot=None, files=None)
    assert state.unfinished is None
    assert state.gaps() == ()
    assert members(state.coverage) == set(range(FIRST, high))


@dataclass
class Database:
    """Transactions with ids: each stamps its row when it begins, and commits when it ends."""

    clock: int = 0
    next_id: int = 10
    stamps: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)  # of the open ones: moments until they end

    def begin(self, lasting: int) -> None:
        self.clock += 1
        self.stamps[self.next_id] = self.clock
        self.left[self.next_id] = lasting
        self.next_id += 1

    def go_on(self) -> None:
        self.left = {one: moments - 1 for one, moments in self.left.items() if moments}

    @property
    def committed(self) -> set[int]:
        return self.stamps.keys() - self.left.keys()

    def snapshot(self, high: int) -> Snapshot:
        oldest = min(self.left, default=self.next_id)
        return Snapshot(high=f"integer:{high}", xmin=oldest, xmax=self.next_id)

    def read(self, part: Interval) -> set[int]:
        return {one for one in self.committed if self.stamps[one] in members([part])}


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 6), max_size=3),  # transactions that begin, how long they last
            st.integers(0, 4),  # how far behind the clock the read is cut
            st.booleans(),  # whether it breaks off there
        ),
        min_size=2,
        max_size=9,
    )
)
def test_a_row_committed_late_is_there_after_the_next_read_that_ends(
    runs: list[tuple[list[int], int, bool]],
) -> None:
    """One that breaks off and those that go on with it are one read, whose oldest part counts."""
    state, office = StreamState(column="c"), Database()
    landed: set[int] = set()
    owed: set[int] = set()
    for begun, behind, breaks_off in runs:
        for lasting in begun:
            office.begin(lasting)
        office.clock += 1
        if state.unfinished is None:
            owed = office.committed
        high = office.clock
        plan = state.to_read(high=high, late_window=0)
        first, last = (
            within(plan, [Interval.of(None, high - behind)]),
            without(plan, [Interval.of(None, high - behind)]),
        )
        oldest = office.snapshot(high)
        for part in first if last else ():
            landed |= office.read(part)
            state = state.after_part(part, rest=last, oldest=oldest)
        office.go_on()
        if breaks_off and first and last:
            continue
        for part in last or plan:
            landed |= office.read(part)
            low, top = part.bounds
            state = state.after_read(
                low=low, high=top, read_at=READ_AT, snapshot=(oldest.xmin, oldest.xmax), files=None
            )
        assert owed <= landed
        office.go_on()


def test_rows_that_came_late_to_where_a_read_ended_are_looked_for_before_a_gap() -> None:
    state = StreamState(coverage=(Interval.of(None, 10), Interval.of(20, 30)))
    plan = state.to_read(high=40, late_window=2)
    assert plan == (Interval.of(8, 20), Interval.of(28, 40))


def test_a_start_that_moved_earlier_is_a_gap_and_one_that_moved_later_is_none() -> None:
    day = datetime(2024, 5, 1, tzinfo=UTC)
    state = StreamState(coverage=(Interval.of(day, day + timedelta(days=30)),))
    earlier = day - timedelta(days=10)
    assert state.gaps(day) == ()
    assert state.gaps(earlier) == (Interval.of(earlier, day),)
    assert state.gaps(day + timedelta(days=3)) == ()
    plan = state.to_read(
        high=day + timedelta(days=40), late_window=timedelta(days=2), start=earlier
    )
    assert plan == (
        Interval.of(earlier, day),
        Interval.of(day + timedelta(days=28), day + timedelta(days=40)),
    )


def test_intervals_of_another_cursor_cover_nothing() -> None:
    state = StreamState(column="ngay_tao", coverage=(Interval.of(None, date(2024, 5, 1)),))
    assert state.of_cursor("ngay_tao", high=date(2024, 6, 1)).coverage == state.coverage
    assert state.of_cursor("ngay_sua", high=date(2024, 6, 1)).coverage == ()
    assert state.of_cursor("ngay_tao", high=datetime(2024, 6, 1, tzinfo=UTC)).coverage == ()
    older = StreamState(coverage=state.coverage)  # written before a state said its column
    assert older.of_cursor("ngay_tao", high=date(2024, 6, 1)).coverage == state.coverage


def test_times_with_and_without_a_zone_are_two_kinds() -> None:
    aware, naive = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 1)  # noqa: DTZ001
    assert not is_comparable(aware, naive)
    assert not is_comparable(naive, naive.date())
    assert is_comparable(naive, naive)


def test_a_full_read_that_broke_off_goes_on_and_an_ended_one_begins_anew() -> None:
    state = StreamState(coverage=(Interval.of(None, 100),))
    broken = state.after_part(Interval.of(None, 80), rest=[Interval.of(80, 110)], is_full=True)
    assert broken.again == (Interval.of(80, 100),)
    assert broken.gaps() == (Interval.of(100, 110),)
    for full in (True, False):
        assert broken.to_read(high=120, late_window=5, full=full) == (Interval.of(80, 120),)
    ended = broken.after_read(low=80, high=120, read_at=READ_AT, snapshot=None, files=None)
    assert ended.unfinished is None
    assert ended.to_read(high=130, late_window=5, full=True) == (Interval.of(None, 130),)


def test_numbers_that_a_source_gives_once_more_are_read_once_more() -> None:
    state = StreamState(coverage=(Interval.of(None, 101),))
    # Its last rows were deleted.
    (nothing,) = state.to_read(high=90, late_window=0)
    assert nothing == Interval.of(90, 90)
    state = state.after_read(low=90, high=90, read_at=READ_AT, snapshot=None, files=None)
    assert state.coverage == (Interval.of(None, 90),)
    assert state.to_read(high=103, late_window=0) == (Interval.of(90, 103),)


def test_what_was_asked_for_and_not_begun_is_read_next() -> None:
    state = StreamState(coverage=(Interval.of(None, 100),)).asking(Interval.of(10, 20))
    assert state.again == (Interval.of(10, 20),)
    assert state.to_read(high=110, late_window=0) == (Interval.of(10, 20), Interval.of(100, 110))
    assert state.after_part(Interval.of(10, 20)).unfinished is None


def test_the_snapshot_that_counts_is_the_oldest_part_s_over_several_runs() -> None:
    oldest = Snapshot(high="integer:50", xmin=7, xmax=9)
    state = StreamState().after_part(
        Interval.of(None, 20), rest=[Interval.of(20, 50)], oldest=oldest
    )
    later = Snapshot(high="integer:60", xmin=30, xmax=30)
    state = state.after_part(Interval.of(20, 40), rest=[Interval.of(40, 60)], oldest=later)
    assert state.unfinished == Unfinished(wanted=(Interval.of(40, 60),), oldest=oldest)
    ended = state.after_read(low=40, high=60, read_at=READ_AT, snapshot=(30, 30), files=None)
    assert ended.snapshots == (oldest,)


def test_a_state_of_the_first_format_is_read_and_a_newer_one_refused() -> None:
    old = (
        '{"coverage":[{"high":"integer:5","low":null}],"files":{},"format":1,'
        '"last_read_at":null,"pending_deletes":0,"rows":3,"snapshots":[]}'
    )
    assert StreamState.from_json(old).coverage == (Interval.of(None, 5),)
    with pytest.raises(WarehouseError, match="upgrade"):
        StreamState.from_json(old.replace('"format":1', '"format":99'))
