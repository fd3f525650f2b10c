"""What is derived and merged while a read goes on is what landing gives afterwards."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.protocol import ReadRequest
from flows import reading
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, sync
from tests.support.changing_office import ChangingOffice
from tests.support.truth import (
    assert_core_is_the_truth,
    assert_every_rejected_copy_is_quarantined_once,
)
from warehouse import following, landing
from warehouse.feeds import Feed

ROWS = 120
LEFT = ("_sync_id", "_changed_at", "_read_at", "_version", "quarantined_at")


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches, pieces, landing commits and merges of a few rows, and few keys are many."""
    monkeypatch.setattr(reading, "ReadRequest", partial(ReadRequest, batch_rows=7))
    monkeypatch.setattr(landing, "PIECE_ROWS", 7)
    monkeypatch.setattr(landing, "CHUNK_ROWS", 20)
    monkeypatch.setattr(following, "ROUND_ROWS", 35)
    monkeypatch.setattr("warehouse.core._FEW_KEYS", 5)


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The windows of landing that are read to be derived."""
    windows: list[tuple[int, int]] = []
    real = landing.Landing.rows

    def rows(self: landing.Landing, *, after: int, to: int) -> pl.DataFrame:
        windows.append((after, to))
        return real(self, after=after, to=to)

    monkeypatch.setattr(landing.Landing, "rows", rows)
    return windows


@pytest.mark.usefixtures("small_steps")
def test_rows_are_merged_while_the_read_goes_on_and_counted_once(tmp_path: Path) -> None:
    office = opened(tmp_path)
    receipts = synced(office)
    assert all(conserves(one) for one in receipts)
    (dossiers,) = [one for one in receipts if one.entity == "dossier"]
    assert dossiers.derived == dossiers.landed
    assert dossiers.landed == len(office.rows("ho_so"))
    table = office.context.warehouse.core("dossier")
    assert table is not None
    assert table.version >= 2  # more than one merge
    assert_right(office)


def test_a_first_load_is_not_read_back_from_landing(
    tmp_path: Path, read_again: list[tuple[int, int]]
) -> None:
    office = opened(tmp_path)
    receipts = synced(office)
    assert all(conserves(one) for one in receipts)
    assert read_again == []
    assert_right(office)


@pytest.mark.parametrize("spoiled", ["no room", "derive breaks"])
def test_rows_that_could_not_be_followed_are_derived_from_landing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: str,
    read_again: list[tuple[int, int]],
) -> None:  # fmt: skip
    office = opened(tmp_path)
    if spoiled == "no room":
        monkeypatch.setattr(following.Shelf, "take", lambda *_: False)
    else:
        monkeypatch.setattr(following, "derive_rows", breaks)
    receipts = synced(office)
    assert all(conserves(one) for one in receipts)
    assert read_again != []
    assert_right(office)


@pytest.mark.usefixtures("small_steps")
def test_nights_that_are_followed_give_what_nights_that_are_not_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = opened(tmp_path)
    other = ChangingOffice(tmp_path, random.Random(0), warehouse=tmp_path / "other")
    for number in range(4):
        synced(followed)
        with monkeypatch.context() as patch:
            patch.setattr(following.Shelf, "take", lambda *_: False)
            patch.setattr(following, "ROUND_ROWS", 10**9)
            synced(other)
        for _ in range(40 if number % 2 else 3):
            followed.change()
        assert state_of(followed) == state_of(other)


class Panic(BaseException):
    """As Rust's: no `Exception`."""


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("small_steps")
def test_a_panic_beside_the_read_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panics(*_: Any, **__: Any) -> Any:
        raise Panic

    office = opened(tmp_path)
    monkeypatch.setattr(following, "derive_rows", panics)
    assert all(conserves(one) for one in synced(office))
    assert_right(office)


def opened(tmp_path: Path) -> ChangingOffice:
    office = ChangingOffice(tmp_path, random.Random(7), keys=10_000)
    office.open(rows=ROWS)
    return office


def synced(office: ChangingOffice) -> list[Receipt]:
    receipts = sync(office.context, [], SyncOptions(accept_deletes=True))
    assert [one.error for one in receipts] == [None] * len(receipts)
    return receipts


def conserves(one: Receipt) -> bool:
    fates = (one.inserted, one.updated, one.unchanged, one.superseded, one.folded, one.quarantined)
    return one.derived == sum(fates) and one.read == one.landed + one.same + one.unreadable


def breaks(feed: Feed, rows: pl.DataFrame, *, after: int) -> Any:
    message = "broken for the test"
    raise RuntimeError(message)


def state_of(office: ChangingOffice) -> dict[str, list[Any]]:
    """Core and quarantine without what tells one run from another."""
    warehouse = office.context.warehouse
    frames = {"quarantine": warehouse.quarantine.scan().collect()}
    for entity in ("dossier", "payment", "dossier_event"):
        table = warehouse.core(entity)
        assert table is not None
        frames[entity] = table.scan().collect()
    told = {}
    for name, frame in frames.items():
        kept = [c for c in frame.columns if c not in {*LEFT, "_deleted_at"}]
        rows = frame.select(*kept, pl.col(["_deleted_at"] if "_deleted_at" in frame.columns else [])
                            .is_null())  # fmt: skip
        told[name] = sorted(map(str, rows.rows()))
    return told


def assert_right(office: ChangingOffice) -> None:
    assert_core_is_the_truth(office)
    assert_every_rejected_copy_is_quarantined_once(office)
    assert audit(office.context, []).findings == ()
