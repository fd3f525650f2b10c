"""`make crash`: kills runs in every named phase and at random moments, and says what came of it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.campaign import Tally, campaign
from tests.crash.plan import GROUPS, RANDOM, phases_without_a_way, schedule


def main() -> int:
    """Runs a campaign; 0 when every law held and every named phase saw a kill."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    asked.add_argument("--per-group", type=int, default=20, help="kills in each group of phases")
    asked.add_argument("--in-all", type=int, default=300, help="kills in all, at least")
    asked.add_argument("--seed", type=int, default=int(time.time()), help="of what is by chance")
    given = asked.parse_args()
    if absent := phases_without_a_way():
        print(f"tests/crash/plan.py knows no way to: {', '.join(absent)}", file=sys.stderr)
        return 1
    started = time.monotonic()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lienthong-crash-") as folder:
        chance = random.Random(given.seed)
        places = schedule(chance, per_group=given.per_group, in_all=given.in_all)
        tally = campaign(Path(folder), places, chance, tell=lambda line: print(line, flush=True))
    print(table(tally))
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if tally.missing or not tally.releases else 0


def table(tally: Tally) -> str:
    """Kills per phase, with the runs that were killed there, and what held."""
    lines = [f"{'killed in':<22}{'kills':>6}  by run"]
    for group, ways in GROUPS.items():
        lines.append(f"{group:<22}{sum(tally.kills[phase] for phase in ways):>6}")
        lines += [_line(f"  {phase}", phase, tally) for phase in ways]
    lines.append(_line(RANDOM, RANDOM, tally))
    lines += [
        f"{'in all':<22}{sum(tally.kills.values()):>6}",
        f"{tally.offices} offices: 0 rows lost, 0 doubled (by key and value); "
        "audit and reconcile clean",
        f"{tally.releases} releases, each of one moment; {tally.ended} runs let end; "
        f"{tally.changes} changes of the YAML",
    ]
    if tally.missing:
        lines.append(f"NO KILL IN: {', '.join(tally.missing)}")
    return "\n".join(lines)


def _line(label: str, place: str, tally: Tally) -> str:
    runs = sorted((action, n) for (at, action), n in tally.actions.items() if at == place)
    by_run = ", ".join(f"{action} {n}" for action, n in runs)
    return f"{label:<22}{tally.kills[place]:>6}  {by_run}"


if __name__ == "__main__":
    sys.exit(main())
