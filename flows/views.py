"""`analysts/analytics.duckdb`: the views of a release, for any DuckDB client, without our code."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

from schemas.entities import ENTITIES
from schemas.errors import WarehouseError
from schemas.fields import core_schema
from warehouse.duck import ViewFile
from warehouse.freshness import COLUMNS, SCHEMA
from warehouse.phases import reached
from warehouse.quarantine_life import SUMMARY, SUMMARY_COLUMNS
from warehouse.releases import Release, Releases, as_rows

VIEWS: Final = "analytics.duckdb"
"""The file below `analysts/`. Open it read-only: a release replaces it."""

ALIVE: Final = "_deleted_at IS NULL"
"""Rows that are there in their source, as far as is known."""

FRESHNESS: Final = "freshness"
QUARANTINE_SUMMARY: Final = "quarantine_summary"


def write_views(warehouse_uri: str) -> Path | None:
    """Writes `analysts/analytics.duckdb`: views of the latest release, for any DuckDB client.

    The file is replaced by rename: whoever has the old one open goes on seeing its release. It
    names Parquet files by their whole paths, so a warehouse that was moved needs it anew.

    Returns:
        The file, or None for a warehouse that isn't in a folder, or has no release.

    Raises:
        WarehouseError: It can't be written.
    """
    uri = warehouse_uri.rstrip("/")
    store = Releases(uri)
    if "://" in uri or (release := store.latest()) is None:
        return None
    folder = Path(uri).resolve()
    path = folder / "analysts" / VIEWS
    while True:
        _write(path, str(folder), release)
        newest = store.latest()
        if newest is None or newest.id == release.id:
            return path
        release = newest  # another publication came meanwhile, and may have written before this one


def _write(path: Path, uri: str, release: Release) -> None:
    partial = path.with_name(f".{VIEWS}.{uuid.uuid4().hex}.part")
    try:
        file = ViewFile(partial)
        try:
            _describe(file, uri, release)
            file.commit()
        finally:
            file.close()
        partial.replace(path)
        reached("views_written")
    except OSError as error:
        raise WarehouseError(f"{path}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def _describe(file: ViewFile, uri: str, release: Release) -> None:
    for name, entity in ENTITIES.items():
        table = release.table(uri, name)
        files = [] if table is None else table.files
        file.view(name, files, core_schema(entity), where=ALIVE)
        file.comment(name, f"{entity.en} {entity.vi}")
        for column in entity.fields:
            file.comment_column(name, column.name, f"{column.en} {column.vi}")
    for name, schema, texts in (
        (FRESHNESS, SCHEMA, COLUMNS), (QUARANTINE_SUMMARY, SUMMARY, SUMMARY_COLUMNS),
    ):  # fmt: skip
        table = release.table(uri, name)
        rows = schema.empty_table() if table is None else table.scan().collect().to_arrow()
        file.table(name, rows)
        for column in rows.column_names:  # a release of an older version may lack some
            file.comment_column(name, column, texts[column])
    file.table("release", as_rows([release]).to_arrow())
    file.comment("release", "The release that these views show.", is_view=False)
