"""Core at one moment: what a run left half merged is finished before a release is chosen.

One merge per entity brings a stream's rows into core. A run that died between two of them, or one
that is between them now, has new dossiers beside old payments; a release of these would show half
a night. The landing version that each table has integrated tells, and integrating twice is
harmless, so the rest is simply integrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flows.catalog import Source, Stream
from flows.context import Context, feed_of, new_sync_id
from flows.history import summarise
from schemas.entities import ENTITIES
from schemas.entities import entity as entity_of
from schemas.errors import LienThongError
from warehouse.delta import Table
from warehouse.gating import Finding

_TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Uneven:
    """A stream that its entities hold up to different landing versions."""

    source: str
    stream: str
    versions: dict[str, int]  # entity to the landing version that it has integrated


def even_tables(context: Context) -> tuple[dict[str, Table], list[Uneven]]:
    """The core tables, once every stream stands equally far in all of its entities.

    Returns:
        Entity to its table, and the streams that could not be brought level: their mapping is
        broken, or their merge fails as it did in the run that said so.
    """
    tables = _tables(context)
    behind = _uneven(context, tables)
    for _ in range(_TRIES):
        if not behind or not _level(context, behind):
            break
        tables = _tables(context)
        behind = _uneven(context, tables)
    if tables:
        # A run that died has not brought it up to date.
        summarise(context, sorted(context.catalog.sources))
    return tables, behind


def not_of_one_moment(behind: Sequence[Uneven]) -> list[Finding]:
    """What a person is told of streams that could not be brought level."""
    return [
        Finding(
            gate="one_moment",
            severity="warn",
            promise="Every stream stands equally far in all of its tables (landing version).",
            source=one.source,
            table=min(one.versions, key=lambda name: one.versions[name]),
            found=min(one.versions.values()),
            allowed=max(one.versions.values()),
        )
        for one in behind
    ]


def _tables(context: Context) -> dict[str, Table]:
    return {name: table for name in ENTITIES if (table := context.warehouse.core(name))}


def _uneven(context: Context, tables: dict[str, Table]) -> list[Uneven]:
    found = []
    for source in context.catalog.sources.values():
        for stream in source.streams.values():
            if len(stream.entities) < 2:
                continue
            app = f"{source.name}/{stream.name}"
            versions = {
                name: tables[name].txn(app) if name in tables else 0 for name in stream.entities
            }
            if len(set(versions.values())) > 1:
                found.append(Uneven(source=source.name, stream=stream.name, versions=versions))
    return found


def _level(context: Context, behind: list[Uneven]) -> bool:
    """Integrates what is behind; whether any of it could be."""
    now, is_moved = context.clock(), False
    for one in behind:
        source = context.catalog.source(one.source)
        stream = source.stream(one.stream)
        try:
            for entity in stream.entities:
                _integrate(context, source, stream, entity, now=now)
        except LienThongError:
            continue  # the run in which it failed first has said why; `Uneven` says that it is so
        is_moved = True
    return is_moved


def _integrate(
    context: Context, source: Source, stream: Stream, entity: str, *, now: datetime
) -> None:
    integration = context.warehouse.integration(entity_of(entity), sync_id=new_sync_id(), now=now)
    integration.integrate([feed_of(context, source, stream, entity)])
