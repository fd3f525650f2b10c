"""Gates: what has to hold of the tables before analysts see them as a release.

A gate is one SQL file in `warehouse/gates/`; a rule of one's own is one more file. It is one SELECT
that returns what breaks it: `source`, `found`, `allowed`, and `table` where it isn't run for each.
Comments at its beginning say `severity` (block or warn), the promise in English (`en`) and
Vietnamese (`vi`), and `tables` (`every`, or a list) where `$table` stands for each of them in turn.

It sees, beside the entities as they would be released: `previous_E` (entity E in the release
before, empty without one), `touched_E` (the months of E into which rows came since), `receipts` (of
the runs since), `history` (receipts of the last 60 days) and `freshness`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final, Literal, cast

import polars as pl

from schemas.entities import ENTITIES
from schemas.errors import ConfigError
from schemas.fields import core_schema
from warehouse.delta import Table
from warehouse.duck import AnalystDoor
from warehouse.releases import Release
from warehouse.runs import Runs

Severity = Literal["block", "warn"]

HISTORY: Final = timedelta(days=60)
_TABLE: Final = "$table"
_HEAD: Final = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One promise.

    Attributes:
        name: Name of its file.
        severity: Whether a release waits for it, or only tells.
        en: The promise in English.
        vi: The promise in Vietnamese.
        tables: Entities that `$table` stands for; empty where the SQL names its tables itself.
        sql: The SELECT.
    """

    name: str
    severity: Severity
    en: str
    vi: str
    tables: tuple[str, ...]
    sql: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Where a gate doesn't hold, and by how much."""

    gate: str
    severity: Severity
    promise: str
    table: str | None
    source: str | None
    found: float
    allowed: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What would be released.

    Attributes:
        tables: Entity to its table at the version in question.
        freshness: Columns of `warehouse.freshness.SCHEMA`.
        previous: The release before, or None.
        now: UTC.
    """

    tables: Mapping[str, Table]
    freshness: pl.DataFrame
    previous: Release | None
    now: datetime


def gates() -> tuple[Gate, ...]:
    """Every gate of `warehouse/gates/`, by name.

    Raises:
        ConfigError: A file's beginning doesn't say what it has to.
    """
    folder = resources.files("warehouse").joinpath("gates")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(read_gate(Path(file.name).stem, file.read_text("utf-8")) for file in files)


def read_gate(name: str, text: str) -> Gate:
    """A gate from the text of its file. Raises ConfigError like `gates`."""
    said = dict(_HEAD.findall(text))
    severity, en, vi = said.get("severity"), said.get("en"), said.get("vi")
    if severity not in {"block", "warn"} or en is None or vi is None:
        message = (
            f"warehouse/gates/{name}.sql: its first lines are '-- severity: block' (or warn), "
            "'-- en: ...' and '-- vi: ...'"
        )
        raise ConfigError(message)
    listed = said.get("tables", "")
    tables = tuple(ENTITIES) if listed == "every" else tuple(re.findall(r"\w+", listed))
    if bool(tables) != (_TABLE in text) or not set(tables) <= set(ENTITIES):
        message = (
            f"warehouse/gates/{name}.sql: '-- tables: every', or a list of entities, stands "
            f"where {_TABLE} does"
        )
        raise ConfigError(message)
    return Gate(
        name=name, severity=cast("Severity", severity), en=en, vi=vi, tables=tables, sql=text
    )


def findings(warehouse_uri: str, candidate: Candidate, chosen: Sequence[Gate]) -> list[Finding]:
    """Runs gates over what would be released.

    Args:
        warehouse_uri: The warehouse.
        candidate: The versions in question.
        chosen: The gates.

    Raises:
        ConfigError: The SQL of a gate fails.
    """
    uri = warehouse_uri.rstrip("/")
    door = AnalystDoor(f"{uri if '://' in uri else Path(uri).resolve()}/analysts/")
    try:
        _show(door, uri, candidate)
        door.lock()
        return [finding for gate in chosen for finding in _run(door, gate)]
    finally:
        door.close()


def _show(door: AnalystDoor, uri: str, candidate: Candidate) -> None:
    previous = candidate.previous
    for name, entity in ENTITIES.items():
        schema = core_schema(entity)
        table = candidate.tables.get(name)
        before = previous.table(uri, name) if previous is not None else None
        files = [] if table is None else table.files
        old = [] if before is None else before.files
        door.view(name, files, schema)
        door.view(f"previous_{name}", old, schema)
        door.view(f"touched_{name}", _touched(files, old), schema)
    runs = Runs(f"{uri}/analysts/runs").scan()
    history = runs.filter(pl.col("ended_at") > candidate.now - HISTORY)
    since = history
    if previous is not None:
        # Behind a clock that was set back, runs since then may have ended before the release did.
        is_back = previous.published_at > candidate.now
        start = candidate.now - timedelta(days=1) if is_back else previous.published_at
        since = history.filter(pl.col("ended_at") > start)
    door.table("history", history.collect().to_arrow())
    door.table("receipts", since.collect().to_arrow())
    door.table("freshness", candidate.freshness.to_arrow())


def _touched(files: Sequence[str], before: Sequence[str]) -> list[str]:
    """The files of the partitions that have a file which wasn't there before."""
    fresh = {PurePosixPath(name).parent for name in set(files) - set(before)}
    return [name for name in files if PurePosixPath(name).parent in fresh]


def _run(door: AnalystDoor, gate: Gate) -> Iterator[Finding]:
    for name in gate.tables or (None,):
        query = gate.sql if name is None else gate.sql.replace(_TABLE, name)
        try:
            broken = door.select(query).to_pylist()
        except ConfigError as error:
            raise ConfigError(f"warehouse/gates/{gate.name}.sql: {error}") from None
        for row in broken:
            yield Finding(
                gate=gate.name, severity=gate.severity, promise=gate.en,
                table=name or row.get("table"), source=row.get("source"),
                found=float(row["found"]), allowed=float(row["allowed"]),
            )  # fmt: skip
