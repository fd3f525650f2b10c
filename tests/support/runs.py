"""What a process of the nursery can be told to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows import parts
from flows.context import Context, feeds_into, new_sync_id
from flows.forgetting import forget, person_of
from flows.integrating import counted
from flows.maintaining import MaintainOptions, maintain
from flows.quarantined import Selection
from flows.receipts import SyncOptions
from flows.releasing import publish_release
from flows.steps import open_context, rebuild, replay, sync
from schemas.entities import ENTITIES
from tests.support.nursery import Order
from warehouse import landing

Done = tuple[list[dict[str, Any]], str | None]
"""Receipts, and the first error."""


def work(order: Order) -> Done:
    """Does what is ordered. Raises errors of ours."""
    if order.part_rows is not None:
        parts.PART_ROWS, parts.ORDERED_FROM = order.part_rows, 2 * order.part_rows  # type: ignore[misc]
    if order.claim_every is not None:
        landing._CLAIM_EVERY = order.claim_every  # type: ignore[misc]
    context = open_context(warehouse_uri=order.warehouse, sources_dir=Path(order.sources))
    ahead = timedelta(seconds=order.clock)
    context = replace(context, clock=lambda: datetime.now(UTC) + ahead)
    return ACTIONS[order.action](context, order)


def _sync(context: Context, order: Order) -> Done:
    options = SyncOptions(stream=order.stream, full=order.full, accept_deletes=True)
    receipts = sync(context, [], options)
    failed = [r.error for r in receipts if r.status == "failed"]
    return [r.as_record() for r in receipts], failed[0] if failed else None


def _nightly(context: Context, order: Order) -> Done:
    """A night: everything, and then a release."""
    receipts, error = _sync(context, order)
    if error is None:
        _publish(context, order)
    return receipts, error


def _publish(context: Context, order: Order) -> Done:
    publish_release(context, reason="a run of the tests", skip=order.skip)
    return [], None


def _rebuild(context: Context, order: Order) -> Done:
    del order
    return [r.as_record() for name in context.catalog.sources for r in rebuild(context, name)], None


def _replay(context: Context, order: Order) -> Done:
    """What was rejected, judged again."""
    del order
    return [asdict(line) for line in replay(context, Selection())], None


def _maintain(context: Context, order: Order) -> Done:
    """Upkeep that keeps nothing longer than it must."""
    del order
    report = maintain(context, MaintainOptions(retention=0, landing_older_than=0))
    problems = [one.problem for one in report.tables if one.problem]
    return [], problems[0] if problems else None


def _forget(context: Context, order: Order) -> Done:
    person = person_of(context, number=order.person)
    forget(context, person, reason="a run of the tests")
    return [], None


def _integrate(context: Context, order: Order) -> Done:
    """What has landed, into its entities, without reading anything."""
    del order
    records = []
    for source in context.catalog.sources.values():
        for name, entity in ENTITIES.items():
            if feeds := feeds_into(context, source, name):
                integration = context.warehouse.integration(
                    entity, sync_id=new_sync_id(), now=context.clock()
                )
                done = integration.integrate(feeds).values()
                records += [{"entity": name, **counted(counts)} for counts in done]
    return records, None


ACTIONS: dict[str, Callable[[Context, Order], Done]] = {
    "sync": _sync,
    "nightly": _nightly,
    "publish": _publish,
    "rebuild": _rebuild,
    "integrate": _integrate,
    "replay": _replay,
    "maintain": _maintain,
    "forget": _forget,
}
