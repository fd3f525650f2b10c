"""`make bench`: measures, prints a table and writes benchmarks/latest.json.

Usage: python -m benchmarks [--scale N] [--output FILE] [NAME]...
       python -m benchmarks [--scale N] growth
       python -m benchmarks [--scale N] profile [SUBJECT]...
       python -m benchmarks page
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks import (
    events,
    files,
    growth,
    larger,
    page,
    postgres,
    profile,
    province,
    queries,
    reconcile,
    rest,
    silent,
    standing,
)  # fmt: skip
from benchmarks.bench import Bench, bench
from benchmarks.measuring import ROOT, Row

GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "rest": rest.rows,
    "postgres": postgres.rows,
    "changes": larger.changes,
    "memory": larger.memory,
    "events": events.rows,
    "queries": queries.rows,
    "files": files.rows,
    "silent": silent.rows,
    "reconcile": reconcile.rows,
    "files-to-core": files.to_core,
}
BY_NAME: Final = frozenset({"files-to-core"})
"""Groups that nobody set a bound for and that take long: measured when they are asked for."""
BEFOREHAND: Final[dict[str, Sequence[Callable[[Bench], object]]]] = {
    "events": (province.warehouses, events.office),
    "queries": (province.warehouses, standing.warehouse),
    "silent": (silent.province,),
    "changes": (standing.warehouse, postgres.database, standing.proved),
    "postgres": (postgres.database,),
    "memory": (larger.offices,),
    "reconcile": (reconcile.warehouse,),
    "files": (files.made,),
    "files-to-core": (files.made,),
}
"""What a group looks at; what takes longest is begun first."""
LATEST = ROOT / "benchmarks" / "latest.json"


def main(arguments: list[str]) -> int:
    """Measures the named groups, or those with a bound. Exit status: 0 done, 2 no such group."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--scale", type=float, default=1.0, help="0.05: a twentieth of the rows")
    parser.add_argument("--output", type=Path, help="where the rows go (full size: latest.json)")
    given = parser.parse_args(arguments)
    verb = given.names[0] if given.names else ""
    status = 0
    if verb == "growth":
        status = growth.main(scale=given.scale)
    elif verb == "profile":
        status = profile.main(given.names[1:], scale=given.scale)
    elif verb != "page":
        names = given.names or [name for name in GROUPS if name not in BY_NAME]
        status = _measured(names, given.scale, given.output)
    if verb == "page" or (status == 0 and given.scale == 1 and given.output is None):
        page.main()
    return status


def _measured(names: list[str], scale: float, output: Path | None) -> int:
    """Measures groups; what is there of full size is kept after each one."""
    if absent := [name for name in names if name not in GROUPS]:
        sys.stderr.write(f"no benchmark {absent[0]!r}; there are {', '.join(GROUPS)}\n")
        return 2
    output = output or (LATEST if scale == 1 else None)
    for measured in measure(names, scale=scale):
        if output is not None:
            kept = _others(output, measured)
            rows = [*kept, *map(asdict, measured)]
            output.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0


def measure(names: list[str], *, scale: float) -> Iterator[list[Row]]:
    """The rows of each group, each row told as soon as it is there."""
    with bench(scale) as one:
        started = time.monotonic()
        tasks = [task for name, needed in BEFOREHAND.items() if name in names for task in needed]
        one.beforehand(dict.fromkeys(tasks))
        sys.stderr.write(f"making what is measured took {time.monotonic() - started:.0f} s\n")
        for name in names:
            sys.stderr.write(f"measuring {name}\n")
            started = time.monotonic()
            measured: list[Row] = []
            for row in GROUPS[name](one):
                sys.stdout.write(line(row) + "\n")
                sys.stdout.flush()
                measured.append(row)
            sys.stderr.write(f"{name} took {time.monotonic() - started:.0f} s\n")
            yield measured


def line(row: Row) -> str:
    """A row for a person."""
    verdict = "no bound"
    if row.bound is not None:
        verdict = f"bound {row.bound:g}: {'met' if row.ratio <= row.bound else 'NOT MET'}"
    return (
        f"{row.name}\n  ours {row.ours_s:.2f} s ({row.peak_mib:.0f} MiB); {row.peer} "
        f"{row.peer_s:.2f} s; ratio of {row.of} {row.ratio:.2f}, {verdict} "
        f"(CPU {row.cpu_ratio:.2f})"
    )


def _others(output: Path, measured: list[Row]) -> list[dict[str, object]]:
    """The rows of earlier runs that weren't measured now."""
    if not output.exists():
        return []
    names = {(row.name, row.peer) for row in measured}
    known: list[dict[str, object]] = json.loads(output.read_text("utf-8"))
    return [row for row in known if (row["name"], row["peer"]) not in names]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
