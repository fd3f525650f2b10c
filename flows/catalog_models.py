"""The keys of a source's YAML, as models: their descriptions are the editors' help.

The keys under `connector:`, and those that a stream has for its connector alone, are the
connectors' own models (`connectors.registry`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from schemas.durations import DURATION_SCHEMA, Duration, duration
from schemas.mapping.models import ColumnMapping, Deleted, Into, Names, Strict, Words, Zone


def _label(value: object) -> object:
    return {"vi": value, "en": value} if isinstance(value, str) else value


def _cursor(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


Window = Annotated[
    timedelta | int,
    BeforeValidator(duration),
    WithJsonSchema({"oneOf": [DURATION_SCHEMA, {"type": "integer", "minimum": 0}]}),
]
Chunk = Annotated[
    Annotated[timedelta, Field(gt=timedelta(0))] | Annotated[int, Field(ge=1)],
    BeforeValidator(duration),
    WithJsonSchema({"oneOf": [DURATION_SCHEMA, {"type": "integer", "minimum": 1}]}),
]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
StreamName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,62}$")]
Level = Literal["ministry", "province", "district", "commune"]


class Label(Strict):
    """What people call a source."""

    vi: str = Field(description="Name in Vietnamese.")
    en: str = Field(description="Name in English.")


class CursorYaml(Strict):
    """How a stream is read in intervals. A plain text is the column."""

    column: str = Field(
        description="Column that grows with every change: a time, or a whole number."
    )
    late_window: Window = Field(
        default=timedelta(days=2),
        description="How far the next read goes back, for rows that were committed late: a length "
        "of time, or a number for a cursor of numbers.",
    )
    lag: Duration = Field(
        default=timedelta(seconds=10),
        description="Distance kept to the source's clock.",
    )
    deletes: bool = Field(
        default=True, description="Count the source's rows, and look for keys that are gone."
    )
    unit: Literal["epoch_s", "epoch_ms", "epoch_us"] | None = Field(
        default=None,
        description="What a whole number counts since 1970 (UTC), where the cursor is a time "
        "kept as a number.",
    )
    chunk: Chunk | None = Field(
        default=None,
        description="Longest interval of one question to a database: a length of time, or a number "
        "for a cursor of numbers. Default: one question, whose rows come in the cursor's order "
        "where they are many.",
    )


class StreamYaml(Strict):
    """The keys of a stream that every connector has."""

    key: Names = Field(description="Columns that identify a row.")
    version: ColumnMapping | None = Field(
        default=None,
        description="What orders two copies of a row: the time of its last change, or a counter.",
    )
    deleted: Deleted | None = Field(
        default=None,
        description="Column by which the source marks a row as deleted instead of removing it.",
    )
    cursor: Annotated[CursorYaml, BeforeValidator(_cursor)] | None = Field(
        default=None, description="Read in intervals of this column; without it, read whole."
    )
    mode: Literal["snapshot", "increment"] | None = Field(
        default=None,
        description="snapshot: what is missing from a whole read is gone. increment: nothing is "
        "ever gone. Files have to say which; a database is a snapshot unless stated.",
    )
    nulls: Words = Field(
        default=(), description="Words that mean: no value, in every column of the stream."
    )
    into: tuple[Into, ...] = Field(description="The entities that the stream feeds.")


class SourceYaml(Strict):
    """The keys of a source."""

    source: SourceName = Field(
        description="Name of the source: small letters, digits, - and _. It is part of every row."
    )
    name: Annotated[Label, BeforeValidator(_label)] | None = Field(
        default=None, description="What people call it; one text counts for both languages."
    )
    agency: str | None = Field(
        default=None, min_length=1, description="Code of the agency, in the new form (H41.15)."
    )
    level: Level | None = Field(default=None, description="Administrative level of the agency.")
    timezone: Zone = Field(
        default="Asia/Ho_Chi_Minh",
        description="Zone of the source's times without an offset, and of every local date.",
    )
    currency: str = Field(
        default="VND", description="Currency of amounts whose currency isn't mapped (ISO 4217)."
    )
    nulls: Words = Field(
        default=(), description="Words that mean: no value, in every column of every stream."
    )
    retired: bool = Field(
        default=False, description="The office's system is gone: its rows stay, nothing is read."
    )
    extends: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="Vendor file (vendors/<name>.yaml) that this one is laid over.",
    )
    connector: dict[str, Any] = Field(
        description="How the source is reached: type, and the keys of that type."
    )
    streams: dict[StreamName, dict[str, Any]] = Field(
        min_length=1, description="The streams, by name (small letters, digits, _)."
    )

    @property
    def label(self) -> Label:
        """What people call it; its name where they weren't asked."""
        return self.name or Label(vi=self.source, en=self.source)
