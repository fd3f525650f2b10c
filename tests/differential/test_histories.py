"""Random histories of an office, night by night: ours is the office; dlt's differs as explained.

`LIENTHONG_HISTORIES` says how many histories are played; `make differential` plays 150.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.differential import pipelines
from tests.differential.history import HELD, WINDOW, Ledger, Row, Step
from tests.differential.pipelines import Ours, Values
from tests.support.postgres import Server, fresh_database

FEW = 6
HISTORIES = int(os.environ.get("LIENTHONG_HISTORIES", FEW))
KEYS = ("A", "B", "C", "D", *HELD)
NIGHTS = 4

puts = st.builds(Step, what=st.just("put"), key=st.sampled_from(KEYS), late=st.integers(0, WINDOW))
others = st.builds(
    Step, what=st.sampled_from(("delete", "delete", "put")), key=st.sampled_from(KEYS)
)
held = st.builds(
    Step, what=st.sampled_from(("open", "end", "end", "undo")), key=st.sampled_from(HELD)
)
days = st.lists(st.one_of(puts, others, held), min_size=2, max_size=8)
histories = st.lists(days, min_size=NIGHTS, max_size=NIGHTS)
BOTH = [
    [Step(what="open", key="T-1"), *(Step(what="put", key=key) for key in "ABCDA")],
    [Step(what="delete", key="B"), Step(what="end", key="T-1")],
]
"""A history that holds what the table of dlt is known to differ by."""


@pytest.mark.slow
@pytest.mark.timeout(240 + 20 * HISTORIES)
def test_ours_is_the_office_every_night_and_dlt_s_but_for_what_is_explained(
    postgres_server: Server,
) -> None:
    explained: Counter[str] = Counter()

    @settings(
        max_examples=HISTORIES,
        derandomize=HISTORIES == FEW,
        suppress_health_check=[HealthCheck.too_slow],
        # Each example takes four seconds: to make a failing one smaller is for who asks for many.
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if HISTORIES > FEW else [])],
    )
    @example(history=BOTH)
    @given(history=histories)
    def play(history: list[list[Step]]) -> None:
        with (
            fresh_database(postgres_server) as url,
            tempfile.TemporaryDirectory() as folder,
            closing(Ledger(url)) as office,
            closing(pipelines.merged(Path(folder), url)) as theirs,
        ):
            ours = Ours(Path(folder), url)
            for day in history:
                for step in day:
                    office.play(step)
                truth = office.night_comes()
                ours.night()
                theirs.night()
                assert ours.rows() == {key: value for key, (value, _) in truth.items()}
                explained.update(explanations(theirs.rows(), truth, office))

    play()
    print(f"{HISTORIES} histories of {NIGHTS} nights; rows of dlt that differ: {dict(explained)}")  # noqa: T201
    assert set(explained) == {"a row deleted in the office", "a row not read again"}


def explanations(theirs: Values, truth: dict[str, Row], office: Ledger) -> list[str]:
    """Why each row of dlt's is not the office's; fails on one that no page explains."""
    found = []
    for key in sorted(theirs.keys() | truth.keys()):
        if key not in truth:
            found.append("a row deleted in the office")
        elif theirs.get(key) != truth[key][0]:
            stamp = truth[key][1]
            assert stamp is not None
            # Read by none of the nights since it was there: its number lay before their bounds.
            nights = range(office.visible[key], len(office.read))
            bounds = [office.read[night - 1] - WINDOW if night else 0 for night in nights]
            assert all(stamp < bound for bound in bounds), f"unexplained: {key} of {theirs}"
            found.append("a row not read again")
    return found
