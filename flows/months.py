"""Which column of a stream tells the month that a row belongs to."""

from __future__ import annotations

from flows.catalog import Stream
from schemas.entities import entity as entity_of
from warehouse.buckets import MonthOf


def months_of(stream: Stream) -> tuple[MonthOf, ...]:
    """The columns that may tell a row's month, best first.

    The anchor date of the entities that a row of the stream becomes (that of the dossier is when it
    was received), then the cursor.
    """
    zone = stream.mapping.timezone
    candidates = []
    for into in stream.mapping.into:
        anchor = entity_of(into.entity).anchor
        mapped = into.columns.get(anchor) if anchor is not None else None
        if mapped is None or not mapped.from_ or into.explode is not None:
            continue
        formats = mapped.format or ()
        candidates += [
            MonthOf(column=name, zone=mapped.timezone or zone, formats=formats)
            for name in mapped.from_[:1]
        ]
    cursor = stream.spec.cursor
    if cursor is not None:
        formats = () if cursor.unit is None else (cursor.unit,)
        candidates.append(MonthOf(column=cursor.column, zone=zone, formats=formats))
    return tuple(candidates)
