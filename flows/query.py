"""Asking the warehouse in SQL: what an analyst sees, and nothing else.

Only `analysts/` is opened; neither the person key nor any source is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from flows.history import summary_uri
from schemas.entities import ENTITIES
from schemas.errors import WarehouseError
from schemas.fields import core_schema
from warehouse.delta import Table
from warehouse.duck import AnalystDoor
from warehouse.quarantine import SUMMARY
from warehouse.runs import Runs
from warehouse.warehouse import check_format

_ALIVE: Final = "_deleted_at IS NULL"


def query(warehouse_uri: str, sql: str, *, core: bool = False) -> pa.Table:
    """Runs one SELECT over the entities, `quarantine_summary` and `freshness`.

    Args:
        warehouse_uri: The warehouse.
        sql: One SELECT in DuckDB's dialect.
        core: Show core as it stands, rows deleted in their source included; otherwise only rows
            that are there.

    Raises:
        ConfigError: It isn't one SELECT, it fails, or it reaches for something else.
        WarehouseError: There is no warehouse.
    """
    uri = warehouse_uri.rstrip("/")
    check_format(uri)
    tables = {name: Table.open(f"{uri}/analysts/core/{name}") for name in ENTITIES}
    runs = Runs(f"{uri}/analysts/runs")
    if not any(tables.values()) and Table.open(runs.uri) is None:
        raise WarehouseError(
            f"{uri}: no warehouse here yet. `lienthong sync` makes one; --warehouse or "
            "LIENTHONG_WAREHOUSE names another place"
        )
    directory = uri if "://" in uri else str(Path(uri).resolve())
    door = AnalystDoor(f"{directory}/analysts/")
    try:
        for name, table in tables.items():
            files = [] if table is None else table.files
            where = "" if core else _ALIVE
            door.view(name, files, core_schema(ENTITIES[name]), where=where)
        door.table("quarantine_summary", _summary(uri))
        door.table("freshness", _freshness(runs))
        door.lock()
        return door.select(sql)
    finally:
        door.close()


def _summary(uri: str) -> pa.Table:
    table = Table.open(summary_uri(f"{uri}/analysts"))
    rows = pl.DataFrame(SUMMARY.empty_table()) if table is None else table.scan().collect()
    return rows.to_arrow()


def _freshness(runs: Runs) -> pa.Table:
    """Per stream: its last good sync, and how its last run ended."""
    good = pl.col("ended_at").filter(pl.col("status") != "failed")
    rows = (
        runs.scan()
        .filter(pl.col("kind") == "sync", pl.col("stream") != "")
        .sort("ended_at")
        .group_by("source", "stream")
        .agg(
            good.max().alias("last_good_sync"),
            pl.col("ended_at").last().alias("last_run"),
            pl.col("status").last().alias("last_status"),
            pl.col("high").filter(pl.col("status") != "failed").last().alias("fresh_to"),
        )
        .sort("source", "stream")
        .collect()
    )
    return rows.to_arrow()
