"""Replaying rejections: landed rows judged again under today's YAML; no source is reached."""

from __future__ import annotations

import time
from collections.abc import Iterator

import polars as pl

from flows.catalog import Source
from flows.context import Context, feeds_into, new_sync_id
from flows.history import finish
from flows.integrating import counted
from flows.quarantined import Selection, narrowed
from flows.receipts import Receipt, ReplayLine
from flows.rejections import rejections
from flows.who import act_of
from schemas.entities import ENTITIES
from warehouse import replaying
from warehouse.feeds import Feed


def replay(context: Context, selection: Selection, *, dry_run: bool = False) -> list[ReplayLine]:
    """Judges rejected rows again under today's YAML, and every copy of their keys with them.

    Discarded rows stay out. Records that could not be split into columns stay where they are: only
    a better file of the office mends them.

    Args:
        context: Catalog and warehouse.
        selection: Which; superseded ones too.
        dry_run: Only tell what would become of them.

    Returns:
        One line per stream and entity that has such rows.

    Raises:
        ConfigError: The named source doesn't exist, or its YAML is wrong.
        WarehouseError: Core or quarantine could not be written.
    """
    sync_id = new_sync_id()
    held = rejections(context, selection.source)
    lines: list[ReplayLine] = []
    receipts: list[Receipt] = []
    for name in held["source"].unique().sort():
        if name not in context.catalog.sources and selection.source is None:
            continue
        source = context.catalog.source(name)
        for entity in sorted(set(held.filter(pl.col("source") == name)["entity"]) & set(ENTITIES)):
            for line, receipt in _replayed(
                context, source, entity, selection, sync_id=sync_id, dry_run=dry_run
            ):
                lines.append(line)
                receipts.append(receipt)
    if receipts and not dry_run:
        finish(context, sync_id=sync_id, receipts=receipts, kind="replay")
    return [line for line in lines if line.rows]


def _replayed(
    context: Context,
    source: Source,
    entity: str,
    selection: Selection,
    *,
    sync_id: str,
    dry_run: bool,
) -> Iterator[tuple[ReplayLine, Receipt]]:
    started = time.monotonic()
    feeds = feeds_into(context, source, entity)
    integration = context.warehouse.integration(
        ENTITIES[entity], sync_id=sync_id, now=context.clock()
    )

    def wanted(rows: pl.DataFrame) -> pl.DataFrame:
        return narrowed(context, rows.filter(pl.col("discarded_at").is_null()), selection)

    done = replaying.replay(integration, source.name, feeds, wanted=wanted, dry_run=dry_run)
    if done is None:
        return
    if not dry_run:
        act = act_of(context, "replay", command="quarantine replay", reason=None)
        context.warehouse.acts.record(act, done.looked)
    seconds = round(time.monotonic() - started, 3)
    for feed in feeds:
        counts = done.counts[feed.app]
        receipt = Receipt(
            source=source.name,
            stream=feed.stream,
            entity=entity,
            sync_id=sync_id,
            seconds=seconds,
            note="replayed from quarantine; the source wasn't reached",
            **counted(counts),
        )
        yield _line(feed, done, receipt), receipt


def _line(feed: Feed, done: replaying.Replayed, receipt: Receipt) -> ReplayLine:
    mine = (pl.col("stream") == feed.stream) & ~pl.col("_tombstone")
    looked, rejected = done.looked.filter(mine).height, done.rejected.filter(mine)
    broken = rejected.select(pl.col("rules").explode().drop_nulls().value_counts()).unnest("rules")
    return ReplayLine(
        source=feed.source,
        stream=feed.stream,
        entity=feed.entity.name,
        rows=looked,
        accepted=max(looked - rejected.height, 0),
        rejected=min(rejected.height, looked),
        rules={str(rule): int(rows) for rule, rows in sorted(broken.iter_rows())},
        inserted=receipt.inserted,
        updated=receipt.updated,
        removed=done.removed[feed.app],
    )
