"""Writes docs/real-data.md from a real run: `python -m tests.real.report`, or `make real-data`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from schemas.entities import ENTITIES
from schemas.rules import explain
from tests.real.published import MOST_REJECTED, PUBLISHED, TWINS
from tests.real.run import DATA_VARIABLE, ROOT, RealRun, data_folder, real_run
from tests.support.mariadb import mariadb_server, missing_program
from tests.support.postgres import postgres_server

PAGE = ROOT / "docs" / "real-data.md"
_INTRODUCTION = f"""\
# Real records, and what became of them

Written by `make real-data`; a test compares this page with a run.

Records that nobody here made, out of every kind of database and file that they come in: building
permits of three Dutch municipalities (BPI Challenge 2015), each loaded into a database as its own
office and synced from there; the intake of environmental permits in a fourth, one line per event;
requests and tickets of Boston, Köln and Hoboken; lists of procedures of four Vietnamese ministries.
The files are not part of the project; they are read from the folder that `{DATA_VARIABLE}` names.
Their sources are the YAML files in [tests/real/sources](../tests/real/sources).

Everything arrives: the totals are those that the publishers state. What is impossible waits in
quarantine, at most {MOST_REJECTED:.1%} of a source's rows; what is merely suspicious is in core,
marked.
"""


def as_markdown(run: RealRun) -> str:
    """The page: reads, totals, quarantine, warnings and twins. The same run gives the same page."""
    parts = (_reads, _totals, _quarantine, _warnings, _twins)
    return "\n".join([_INTRODUCTION, *("\n".join([*part(run), ""]) for part in parts)])


def _reads(run: RealRun) -> Iterator[str]:
    yield "## What was read"
    yield ""
    yield "| source | office | read from | rows read | unreadable | quarantined | of all rows |"
    yield "|---|---|---|---:|---:|---:|---:|"
    for source, stated in PUBLISHED.items():
        read, unreadable = run.counted(source, "read"), run.counted(source, "unreadable")
        rejected = sum(receipt.quarantined for receipt in run.of(source))
        share = (rejected + unreadable) / read
        counts = f"{read:,} | {unreadable:,} | {rejected:,} | {share:.2%}"
        yield f"| {source} | {stated.office} | {stated.read_from} | {counts} |"


def _totals(run: RealRun) -> Iterator[str]:
    yield "## What arrived"
    yield ""
    yield "| source | table | rows in core | the publisher states | from | to |"
    yield "|---|---|---:|---:|---|---|"
    for source, stated in PUBLISHED.items():
        for entity, total in stated.totals.items():
            counts = f"{run.rows(source, entity):,} | {total:,}"
            yield f"| {source} | {entity} | {counts} | {_span(run, source, entity)} |"


def _span(run: RealRun, source: str, entity: str) -> str:
    """First and last day of the rows' anchor date, as two cells; empty where there is none."""
    anchor = ENTITIES[entity].anchor
    if anchor is None:
        return " | "
    day = anchor.replace("_at", "_date")
    (span,) = run.ask(f"SELECT min({day}), max({day}) FROM {entity} WHERE _source = '{source}'")
    return " | ".join(map(str, span))


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


def _warnings(run: RealRun) -> Iterator[str]:
    yield "## What is marked"
    yield ""
    yield "| source | table | rule | rows | what it means |"
    yield "|---|---|---|---:|---|"
    for source, stated in PUBLISHED.items():
        for entity in stated.totals:
            for rule, rows in run.warnings(source, entity).items():
                text = explain(rule, ENTITIES[entity])
                meaning = text.en if text else ""
                yield f"| {source} | {entity} | `{rule}` | {rows:,} | {meaning} |"


def _twins(run: RealRun) -> Iterator[str]:
    yield "## The same records from elsewhere"
    yield ""
    yield "Rows of core that one source has and the other hasn't (EXCEPT ALL both ways, over every"
    yield "column that is not the warehouse's own):"
    yield ""
    yield "| source | the same from | table | rows in core | differing |"
    yield "|---|---|---|---:|---:|"
    for one, other in TWINS:
        for entity in PUBLISHED[one].totals:
            counts = f"{run.rows(one, entity):,} | {run.differing(one, other, entity):,}"
            yield f"| {one} | {other}: {PUBLISHED[other].read_from} | {entity} | {counts} |"


def main() -> int:
    """Runs everything once and writes the page. Exit status: 0 done, 2 no records or no server."""
    data = data_folder()
    if not (data / "bpic15").is_dir():
        sys.stderr.write(
            f"The real records aren't beside the project: set {DATA_VARIABLE} to their folder.\n"
        )
        return 2
    if (absent := missing_program()) is not None:
        sys.stderr.write(f"{absent} is missing: it comes with Debian's mariadb-server.\n")
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="lienthong-real-") as folder,
        tempfile.TemporaryDirectory(prefix="lienthong-postgres-") as server_folder,
        tempfile.TemporaryDirectory(prefix="lienthong-mariadb-") as maria_folder,
        postgres_server(Path(server_folder)) as postgres,
        mariadb_server(Path(maria_folder)) as maria,
        real_run(postgres, maria, folder=Path(folder), data=data) as run,
    ):
        PAGE.write_text(as_markdown(run), "utf-8")
    sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
