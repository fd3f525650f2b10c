"""Making core anew from landing, and proving that it is what landing says."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flows.catalog import Source
from flows.context import Context, feeds_into, new_sync_id
from flows.history import finish
from flows.integrating import counted
from flows.receipts import AuditFinding, AuditReport, Receipt
from schemas.entities import ENTITIES
from warehouse import audit as auditing
from warehouse import rebuild as rebuilding
from warehouse.core import Counts


def rebuild(context: Context, source_name: str) -> list[Receipt]:
    """Replaces a source's core rows by what its landing gives under today's YAML.

    Returns:
        One receipt per stream and entity, its counts told against the core that was there.

    Raises:
        ConfigError: No such source, or its YAML is wrong.
        WarehouseError: Core could not be written.
    """
    source = context.catalog.source(source_name)
    sync_id = new_sync_id()
    receipts = []
    for name, entity in ENTITIES.items():
        feeds = feeds_into(context, source, name)
        if not feeds and context.warehouse.core(name) is None:
            continue
        started = time.monotonic()
        for feed in feeds:
            context.tell(source_name, feed.stream, f"rebuilding {name}", 0)
        integration = context.warehouse.integration(entity, sync_id=sync_id, now=context.clock())
        counts = rebuilding.rebuild(integration, source_name, feeds)
        seconds = round(time.monotonic() - started, 3)
        for feed in feeds:
            context.tell(source_name, feed.stream, "done", 0)
            receipts.append(
                _receipt(feed.source, feed.stream, name, sync_id, counts[feed.app], seconds)
            )
    finish(context, sync_id=sync_id, receipts=receipts, kind="rebuild")
    return receipts


def _receipt(
    source: str, stream: str, entity: str, sync_id: str, counts: Counts, seconds: float
) -> Receipt:
    return Receipt(
        source=source,
        stream=stream,
        entity=entity,
        sync_id=sync_id,
        seconds=seconds,
        note="rebuilt from landing; the source wasn't reached",
        **counted(counts),
    )


def audit(context: Context, source_names: Sequence[str]) -> AuditReport:
    """Compares core with what landing gives under today's YAML; the counters aren't believed.

    Args:
        context: Catalog and warehouse.
        source_names: The sources; none means all that are connected, those with a wrong YAML told
            as not checked.

    Raises:
        ConfigError: A named source doesn't exist, or its YAML is wrong; or there is none at all.
    """
    context.catalog.demand(source_names)
    names = source_names or tuple(context.catalog.sources)
    checked = 0
    findings: list[AuditFinding] = []
    for source in [context.catalog.source(name) for name in names]:
        for name, entity in ENTITIES.items():
            feeds = feeds_into(context, source, name)
            if context.warehouse.core(name) is None:
                continue
            integration = context.warehouse.integration(entity, sync_id="", now=context.clock())
            rows, found = auditing.audit(integration, source.name, feeds)
            checked += rows
            findings += [_finding(source, name, one) for one in found]
    broken = () if source_names else tuple(context.catalog.broken)
    return AuditReport(checked_rows=checked, findings=tuple(findings), not_checked=broken)


def _finding(source: Source, entity: str, found: auditing.Finding) -> AuditFinding:
    streams = [s for s in source.streams.values() if entity in s.entities]
    return AuditFinding(
        source=source.name,
        stream=", ".join(stream.name for stream in streams),
        entity=entity,
        kind=found.kind,
        rows=found.rows,
        examples=found.examples,
    )
