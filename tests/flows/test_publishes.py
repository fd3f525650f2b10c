"""Releases under readers: whoever asks sees one night, while nights come and files go.

LIENTHONG_PUBLISHES=100 makes as many; the figures are printed (`-s`).
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from flows.maintaining import MaintainOptions, maintain
from flows.steps import nightly, open_context
from tests.support.generations import JOINED, KINDS, YAML, Reader, seen, write

PUBLISHES = int(os.environ.get("LIENTHONG_PUBLISHES", "6"))


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * PUBLISHES)
def test_every_query_joins_all_tables_and_sees_one_generation(tmp_path: Path) -> None:
    warehouse, desk, stop = tmp_path / "warehouse", tmp_path / "desk", tmp_path / "stop"
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "so-thu.yaml").write_text(YAML, "utf-8")
    write(desk, 0)
    context = open_context(warehouse_uri=str(warehouse), sources_dir=tmp_path / "sources")
    assert nightly(context).release == 1
    readers = [Reader.begin(kind, warehouse, stop) for kind in KINDS]
    views = warehouse / "analysts" / "analytics.duckdb"
    deleted = 0
    with duckdb.connect(str(views), read_only=True) as held:
        for number in range(1, PUBLISHES + 1):
            write(desk, number)
            report = nightly(context)
            assert (report.release, report.blocked) == (number + 1, ())
            cleaned = maintain(context, MaintainOptions(retention=0))
            assert cleaned.status == "done", cleaned
            deleted += sum(one.deleted for one in cleaned.tables)
            # One that was opened before everything goes on seeing its own night.
            assert seen(held.execute(JOINED).fetchall()) == ({"0"}, 80)
    stop.touch()
    told = [reader.end() for reader in readers]
    for one in told:
        print(  # noqa: T201 - the test's own evidence
            f"{one['kind']}: {one['queries']} queries, {len(one['numbers'])} generations, "
            f"{len(one['mixed'])} mixed"
        )
        assert one["mixed"] == []
        assert one["queries"] >= 3
        assert len(one["numbers"]) >= 2
    print(f"{PUBLISHES} publishes, {deleted} files deleted beside them")  # noqa: T201
    assert deleted > 0


def test_two_generations_in_one_answer_would_be_seen() -> None:
    assert seen([("1", "1", "1", 40), ("1", "1", "2", 40)]) == ({"1", "2"}, 80)
