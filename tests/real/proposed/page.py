"""Writes docs/sources-new.md: `python -m tests.real.proposed.page`, or `make real-data`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.real.proposed.run import SYSTEMS, Proposed, edits, proposed_run
from tests.real.run import DATA_VARIABLE, ROOT, data_folder
from tests.support.postgres import postgres_server

PAGE = ROOT / "docs" / "sources-new.md"
_INTRODUCTION = """\
# How much `sources new` gets right

Written by `make real-data`; a test compares this page with a run.

`lienthong sources new` was pointed at three real systems, for each of which a YAML had been written
by hand before. A core column counts as right where it is proposed from the very source columns that
the hand-written YAML names. The lines that a person has to change or add until the proposal gives
the same core as the YAML by hand (all columns, compared both ways) are counted and listed; they
stand in [tests/real/proposed](../tests/real/proposed).
"""


def as_markdown(run: Proposed) -> str:
    """The page. The same run gives the same page."""
    return "\n".join([_INTRODUCTION, *_table(run), *_columns(run), *_edits()]) + "\n"


def _table(run: Proposed) -> Iterator[str]:
    yield "| system | core columns by hand | right | from others | missed | proposed beyond | " + (
        "key right | lines to edit |"
    )
    yield "|---|---:|---:|---:|---:|---:|---|---:|"
    for name, system in SYSTEMS.items():
        score = run.score(name)
        counts = [len(score.right), len(score.other), len(score.missed), len(score.beyond)]
        cells = " | ".join(map(str, [sum(counts[:3]), *counts]))
        keys = "yes" if run.keys_agree(name) else "no"
        lines = sum(edit.lines for edit in edits(name))
        yield f"| {system.title} | {cells} | {keys} | {lines} |"
    yield ""


def _columns(run: Proposed) -> Iterator[str]:
    yield "## What wasn't right"
    yield ""
    for name, system in SYSTEMS.items():
        score = run.score(name)
        parts = [
            f"{word}: {', '.join(f'`{one}`' for one in columns)}"
            for word, columns in (
                ("from other columns", score.other), ("missed", score.missed),
                ("beyond", score.beyond),
            )
            if columns
        ]  # fmt: skip
        yield f"- {system.title}: {'; '.join(parts) or 'nothing'}."
    yield ""


def _edits() -> Iterator[str]:
    yield "## The edits"
    yield ""
    for name, system in SYSTEMS.items():
        changes = edits(name)
        yield f"- {system.title}: {'none.' if not changes else ''}".rstrip()
        for change in changes:
            yield f"  - {change.why} ({change.lines} line{'s'[: change.lines != 1]})"


def main() -> int:
    """Runs everything once and writes the page. Exit status: 0 done, 2 no records."""
    data = data_folder()
    if not (data / "bpic15").is_dir():
        sys.stderr.write(
            f"The real records aren't beside the project: set {DATA_VARIABLE} to their folder.\n"
        )
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="lienthong-proposed-") as folder,
        tempfile.TemporaryDirectory(prefix="lienthong-postgres-") as server_folder,
        postgres_server(Path(server_folder)) as server,
        proposed_run(server, folder=Path(folder), data=data) as run,
    ):
        PAGE.write_text(as_markdown(run), "utf-8")
    sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
