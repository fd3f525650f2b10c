"""Purging a table beside others: what a release shows can be opened, and nothing else is left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.decoded import decoded
from warehouse.delta import Table
from warehouse.phases import listen
from warehouse.purge import Past

SCHEMA = pa.schema([("_key", pa.string())])


def rows(*keys: str) -> pa.Table:
    return pa.table({"_key": list(keys)}, SCHEMA)


def opened(uri: str, version: int | None = None) -> Table:
    table = Table.open(uri, version=version)
    assert table is not None
    return table


def keys(uri: str, version: int | None = None) -> list[str]:
    return sorted(opened(uri, version).scan().collect()["_key"])


@pytest.fixture
def uri(tmp_path: Path) -> str:
    table = Table.create(str(tmp_path / "core"), SCHEMA)
    for key in "abc":
        table.append(rows(key))
    return table.uri


@pytest.mark.parametrize("merges", [0, 1, 3])
@pytest.mark.parametrize("hint", ["newest", "older", "none"])
def test_the_version_that_was_released_is_read_though_others_merged_before_the_purge(
    uri: str, merges: int, hint: str
) -> None:
    past = Past(uri, is_landing=False)
    released = opened(uri).version
    other = opened(uri)
    for number in range(merges):
        other.append(rows(f"new {number}"))
    past.delete()
    last = Path(uri) / "_delta_log" / "_last_checkpoint"
    if hint == "older":
        opened(uri, released).checkpoint()
    elif hint == "none":
        last.unlink()
    assert keys(uri, released) == ["a", "b", "c"]
    assert keys(uri) == ["a", "b", "c", *(f"new {number}" for number in range(merges))]
    opened(uri).append(rows("z"))
    assert "z" in keys(uri)
    assert Table.open(uri, version=released - 1) is None


@pytest.mark.parametrize("phase", ["forget_purge", "before", "between"])
def test_what_another_run_purges_meanwhile_stays_in_no_checkpoint(
    uri: str, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Past(uri, is_landing=False)
    opened(uri).replace(rows("a"), where=None)
    other = Past(uri, is_landing=False)
    armed = [True]

    def purge() -> None:
        if armed:
            armed.clear()
            other.delete()

    real = Table.checkpoint

    def checkpoint(table: Table) -> None:
        if phase == "before" and table is late.table:
            purge()
        real(table)
        if phase == "between" and table is late.table:
            purge()

    monkeypatch.setattr(Table, "checkpoint", checkpoint)
    if phase == "forget_purge":
        listen(lambda reached: purge() if reached == phase else None)
    late.delete()
    assert not armed
    assert keys(uri) == ["a"]
    assert keys(uri, other.table.version) == ["a"]
    names = [path for path in (Path(uri) / "_delta_log").iterdir() if path.is_file()]
    assert [path.name for path in names if '"c"' in decoded(path)] == []
    numbers = {path.name.split(".")[0] for path in names} - {"_last_checkpoint"}
    assert min(map(int, numbers)) >= other.table.version
