"""Landing without its superseded copies: core comes out just so, whatever lands afterwards."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from flows.maintaining import MaintainOptions, maintain
from flows.query import query
from flows.receipts import SyncOptions
from flows.steps import audit, read_and_land, rebuild, sync
from tests.support.changing_office import MENDED, PLAIN, ChangingOffice
from tests.support.truth import (
    assert_every_newest_copy_is_in_core_or_in_quarantine,
    assert_everything_has_landed,
)
from tests.warehouse.test_merge_laws import Landed, candidates, landings, lines_of
from warehouse.delta import Table
from warehouse.merge_plan import EXISTING, KEY, ORDER, plan_merge
from warehouse.phases import listen
from warehouse.retention import Fed, superseded

PLACE = ["_landing_version", "_row"]


def places(rows: list[Landed]) -> pl.DataFrame:
    found = [(r.landing_version, r.row) for r in rows]
    return pl.DataFrame(found, schema=dict.fromkeys(PLACE, pl.Int64), orient="row")


def trimmed(rows: list[Landed], *, is_many: bool, folds: bool) -> list[Landed]:
    """The copies that stay when all of them are old and integrated."""
    versions = {r.landing_version for r in rows}
    fed = Fed(
        feed=cast("Any", SimpleNamespace(is_many=is_many)),
        rows=candidates(rows, versions, folds=folds),
        lines=lines_of(rows) if is_many else None,
    )
    landed = pl.DataFrame(
        [(r.line, *r.order, f"read {r.landing_version}") for r in rows],
        schema={
            "_landing_key": pl.String, **dict.fromkeys(ORDER, pl.Int64), "_sync_id": pl.String
        },
        orient="row",
    )  # fmt: skip
    held = places([r for r in rows if not r.is_accepted])
    gone = set(superseded(places(rows), landed, [fed], held=held).rows())
    return [r for r in rows if (r.landing_version, r.row) not in gone]


def core_of(rows: list[Landed], *, is_many: bool, folds: bool) -> pl.DataFrame:
    """All that core says of every key, but for the place of the values in the frame."""
    plan = plan_merge(
        candidates(rows, {r.landing_version for r in rows}, folds=folds),
        pl.DataFrame(schema=EXISTING),
        lines=lines_of(rows) if is_many else None,
    )
    return plan.writes.drop("_id").sort(*KEY)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), is_many=st.booleans(), folds=st.booleans())
def test_core_comes_out_the_same_now_and_after_whatever_lands_later(
    data: st.DataObject, is_many: bool, folds: bool
) -> None:
    rows = data.draw(landings(is_many=is_many))
    cut = data.draw(st.integers(1, max(r.landing_version for r in rows)))
    until = [r for r in rows if r.landing_version <= cut]
    later = [r for r in rows if r.landing_version > cut]
    kept = trimmed(until, is_many=is_many, folds=folds and is_many)
    event(f"copies went: {len(kept) < len(until)}")
    form = {"is_many": is_many, "folds": folds and is_many}
    assert core_of(kept, **form).equals(core_of(until, **form))
    assert core_of([*kept, *later], **form).equals(core_of(rows, **form))
    assert {r.line for r in kept} == {r.line for r in until}
    newest = {max((r for r in until if r.line == n), key=lambda r: r.order) for n in "abcd"
              if any(r.line == n for r in until)}  # fmt: skip
    assert newest <= set(kept)


def test_of_a_hundred_versions_of_a_key_one_stays() -> None:
    rows = [Landed(n, 1, "a", "a", n, f"x{n}", True, False) for n in range(1, 101)]
    assert trimmed(rows, is_many=False, folds=False) == rows[-1:]


def test_an_older_accepted_copy_stays_where_the_newest_is_rejected() -> None:
    rows = [Landed(n, 1, "a", "a", n, "x", n != 4, False) for n in range(1, 5)]
    assert trimmed(rows, is_many=False, folds=False) == rows[2:]


def dump(office: ChangingOffice) -> list[Any]:
    sql = "SELECT * EXCLUDE (_changed_at, _sync_id) FROM {} ORDER BY _key"
    names = ("dossier", "payment", "dossier_event")
    return [query(str(office.warehouse), sql.format(n), core=True).to_pylist() for n in names]


def landed(office: ChangingOffice, stream: str) -> int:
    table = Table.open(f"{office.warehouse}/restricted/landing/so-thu/{stream}")
    assert table is not None
    return table.rows


def test_a_rebuild_beside_retention_takes_no_value_for_another_s(tmp_path: Path) -> None:
    office = ChangingOffice(tmp_path, random.Random(8), keys=12)
    office.open(rows=25)
    for _ in range(2):
        sync(office.context, [], SyncOptions(accept_deletes=True))
        for _ in range(25):
            office.change()
    before, rows = dump(office), landed(office, "ho_so")
    armed = [True]

    def trim(phase: str) -> None:
        if armed and phase == "core_commit":
            armed.clear()
            maintain(office.context, MaintainOptions(retention=0, landing_older_than=0))

    listen(trim)
    rebuild(office.context, "so-thu")
    assert landed(office, "ho_so") < rows
    assert dump(office) == before
    assert audit(office.context, []).findings == ()


def test_a_copy_that_core_does_not_hold_yet_makes_none_before_it_needless(tmp_path: Path) -> None:
    office = ChangingOffice(tmp_path, random.Random(9), keys=12)
    office.open(rows=25)
    for _ in range(3):
        for _ in range(25):
            office.change()
        sync(office.context, [], SyncOptions(accept_deletes=True))
    for _ in range(25):
        office.change()
    for stream in ("ho_so", "su_kien"):
        read_and_land(
            office.context, "so-thu", stream, options=SyncOptions(accept_deletes=True),
            sync_id="landed",
        )  # fmt: skip
    rows = landed(office, "ho_so")
    maintain(office.context, MaintainOptions(retention=0, landing_older_than=0))
    assert landed(office, "ho_so") < rows
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    assert audit(office.context, []).findings == ()
    sync(office.context, [], SyncOptions(accept_deletes=True))
    assert audit(office.context, []).findings == ()


@pytest.mark.slow
def test_a_rebuild_after_retention_gives_what_it_gave_before_and_nights_go_on(
    tmp_path: Path,
) -> None:
    office = ChangingOffice(tmp_path, random.Random(7))
    office.open(rows=25)
    options = MaintainOptions(retention=0, landing_older_than=0)
    for turn in range(2):
        office.write_yaml(MENDED if turn % 2 else PLAIN)
        rebuild(office.context, "so-thu")
        for _ in range(2):
            for _ in range(25):
                office.change()
            sync(office.context, [], SyncOptions(accept_deletes=True))
        before, rows = dump(office), landed(office, "ho_so")
        report = maintain(office.context, options)
        assert report.status == "done", report
        assert landed(office, "ho_so") < rows
        assert audit(office.context, []).findings == ()
        assert_everything_has_landed(office)
        rebuild(office.context, "so-thu")
        assert dump(office) == before
    again = maintain(office.context, options)
    assert sum(one.trimmed for one in again.tables) == 0
    receipts = sync(office.context, [], SyncOptions(accept_deletes=True))
    assert sum(r.landed for r in receipts) == 0
