"""What a run leaves for people: its receipts, and the summary of quarantine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from flows.asked import in_time
from flows.context import Context
from flows.receipts import Receipt
from flows.rejections import rejections_of
from warehouse.delta import Table, as_table, sql_text
from warehouse.quarantine_life import SUMMARY, summary
from warehouse.races import retried
from warehouse.runs import Runs


def runs_of(context: Context) -> Runs:
    """The table of receipts."""
    return Runs(f"{context.warehouse.analysts_uri}/runs")


def finish(
    context: Context,
    *,
    sync_id: str,
    receipts: Sequence[Receipt],
    kind: Literal["sync", "rebuild", "replay", "backfill", "reconcile"] = "sync",
) -> None:
    """Keeps the receipts of a run, and brings the summary of quarantine up to date.

    Args:
        context: Catalog and warehouse.
        sync_id: The run.
        receipts: Its receipts.
        kind: `rebuild` and `replay` reached no source, and a `backfill` an older interval, a
            `reconcile` what is known already: none makes anything fresher.
    """
    records = [_record(context, receipt) for receipt in receipts]
    runs_of(context).add([{**record, "sync_id": sync_id, "kind": kind} for record in records])
    summarise(context, sorted({receipt.source for receipt in receipts}))


def summarise(context: Context, sources: Sequence[str]) -> None:
    """Writes the counts of quarantine of some sources where analysts see them."""
    if not sources:
        return
    listed = ", ".join(sql_text(name) for name in sources)
    agencies = {one.name: one.agency for one in context.catalog.sources.values()}

    def write() -> None:
        table = Table.open_complete(summary_uri(context.warehouse.analysts_uri), SUMMARY)
        rows = rejections_of(context, sources)
        counted = as_table(summary(rows, agencies=agencies, now=context.clock()), SUMMARY)
        if not _same(table, counted, sources):
            table.replace(counted, where=f"source IN ({listed})")

    retried(write)


def summary_uri(analysts_uri: str) -> str:
    """Where the summary of quarantine lies."""
    return f"{analysts_uri}/quarantine_summary"


def _same(table: Table, rows: pa.Table, sources: Sequence[str]) -> bool:
    held = table.scan().filter(pl.col("source").is_in(list(sources))).collect()
    order = ["source", "stream", "entity", "rule"]
    return held.sort(order).equals(pl.DataFrame(rows).sort(order))


def _record(context: Context, receipt: Receipt) -> dict[str, Any]:
    record = receipt.as_record()
    source = context.catalog.sources.get(receipt.source)
    stream = None if source is None else source.streams.get(receipt.stream)
    cursor = None if stream is None else stream.spec.cursor
    low, high = (in_time(cursor, bound) for bound in receipt.interval or (None, None))
    del record["interval"]
    warnings = json.dumps(record.pop("warnings"), ensure_ascii=False, sort_keys=True)
    return {**record, "low": low, "high": high, "warnings": warnings, "ended_at": context.clock()}
