"""Reading an interval of the cursor again, because a person has a reason to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from flows.asked import asked_interval, shown_interval
from flows.catalog import Source, Stream
from flows.context import Context
from flows.parts import parts
from flows.receipts import BackfillPlan, SyncOptions
from flows.who import checked_reason
from schemas.errors import ConfigError


def plan_backfill(context: Context, source_name: str, options: SyncOptions) -> list[BackfillPlan]:
    """What a backfill would read, counted at the source where it can count; writes nothing.

    Args:
        context: Catalog (and warehouse, which isn't looked at).
        source_name: The source.
        options: Its `interval` is what is asked for, its `stream` one stream of the source.

    Raises:
        ConfigError: No such source or stream, one that isn't read by a cursor, an interval that its
            cursor has no values for, or a reason that may not be kept.
        TransientSourceError: The source could not be reached.
        SourceError: It refused.
    """
    source = context.catalog.source(source_name)
    source.demand_active()
    source.demand_references()
    streams = streams_to_backfill(source, options)
    return [_plan(source, stream, options) for stream in streams]


def streams_to_backfill(source: Source, options: SyncOptions) -> Sequence[Stream]:
    """The streams that are meant; a reason that is given is one that may be kept.

    Raises:
        ConfigError: One of them isn't read by a cursor, or see `flows.who.checked_reason`.
    """
    if options.reason is not None:
        checked_reason(options.reason)
    only = options.stream
    chosen = list(source.streams.values()) if only is None else [source.stream(only)]
    for stream in chosen:
        if stream.spec.cursor is not None:
            continue
        again = f"lienthong sync {source.name} --stream {stream.name}"
        if source.connector_type == "files":
            how = f"its files are read again by `{again} --full`"
        else:
            how = f"it has no cursor and is read whole every time: `{again}`"
        others = [name for name, one in source.streams.items() if one.spec.cursor is not None]
        hint = f". Of this source --stream can be {', '.join(others)}" if others else ""
        message = f"{source.name}, stream {stream.name!r} has no intervals; {how}{hint}"
        raise ConfigError(message)
    return chosen


def _plan(source: Source, stream: Stream, options: SyncOptions) -> BackfillPlan:
    spec = stream.spec
    with closing(source.connect()) as connector:
        high = connector.high(spec)
        if spec.cursor is None or high is None or options.interval is None:
            return BackfillPlan(source=source.name, stream=stream.name, interval=None, rows=0)
        zone = stream.mapping.timezone
        try:
            interval = asked_interval(options.interval, spec.cursor, high=high, zone=zone)
            cut = parts((interval,), connector, spec, limit=None)
        except ConfigError as error:
            raise ConfigError(f"{source.name}, stream {stream.name!r}: {error}") from None
        low, to = interval.bounds
        rows = None if low is None else connector.count(spec, low=low, high=to)
        return BackfillPlan(
            source=source.name,
            stream=stream.name,
            interval=shown_interval(spec.cursor, interval),
            rows=rows,
            parts=len(cut),
        )
