"""Taking rows of people who are forgotten out of landing, quarantine and core, by their marks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import polars as pl
from polars.exceptions import PanicException

from flows.catalog import Source, Stream
from flows.context import Context, feeds_into, new_sync_id
from flows.faults import told
from flows.history import summarise
from flows.logs import defect_event
from flows.maintaining import catalog_streams
from flows.screens import forgotten_of, screen_of
from schemas.entities import ENTITIES
from warehouse.forgetting import CoreSweep, concerns, looked_at, swept_landing, swept_quarantine
from warehouse.forgotten import Marks
from warehouse.purge import copies
from warehouse.screening import Screen
from warehouse.traces import Traces
from warehouse.upkeep import table_paths

_PLACE: Final = ("_landing_version", "_row")


def forget_marked(context: Context, names: Collection[str]) -> dict[str, BaseException]:
    """Takes out what had landed of dossiers that were found to be a forgotten person's.

    An event may land before its dossier says whose it is: on an earlier night, or beside it. The
    marks tell what is to be done, also where the run that made them died. Files of old versions go
    later, with `maintain`.

    Args:
        context: Catalog and warehouse.
        names: The sources of the run; one that the catalog lacks has to wait for its YAML.

    Returns:
        Source to why it couldn't be done: it stops nobody, and the next run tries again.
    """
    broken: dict[str, BaseException] = {}
    try:
        waiting = forgotten_of(context).unswept()
    except (Exception, PanicException) as error:  # noqa: BLE001 - the run's receipts tell it
        return dict.fromkeys(names, error)
    for name in sorted({*names} & waiting.keys() & context.catalog.sources.keys()):
        try:
            Sweep(context, only={name}).do()
        except (Exception, PanicException) as error:  # noqa: BLE001 - no source stops another one
            defect_event(error)
            broken[name] = error
    return broken


def unswept(error: BaseException) -> str:
    """The sentence about a source of which something couldn't be taken out."""
    return (
        "what had landed of a dossier of somebody forgotten is still there, the next run tries "
        f"again: {told(error).what}"
    )


class Sweep:
    """One sweep; each part of it finds its work by the marks alone.

    Args:
        context: Catalog and warehouse.
        only: The sources; None means all that the warehouse has rows of.
        needle: See `Screen`.

    Attributes:
        id: Of the sweep, as of a run.
        streams: What is swept of the catalog.
        not_mapped: Paths of landing tables that the catalog doesn't map.
    """

    def __init__(
        self, context: Context, *, only: Collection[str] | None = None, needle: str | None = None
    ) -> None:
        self._context = context
        self._only = only
        self._needle = needle
        self._uri = context.warehouse.uri
        self._forgotten = forgotten_of(context)
        self.id = new_sync_id()
        self.streams: list[tuple[Source, Stream]] = [
            (source, stream)
            for source in context.catalog.sources.values()
            for stream in source.streams.values()
            if only is None or source.name in only
        ]
        self.not_mapped: tuple[str, ...] = () if only is not None else self._not_mapped()

    def do(self) -> tuple[dict[str, int], dict[str, int]]:
        """Sweeps.

        Returns:
            Table to rows that went, and landing table to rows in which something was emptied.
        """
        removed, emptied = {}, {}
        waiting = self._forgotten.unswept()
        for path, counts in self._landings():
            removed[path], emptied[path] = counts["removed"], counts["emptied"]
        removed["restricted/quarantine"] = self._quarantine()
        for path, rows in self._core():
            removed[path] = removed.get(path, 0) + rows
        swept = sorted(self._only or self._context.catalog.sources)
        summarise(self._context, swept)
        self._forgotten.swept({name: waiting[name] for name in swept if name in waiting})
        return removed, emptied

    def is_traced(self, traces: Traces) -> bool:
        """Whether old files, logs, or tables that only a release shows still name somebody."""
        for path, screen in self.screens():
            if traces.of_landing(f"{self._uri}/{path}", screen):
                return True
        named = [f"{self._uri}/restricted/{name}" for name in ("quarantine", "reconcile")]
        return (
            any(traces.of_core(f"{self._uri}/analysts/core/{name}", name) for name in ENTITIES)
            or any(
                traces.of_core(f"{self._uri}/{path}", path.split("/")[-1], is_copy=True)
                for path in copies(self._uri)
            )
            or any(map(traces.of_texts, named))
        )

    def screen(self, source: Source, stream: Stream) -> Screen:
        """How the rows of a stream are judged."""
        return screen_of(self._context, source.name, stream, needle=self._needle)

    def screens(self) -> Iterator[tuple[str, Screen]]:
        """Every landing table, and how its rows are judged."""
        for source, stream in self.streams:
            path = f"restricted/landing/{source.name}/{stream.name}"
            yield path, self.screen(source, stream)
        for path in self.not_mapped:
            marks = self._forgotten.marks(path.split("/")[-2])
            yield path, Screen(feeds=(), marks=marks, key=(), needle=self._needle)

    def sources(self) -> set[str]:
        """The sources that the warehouse has rows of, or the catalog."""
        found = {path.split("/")[-2] for path, _ in self.screens()}
        for name in ENTITIES:
            core = self._context.warehouse.core(name)
            if core is not None:
                found |= set(core.scan().select("_source").unique().collect()["_source"])
        return found

    def unmapped_rows(self, marks: Mapping[str, Marks]) -> dict[str, int]:
        """Table of core to rows that no stream of today's catalog maps and that have to go.

        Args:
            marks: Source to whom it is to forget.
        """
        places = {"_source": [s.name for s, _ in self.streams],
                  "_stream": [t.name for _, t in self.streams]}  # fmt: skip
        mapped = pl.LazyFrame(places, schema=dict.fromkeys(places, pl.String))
        counts = {}
        for name, entity in ENTITIES.items():
            core = self._context.warehouse.core(name)
            if core is None:
                continue
            columns = looked_at(entity, with_text=self._needle is not None)
            others = core.scan().join(mapped, on=list(places), how="anti")
            rows = others.select("_source", *columns).collect(engine="streaming")
            counts[f"analysts/core/{name}"] = sum(
                int(concerns(part, entity, marks[part["_source"][0]], self._needle).sum())
                for part in rows.partition_by("_source")
            )
        return counts

    def with_rows(self) -> list[str]:
        """The tables that hold rows of people, or did."""
        known = table_paths(self._uri, catalog_streams(self._context))
        places = ("restricted/landing/", "restricted/quarantine", "analysts/core/",
                  "restricted/reconcile")  # fmt: skip
        return [path for path in known if path.startswith(places)]

    def _not_mapped(self) -> tuple[str, ...]:
        mapped = {f"restricted/landing/{s.name}/{t.name}" for s, t in self.streams}
        landings = [p for p in self.with_rows() if p.startswith("restricted/landing/")]
        return tuple(path for path in landings if path not in mapped)

    def _landings(self) -> Iterator[tuple[str, dict[str, int]]]:
        for path, screen in self.screens():
            *_, source_name, stream_name = path.split("/")
            landing = self._context.warehouse.landing(source_name, stream_name)
            yield path, swept_landing(landing, screen)

    def _quarantine(self) -> int:
        places: dict[tuple[str, str], pl.DataFrame] = {}
        apps: list[str] = []
        other = [tuple(path.split("/")[-2:]) for path in self.not_mapped]
        for name, stream_name in [*((s.name, t.name) for s, t in self.streams), *other]:
            table = self._context.warehouse.landing(name, stream_name).table()
            if table is not None:
                there = table.scan().select(_PLACE).collect(engine="streaming")
                places[name, stream_name] = there
        for source, stream in self.streams:
            apps += [f"{name}/{source.name}/{stream.name}" for name in stream.entities]
        return swept_quarantine(self._context.warehouse.quarantine, places, apps)

    def _core(self) -> Iterator[tuple[str, int]]:
        for name, entity in ENTITIES.items():
            core = self._context.warehouse.core(name)
            if core is None:
                continue
            there = core.scan().select("_source").unique().collect(engine="streaming")["_source"]
            integration = self._context.warehouse.integration(
                entity, sync_id=self.id, now=self._context.clock()
            )
            sources = self._context.catalog.sources
            for source in sorted(self._only or {*sources, *there}):
                known = sources.get(source)
                sweep = CoreSweep(
                    integration=integration, source=source,
                    feeds=feeds_into(self._context, known, name) if known else [],
                    marks=self._forgotten.marks(source), needle=self._needle,
                )  # fmt: skip
                yield f"analysts/core/{name}", sweep.run()
