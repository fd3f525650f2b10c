"""The laws of the merge plan, on generated landings, against an oracle that goes row by row."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import event, given, settings
from hypothesis import strategies as st

from warehouse.merge_plan import (
    BUMP,
    CANDIDATE,
    EXISTING,
    LINES,
    ORDER,
    MergePlan,
    plan_merge,
)

EXAMPLES = 200
START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Landed:
    """One landing row and what mapping makes of it."""

    landing_version: int
    row: int
    line: str  # landing key
    key: str  # core key
    version: int
    value: str
    is_accepted: bool
    is_tombstone: bool  # it buries its key
    is_copy: bool = False  # the source didn't send it

    @property
    def order(self) -> tuple[int, int, int]:
        return (self.version, self.landing_version, self.row)

    @property
    def read_at(self) -> datetime:
        return START + timedelta(days=self.landing_version)


@dataclass(frozen=True)
class State:
    """What core holds of one key."""

    order: tuple[int, int, int]
    value: str
    deleted_at: datetime | None
    is_stale: bool


@st.composite
def landings(draw: st.DrawFn, *, is_many: bool) -> list[Landed]:
    """Landing rows in the order they came, over a few landing versions."""
    lines = "abcd"
    rows: list[Landed] = []
    for landing_version in range(1, draw(st.integers(1, 4)) + 1):
        for row in range(1, draw(st.integers(1, 4)) + 1):
            line = draw(st.sampled_from(lines))
            before = [r for r in rows if r.line == line]
            if before and draw(st.integers(0, 4)) == 0:
                last = before[-1]
                copy = Landed(
                    landing_version, row, line, last.key, last.version, last.value,
                    last.is_accepted, True, is_copy=True,
                )  # fmt: skip
                rows.append(copy)
                continue
            rows.append(
                Landed(
                    landing_version,
                    row,
                    line,
                    draw(st.sampled_from("PQ")) if is_many else line,
                    draw(st.integers(1, 4)),
                    draw(st.sampled_from("xyz")),
                    draw(st.integers(0, 3)) > 0,
                    draw(st.integers(0, 5)) == 0,
                )
            )
    _tell(rows)
    return rows


def _tell(rows: list[Landed]) -> None:
    if any(r.is_tombstone for r in rows):
        event("tombstone")
    if any(r.is_tombstone and not r.is_copy for r in rows):
        event("marked as deleted")
    for a in rows:
        for b in rows:
            if a is b or a.key != b.key:
                continue
            if a.version == b.version and a.value != b.value:
                event("tie with other content")
            if a.version > b.version and not a.is_accepted and b.is_accepted:
                event("newer version rejected")
            if a.version < b.version and a.landing_version > b.landing_version:
                event("older copy arrives later")
            if a.line == b.line and a.is_tombstone and not b.is_tombstone and b.order > a.order:
                event("back from the dead")
        if any(a.line == b.line and a.key != b.key for b in rows):
            event("line moved to another key")


def oracle(rows: list[Landed]) -> dict[str, State]:
    """Core after all rows, by the definitions and nothing else."""
    newest = {line: max((r for r in rows if r.line == line), key=lambda r: r.order)
              for line in {r.line for r in rows}}  # fmt: skip
    core = {}
    for key in {r.key for r in rows}:
        accepted = [r for r in rows if r.key == key and r.is_accepted]
        if not accepted:
            continue
        winner = max(accepted, key=lambda r: r.order)
        standing = [r for r in newest.values() if r.key == key and not r.is_tombstone]
        last = max(standing, key=lambda r: r.order, default=None)
        core[key] = State(
            order=winner.order,
            value=winner.value,
            deleted_at=left_at(rows, key) if last is None else None,
            is_stale=last is not None and not last.is_accepted,
        )
    return core


def left_at(rows: list[Landed], key: str) -> datetime:
    """When the last line of a key was seen to have left it."""
    moments = []
    for line in {r.line for r in rows if r.key == key}:
        copies = [r for r in rows if r.line == line]
        living = [r.order for r in copies if r.key == key and not r.is_tombstone]
        after = [r.read_at for r in copies if not living or r.order > max(living)]
        moments.append(min(after))
    return max(moments)


def candidates(rows: list[Landed], batch: set[int], *, folds: bool) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "_source": "s", "_stream": "t", "_key": r.key, "_landing_key": r.line,
                "_version": r.version, "_landing_version": r.landing_version, "_row": r.row,
                "_row_hash": r.value, "_read_at": r.read_at, "_tombstone": r.is_tombstone,
                "_is_copy": r.is_copy, "_accepted": r.is_accepted,
                "_in_batch": r.landing_version in batch, "_folds": folds, "_warnings": [], "_id": i,
            }
            for i, r in enumerate(rows)
        ],
        schema=CANDIDATE,
    )  # fmt: skip


def lines_of(rows: list[Landed]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "_source": "s", "_stream": "t", "_landing_key": r.line, "_version": r.version,
                "_landing_version": r.landing_version, "_row": r.row, "_read_at": r.read_at,
                "_tombstone": r.is_tombstone, "_is_unknown": False,
            }
            for r in rows
        ],
        schema=LINES,
    )  # fmt: skip


class Core:
    """A core of marks: what plans write, applied."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, object]] = {}
        self.operations: list[str] = []

    def existing(self) -> pl.DataFrame:
        return pl.DataFrame(list(self.rows.values()), schema=EXISTING)

    def apply(self, plan: MergePlan) -> None:
        assert plan.writes["_key"].is_unique().all()
        for write in plan.writes.iter_rows(named=True):
            self.operations.append(write["_op"])
            known = self.rows.get(write["_key"])
            assert write["_is_known"] == (known is not None)
            if write["_op"] in ("mark", "bump"):
                assert known is not None
                assert known["_row_hash"] == write["_row_hash"]
            self.rows[write["_key"]] = {c: write.get(c) for c in EXISTING} | {"_month": None}

    def states(self) -> dict[str, State]:
        return {
            key: State(
                order=tuple(row[c] for c in ORDER),  # type: ignore[arg-type]
                value=str(row["_row_hash"]),
                deleted_at=row["_deleted_at"],  # type: ignore[arg-type]
                is_stale=bool(row["_is_stale"]),
            )
            for key, row in self.rows.items()
        }


def integrate_same(core: Core, rows: list[Landed], batch: set[int], done: set[int]) -> MergePlan:
    """One merge of a `same` feed: the batch, and earlier copies of its keys.

    All of them where a key is or gets buried, else the rejected ones.
    """
    new = [r for r in rows if r.landing_version in batch]
    keys = {r.key for r in new}
    buried = {r.key for r in new if r.is_tombstone}
    buried |= {key for key, row in core.rows.items() if row["_deleted_at"] is not None}
    earlier = [r for r in rows if r.landing_version in done and r.key in keys]
    before = [r for r in earlier if not r.is_accepted or r.key in buried]
    plan = plan_merge(candidates([*new, *before], batch, folds=False), core.existing())
    core.apply(plan)
    return plan


def integrate_many(core: Core, rows: list[Landed], batch: int, *, folds: bool) -> MergePlan:
    """One merge of a `many` feed: the whole history of every line and key touched."""
    until = [r for r in rows if r.landing_version <= batch]
    touched = {r.line for r in until if r.landing_version == batch}
    keys = {r.key for r in until if r.line in touched}
    lines = {r.line for r in until if r.key in keys} | touched
    history = [r for r in until if r.line in lines]
    concerned = [r for r in history if r.key in keys]
    plan = plan_merge(
        candidates(concerned, {batch}, folds=folds), core.existing(), lines=lines_of(history)
    )
    core.apply(plan)
    return plan


def assert_conserved(plan: MergePlan, rows: list[Landed], batch: set[int]) -> None:
    derived = [r for r in rows if r.landing_version in batch and not r.is_copy]
    assert plan.fates["rows"].sum() == len(derived)
    rejected = plan.fates.filter(pl.col("fate") == "quarantined")["rows"].sum()
    assert rejected == sum(not r.is_accepted for r in derived)


def versions_of(rows: list[Landed]) -> list[int]:
    return sorted({r.landing_version for r in rows})


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=False))
def test_core_is_what_the_definitions_say_and_every_row_is_counted_once(rows: list[Landed]) -> None:
    core, done = Core(), set[int]()
    for version in versions_of(rows):
        plan = integrate_same(core, rows, {version}, done)
        assert_conserved(plan, rows, {version})
        done.add(version)
        assert core.states() == oracle([r for r in rows if r.landing_version <= version])


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=False), order=st.randoms(use_true_random=False))
def test_any_order_of_the_same_landing_gives_the_same_core(
    rows: list[Landed], order: random.Random
) -> None:
    versions = versions_of(rows)
    order.shuffle(versions)
    core, done = Core(), set[int]()
    while versions:
        batch = {versions.pop() for _ in range(min(len(versions), 1 + order.randrange(2)))}
        integrate_same(core, rows, batch, done)
        done |= batch
    assert core.states() == oracle(rows)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=False))
def test_a_rebuild_from_landing_gives_the_same_core(rows: list[Landed]) -> None:
    core = Core()
    plan = integrate_same(core, rows, set(versions_of(rows)), set())
    assert core.states() == oracle(rows)
    assert_conserved(plan, rows, set(versions_of(rows)))


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=False))
def test_the_same_rows_under_a_new_landing_version_change_nothing(rows: list[Landed]) -> None:
    core = Core()
    integrate_same(core, rows, set(versions_of(rows)), set())
    before = core.states()
    again = max(versions_of(rows)) + 1
    standing = [max((r for r in rows if r.line == line), key=lambda r: r.order) for line in "abcd"
                if any(r.line == line for r in rows)]  # fmt: skip
    copies = [replace(r, landing_version=again, row=i) for i, r in enumerate(standing, start=1)]
    core.operations.clear()
    plan = integrate_same(core, [*rows, *copies], {again}, set(versions_of(rows)))
    after = core.states()
    assert set(core.operations) <= {BUMP}
    assert {k: (s.value, s.deleted_at, s.is_stale) for k, s in after.items()} == {
        k: (s.value, s.deleted_at, s.is_stale) for k, s in before.items()
    }
    assert not plan.tombstoned["rows"].sum()
    assert set(plan.fates["fate"]) <= {"unchanged", "superseded", "quarantined"}


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=False))
def test_a_merge_run_twice_writes_nothing_the_second_time(rows: list[Landed]) -> None:
    core = Core()
    everything = set(versions_of(rows))
    integrate_same(core, rows, everything, set())
    core.operations.clear()
    integrate_same(core, rows, everything, set())
    assert core.operations == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=True), folds=st.booleans())
def test_parents_and_children_are_what_their_lines_say(rows: list[Landed], folds: bool) -> None:
    core = Core()
    for version in versions_of(rows):
        plan = integrate_many(core, rows, version, folds=folds)
        assert_conserved(plan, rows, {version})
        until = [r for r in rows if r.landing_version <= version]
        assert core.states() == oracle(until)
        if any(s.deleted_at for s in core.states().values()):
            event("a key lost its last line")


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=True), shuffled=st.randoms(use_true_random=False))
def test_the_plan_depends_on_the_order_of_rows_in_no_frame(
    rows: list[Landed], shuffled: random.Random
) -> None:
    versions = set(versions_of(rows))
    other = list(rows)
    shuffled.shuffle(other)
    first, second = Core(), Core()
    for core, frame in ((first, rows), (second, other)):
        plan = plan_merge(
            candidates(frame, versions, folds=True), core.existing(), lines=lines_of(frame)
        )
        core.apply(plan)
    assert first.states() == second.states() == oracle(rows)


def test_a_parent_whose_lines_disagree_in_one_read_is_marked() -> None:
    rows = [
        Landed(1, 1, "a", "P", 1, "x", True, False),
        Landed(1, 2, "b", "P", 1, "y", True, False),
        Landed(1, 3, "c", "Q", 1, "x", True, False),
        Landed(1, 4, "d", "Q", 1, "x", True, False),
    ]
    plan = plan_merge(
        candidates(rows, {1}, folds=True), pl.DataFrame(schema=EXISTING), lines=lines_of(rows)
    )
    marked = dict(plan.writes.select("_key", "_warnings").iter_rows())
    assert marked == {"P": ["parent_varies"], "Q": []}
    assert dict(plan.fates.select("fate", "rows").iter_rows()) == {"inserted": 2, "folded": 2}


def test_children_of_a_list_that_cannot_be_read_become_stale_not_dead() -> None:
    rows = [Landed(1, 1, "a", "P", 1, "x", True, False)]
    unread = lines_of([*rows, Landed(2, 1, "a", "", 2, "", False, False)]).with_columns(
        (pl.col("_landing_version") == 2).alias("_is_unknown")
    )
    core = Core()
    core.apply(plan_merge(candidates(rows, {1}, folds=False), core.existing(),
                          lines=unread.head(1)))  # fmt: skip
    core.apply(plan_merge(candidates(rows, {2}, folds=False), core.existing(), lines=unread))
    assert core.states()["P"] == State((1, 1, 1), "x", deleted_at=None, is_stale=True)


def test_a_row_without_a_key_is_counted_as_quarantined() -> None:
    keyless = candidates(
        [Landed(1, 1, "a", "k", 1, "x", False, False)], {1}, folds=False
    ).with_columns(pl.lit(None, pl.String).alias("_key"))
    plan = plan_merge(keyless, pl.DataFrame(schema=EXISTING))
    assert plan.writes.is_empty()
    assert plan.fates.rows() == [("s", "t", "quarantined", 1)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=landings(is_many=False), keyless=st.integers(0, 2))
def test_keys_that_come_once_are_planned_as_if_others_came_twice(
    rows: list[Landed], keyless: int
) -> None:
    once = list({r.key: r for r in rows}.values())
    twice = [
        Landed(1, 98, "z", "z", 1, "x", True, False),
        Landed(1, 99, "z", "z", 2, "y", True, False),
    ]
    versions = set(versions_of(rows))
    nothing = pl.DataFrame(schema=EXISTING)

    def plan_of(some: list[Landed]) -> MergePlan:
        nameless = [replace(r, key="none", is_accepted=False) for r in once[:keyless]]
        frame = candidates([*once, *nameless, *some], versions | {1}, folds=False)
        unnamed = pl.when(pl.col("_key") != "none").then(pl.col("_key"))
        return plan_merge(frame.with_columns(unnamed.alias("_key")), nothing)

    alone, beside = plan_of([]), plan_of(twice)
    others = beside.writes.filter(pl.col("_key") != "z")
    assert alone.writes.sort("_key").equals(others.sort("_key"))
    told = {fate: count for _, _, fate, count in beside.fates.iter_rows()}
    told["inserted"] -= 1
    told["superseded"] -= 1
    assert {fate: n for _, _, fate, n in alone.fates.iter_rows()} == {
        f: n for f, n in told.items() if n
    }
    assert alone.tombstoned.sort("_stream").equals(beside.tombstoned.sort("_stream"))
