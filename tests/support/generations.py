"""A warehouse in which every row of a release carries one number, and readers that look for two.

As a program it is one reader: `KIND WAREHOUSE STOP`. It asks until the file STOP is there, and
prints a JSON object: how many queries, which numbers, and every answer that held other than one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS = 40
KINDS = ("duckdb", "duckdb", "command", "polars")
YAML = """\
source: so-thu
connector: {type: files, path: ../desk}
streams:
  ho_so:
    files: "*.jsonl"
    mode: snapshot
    key: so
    into:
      - entity: dossier
        columns:
          dossier_code: so
          procedure_name: doi
          received_at: {from: ngay, format: "%Y-%m-%d"}
      - entity: payment
        explode: le_phi
        key: [so, le_phi.ma]
        columns: {dossier_code: so, payment_code: le_phi.ma, fee_name: le_phi.doi}
      - entity: dossier_event
        explode: buoc
        key: [so, buoc.ma]
        columns:
          dossier_code: so
          event_name: buoc.doi
          occurred_at: {from: buoc.luc, format: "%Y-%m-%d"}
"""
JOINED = """\
SELECT d.procedure_name AS dossier, p.fee_name AS payment, e.event_name AS event, count(*) AS rows
FROM dossier d
JOIN payment p ON p._source = d._source AND p.dossier_key = d._key
JOIN dossier_event e ON e._source = d._source AND e.dossier_key = d._key
GROUP BY ALL
"""


@dataclass
class Reader:
    """A process that asks all the time."""

    process: subprocess.Popen[str]

    @classmethod
    def begin(cls, kind: str, warehouse: Path, stop: Path) -> Reader:
        """Begins one."""
        command = [
            sys.executable,
            "-m",
            "tests.support.generations",
            kind,
            str(warehouse),
            str(stop),
        ]
        root = Path(__file__).resolve().parents[2]
        return cls(subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True))

    def end(self) -> dict[str, Any]:
        """What it saw, once the stop file is there."""
        said, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, said
        found: dict[str, Any] = json.loads(said)
        return found


def write(desk: Path, generation: int) -> None:
    """The office's file of one generation."""
    desk.mkdir(exist_ok=True)
    doi = f"{generation}"
    rows = [
        {
            "so": f"HS-{n:03}", "doi": doi, "ngay": f"2026-{n % 6 + 1:02}-01",
            "le_phi": [{"ma": "1", "doi": doi}],
            "buoc": [{"ma": str(i), "doi": doi, "luc": "2026-07-01"} for i in range(2)],
        }
        for n in range(ROWS)
    ]  # fmt: skip
    partial = desk / "so.part"
    partial.write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    partial.replace(desk / "so.jsonl")


def seen(rows: list[tuple[Any, ...]]) -> tuple[set[str], int]:
    """The numbers in an answer, and its rows."""
    return {str(value) for row in rows for value in row[:3]}, sum(row[3] for row in rows)


def by_duckdb(warehouse: Path) -> list[tuple[Any, ...]]:
    """A plain client on the file of views."""
    import duckdb

    path = warehouse / "analysts" / "analytics.duckdb"
    with duckdb.connect(str(path), read_only=True) as views:
        return views.execute(JOINED).fetchall()


def by_command(warehouse: Path) -> list[tuple[Any, ...]]:
    """What `lienthong sql` asks."""
    from flows.query import query

    return [tuple(row.values()) for row in query(str(warehouse), JOINED).to_pylist()]


def by_polars(warehouse: Path) -> list[tuple[Any, ...]]:
    """Polars over the versions of the latest release."""
    import polars as pl

    from warehouse.releases import Releases

    release = Releases(str(warehouse)).latest()
    assert release is not None
    frames = {}
    for name in ("dossier", "payment", "dossier_event"):
        path = str(warehouse / release.parts[name].path)
        frames[name] = pl.scan_delta(path, version=release.parts[name].version)
    key = ["_source", "dossier_key"]
    named = [
        ("dossier", "procedure_name"),
        ("payment", "fee_name"),
        ("dossier_event", "event_name"),
    ]
    dossiers = frames["dossier"].with_columns(pl.col("_key").alias("dossier_key"))
    parts = [({**frames, "dossier": dossiers})[name].select(*key, own) for name, own in named]
    joined = parts[0].join(parts[1], on=key).join(parts[2], on=key)
    return joined.group_by([own for _, own in named]).len().collect().rows()


ASK = {"duckdb": by_duckdb, "command": by_command, "polars": by_polars}


def main() -> None:
    """Asks until told to stop."""
    kind, warehouse, stop = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    queries, numbers, mixed = 0, set[str](), []
    while not stop.exists():
        found, rows = seen(ASK[kind](warehouse))
        queries += 1
        numbers |= found
        if len(found) != 1 or rows != 2 * ROWS:
            mixed.append([sorted(found), rows])
    told = {"kind": kind, "queries": queries, "numbers": sorted(numbers, key=int), "mixed": mixed}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
