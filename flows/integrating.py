"""Integrating landing versions into core: the second of the two primitives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flows.context import Context, feed_of, feeds_into
from flows.reading import LandResult
from flows.receipts import Receipt
from warehouse.core import Counts, Integration
from warehouse.delta import Table
from warehouse.feeds import Feed
from warehouse.rebuild import rebuild


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
    integration = context.integration(entity_name, sync_id=sync_id)
    with context.writers[entity_name]:
        core = context.warehouse.core(entity_name)
        counts = _made_anew(context, integration, core, feeds)
        anew = set(counts)
        counts = _as_before(core, lands, feeds) | counts
        if due := [feed for feed in feeds if feed.app not in counts]:
            counts |= integration.integrate(due)
    for land, feed in zip(lands, feeds, strict=True):
        follower = context.followed.get((land.source, land.stream))
        if follower is not None and (early := follower.counts.pop(entity_name, None)) is not None:
            counts[feed.app].join(early)
    core_version = max((one.core_version or 0 for one in counts.values()), default=0)
    seconds = time.monotonic() - started
    receipts = []
    for feed, land in zip(feeds, lands, strict=True):
        context.tell(land.source, land.stream, "done", land.read)
        count = replace(counts[feed.app], core_version=core_version)
        told = _receipt(land, entity_name, count, seconds)
        receipts.append(_of_a_rebuild(told) if feed.app in anew else told)
    return receipts


def _made_anew(
    context: Context, integration: Integration, core: Table | None, feeds: Sequence[Feed]
) -> dict[str, Counts]:
    """Rebuilds the sources of which core holds copies that another `version:` has ordered.

    An old copy would win or lose by what it never had.

    Returns:
        The counts of their feeds.
    """
    if core is None:
        return {}
    names = sorted({feed.source for feed in feeds if feed.is_reordered(core)})
    counts: dict[str, Counts] = {}
    for name in names:
        source = context.catalog.source(name)
        own = feeds_into(context, source, integration.entity.name)
        counts |= rebuild(integration, name, own)
    return counts


def _of_a_rebuild(receipt: Receipt) -> Receipt:
    told = "`version:` was changed, so core was made anew from landing: the counts are of all of it"
    return replace(receipt, note=told if receipt.note is None else f"{receipt.note}. {told}")


def _as_before(
    core: Table | None, lands: Sequence[LandResult], feeds: Sequence[Feed]
) -> dict[str, Counts]:
    """The counts of the feeds of which core holds every landing version that their read left.

    What another run has landed since is that run's to integrate, or the next one's.
    """
    if core is None:
        return {}
    return {
        feed.app: Counts(landing_version=land.landing_version, core_version=core.version)
        for feed, land in zip(feeds, lands, strict=True)
        if core.txn(feed.app) == land.landing_version
    }


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
