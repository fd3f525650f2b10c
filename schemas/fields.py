"""What a column of an entity is: one description that every other form is derived from.

A `Field` gives the pandera column, the Arrow and Delta type, the line of the data dictionary and
the treatment of personal data. Nothing about a column is written down a second time elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import polars as pl
import pyarrow as pa

FieldType = Literal["text", "integer", "decimal", "timestamp", "date", "boolean"]
Severity = Literal["reject", "warn"]

MONEY_PRECISION = 18
MONEY_SCALE = 2

_POLARS: dict[FieldType, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "decimal": pl.Decimal(MONEY_PRECISION, MONEY_SCALE),
    "timestamp": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
    "boolean": pl.Boolean(),
}
_ARROW: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(MONEY_PRECISION, MONEY_SCALE),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of an entity.

    Attributes:
        name: Column name; its ending carries its meaning (`_at` UTC time, `_date` local date,
            `_code` member of a code list, `_id` identifier, `is_` boolean).
        type: One of the six types of core.
        vi: What it holds, in Vietnamese.
        en: What it holds, in English.
        unit: Unit of the value ("working day", "currency of `currency`"), if it has one.
        personal: The column identifies a person: it is pseudonymised before core.
        min_length: Of a personal column: a value with fewer letters and digits is a filler that
            identifies nobody, and becomes null.
        required: A row without it is quarantined.
        codes: Name of the code list whose codes are the only values.
        source: Decree, specification or message field the column comes from.
    """

    name: str
    type: FieldType
    vi: str
    en: str
    unit: str | None = None
    personal: bool = False
    min_length: int = 0
    required: bool = False
    codes: str | None = None
    source: str | None = None

    @property
    def polars_type(self) -> pl.DataType:
        """The type of the column in a polars frame."""
        return _POLARS[self.type]

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of the column in Arrow and in Delta."""
        return _ARROW[self.type]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One promise that a row of an entity keeps, or breaks.

    Attributes:
        name: Stable name, found in `_warnings` and in quarantine.
        en: The promise as a sentence.
        vi: The same in Vietnamese.
        severity: `reject` quarantines the row, `warn` keeps it and names the rule in `_warnings`.
        broken: Boolean expression over the entity's columns, true where the promise is broken;
            null counts as kept.
        source: Where the rule comes from.
    """

    name: str
    en: str
    vi: str
    severity: Severity
    broken: pl.Expr = field(compare=False)
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One canonical table: its columns, its anchor date and its rules.

    Attributes:
        name: Table name in core.
        vi: What one row is, in Vietnamese.
        en: What one row is, in English.
        key_fields: The columns that identify a row to a reader (the technical key is `_source`
            with `_key`).
        anchor: The `timestamp` or `date` field whose local month partitions the table, or None.
        fields: The columns, in order.
        rules: The promises beyond type, requiredness and code lists.
    """

    name: str
    vi: str
    en: str
    key_fields: tuple[str, ...]
    anchor: str | None
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...] = ()

    def field(self, name: str) -> Field:
        """The field of that name. Raises KeyError when the entity has none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the entity's own columns, in order."""
        return tuple(f.name for f in self.fields)


CORE_SYSTEM_COLUMNS: dict[str, pa.DataType] = {
    "_source": pa.string(),
    "_key": pa.string(),
    "_landing_key": pa.string(),
    "_stream": pa.string(),
    "_version": pa.int64(),
    "_landing_version": pa.int64(),
    "_row": pa.int64(),
    "_row_hash": pa.string(),
    "_sync_id": pa.string(),
    "_changed_at": pa.timestamp("us", tz="UTC"),
    "_deleted_at": pa.timestamp("us", tz="UTC"),
    "_is_stale": pa.bool_(),
    "_warnings": pa.list_(pa.string()),
    "_month": pa.string(),
}
"""Columns that every core table carries beside its own (see `docs/architecture.md`)."""


def core_schema(entity: Entity) -> pa.Schema:
    """Arrow schema of an entity's core table: its fields, then the system columns."""
    own = [pa.field(f.name, f.arrow_type) for f in entity.fields]
    system = [pa.field(name, kind) for name, kind in CORE_SYSTEM_COLUMNS.items()]
    return pa.schema(own + system)
