"""Which kills a campaign makes: every named phase, and random moments."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from warehouse.phases import PHASES

RANDOM: Final = "random moment"
STREAMS, ENTITIES = 2, 3


@dataclass(frozen=True)
class Way:
    """How a run comes to a phase.

    Attributes:
        actions: The runs that reach it (`tests.support.runs.ACTIONS`).
        times: How often one of them does at most.
    """

    actions: tuple[str, ...]
    times: int


INTEGRATING = ("nightly", "nightly", "nightly", "rebuild")
RELEASING = ("nightly", "publish")
WAYS: Final[dict[str, Way]] = {
    "read": Way(("nightly",), STREAMS),
    "landing_commit": Way(("nightly",), STREAMS),
    "landed": Way(("nightly",), STREAMS),
    "quarantined": Way(INTEGRATING, ENTITIES),
    "core_commit": Way(INTEGRATING, ENTITIES),
    "merged": Way(INTEGRATING, ENTITIES),
    "release_commit": Way(RELEASING, 1),
    "released": Way(RELEASING, 1),
}
AT_RANDOM: Final = ("nightly", "nightly", "nightly", "nightly", "rebuild", "publish")


def phases_without_a_way() -> list[str]:
    """Named phases that no run of a campaign would be killed in, and ways to phases that are gone.

    Both are an omission of `WAYS`.
    """
    return sorted(set(PHASES) ^ set(WAYS))


def schedule(chance: random.Random, *, per_phase: int, at_random: int) -> list[str]:
    """The places of a campaign's kills, shuffled."""
    places = [phase for phase in PHASES for _ in range(per_phase)] + [RANDOM] * at_random
    chance.shuffle(places)
    return places
