"""Looking without touching: what is connected, how it stands, what is in quarantine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from flows.catalog import Catalog, Stream
from flows.context import Context
from flows.history import runs_of
from flows.receipts import (
    QuarantinedRow,
    QuarantineLine,
    SourceLine,
    StreamStatus,
)
from schemas.entities import ENTITIES
from schemas.mapping import personal_columns
from warehouse.intervals import CursorValue, shown_cursor
from warehouse.quarantine import summary

MASK = "***"
_SAMPLE_KEY = b"the sample of a check is never stored"


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
    rejected = context.warehouse.quarantine.scan().filter(~pl.col("_tombstone"))
    quarantined = rejected.group_by("source", "stream").len().collect()
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
            lines.append(
                StreamStatus(
                    source=source.name,
                    stream=stream.name,
                    last_good_sync=_iso(good),
                    last_run=_iso(run.get("ended_at")),
                    last_status=run.get("status"),
                    last_error=run.get("error"),
                    fresh_to=_fresh_to(stream, covered) or state.last_read_at,
                    rows={e: live.get((source.name, stream.name, e), 0) for e in stream.entities},
                    quarantined=int(held["len"].sum()),
                    coverage=tuple(interval.shown for interval in state.coverage),
                    gaps=tuple(gap.shown for gap in state.gaps(_start(stream))),
                    again=tuple(interval.shown for interval in state.again),
                    landing_version=landing.version(),
                )
            )
    return lines


def _fresh_to(stream: Stream, covered: str | None) -> str | None:
    """How far a stream is covered; a time, where its cursor counts one as a number."""
    shown, cursor = shown_cursor(covered), stream.spec.cursor
    if shown is None or cursor is None or cursor.unit is None or not shown.lstrip("-").isdigit():
        return shown
    return cursor.moment(int(shown)).isoformat()


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


def quarantine_list(context: Context, source: str | None = None) -> list[QuarantineLine]:
    """Rejected rows per source, stream, entity and rule.

    Raises:
        ConfigError: The named source doesn't exist.
    """
    if source is not None:
        context.catalog.source(source)
    rows = summary(context.warehouse.quarantine.scan())
    return [
        QuarantineLine(
            source=row["source"],
            stream=row["stream"],
            entity=row["entity"],
            rule=row["rule"],
            rows=row["rows"],
            oldest=row["oldest"].isoformat(),
        )
        for row in rows.iter_rows(named=True)
        if source is None or row["source"] == source
    ]


def quarantine_show(
    context: Context, *, source: str | None, rule: str | None, limit: int
) -> list[QuarantinedRow]:
    """Quarantined rows with the values of their landing row; personal columns are masked.

    Args:
        context: Catalog and warehouse.
        source: Only of this source.
        rule: Only rows that broke this rule.
        limit: At most so many rows.

    Raises:
        ConfigError: The named source doesn't exist.
    """
    if source is not None:
        context.catalog.source(source)
    rows = context.warehouse.quarantine.scan().filter(~pl.col("_tombstone"))
    if source is not None:
        rows = rows.filter(pl.col("source") == source)
    if rule is not None:
        rows = rows.filter(pl.col("rules").list.contains(rule))
    order = ["source", "stream", "entity", "_landing_version", "_row"]
    chosen = rows.collect().sort(order).head(limit)
    shown = []
    for place in chosen.partition_by("source", "stream", maintain_order=True):
        shown += _shown(context, place)
    return shown


def _shown(context: Context, rows: pl.DataFrame) -> list[QuarantinedRow]:
    """Rows of one stream beside their landing rows."""
    source, stream = rows["source"][0], rows["stream"][0]
    landing = context.warehouse.landing(source, stream).table()
    place = ["_landing_version", "_row"]
    values: dict[tuple[int, int], dict[str, Any]] = {}
    if landing is not None:
        wanted = rows.select(place).unique().lazy()
        found = landing.scan().join(wanted, on=place, how="semi").collect()
        values = {(r["_landing_version"], r["_row"]): r for r in found.iter_rows(named=True)}
    known = _stream(context, source, stream)
    open_columns = _open_columns(known)
    return [
        QuarantinedRow(
            source=source,
            stream=stream,
            entity=row["entity"],
            key=row["_key"] if known else MASK,
            rules=tuple(row["rules"]),
            landing_version=row["_landing_version"],
            row=row["_row"],
            file=row["_file"],
            line=row["_line"],
            quarantined_at=row["quarantined_at"].isoformat(),
            values=_values(values.get((row["_landing_version"], row["_row"]), {}), open_columns),
        )
        for row in rows.iter_rows(named=True)
    ]


def _values(row: dict[str, Any], open_columns: set[str]) -> dict[str, str | None]:
    return {
        name: None if value is None else str(value) if name in open_columns else MASK
        for name, value in row.items()
        if not name.startswith("_")
    }


def _open_columns(known: Stream | None) -> set[str]:
    """Columns that today's YAML maps, and maps only where nobody is identified.

    A column that the YAML doesn't name any more stays masked: nobody says what it holds.
    """
    if known is None:
        return set()
    return set(known.spec.columns) - personal_columns(known.mapping)


def _stream(context: Context, source: str, stream: str) -> Stream | None:
    found = context.catalog.sources.get(source)
    return None if found is None else found.streams.get(stream)
