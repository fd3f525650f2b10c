"""Writes docs/real-data.md from a real run: `python -m tests.real.report`, or `make real-data`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from schemas.entities import ENTITIES
from schemas.rules import explain
from tests.real.run import DATA_VARIABLE, ROOT, RealRun, data_folder, real_run
from tests.support.postgres import postgres_server

PAGE = ROOT / "docs" / "real-data.md"
_INTRODUCTION = f"""\
# Real records, and what became of them

Written by `make real-data`; a test compares this page with a run.

The records of four offices, which nobody here made: building permits of three Dutch municipalities
(BPI Challenge 2015), each loaded into a PostgreSQL as its own office and synced from there, and the
intake of environmental permits in a fourth, read from a CSV file with one line per event. The files
are not part of the project; they are read from the folder that `{DATA_VARIABLE}` names. Their
sources are the YAML files in [tests/real/sources](../tests/real/sources).

Everything arrives: the totals are those that the publishers state. What is impossible waits in
quarantine; what is merely suspicious is in core, marked.
"""


def as_markdown(run: RealRun) -> str:
    """The page: totals, quarantine and warnings by source. The same run gives the same page."""
    sources = sorted({receipt.source for receipt in run.receipts})
    lines = [_INTRODUCTION, *_totals(run, sources), "", *_quarantine(run), ""]
    lines += _warnings(run, sources)
    return "\n".join(lines) + "\n"


def _totals(run: RealRun, sources: list[str]) -> Iterator[str]:
    yield "## What arrived"
    yield ""
    yield "| source | rows read | unreadable | quarantined | dossiers | events | from | to |"
    yield "|---|---:|---:|---:|---:|---:|---|---|"
    for source in sources:
        mine = [receipt for receipt in run.receipts if receipt.source == source]
        read = {receipt.stream: receipt for receipt in mine}.values()
        first, last = run.ask(
            f"SELECT min(received_date), max(received_date) FROM dossier WHERE _source = '{source}'"
        )[0]
        counts = [
            sum(receipt.read for receipt in read),
            sum(receipt.unreadable for receipt in read),
            sum(receipt.quarantined for receipt in mine),
            *(
                run.one(f"SELECT count(*) FROM {entity} WHERE _source = '{source}'")
                for entity in ("dossier", "dossier_event")
            ),
        ]
        cells = " | ".join(f"{count:,}" for count in counts)
        yield f"| {source} | {cells} | {first} | {last} |"


def _quarantine(run: RealRun) -> Iterator[str]:
    yield "## What was rejected"
    yield ""
    lines = run.quarantined()
    if not lines:
        yield "Nothing: no row of any source breaks a rule that rejects."
        return
    yield "| source | table | rule | rows |"
    yield "|---|---|---|---:|"
    for line in lines:
        yield f"| {line.source} | {line.entity or 'unreadable'} | `{line.rule}` | {line.rows:,} |"


def _warnings(run: RealRun, sources: list[str]) -> Iterator[str]:
    yield "## What is marked"
    yield ""
    yield "| source | table | rule | rows | what it means |"
    yield "|---|---|---|---:|---|"
    for source in sources:
        for entity in ("dossier", "dossier_event"):
            for rule, rows in run.warnings(source, entity).items():
                text = explain(rule, ENTITIES[entity])
                meaning = text.en if text else ""
                yield f"| {source} | {entity} | `{rule}` | {rows:,} | {meaning} |"


def main() -> int:
    """Runs everything once and writes the page. Exit status: 0 done, 2 no records."""
    data = data_folder()
    if not (data / "bpic15").is_dir():
        sys.stderr.write(
            f"The real records aren't beside the project: set {DATA_VARIABLE} to their folder.\n"
        )
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="lienthong-real-") as folder,
        tempfile.TemporaryDirectory(prefix="lienthong-postgres-") as server_folder,
        postgres_server(Path(server_folder)) as server,
        real_run(server, folder=Path(folder), data=data) as run,
    ):
        PAGE.write_text(as_markdown(run), "utf-8")
    sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
