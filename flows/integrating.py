"""Integrating landing versions into core: the second of the two primitives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flows.context import Context, feed_of
from flows.reading import LandResult
from flows.receipts import Receipt
from schemas.entities import entity as entity_of
from warehouse.core import Counts


def integrate_streams(
    context: Context, entity_name: str, lands: Sequence[LandResult], *, sync_id: str
) -> list[Receipt]:
    """Integrates what landed for one entity, in one merge.

    Args:
        context: Catalog and warehouse.
        entity_name: The entity.
        lands: The reads whose streams feed it.
        sync_id: The run.

    Returns:
        One receipt per read.

    Raises:
        WarehouseError: Quarantine or core could not be written.
    """
    started = time.monotonic()
    feeds = []
    for land in lands:
        source = context.catalog.source(land.source)
        feed = feed_of(context, source, source.stream(land.stream), entity_name)
        follower = context.followed.get((land.source, land.stream))
        feeds.append(feed if follower is None else replace(feed, ready=follower.derived))
        context.tell(land.source, land.stream, f"merging {entity_name}", land.landed)
    integration = context.warehouse.integration(
        entity_of(entity_name), sync_id=sync_id, now=context.clock()
    )
    with context.writers[entity_name]:
        counts = integration.integrate(feeds)
    for land, feed in zip(lands, feeds, strict=True):
        follower = context.followed.get((land.source, land.stream))
        if follower is not None and (early := follower.counts.pop(entity_name, None)) is not None:
            counts[feed.app].join(early)
    seconds = time.monotonic() - started
    receipts = []
    for feed, land in zip(feeds, lands, strict=True):
        context.tell(land.source, land.stream, "done", land.read)
        receipts.append(_receipt(land, entity_name, counts[feed.app], seconds))
    return receipts


def _receipt(land: LandResult, entity: str, counts: Counts, seconds: float) -> Receipt:
    return Receipt(
        source=land.source,
        stream=land.stream,
        entity=entity,
        sync_id=land.sync_id,
        interval=land.interval,
        read=land.read,
        landed=land.landed,
        same=land.same,
        unreadable=land.unreadable,
        null_cursor=land.null_cursor,
        future_cursor=land.future_cursor,
        seconds=round(land.seconds + seconds, 3),
        status=land.status,
        error=land.error,
        note=land.note,
        **counted(counts),
    )


def counted(counts: Counts) -> dict[str, Any]:
    """The fields of a receipt that a merge counts."""
    return {
        **counts.fates,
        "derived": sum(counts.fates.values()),
        "tombstoned": counts.tombstoned,
        "warnings": dict(sorted(counts.warnings.items())),
        "landing_version": counts.landing_version,
        "core_version": counts.core_version,
    }
