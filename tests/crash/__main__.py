"""`make crash`: kills runs in every named phase and at random moments, and says what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.campaign import Tally, campaign
from tests.crash.plan import RANDOM, phases_without_a_way
from warehouse.phases import PHASES


def main() -> int:
    """Runs a campaign; 0 when every law held and every named phase saw a kill."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    asked.add_argument("--per-phase", type=int, default=20, help="kills in each named phase")
    asked.add_argument("--in-all", type=int, default=300, help="kills in all, at least")
    asked.add_argument("--seed", type=int, default=int(time.time()), help="of what is by chance")
    given = asked.parse_args()
    if absent := phases_without_a_way():
        print(f"tests/crash/plan.py knows no way to: {', '.join(absent)}", file=sys.stderr)
        return 1
    started = time.monotonic()
    at_random = max(given.per_phase, given.in_all - given.per_phase * len(PHASES))
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lienthong-crash-") as folder:
        tally = campaign(
            Path(folder),
            per_phase=given.per_phase,
            at_random=at_random,
            seed=given.seed,
            tell=lambda line: print(line, flush=True),
        )
    print(table(tally))
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if tally.missing or not tally.releases else 0


def table(tally: Tally) -> str:
    """Kills per phase, with the runs that were killed there, and what held."""
    lines = [f"{'killed in':<16}{'kills':>6}  by run"]
    for place in [*PHASES, RANDOM]:
        runs = sorted((action, n) for (at, action), n in tally.actions.items() if at == place)
        by_run = ", ".join(f"{action} {n}" for action, n in runs)
        lines.append(f"{place:<16}{tally.kills[place]:>6}  {by_run}")
    lines += [
        f"{'in all':<16}{sum(tally.kills.values()):>6}",
        f"{tally.offices} offices: 0 rows lost, 0 doubled (by key and value), audit clean",
        f"{tally.releases} releases, each of one moment; {tally.ended} runs let end; "
        f"{tally.changes} changes of the YAML",
    ]
    if tally.missing:
        lines.append(f"NO KILL IN: {', '.join(tally.missing)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
