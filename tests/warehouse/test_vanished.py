"""The guard of months: a small deletion goes, half a month waits, and no other month with it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import vanished
from warehouse.buckets import BUCKET
from warehouse.slots import digits_for, slots, unequal_slots
from warehouse.vanished import ALWAYS_BELIEVED, DELETE_GUARD, believed


def office(**months: int) -> pl.DataFrame:
    """Keys with their month."""
    keys = [(f"{month}-{n}", month) for month, count in months.items() for n in range(count)]
    return pl.DataFrame(keys, schema={"_key": pl.String, BUCKET: pl.String}, orient="row")


def decide(alive: pl.DataFrame, **gone: int) -> tuple[dict[str, int], int]:
    """Buried keys by month, and how many wait."""
    lost = pl.concat([alive.filter(pl.col(BUCKET) == m).head(n) for m, n in gone.items()])
    buried, waiting = believed(lost.select("_key"), alive.select("_key"), buckets=lambda: alive)
    told = alive.join(buried, on="_key", how="semi").group_by(BUCKET).len()
    return dict(told.iter_rows()), waiting


@pytest.mark.parametrize(
    ("gone", "buried", "waiting"),
    [
        ({"small": 1}, {"small": 1}, 0),  # a fifth of its month
        ({"small": 5}, {"small": 5}, 0),
        ({"middle": 10}, {"middle": 10}, 0),
        ({"middle": 11}, {}, 11),
        ({"large": 50}, {"large": 50}, 0),
        ({"large": 51}, {}, 51),
        ({"large": 51, "other": 3, "middle": 11}, {"other": 3}, 62),
        ({"large": 200}, {}, 200),  # more than a twentieth of all
    ],
)
def test_a_month_that_lost_too_many_waits_alone(
    gone: dict[str, int], buried: dict[str, int], waiting: int
) -> None:
    alive = office(small=5, middle=100, large=1000, other=2000)
    assert decide(alive, **gone) == (buried, waiting)


def test_without_the_floor_a_small_month_would_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vanished, "ALWAYS_BELIEVED", 0)
    assert decide(office(small=5, other=2000), small=1) == ({}, 1)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(1, 400), st.integers(0, 60)))
)
def test_the_rule_is_what_it_says(months: dict[str, tuple[int, int]]) -> None:
    alive = office(**{month: keys for month, (keys, _) in months.items()})
    lost = {month: min(keys, gone) for month, (keys, gone) in months.items()}
    if not alive.height:
        return
    buried, waiting = decide(alive, **lost)
    if sum(lost.values()) > DELETE_GUARD * alive.height:
        assert (buried, waiting) == ({}, sum(lost.values()))
        return
    waits = {
        month for month, gone in lost.items()
        if gone > ALWAYS_BELIEVED and gone > DELETE_GUARD * months[month][0]
    }  # fmt: skip
    assert waiting == sum(lost[month] for month in waits)
    assert buried == {m: n for m, n in lost.items() if n and m not in waits}


HASHES = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(st.lists(HASHES, max_size=30), st.lists(HASHES, max_size=4), st.integers(1, 3))
def test_slots_that_differ_are_those_of_the_rows_that_differ(
    both: list[str], mine: list[str], digits: int
) -> None:
    ours = slots(pl.Series(both + mine, dtype=pl.String), digits)
    theirs = slots(pl.Series(both, dtype=pl.String), digits).to_arrow().to_batches()
    assert unequal_slots(ours, iter(theirs)) == sorted({h[:digits] for h in mine})


def test_slots_stay_small_and_few() -> None:
    for rows in (0, 10, 1_000, 100_000, 1_000_000, 50_000_000):
        digits = digits_for(rows)
        assert rows / 16**digits <= 64
        assert digits == 1 or rows / 16 ** (digits - 1) > 64


@pytest.mark.parametrize(
    ("rows", "differing", "digits"),
    [(5_000_000, 3, 3), (1_000_000, 1, 2), (1_000, 1, 1), (5_000_000, 10_000, 5), (0, 9, 1)],
)
def test_of_a_few_that_differ_larger_slots_are_looked_into(
    rows: int, differing: int, digits: int
) -> None:
    assert digits_for(rows, differing=differing) == digits
    assert digits <= digits_for(rows)
    listed = min(differing, 16**digits) * rows / 16**digits
    assert listed <= 20_000 or digits == digits_for(rows)
