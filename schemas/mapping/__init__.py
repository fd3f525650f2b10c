"""What the YAML says of a stream's columns, and the way from landing rows to an entity's rows."""

from __future__ import annotations

from schemas.mapping.derive import DeriveContext, derive, unknown_codes
from schemas.mapping.models import (
    ColumnMapping,
    Deleted,
    Explode,
    Into,
    StreamMapping,
    source_columns,
)
from schemas.mapping.privacy import known_words, personal_columns
from schemas.mapping.versions import row_orders

__all__ = [
    "ColumnMapping",
    "Deleted",
    "DeriveContext",
    "Explode",
    "Into",
    "StreamMapping",
    "derive",
    "known_words",
    "personal_columns",
    "row_orders",
    "source_columns",
    "unknown_codes",
]
