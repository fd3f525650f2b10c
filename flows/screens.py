"""Keeping rows of forgotten people out of landing."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from flows.catalog import Stream
from flows.context import Context, feed_of
from warehouse.forgotten import Forgotten
from warehouse.screening import Screen


def forgotten_of(context: Context) -> Forgotten:
    """Whom the warehouse has forgotten."""
    return Forgotten(context.warehouse.uri, context.warehouse.person_key.value)


def screen_of(
    context: Context, source_name: str, stream: Stream, *, needle: str | None = None
) -> Screen:
    """How the rows of a stream are judged under today's YAML."""
    source = context.catalog.source(source_name)
    names = dict.fromkeys(stream.entities)
    return Screen(
        feeds=[feed_of(context, source, stream, name) for name in names],
        marks=forgotten_of(context).marks(source_name),
        key=stream.spec.key,
        needle=needle,
    )


def allowed_rows(context: Context, screen: Screen, chunk: pa.Table, stamped: pa.Table) -> pa.Table:
    """The delivered rows that may land; the same object where all of them may, as they are.

    What is left out is marked: what else there is of a new dossier is told by its key alone. What
    of it has landed already, `flows.sweeping.forget_marked` takes out.

    Args:
        context: Catalog and warehouse.
        screen: Of the stream.
        chunk: As delivered.
        stamped: The same rows in the form of landing.
    """
    rows = pl.DataFrame(stamped).with_columns(pl.lit(0, pl.Int64).alias("_landing_version"))
    judged = screen.judge(rows)
    if judged.is_idle:
        return chunk
    keys = screen.keys_of(rows.filter(judged.gone))
    if keys:
        forgotten_of(context).add([], {screen.marks.source: keys}, now=context.clock())
    for name, values in judged.values.items():
        position = chunk.schema.get_field_index(name)
        if position >= 0:
            field = chunk.schema.field(position)
            chunk = chunk.set_column(position, field, values.to_arrow().cast(field.type))
    return chunk.filter((~judged.gone).to_arrow())
