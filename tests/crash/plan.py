"""Which kills a campaign makes: every named phase, and random moments."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from warehouse import phases

RANDOM: Final = "random moment"
STREAMS, ENTITIES, TABLES = 2, 3, 8


@dataclass(frozen=True)
class Way:
    """How a run comes to a phase.

    Attributes:
        actions: The runs that reach it (`tests.support.runs.ACTIONS`).
        times: How often one of them does, about.
    """

    actions: tuple[str, ...]
    times: int = 1


INTEGRATING = ("nightly", "nightly", "nightly", "rebuild")
RELEASING = ("nightly", "publish")
UPKEEP = ("maintain",)
FORGETTING = ("forget",)
GROUPS: Final[dict[str, dict[str, Way]]] = {
    "landing": {
        "read": Way(("nightly",), STREAMS),
        "landing_commit": Way(("nightly",), STREAMS),
        "landed": Way(("nightly",), STREAMS),
    },
    "quarantine": {"quarantined": Way(INTEGRATING, ENTITIES)},
    "core": {
        "core_commit": Way(INTEGRATING, ENTITIES),
        "merged": Way(INTEGRATING, ENTITIES),
    },
    "release": {
        "release_commit": Way(RELEASING),
        "released": Way(RELEASING),
        "views_written": Way(RELEASING),
    },
    "compaction": {
        "compact_commit": Way(UPKEEP),
        "compacted": Way(UPKEEP),
        "checkpoint": Way(UPKEEP, TABLES),
    },
    "vacuum": {
        "expire_commit": Way(UPKEEP),
        "expired": Way(UPKEEP),
        "vacuum": Way(UPKEEP),
        "vacuumed": Way(UPKEEP),
    },
    "forget": {
        "forget_marked": Way(FORGETTING),
        "forget_landing": Way(FORGETTING, STREAMS),
        "forget_landed": Way(FORGETTING, STREAMS),
        "forget_quarantine": Way(FORGETTING),
        "forget_core": Way(FORGETTING, ENTITIES),
        "forget_cored": Way(FORGETTING, ENTITIES),
        "forget_release": Way(FORGETTING),
        "forget_purge": Way(FORGETTING, TABLES),
        "forget_purged": Way(FORGETTING, TABLES),
    },
    "retention": {"trim_commit": Way(UPKEEP, STREAMS), "trimmed": Way(UPKEEP, STREAMS)},
}
"""What a run may die in, to its named moments and the way there."""
WAYS: Final = {phase: way for ways in GROUPS.values() for phase, way in ways.items()}
AT_RANDOM: Final = ("nightly",) * 5 + (
    "rebuild", "publish", "maintain", "maintain", "forget",
)  # fmt: skip


def named_phases() -> set[str]:
    """Every phase that `warehouse.phases` names."""
    listed = (value for name, value in vars(phases).items() if name.endswith("PHASES"))
    return {phase for named in listed for phase in named}


def phases_without_a_way() -> list[str]:
    """Named phases that no run of a campaign is killed in, and ways to phases that are gone.

    Both are an omission of `GROUPS`.
    """
    return sorted(named_phases() ^ set(WAYS))


def schedule(chance: random.Random, *, per_group: int, in_all: int) -> list[str]:
    """The places of a campaign's kills, shuffled.

    Args:
        chance: Shuffles.
        per_group: Kills in each group at least, spread over its phases; each sees one at least.
        in_all: Kills in all; those that are left are at random moments, `per_group` at least.
    """
    places = []
    for ways in GROUPS.values():
        each = -(-per_group // len(ways))
        places += [phase for phase in ways for _ in range(each)]
    places += [RANDOM] * max(per_group, in_all - len(places))
    chance.shuffle(places)
    return places
