"""Looking without touching: what is connected, and how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from flows.asked import in_time, shown_interval
from flows.catalog import Catalog, Stream
from flows.context import Context
from flows.history import runs_of
from flows.receipts import SourceLine, StreamStatus
from flows.rejections import rejections
from schemas.entities import ENTITIES
from warehouse.intervals import CursorValue, shown_cursor


def list_sources(catalog: Catalog) -> list[SourceLine]:
    """One line per stream of every source whose YAML could be read."""
    return [
        SourceLine(
            source=source.name,
            label_vi=source.label.get("vi", ""),
            label_en=source.label.get("en", ""),
            agency=source.agency,
            level=source.level,
            connector=source.connector_type,
            stream=stream.name,
            entities=stream.entities,
            reads=_reads(stream),
            retired=source.retired,
        )
        for source in catalog.sources.values()
        for stream in source.streams.values()
    ]


def _reads(stream: Stream) -> str:
    if stream.spec.cursor is not None:
        return f"interval by {stream.spec.cursor.column}"
    return f"whole ({stream.spec.mode})"


def status(context: Context) -> list[StreamStatus]:
    """How every stream of the catalog stands, from landing, core, quarantine and past receipts."""
    runs = runs_of(context).scan().filter(pl.col("kind") == "sync").collect()
    waiting = rejections(context).filter(pl.col("status") == "open")
    quarantined = waiting.group_by("source", "stream").len()
    live = _live_rows(context)
    lines = []
    for source in context.catalog.sources.values():
        for stream in source.streams.values():
            landing = context.warehouse.landing(source.name, stream.name)
            state = landing.state()
            mine = (pl.col("source") == source.name) & (pl.col("stream") == stream.name)
            last = runs.filter(mine).sort("ended_at").tail(1).to_dicts()
            good = runs.filter(mine, pl.col("status") != "failed")["ended_at"].max()
            run: dict[str, Any] = last[0] if last else {}
            held = quarantined.filter(mine)
            covered = state.coverage[-1].high if state.coverage else None
            cursor = stream.spec.cursor
            lines.append(
                StreamStatus(
                    source=source.name,
                    stream=stream.name,
                    last_good_sync=_iso(good),
                    last_run=_iso(run.get("ended_at")),
                    last_status=run.get("status"),
                    last_error=run.get("error"),
                    fresh_to=in_time(cursor, shown_cursor(covered)) or state.last_read_at,
                    rows={e: live.get((source.name, stream.name, e), 0) for e in stream.entities},
                    quarantined=int(held["len"].sum()),
                    coverage=tuple(shown_interval(cursor, one) for one in state.coverage),
                    gaps=tuple(shown_interval(cursor, gap) for gap in state.gaps(_start(stream))),
                    again=tuple(shown_interval(cursor, one) for one in state.again),
                    landing_version=landing.version(),
                )
            )
    return lines


def _start(stream: Stream) -> CursorValue | None:
    return None if stream.spec.cursor is None else stream.spec.cursor.start


def _live_rows(context: Context) -> dict[tuple[str, str, str], int]:
    """(source, stream, entity) to live core rows."""
    counts: dict[tuple[str, str, str], int] = {}
    for name in ENTITIES:
        table = context.warehouse.core(name)
        if table is None:
            continue
        rows = (
            table.scan()
            .filter(pl.col("_deleted_at").is_null())
            .group_by("_source", "_stream")
            .len()
            .collect(engine="streaming")
        )
        counts |= {(source, stream, name): int(n) for source, stream, n in rows.iter_rows()}
    return counts


def _iso(value: Any) -> str | None:  # noqa: ANN401 - a cell of a frame
    return value.isoformat() if isinstance(value, datetime) else None
