"""Asking the warehouse in SQL: what an analyst sees, and nothing else.

Only `analysts/` is opened; neither the person key nor any source is needed.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from flows.history import summary_uri
from flows.views import ALIVE, FRESHNESS, QUARANTINE_SUMMARY
from schemas.entities import ENTITIES
from schemas.fields import core_schema
from warehouse.delta import Table
from warehouse.duck import AnalystDoor
from warehouse.freshness import SCHEMA, freshness
from warehouse.quarantine_life import SUMMARY
from warehouse.reconciled import Reconciled
from warehouse.releases import Release, Releases, as_rows
from warehouse.runs import Runs
from warehouse.warehouse import check_format, none_here

_RELEASE: Final = "release"
_RECONCILE: Final = "reconcile"


def query(
    warehouse_uri: str,
    sql: str,
    *,
    core: bool = False,
    release: int | None = None,
    as_of: datetime | None = None,
) -> pa.Table:
    """Runs one SELECT over the entities, `quarantine_summary`, `freshness`, `release`, `reconcile`.

    What is shown is the latest release, all tables as they were when it was published; core as it
    stands where none was ever published. `reconcile` is what every comparison found until now.

    Args:
        warehouse_uri: The warehouse.
        sql: One SELECT in DuckDB's dialect.
        core: Show core as it stands, rows deleted in their source included; otherwise only rows
            that are there.
        release: Show this release.
        as_of: Show the release that was the latest at this moment.

    Raises:
        ConfigError: It isn't one SELECT, it fails, or it reaches for something else; no such
            release.
        WarehouseError: There is no warehouse.
    """
    uri = warehouse_uri.rstrip("/")
    check_format(uri)
    store = Releases(uri)
    chosen = None if core else _chosen(store, release=release, as_of=as_of)
    runs = Runs(f"{uri}/analysts/runs")
    names = (*ENTITIES, QUARANTINE_SUMMARY, FRESHNESS)
    tables = {name: _table(uri, name, chosen) for name in names}
    if not any(tables.values()) and Table.open(runs.uri) is None:
        raise none_here(uri)
    directory = uri if "://" in uri else str(Path(uri).resolve())
    door = AnalystDoor(f"{directory}/analysts/")
    try:
        for name, entity in ENTITIES.items():
            table = tables[name]
            files = [] if table is None else table.files
            door.view(name, files, core_schema(entity), where="" if core else ALIVE)
        door.table(QUARANTINE_SUMMARY, _small(tables[QUARANTINE_SUMMARY], SUMMARY))
        fresh = _small(tables[FRESHNESS], SCHEMA) if chosen else freshness(runs).to_arrow()
        door.table(FRESHNESS, fresh)
        door.table(_RECONCILE, Reconciled(uri).summary().to_arrow())
        door.table(_RELEASE, as_rows([chosen] if chosen else []).to_arrow())
        door.lock()
        return door.select(sql)
    finally:
        door.close()


def releases_of(warehouse_uri: str) -> Releases:
    """The releases of a warehouse, of which only what analysts may read is looked at.

    Raises:
        WarehouseError: There is no warehouse.
    """
    uri = warehouse_uri.rstrip("/")
    store = Releases(uri)
    if Table.open(store.uri) is None and Table.open(f"{uri}/analysts/runs") is None:
        raise none_here(uri)
    return store


def release_behind_core(warehouse_uri: str) -> Release | None:
    """The release that analysts see, where core has other rows; None also without a release."""
    release = shown_release(warehouse_uri)
    if release is None:
        return None
    uri = warehouse_uri.rstrip("/")
    for name in ENTITIES:
        path = f"analysts/core/{name}"
        core, part = Table.open(f"{uri}/{path}"), release.parts.get(name)
        if core is None or (part and (part.path, part.version) == (path, core.version)):
            continue
        if _shown(core) != _shown(release.table(uri, name)):
            return release
    return None


def _shown(table: Table | None) -> tuple[int, int]:
    """How many rows of a table analysts see, and a sum over them, in whatever order they lie."""
    if table is None:
        return 0, 0
    seen = pl.struct(
        "_source", "_key", "_row_hash", "_is_stale", pl.col("_warnings").list.join(",")
    )
    alive = table.scan().filter(pl.col("_deleted_at").is_null())
    counted = alive.select(pl.len(), seen.hash().sum()).collect(engine="streaming")
    return counted.row(0)


def shown_release(warehouse_uri: str) -> Release | None:
    """The release that `query` shows where nothing else is said; None where there is none."""
    return Releases(warehouse_uri).latest()


def _chosen(store: Releases, *, release: int | None, as_of: datetime | None) -> Release | None:
    if release is not None:
        return store.get(release)
    return store.latest() if as_of is None else store.as_of(as_of)


def _table(uri: str, name: str, release: Release | None) -> Table | None:
    if release is not None:
        return release.table(uri, name)
    if name == QUARANTINE_SUMMARY:
        return Table.open(summary_uri(f"{uri}/analysts"))
    return Table.open(f"{uri}/analysts/core/{name}") if name in ENTITIES else None


def _small(table: Table | None, schema: pa.Schema) -> pa.Table:
    rows = pl.DataFrame(schema.empty_table()) if table is None else table.scan().collect()
    return rows.to_arrow()
