"""Which columns a landing table has, and what it refuses.

delta-rs truncates in silence (1.5 appended to a bigint column became 1), so landing demands that a
column keeps its type, and refuses what Delta can't hold before the first row is written.
"""

from __future__ import annotations

import pyarrow as pa

from schemas.errors import ContractError
from schemas.rows import LANDING

_CARRIED = "cast it in the source's view or by `query:` (to text, if in doubt)"


def landing_schema(delivered: pa.Schema) -> pa.Schema:
    """The schema of the landing table for what a connector delivers.

    Raises:
        ContractError: Names that differ only in case, names of our own, types Delta can't hold.
    """
    own = [field for field in delivered if field.name not in LANDING]
    folded: dict[str, str] = {}
    for field in own:
        if field.name.casefold() in LANDING:
            raise ContractError(
                f"column {field.name}: the name is one of landing's own; "
                "give it another one by `query:`"
            )
        other = folded.setdefault(field.name.casefold(), field.name)
        if other != field.name:
            raise ContractError(
                f"columns {other} and {field.name} differ only in case, which Delta can't hold: "
                "rename one in the source's view or by `query:`"
            )
    fields = [pa.field(f.name, _held(f)) for f in own]
    system = [pa.field(name, kind) for name, kind in LANDING.items()]
    return pa.schema(fields + system)


def _held(field: pa.Field) -> pa.DataType:
    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    unheld = (
        pa.types.is_time(kind)
        or pa.types.is_interval(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_unsigned_integer(kind)
        or pa.types.is_decimal256(kind)
        or (pa.types.is_struct(kind) and kind.num_fields == 0)
        or pa.types.is_null(kind)
    )
    if unheld:
        raise ContractError(f"column {field.name}: landing can't hold the type {kind}; {_CARRIED}")
    return kind


def columns_to_add(landed: pa.Schema, wanted: pa.Schema) -> list[pa.Field]:
    """The columns that the table doesn't have yet.

    Raises:
        ContractError: A column that is there has another type now.
    """
    added = []
    for field in wanted:
        position = landed.get_field_index(field.name)
        if position < 0:
            added.append(field)
            continue
        old = landed.field(position).type
        if old != field.type and field.name not in LANDING:
            raise ContractError(
                f"column {field.name}: the source changed its type from {old} to {field.type}; "
                f"nothing was written. If the change is meant to stay, {_CARRIED} so that it "
                f"arrives as {old} again, or give the stream a new name to start a new landing"
            )
    return added


def empty_like(schema: pa.Schema) -> pa.Table:
    """No rows of a schema; `Schema.empty_table` makes an array of each column."""
    return pa.Table.from_batches([], schema)
