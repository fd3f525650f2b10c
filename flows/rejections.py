"""The rows in quarantine as they stand: each with what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.catalog import Stream
from flows.context import Context, feed_of
from warehouse.feeds import Feed
from warehouse.quarantine_life import Surroundings, with_status
from warehouse.withdrawn import Watched, stood_in


def rejections(context: Context, source: str | None = None) -> pl.DataFrame:
    """Every quarantined row, of one source or of all, with its `status`.

    Raises:
        ConfigError: The named source doesn't exist.
    """
    if source is not None:
        context.catalog.source(source)
    return rejections_of(context, None if source is None else [source])


def rejections_of(context: Context, sources: Sequence[str] | None) -> pl.DataFrame:
    """`rejections` of several sources (None: all); the catalog may not know them any more."""
    rows = context.warehouse.quarantine.scan()
    if sources is not None:
        rows = rows.filter(pl.col("source").is_in(list(sources)))
    return with_status(rows.collect(), surroundings(context))


def rejected_only(context: Context, source: str, stream: Stream) -> Watched | None:
    """What landing may bury of files that are added to others: records that nothing accepted.

    None for a stream that isn't read from such files: there a whole read buries what is gone.
    """
    if not stream.adds_only:
        return None

    def watched(files: frozenset[str]) -> pl.DataFrame:
        rows = rejections_of(context, [source]).filter(
            pl.col("stream") == stream.name,
            pl.col("status") == "open",
            stood_in(files),
        )
        keys = rows.select(pl.col("_landing_key").alias("_key")).drop_nulls().unique()
        for entity in stream.entities:
            core = context.warehouse.core(entity)
            if core is None or not keys.height:
                continue
            mine = (pl.col("_source") == source) & (pl.col("_stream") == stream.name)
            accepted = core.scan().filter(mine).select(pl.col("_landing_key").alias("_key"))
            accepted = accepted.join(keys.lazy(), on="_key", how="semi")
            keys = keys.join(accepted.collect(engine="streaming"), on="_key", how="anti")
        return keys

    return watched


def surroundings(context: Context) -> Surroundings:
    """What decides about rejections, in a context."""

    def feed(source: str, stream: str, entity: str) -> Feed | None:
        known = stream_of(context, source, stream)
        if known is None or entity not in known.entities:
            return None
        return feed_of(context, context.catalog.sources[source], known, entity)

    return Surroundings(
        core=context.warehouse.core,
        landing=context.warehouse.landing,
        feeds=feed,
    )


def stream_of(context: Context, source: str, stream: str) -> Stream | None:
    """A stream of the catalog, None where it isn't there any more."""
    found = context.catalog.sources.get(source)
    return None if found is None else found.streams.get(stream)
