"""What the files of a log say, of the newest commit too, is what the Delta library says by it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from warehouse import delta
from warehouse.delta import STATE_KEY, Table
from warehouse.delta_log import Commit, commit_of, has_log, newest_version
from warehouse.purge import Past

SCHEMA = pa.schema([("_key", pa.string()), ("number", pa.int64())])
APPS = ("landing", "order/so-y-te/ho_so", ":keys/so-y-te")


def row_of(table: Table) -> pa.Table:
    """A row in the table's columns, whichever there are by now."""
    return pa.Table.from_pylist([{"_key": "1", "number": 1}], table.schema)


def appended(table: Table, app: str, number: int) -> None:
    table.append(row_of(table), txns={app: number}, state=f'{{"n": {number}, "tên": "sở\\n"}}')


def noted(table: Table, app: str, number: int) -> None:
    table.note(txns={app: number}, state=f"{number}")
    table.catch_up()


def replaced(table: Table, app: str, number: int) -> None:
    table.replace(row_of(table), where=None, txns={app: number})


def compacted(table: Table, app: str, number: int) -> None:
    table.compact(target=1_000_000)


def widened(table: Table, app: str, number: int) -> None:
    column = pa.field(f"more_{number}", pa.string())
    table.add_columns([column], txns={app: number}, state=f"{number}")


def checkpointed(table: Table, app: str, number: int) -> None:
    table.checkpoint()


STEPS: tuple[Callable[[Table, str, int], None], ...] = (
    appended, noted, replaced, compacted, widened, checkpointed,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_library_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    uri, draw, read = str(tmp_path / "table"), random.Random(seed), 0
    table = Table.create(uri, SCHEMA)
    for number in range(1, 15):
        draw.choice(STEPS)(table, draw.choice(APPS), number)
        assert newest_version(uri) == DeltaTable(uri).version()
        assert table.is_newest
        told = {app: table.txn(app) for app in APPS}, table.newest_state(), table.schema
        with monkeypatch.context() as patch:
            patch.setattr(delta, "commit_of", lambda _, version: Commit(version=version))
            slow = Table.open(uri)
            assert slow is not None
            assert told == ({app: slow.txn(app) for app in APPS}, slow.newest_state(), slow.schema)
        read += bool(commit_of(uri, table.version).txns)
    assert read > 5  # else nothing was compared


def test_of_a_handle_that_stays_behind_it_is_its_own_version(tmp_path: Path) -> None:
    uri = str(tmp_path / "table")
    table = Table.create(uri, SCHEMA)
    appended(table, "landing", 1)
    other = Table.open(uri)
    assert other is not None
    appended(other, "landing", 2)
    assert (table.txn("landing"), other.txn("landing")) == (1, 2)
    assert (table.is_newest, other.is_newest) == (False, True)
    assert table.catch_up()
    assert table.txn("landing") == 2
    assert not table.catch_up()
    table.note(txns={"landing": 3}, state="3")  # which leaves the handle where it was
    assert not table.is_newest
    assert table.catch_up()
    assert table.txn("landing") == 3


def test_what_a_killed_writer_left_is_no_version(tmp_path: Path) -> None:
    uri = str(tmp_path / "table")
    table = Table.create(uri, SCHEMA)
    for name in ("00000000000000000001.json#1", "_commit_1.json.tmp", "1.json", "notes.txt"):
        Path(uri, "_delta_log", name).write_text("{", "utf-8")
    assert newest_version(uri) == 0
    assert table.is_newest


def test_nobody_takes_a_table_for_the_newest_of_which_the_next_commit_is_purged(
    tmp_path: Path,
) -> None:
    uri = str(tmp_path / "table")
    table = Table.create(uri, SCHEMA)
    appended(table, "landing", 1)
    before = Table.open(uri)
    assert before is not None
    for number in (2, 3):
        appended(table, "landing", number)
    Past(uri, is_landing=False).delete()
    assert not Path(uri, "_delta_log", f"{before.version + 1:020}.json").exists()
    assert not before.is_newest
    assert before.catch_up()
    assert before.txn("landing") == 3


@pytest.mark.parametrize("text", [None, "", "{not json", '{"commitInfo":5', '{"commitInfo":5}',
                                  '{"txn":{"appId":"landing"}}', '{"txn"'])  # fmt: skip
def test_a_commit_that_cannot_be_read_is_left_to_the_library(
    tmp_path: Path, text: str | None
) -> None:
    uri = str(tmp_path / "table")
    table = Table.create(uri, SCHEMA)
    appended(table, "landing", 7)
    version = DeltaTable(uri).version()
    log = Path(uri, "_delta_log", f"{version:020}.json")
    assert commit_of(uri, version).info[STATE_KEY] == table.newest_state()
    if text is None:
        log.unlink()
    else:
        log.write_text(text, "utf-8")
    assert commit_of(uri, version) == Commit(version=version)


def test_a_table_elsewhere_is_left_to_the_library(tmp_path: Path) -> None:
    Table.create(str(tmp_path), SCHEMA)
    assert has_log(str(tmp_path))
    assert not has_log(str(tmp_path / "nothing"))
    assert commit_of(f"file://{tmp_path}", 0) == Commit(version=0)
    assert newest_version(str(tmp_path)) == 0
    assert newest_version(f"file://{tmp_path}") is None
    assert newest_version(str(tmp_path / "nothing")) is None
    elsewhere = Table.open(f"file://{tmp_path}")
    assert elsewhere is not None
    assert not elsewhere.is_newest  # nobody knows
    assert not elsewhere.catch_up()
