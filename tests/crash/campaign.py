"""A campaign: runs of changing offices, each killed at the place that the plan names.

The process is killed by SIGKILL: nothing of it runs any more. Mostly the office changes before the
next run, sometimes its YAML does, and sometimes a run is let end.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import laws
from tests.crash.plan import AT_RANDOM, RANDOM, WAYS
from tests.support.changing_office import MENDED, PLAIN, ChangingOffice
from tests.support.nursery import Answer, Nursery
from warehouse.releases import Releases

LIFE = 40
"""Kills that one office and its warehouse live through; the first meets an empty folder."""
KEYS = 24
"""Few enough for the gates of releases to hold: most changes meet a key that is there."""
ATTEMPTS = 12


@dataclass
class Tally:
    """What a campaign did.

    Attributes:
        kills: Phase, or `RANDOM`, to kills.
        actions: (place, action) to kills.
        offices: Offices that lived and were right in the end.
        ended: Runs that were let end.
        releases: Releases published and looked at.
        changes: Changes of the YAML.
    """

    kills: Counter[str] = field(default_factory=Counter)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    offices: int = 0
    ended: int = 0
    releases: int = 0
    changes: int = 0

    @property
    def missing(self) -> list[str]:
        """Named phases in which nothing was killed."""
        return [phase for phase in WAYS if not self.kills[phase]]


def campaign(
    folder: Path,
    places: Sequence[str],
    chance: random.Random,
    *,
    tell: Callable[[str], None] = lambda line: None,
) -> Tally:
    """Kills a run at each of the places that `tests.crash.plan.schedule` gives.

    Raises:
        AssertionError: A row is lost or doubled, a release isn't of one moment, core isn't the
            office, or a phase can't be reached.
    """
    tally = Tally()
    with closing(Nursery()) as runs:
        for first in range(0, len(places), LIFE):
            office = ChangingOffice(folder / f"office-{first}", chance, keys=KEYS)
            office.tells_versions = chance.random() < 0.5
            office.open(rows=40)
            life = _Life(runs, office, tally)
            for place in places[first : first + LIFE]:
                life.kill(place)
                life.go_on()
            life.end()
            tell(f"{sum(tally.kills.values())} of {len(places)} kills, {tally.releases} releases")
    return tally


class _Life:
    """One office and its warehouse, from the first kill to the proof that nothing is lost."""

    def __init__(self, runs: Nursery, office: ChangingOffice, tally: Tally) -> None:
        self._runs = runs
        self._office = office
        self._tally = tally
        self._chance = office.chance
        self._seen: set[int] = set()
        self._seconds: dict[str, float] = {}
        self._person: str | None = None

    def kill(self, place: str) -> None:
        """Changes the office and runs, until a run was killed at the place."""
        for attempt in range(ATTEMPTS):
            for _ in range(self._chance.randrange(2, 8)):
                self._office.change()
            action = self._chance.choice(AT_RANDOM if place == RANDOM else WAYS[place].actions)
            if action == "maintain" and attempt:
                self.let_run()  # there was too little to look after
            if action == "forget":
                self._receive()
            answer = self._run(action, place, attempt)
            if answer.killed:
                self._tally.kills[place] += 1
                self._tally.actions[place, action] += 1
                self._look(action)
                return
        raise AssertionError(f"no run could be killed: {place}")

    def _receive(self) -> None:
        """Somebody's dossier comes and lands, who then is to be forgotten: it does not count."""
        self._person = f"0400990{self._chance.randrange(10**5):05}"
        so = self._office.receive(self._person)
        assert self._timed("nightly").error is None
        self._office.forgotten.add(so)

    def _run(self, action: str, place: str, attempt: int) -> Answer:
        if place == RANDOM:
            longest = 1.1 * self._seconds.get(action, 1.5)
            return self._timed(action, within=self._chance.uniform(0.0, longest))
        first = attempt > 2 or self._chance.random() < 0.4  # mostly that of dossiers
        nth = 1 if first else self._chance.randrange(1, 1 + WAYS[place].times)
        return self._timed(action, kill_at=place, nth=nth)

    def _timed(self, action: str, *, within: float | None = None, **how: object) -> Answer:
        started = time.monotonic()
        order = self._office.order(action=action, person=self._person, **how)
        answer = self._runs.run(order, within=within)
        if answer.killed:
            return answer
        if not self._may_fail(action):
            assert answer.error is None, answer.error
        self._seconds[action] = time.monotonic() - started
        return answer

    def _may_fail(self, action: str) -> bool:
        """Whether there may be nothing yet to release."""
        core = self._office.context.warehouse.core("dossier")
        return action == "publish" and core is None

    def _look(self, action: str) -> None:
        """What must hold now. What a person began is for that person to run again."""
        if action in {"rebuild", "forget"}:
            if self._chance.random() < 0.5:
                self._timed("nightly")
            self._timed(action)
        if action in {"maintain", "forget"}:
            self._seen.clear()  # files went: every release is looked at once more
        laws.hold_after_a_kill(self._office, seen=self._seen)

    def go_on(self) -> None:
        """Some days the office changes, some the YAML; some runs are let end."""
        office, chance = self._office, self._chance
        if chance.random() < 0.3:
            office.write_yaml(MENDED if office.codes == PLAIN else PLAIN)
            self._tally.changes += 1
        if chance.random() < 0.3:
            self.let_run()

    def let_run(self) -> None:
        """A night that is left alone succeeds, and leaves every record in its place."""
        assert not self._timed("nightly").killed
        self._tally.ended += 1
        laws.hold_after_a_run(self._office, seen=self._seen)

    def end(self) -> None:
        """The last night, and the proof."""
        self.let_run()
        laws.hold_in_the_end(self._office)
        answer = self._timed("publish", skip=("nothing_shrinks", "references_resolve"))
        assert not answer.killed
        laws.hold_after_a_run(self._office, seen=self._seen)
        laws.assert_release_is_core(self._office)
        self._tally.offices += 1
        self._tally.releases += len(Releases(str(self._office.warehouse)).all())
