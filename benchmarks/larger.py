"""What a larger warehouse costs: the same night on five times the core, three times the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import ours, truth
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, as_expected, beside
from benchmarks.postgres import ROWS, changed_nights, whole

_MOST_MIB = 1024


def changes(bench: Bench) -> Iterator[Row]:
    """The same 1 % of a million, changed on a core of five millions and on one of one."""
    small, large = (
        bench.office.dossiers(bench.rows(count), scale=bench.scale) for count in (ROWS, 5 * ROWS)
    )
    on_large, on_small = changed_nights(bench, large), changed_nights(bench, small)
    yield beside(
        f"1 % of {bench.rows(ROWS):,} changed, on a core of {bench.rows(5 * ROWS):,}",
        ours=on_large, peer=f"the same on a core of {bench.rows(ROWS):,}", theirs=on_small,
        bound=1.3,
    )  # fmt: skip


def memory(bench: Bench) -> Iterator[Row]:
    """The most memory of a fresh process that loads three millions, beside one."""
    large = bench.rows(3 * ROWS)
    most, least = (first_load(bench, count) for count in (large, bench.rows(ROWS)))
    title = f"peak memory of a first load of {large:,} dossiers"
    one = f"of {bench.rows(ROWS):,}"
    yield beside(title, ours=[most], peer=one, theirs=[least], bound=1.2, of="peak memory")
    gibibyte = replace(most, peak_mib=_MOST_MIB)
    yield beside(title, ours=[most], peer="1 GiB", theirs=[gibibyte], bound=1.0, of="peak memory")


def first_load(bench: Bench, rows: int) -> Measure:
    """The first sync of an office of so many dossiers; its database is kept for the run."""
    url = bench.office.url(bench.office.dossiers(rows, scale=bench.scale))
    with bench.scratch() as folder:
        done = ours.synced(bench, folder, url)
        return as_expected("the first load", done, whole(truth.of_office(url)))
