"""`make bench`: measures, prints a table and writes benchmarks/latest.json.

Usage: python -m benchmarks [NAME]...
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from benchmarks import rest
from benchmarks.measuring import ROOT, Row

GROUPS = {"rest": rest.rows}
LATEST = ROOT / "benchmarks" / "latest.json"


def main(names: list[str]) -> int:
    """Measures the named groups, or all. Exit status: 0 done, 2 no such group."""
    if absent := [name for name in names if name not in GROUPS]:
        sys.stderr.write(f"no benchmark {absent[0]!r}; there are {', '.join(GROUPS)}\n")
        return 2
    measured: list[Row] = []
    for name in names or GROUPS:
        sys.stderr.write(f"measuring {name}\n")
        for row in GROUPS[name]():
            sys.stdout.write(line(row) + "\n")
            sys.stdout.flush()
            measured.append(row)
    kept = _others(measured)
    LATEST.write_text(json.dumps([*kept, *map(asdict, measured)], indent=2) + "\n", "utf-8")
    sys.stderr.write(f"wrote {LATEST.relative_to(ROOT)}\n")
    return 0


def line(row: Row) -> str:
    """A row for a person."""
    verdict = "met" if row.ratio <= row.bound else "NOT MET"
    return (
        f"{row.name}\n  ours {row.ours_s:.2f} s ({row.peak_mib:.0f} MiB); {row.peer} "
        f"{row.peer_s:.2f} s; ratio {row.ratio:.2f}, bound {row.bound:g}: {verdict}"
    )


def _others(measured: list[Row]) -> list[dict[str, object]]:
    """The rows of earlier runs that weren't measured now."""
    if not LATEST.exists():
        return []
    names = {(row.name, row.peer) for row in measured}
    known: list[dict[str, object]] = json.loads(LATEST.read_text("utf-8"))
    return [row for row in known if (row["name"], row["peer"]) not in names]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
