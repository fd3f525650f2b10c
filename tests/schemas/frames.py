"""Frames of an entity for tests: every column there, every required one filled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from schemas.codes import code_list
from schemas.fields import Entity, Field, FieldType

_LISTS = {"_reasons": pl.List(pl.String()), "_warnings": pl.List(pl.String())}
_VALUES: dict[FieldType, object] = {
    "text": "A-1",
    "integer": 1,
    "decimal": Decimal("1.50"),
    "timestamp": datetime(2026, 3, 2, 1, 30, tzinfo=UTC),
    "date": date(2026, 3, 2),
    "boolean": True,
}

Row = dict[str, object]


def moment(text: str) -> datetime:
    """A UTC time from its ISO form."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_value(field: Field) -> object:
    """A value that the field accepts."""
    return code_list(field.codes).good[0] if field.codes else _VALUES[field.type]


def frame_of(entity: Entity, *rows: Row) -> pl.DataFrame:
    """One line a row: what it gives, the required columns filled, everything else null."""
    required: Row = {f.name: a_value(f) for f in entity.fields if f.required}
    empty: Row = {"_reasons": [], "_warnings": []}
    return as_frame(entity, [required | empty | row for row in rows])


def as_frame(entity: Entity, rows: Sequence[Row]) -> pl.DataFrame:
    """The rows as they are, with the entity's types."""
    schema = {f.name: f.polars_type for f in entity.fields} | _LISTS
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
