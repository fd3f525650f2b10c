"""What a larger warehouse costs: the same night on five times the core, three times the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from benchmarks import postgres, standing
from benchmarks.bench import Bench
from benchmarks.measuring import Row, beside
from benchmarks.postgres import ROWS, changed_nights, first_load

_MOST_MIB: Final = 1024


def changes(bench: Bench) -> Iterator[Row]:
    """The same 1 % of a million, changed on a core of five millions and on one of one."""
    small = postgres.database(bench)
    on_small = changed_nights(bench, small, first_load(bench, small).folder)
    on_large = changed_nights(bench, standing.office(bench), standing.proved(bench))
    yield beside(
        f"1 % of {bench.rows(ROWS):,} changed, on a core of {bench.rows(standing.ROWS):,}",
        ours=on_large, peer=f"the same on a core of {bench.rows(ROWS):,}", theirs=on_small,
        bound=1.3,
    )  # fmt: skip


def memory(bench: Bench) -> Iterator[Row]:
    """The most memory of a fresh process that loads three millions, beside one."""
    large = bench.rows(3 * ROWS)
    most, least = (first_load(bench, office).measure for office in offices(bench))
    title = f"peak memory of a first load of {large:,} dossiers"
    one = f"of {bench.rows(ROWS):,}"
    yield beside(title, ours=[most], peer=one, theirs=[least], bound=1.2, of="peak memory")
    gibibyte = replace(most, peak_mib=_MOST_MIB)
    yield beside(title, ours=[most], peer="1 GiB", theirs=[gibibyte], bound=1.0, of="peak memory")


def offices(bench: Bench) -> list[str]:
    """Names of the databases of three millions and of one."""
    return [postgres.unchanged(bench, bench.rows(count)) for count in (3 * ROWS, ROWS)]
