"""`python -m benchmarks profile`: where CPU and wall time go, for a million rows or a night.

Prints tables, and at full size keeps them in benchmarks/profile.json for docs/performance.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks import events, ours, postgres, province, silent
from benchmarks.bench import Bench, bench
from benchmarks.measuring import ROOT, Timer, run
from benchmarks.sampling import sampled
from benchmarks.warming import warm_up

KEPT: Final = ROOT / "benchmarks" / "profile.json"


def main(names: list[str], *, scale: float) -> int:
    """Profiles the named subjects, or all. Exit status: 0 done, 2 no such subject."""
    if absent := [name for name in names if name not in SUBJECTS]:
        sys.stderr.write(f"no profile {absent[0]!r}; there are {', '.join(SUBJECTS)}\n")
        return 2
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    with bench(scale) as one:
        for name in [name for name in SUBJECTS if name in (names or SUBJECTS)]:
            found = SUBJECTS[name](one)
            sys.stdout.write(f"{name}\n{table(found)}\n\n{functions(found)}\n\n")
            sys.stdout.flush()
            kept[name] = found
    if scale == 1:
        KEPT.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    return 0


def table(found: dict[str, Any]) -> str:
    """A Markdown table of the areas, the longest first."""
    lines = ["| where | wall s | share | CPU s |", "|---|---:|---:|---:|"]
    total = sum(found["wall"].values())
    for area, seconds in sorted(found["wall"].items(), key=lambda pair: -pair[1]):
        if seconds >= total / 200:
            share = f"{100 * seconds / total:.0f} %"
            lines.append(f"| {area} | {seconds:.2f} | {share} | {found['cpu'].get(area, 0):.2f} |")
    whole = sum(found["cpu"].values())
    lines.append(f"| **all** ({found['what']}) | {found['seconds']:.2f} | | {whole:.2f} |")
    return "\n".join(lines)


def functions(found: dict[str, Any]) -> str:
    """The functions in which most time was spent."""
    ranked = sorted(found["functions"].items(), key=lambda pair: -pair[1])[:15]
    return "\n".join(f"{seconds:8.2f} s  {name}" for name, seconds in ranked)


def profiled(timer: Timer, *, folder: str, scratch: str, url: str, night: bool) -> dict[str, Any]:
    """Runs a sync, or a night, under the sampler."""
    from flows.receipts import SyncOptions
    from flows.steps import nightly, open_context, sync

    warm_up(f"{scratch}/warm", url=url)
    context = open_context(warehouse_uri=f"{folder}/warehouse", sources_dir=Path(folder, "sources"))
    with timer.running(), sampled() as profile:
        receipts = nightly(context).receipts if night else sync(context, [], SyncOptions())
    return {
        "landed": sum(receipt.landed for receipt in receipts),
        "seconds": profile.seconds, "wall": dict(profile.wall), "cpu": dict(profile.cpu),
        "functions": dict(profile.functions.most_common(40)), "phases": profile.phases[:400],
        "cores": os.cpu_count(),
    }  # fmt: skip


def _profile(
    folder: Path, bench: Bench, what: str, *, url: str, night: bool = False
) -> dict[str, Any]:
    with bench.scratch() as scratch:
        done = run("benchmarks.profile:profiled", folder=str(folder), scratch=str(scratch),
                   night=night, url=url)  # fmt: skip
    return {"what": what, "peak_mib": done.peak_mib, **done.facts}


def _load(bench: Bench) -> dict[str, Any]:
    count = bench.rows(postgres.ROWS)
    database = bench.office.dossiers(count, scale=bench.scale)
    with bench.scratch() as folder:
        url = bench.office.url(database)
        ours.connect(folder, url)
        return _profile(folder, bench, f"{count:,} dossiers of PostgreSQL, first load", url=url)


def _changes(bench: Bench) -> dict[str, Any]:
    count = bench.rows(postgres.ROWS)
    database = bench.office.dossiers(count, scale=bench.scale)
    changed = bench.office.changed(database, scale=bench.scale)
    with bench.copy(postgres.first_load(bench, database).folder) as folder:
        url = bench.office.url(changed)
        ours.connect(folder, url)
        return _profile(folder, bench, f"1 % of {count:,} dossiers changed", url=url)


def _events(bench: Bench) -> dict[str, Any]:
    with bench.copy(province.warehouse(bench, province.LONG)) as folder:
        url = bench.office.url(events.office(bench))
        province.connect(folder, url)
        size = province.events(bench.scale, province.LONG)
        return _profile(folder, bench, f"changed events into {size:,}", url=url)


def _silent(bench: Bench) -> dict[str, Any]:
    count = silent.how_many(bench)
    what = f"{count} sources x 2 streams, nothing new"
    return _profile(silent.province(bench), bench, what, url=bench.office.url(), night=True)


def _busy(bench: Bench) -> dict[str, Any]:
    count, folder = silent.how_many(bench), silent.province(bench)
    silent.change(bench, folder)
    what = f"{count} sources x 2 streams, a row changed in each"
    found = _profile(folder, bench, what, url=bench.office.url(), night=True)
    if found["landed"] != 2 * count:
        message = f"{found['landed']} rows landed, expected {2 * count}"
        raise RuntimeError(message)
    return found


SUBJECTS: Final[dict[str, Callable[[Bench], dict[str, Any]]]] = {
    "load": _load,
    "changes": _changes,
    "events": _events,
    "silent": _silent,
    "busy": _busy,
}
