"""What every step works with: the catalog, the warehouse, and how a stream feeds an entity."""

from __future__ import annotations

import json
import threading
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from flows.catalog import Catalog, Source, Stream, load_catalog
from flows.progress import Progress
from schemas.entities import ENTITIES
from schemas.entities import entity as entity_of
from schemas.errors import WarehouseError
from schemas.mapping import DeriveContext, Into, StreamMapping, derive, row_orders
from schemas.mapping.versions import versions
from warehouse.core import Integration
from warehouse.feeds import Feed
from warehouse.following import Follower, Shelf, Target
from warehouse.known_keys import KnownKeys
from warehouse.landing import Landing
from warehouse.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class Context:
    """An opened warehouse and the sources it is fed from.

    Attributes:
        catalog: The sources.
        store: The warehouse; None where a command needs none (`check`).
        progress: Told how far a stream is; None shows nothing.
        clock: The time now, UTC.
        stop: Set when a person interrupts: reads under way end at their next batch.
        writers: One lock per entity: core has one writer in this process.
        shelf: Room for rows that are derived while their read goes on.
        followed: (source, stream) to what was derived and merged while its read went on.
        known: Per entity the keys of core, for everybody who merges into it: under its lock.
    """

    catalog: Catalog
    store: Warehouse | None
    progress: Progress | None = None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    stop: threading.Event = field(default_factory=threading.Event)
    writers: dict[str, threading.Lock] = field(
        default_factory=lambda: {name: threading.Lock() for name in ENTITIES}
    )
    shelf: Shelf = field(default_factory=Shelf)
    followed: dict[tuple[str, str], Follower] = field(default_factory=dict)
    known: dict[str, KnownKeys] = field(default_factory=lambda: defaultdict(KnownKeys))

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse.

        Raises:
            WarehouseError: This context was opened without one.
        """
        if self.store is None:
            raise WarehouseError("this step needs a warehouse, and none was opened")
        return self.store

    def integration(self, entity: str, *, sync_id: str) -> Integration:
        """An integration into an entity's core, which knows what others of this run know of it."""
        made = self.warehouse.integration(entity_of(entity), sync_id=sync_id, now=self.clock())
        return replace(made, known=self.known[entity])

    def unfollow(self) -> None:
        """Gives up what was derived while reads went on: all of it is integrated."""
        for follower in self.followed.values():
            follower.forget()
        self.followed.clear()
        self.known.clear()

    def tell(self, source: str, stream: str, phase: str, rows: int, part: str = "") -> None:
        """Moves the progress of a stream; `part`: the interval that is being read."""
        if self.progress is not None:
            self.progress(source, stream, phase, rows, part)


def open_context(
    *,
    warehouse_uri: str,
    sources_dir: Path,
    progress: Progress | None = None,
    read_only: bool = False,
    names: Sequence[str] | None = None,
) -> Context:
    """Opens the catalog, then the warehouse.

    Args:
        warehouse_uri: A folder or an object-store URI.
        sources_dir: Folder of the source YAML files.
        progress: Told how far streams are.
        read_only: Never make a warehouse where there is none.
        names: Sources that have to be there, before a warehouse is made or opened for them; none
            of them: any. None: where no warehouse is made, none has to be.

    Raises:
        ConfigError: There is no sources folder, it holds no source where one has to be there, or
            not a named one; or the person key can't be read.
        WarehouseError: No warehouse (when `read_only`), a newer format, another person key.
    """
    catalog = load_catalog(sources_dir)
    if names is not None or not read_only:
        catalog.demand(names or ())
    store = Warehouse.open(warehouse_uri, create=not read_only)
    return Context(catalog=catalog, store=store, progress=progress)


def check_context(sources_dir: Path) -> Context:
    """The catalog alone: what `check` needs, which writes nothing.

    Raises:
        ConfigError: There is no sources folder.
    """
    return Context(catalog=load_catalog(sources_dir), store=None)


def new_sync_id() -> str:
    """The name of a run: its start (UTC, sortable) and a random part."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"


def feed_of(context: Context, source: Source, stream: Stream, entity: str) -> Feed:
    """How a stream feeds one of its entities.

    Raises:
        KeyError: The stream doesn't feed it.
    """
    into = next((i for i in stream.mapping.into if i.entity == entity), None)
    if into is None:
        raise KeyError(entity)
    landing = context.warehouse.landing(source.name, stream.name)

    def mapped(rows: pl.DataFrame) -> pl.DataFrame:
        return _standing(_with_mapped(rows, stream), stream.mapping, landing)

    return Feed(
        source=source.name,
        stream=stream.name,
        entity=entity_of(entity),
        landing=landing,
        derive=_deriver(context, stream, into, mapped),
        orders=lambda rows: row_orders(mapped(rows), mapping=stream.mapping),
        key_columns=stream.mapping.key_of(into),
        is_many=stream.mapping.relation(into) == "many",
        explodes=into.explode is not None,
        with_unsplit=entity == stream.entities[0],
        order=_order_of(stream.mapping),
    )


def follower_of(context: Context, source: Source, stream: Stream, *, sync_id: str) -> Follower:
    """Whoever derives and merges a stream's rows while they land."""

    def target(name: str) -> Target:
        return Target(
            feed=feed_of(context, source, stream, name),
            integration=lambda: context.integration(name, sync_id=sync_id),
            one_writer=context.writers[name],
        )

    return Follower([target(name) for name in stream.entities], context.shelf)


def feeds_into(context: Context, source: Source, entity: str) -> list[Feed]:
    """Every feed of one source into an entity."""
    streams: Sequence[Stream] = [s for s in source.streams.values() if entity in s.entities]
    return [feed_of(context, source, stream, entity) for stream in streams]


def _deriver(
    context: Context, stream: Stream, into: Into, mapped: Callable[[pl.DataFrame], pl.DataFrame]
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    given = DeriveContext(person_key=context.warehouse.person_key.value, now=context.clock())

    def derived(rows: pl.DataFrame) -> pl.DataFrame:
        return derive(mapped(rows), mapping=stream.mapping, into=into, context=given)

    return derived


def _with_mapped(rows: pl.DataFrame, stream: Stream) -> pl.DataFrame:
    """The rows with every column of today's mapping: one that was mapped since then is null."""
    absent = [name for name in stream.spec.columns if name not in rows.columns]
    return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)


def _standing(rows: pl.DataFrame, mapping: StreamMapping, landing: Landing) -> pl.DataFrame:
    """The rows with the version of those that were read when the YAML named none."""
    columns = () if mapping.version is None else mapping.version.raw_columns()
    if not columns or not rows.select(pl.all_horizontal(pl.col(columns).is_null()).any()).item():
        return rows
    return landing.standing(rows, columns, lambda landed: versions(landed, mapping))


def _order_of(mapping: StreamMapping) -> int:
    """A mark of what a stream's copies are ordered by; never 0."""
    told = None if mapping.version is None else mapping.version.model_dump(mode="json")
    return zlib.crc32(json.dumps([told, mapping.timezone]).encode()) or 1
