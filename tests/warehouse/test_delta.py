"""The door to Delta: what survives, who loses a race, what an error says."""

from __future__ import annotations

import os
import random
import subprocess
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from flows.receipts import SyncOptions
from flows.steps import audit, sync
from schemas.errors import LostRaceError, WarehouseError
from tests.support.changing_office import ChangingOffice
from tests.support.truth import assert_core_is_the_truth
from warehouse.delta import Table
from warehouse.races import ATTEMPTS, retried

SCHEMA = pa.schema([("_key", pa.string()), ("number", pa.int64())])
PLANTED = "C0400990123"


def rows(*keys: str) -> pa.Table:
    return pa.table({"_key": list(keys), "number": list(range(len(keys)))}, SCHEMA)


def with_operation(table: pa.Table) -> pa.Table:
    return table.append_column("_op", pa.repeat("put", table.num_rows))


def merge(table: Table, source: pa.Table, *, txns: dict[str, int]) -> int:
    return table.merge(
        with_operation(source),
        on="target._key = source._key",
        clauses={"put": SCHEMA.names},
        insert="put",
        txns=txns,
    )


def keys(table: Table | None) -> list[str]:
    assert table is not None
    return sorted(table.scan().collect()["_key"])


def reopened(uri: str) -> Table:
    table = Table.open(uri)
    assert table is not None
    return table


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "table")


@pytest.mark.parametrize("later", [1, 40])
def test_state_and_txn_survive_every_commit_that_carries_none(uri: str, later: int) -> None:
    table = Table.create(uri, SCHEMA)
    table.append(rows("a"), txns={"landing": 6}, state="old")
    table.append(rows("b"), txns={"landing": 7}, state="newest")
    for number in range(later):
        table.append(rows(f"c{number}"))
    handle = DeltaTable(uri)
    handle.optimize.compact()
    handle.create_checkpoint()
    table = reopened(uri)
    assert len(table.files) == 1
    assert table.newest_state() == "newest"
    assert table.txn("landing") == 7
    assert table.txn("other") == 0


def test_a_table_without_state_has_none(uri: str) -> None:
    table = Table.create(uri, SCHEMA)
    for number in range(20):
        table.append(rows(f"a{number}"))
    assert table.newest_state() is None


WRITES: dict[str, Callable[[Table], int]] = {
    "append": lambda table: table.append(rows("b"), txns={"app": 2}),
    "merge": lambda table: merge(table, rows("b"), txns={"app": 2}),
    "replace": lambda table: table.replace(rows("b"), where="_key = 'b'", txns={"app": 2}),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_handle_that_was_overtaken_writes_nothing(uri: str, name: str) -> None:
    Table.create(uri, SCHEMA).append(rows("a"), txns={"app": 1})
    slow, quick = reopened(uri), reopened(uri)
    WRITES[name](quick)
    with pytest.raises(LostRaceError):
        WRITES[name](slow)
    assert keys(Table.open(uri)) == ["a", "b"]


def test_another_app_does_not_overtake_an_append(uri: str) -> None:
    Table.create(uri, SCHEMA).append(rows("a"), txns={"app": 1})
    slow, quick = reopened(uri), reopened(uri)
    quick.append(rows("b"), txns={"other": 1})
    slow.append(rows("c"), txns={"app": 2})
    table = reopened(uri)
    assert keys(table) == ["a", "b", "c"]
    assert (table.txn("app"), table.txn("other")) == (2, 1)


def test_whoever_loses_a_race_reads_again_and_wins_later(uri: str) -> None:
    Table.create(uri, SCHEMA).append(rows("a"), txns={"app": 1})
    tries = []

    def raced() -> int:
        mine = reopened(uri)
        tries.append(mine.txn("app"))
        if len(tries) < 3:
            reopened(uri).append(rows(f"other {len(tries)}"), txns={"app": mine.txn("app") + 1})
        return mine.append(rows("mine"), txns={"app": mine.txn("app") + 1})

    retried(raced)
    assert tries == [1, 2, 3]
    assert keys(Table.open(uri)) == ["a", "mine", "other 1", "other 2"]


def test_who_always_loses_gives_up_and_says_so(uri: str) -> None:
    Table.create(uri, SCHEMA)
    tries = []

    def raced() -> int:
        mine = reopened(uri)
        tries.append(mine.version)
        reopened(uri).append(rows("other"), txns={"app": 1})
        return mine.append(rows("mine"), txns={"app": 1})

    with pytest.raises(LostRaceError, match="another run wrote to this table first"):
        retried(raced)
    assert len(tries) == ATTEMPTS
    assert "mine" not in keys(Table.open(uri))


def test_a_failed_commit_shows_no_value(uri: str) -> None:
    table = Table.create(uri, SCHEMA)
    table.append(rows("a"))
    wrong = pa.table({"_key": ["b"], "number": [PLANTED]})
    with pytest.raises(Exception, match=PLANTED):  # the library prints the value
        write_deltalake(uri, wrong, mode="append")
    failures: list[Callable[[], int]] = [
        lambda: table.append(wrong),
        lambda: table.replace(wrong, where="_key = 'b'"),
        lambda: table.replace(rows(PLANTED), where="_key = 'b'"),
        lambda: table.replace(rows("b"), where=f"_key = '{PLANTED}' AND ("),
        lambda: merge(table, wrong, txns={}),
    ]
    for fail in failures:
        with pytest.raises(WarehouseError) as caught:
            fail()
        assert PLANTED not in "".join(traceback.format_exception(caught.value))
    assert keys(Table.open(uri)) == ["a"]


@dataclass(frozen=True)
class SmallDisk:
    """A file system of two MiB."""

    path: Path

    def fill(self) -> None:
        """Leaves nothing."""
        free = os.statvfs(self.path)
        (self.path / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize))

    def free(self) -> None:
        (self.path / "filler").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "lienthong-test", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("a disk to fill needs the mount command")
    if done.returncode:
        pytest.skip("a disk to fill needs the right to mount one (root)")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("name", WRITES)
def test_a_full_disk_is_called_so_and_takes_nothing_with_it(
    small_disk: SmallDisk, name: str
) -> None:
    uri = str(small_disk.path / "table")
    table = Table.create(uri, SCHEMA)
    table.append(rows("a"), txns={"app": 1})
    small_disk.fill()
    with pytest.raises(WarehouseError, match="the disk is full; free space, then run"):
        WRITES[name](table)
    assert keys(Table.open(uri)) == ["a"]
    assert reopened(uri).txn("app") == 1
    small_disk.free()
    WRITES[name](reopened(uri))
    assert keys(Table.open(uri)) == ["a", "b"]
    assert reopened(uri).txn("app") == 2


def test_a_sync_that_filled_the_disk_is_made_good_by_the_next(
    small_disk: SmallDisk, tmp_path: Path
) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260104), warehouse=small_disk.path / "wh")
    office.open(rows=20)
    sync(office.context, [], SyncOptions())
    assert_core_is_the_truth(office)
    for _ in range(4):
        office.change()
    small_disk.fill()
    with pytest.raises(WarehouseError, match="the disk is full"):
        sync(office.context, [], SyncOptions(accept_deletes=True))
    assert audit(office.context, []).findings == ()
    small_disk.free()
    receipts = sync(office.context, [], SyncOptions(accept_deletes=True))
    assert {receipt.status for receipt in receipts} == {"done"}
    assert_core_is_the_truth(office)
    assert audit(office.context, []).findings == ()
