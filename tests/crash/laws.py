"""What holds of a warehouse whenever its runs were killed, and what once one ended."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from flows.query import query
from flows.reconciliation import ReconcileOptions
from flows.reconciling import reconcile
from flows.steps import audit, new_sync_id, rebuild
from schemas.entities import ENTITIES
from tests.support.changing_office import ChangingOffice
from tests.support.truth import (
    assert_core_is_the_truth,
    assert_every_newest_copy_is_in_core_or_in_quarantine,
    assert_every_rejected_copy_is_quarantined_once,
    assert_everything_has_landed,
)
from warehouse.releases import Release, Releases

FED = {"ho_so": ("dossier", "payment"), "su_kien": ("dossier_event",)}
KEY = ["_source", "_key"]


def hold_after_a_kill(office: ChangingOffice, *, seen: set[int]) -> None:
    """No row is lost or doubled among what is integrated; every release is of one moment.

    Args:
        office: The office.
        seen: Releases that were looked at before; those looked at now are added.
    """
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)
    releases = Releases(str(office.warehouse)).all()
    assert [one.id for one in releases] == list(range(1, len(releases) + 1))
    for release in releases:
        if release.id not in seen and release.expired_at is None:
            assert_of_one_moment(office, release)
            seen.add(release.id)
    _assert_views_show_a_release(office, releases)


def hold_after_a_run(office: ChangingOffice, *, seen: set[int]) -> None:
    """Everything that the office has is landed, too."""
    assert_everything_has_landed(office)
    hold_after_a_kill(office, seen=seen)


def hold_in_the_end(office: ChangingOffice) -> None:
    """Core is the office, by key and value; audit and reconcile find nothing.

    Rows integrated under another YAML wait for a rebuild, like after any mended mapping.
    """
    for name in office.context.catalog.sources:
        rebuild(office.context, name)
    assert_core_is_the_truth(office)
    assert_every_rejected_copy_is_quarantined_once(office)
    assert audit(office.context, []).findings == ()
    compared = reconcile(office.context, [], ReconcileOptions(), sync_id=new_sync_id())
    assert [(one.status, one.differences, one.behind) for one in compared] == [("done", 0, ())] * 2


def assert_of_one_moment(office: ChangingOffice, release: Release) -> None:
    uri = str(office.warehouse)
    tables = {name: release.table(uri, name) for name in release.parts}
    for name, table in tables.items():
        assert table is not None
        rows = table.scan().collect()
        assert rows.height == release.parts[name].rows
        if name in ENTITIES:
            assert not rows.select(KEY).is_duplicated().any()
    for stream, entities in FED.items():
        done = {
            name: 0 if (table := tables.get(name)) is None else table.txn(f"so-thu/{stream}")
            for name in entities
        }
        assert len(set(done.values())) == 1, f"release {release.id} holds half a run: {done}"


def _assert_views_show_a_release(office: ChangingOffice, releases: tuple[Release, ...]) -> None:
    file = Path(office.warehouse) / "analysts" / "analytics.duckdb"
    if not file.exists():
        return
    with duckdb.connect(str(file), read_only=True) as views:
        found = views.sql("SELECT release_id FROM release").fetchall()
        (number,) = found[0]
        counted = views.sql("SELECT count(*) FROM dossier").fetchall()
    (release,) = [one for one in releases if one.id == number]
    table = release.table(str(office.warehouse), "dossier")
    alive = 0
    if table is not None:
        alive = table.scan().filter(pl.col("_deleted_at").is_null()).collect().height
    assert counted == [(alive,)]


def assert_release_is_core(office: ChangingOffice) -> None:
    """What was published last is core as it stands: the same values under the same keys."""
    for name in ENTITIES:
        sql = f"SELECT _key, _row_hash FROM {name} WHERE _deleted_at IS NULL ORDER BY 1"
        shown, core = (query(str(office.warehouse), sql, core=c) for c in (False, True))
        assert shown.equals(core), name
