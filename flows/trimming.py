"""Landing's retention, stream by stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flows.context import Context, feed_of
from schemas.errors import LienThongError
from warehouse.retention import trimmed


def trim(
    context: Context, *, before: datetime, dry_run: bool
) -> Iterator[tuple[str, int | LienThongError]]:
    """Takes superseded copies out of every landing that the catalog maps.

    Where files are added to others the older ones are still there: without every copy that came of
    them, the next read of one and a comparison would take its rows for new.

    Yields:
        The landing's path below the warehouse, and the rows that went, or what stood against it.
    """
    for source in context.catalog.sources.values():
        for stream in source.streams.values():
            names = dict.fromkeys(stream.entities)
            feeds = [feed_of(context, source, stream, name) for name in names]
            path = f"restricted/landing/{source.name}/{stream.name}"
            if not feeds or stream.adds_only:
                continue
            try:
                cores = [context.warehouse.core(name) for name in names]
                app = feeds[0].app
                integrated = min(0 if core is None else core.txn(app) for core in cores)
                yield path, trimmed(
                    feeds, quarantine=context.warehouse.quarantine.scan(), integrated=integrated,
                    before=before, dry_run=dry_run,
                )  # fmt: skip
            except LienThongError as error:
                yield path, error
