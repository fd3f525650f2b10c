"""What the YAML says of a stream: which column becomes what, as frozen models.

The models hold the shape only. Whether an entity, a column or a code list exists is the business
of `schemas.mapping.checks`; how a value is computed, of `schemas.mapping.columns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, Literal, TypeVar
from zoneinfo import available_timezones

import polars as pl
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from schemas.mapping.sql import SqlColumn, compile_sql
from schemas.mapping.steps import Step
from schemas.names import nearest

OnBad = Literal["reject", "warn"]
DateOnly = Literal["auto", "midnight", "always", "never"]

T = TypeVar("T")


def _listed(value: object) -> object:
    """One thing, or a list of them, is a list of them."""
    return [value] if isinstance(value, str | dict) else value


def _texts(value: object) -> object:
    """Words of a YAML list as text: `1` and `true` are what somebody wrote, not numbers."""
    if isinstance(value, str | int | float):
        value = [value]
    return [_text(item) for item in value] if isinstance(value, list | tuple) else value


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _code_map(value: object) -> object:
    if isinstance(value, dict):
        return {_text(raw): word for raw, word in value.items()}
    return value


def _code_lists(value: object) -> object:
    listed = _listed(value)
    return [_code_map(item) for item in listed] if isinstance(listed, list | tuple) else listed


@cache
def _zones() -> frozenset[str]:
    """The zones there are; asking the system for them takes as long as reading ten sources."""
    return frozenset(available_timezones())


@cache
def known_zone(name: str) -> str:
    """The name, when it is one of the time zone database. Raises ValueError with a near one."""
    if name not in _zones() or not _polars_knows(name):
        guess = nearest(name, _zones())
        hint = f"; did you mean '{guess}'?" if guess else ""
        message = f"'{name}' is no time zone of the IANA database{hint}"
        raise ValueError(message)
    return name


def _polars_knows(zone: str) -> bool:
    """Polars has a time zone database of its own."""
    try:
        pl.Series([], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        return False
    return True


_WORDS = {"type": "array", "items": {"type": ["string", "number", "boolean"]}}
_ONE_OR_MORE = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Words = Annotated[tuple[str, ...], BeforeValidator(_texts), WithJsonSchema(_WORDS)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed), WithJsonSchema(_ONE_OR_MORE)]
Zone = Annotated[str, AfterValidator(known_zone)]
CodeMap = dict[str, str | None]


class Strict(BaseModel):
    """A part of the YAML: unknown keys are errors, and no error repeats a value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


class ColumnMapping(Strict):
    """Where the values of one core column come from, and how they are read.

    Exactly one of `from`, `const`, `sql` and `key` is given; a plain text or list in the YAML is
    `from`.
    """

    from_: Names | None = Field(
        default=None, alias="from",
        description="Source column; of several, the first that holds a value.",
    )  # fmt: skip
    const: str | bool | int | float | None = Field(
        default=None, description="The same value for every row; {agency} and {source} are filled."
    )
    sql: str | None = Field(
        default=None, description="A polars SQL expression over one row (element-wise functions)."
    )
    key: Names | None = Field(
        default=None, description="The key text of these source columns, as other tables carry it."
    )
    format: Names | None = Field(
        default=None,
        description="Formats of a date or time, tried in order: strptime codes, iso, epoch_s, "
        "epoch_ms, epoch_us, excel.",
    )
    timezone: Zone | None = Field(
        default=None, description="Zone of times without an offset, if not the source's."
    )
    date_only: DateOnly = Field(
        default="auto",
        description="Which stamps are dates without an hour: auto (by format or type), midnight "
        "(local midnight is one too), always, never.",
    )
    codes: Annotated[tuple[str | CodeMap, ...], BeforeValidator(_code_lists)] | None = Field(
        default=None,
        description="A code list, or words of one's own (raw: canonical; null for no value), or "
        "several of both, the first that knows a word wins.",
    )
    steps: tuple[Step, ...] = Field(
        default=(), description="Changes to the text before it is read, in order."
    )
    nulls: Words = Field(default=(), description="Further words that mean: no value.")
    default: str | bool | int | float | None = Field(
        default=None, description="Value where the source has none (never where it is unreadable)."
    )
    decimal: Literal[".", ","] | None = Field(
        default=None, description="Decimal mark of a number; a point if not stated otherwise."
    )
    thousands: Literal[".", ",", " ", "'", "_"] | None = Field(
        default=None, description="Mark between groups of three digits."
    )
    true_words: Words | None = Field(default=None, description="Words that mean true.")
    false_words: Words | None = Field(default=None, description="Words that mean false.")
    on_bad: OnBad | None = Field(
        default=None,
        description="A value that can't be read: reject the row, or warn and leave it empty.",
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_text_is_from(cls, value: object) -> object:
        return {"from": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        given = [name for name in ("from_", "const", "sql", "key") if name in self.model_fields_set]
        if len(given) != 1:
            names = ", ".join(name.rstrip("_") for name in given) or "none of them"
            message = f"exactly one of from, const, sql, key is needed; there is {names}"
            raise ValueError(message)
        if self.thousands is not None and self.thousands == self.decimal:
            message = "decimal and thousands can't be the same mark"
            raise ValueError(message)
        return self

    def compiled_sql(self, explode: str | None = None) -> SqlColumn:
        """The checked form of `sql`. Raises ConfigError for what the allowlist refuses."""
        return compile_sql(self.sql or "", explode=explode)

    def raw_columns(self, explode: str | None = None) -> tuple[str, ...]:
        """The source columns (and child fields) used, in the order they are written."""
        if self.sql is not None:
            return self.compiled_sql(explode).columns
        return self.from_ or self.key or ()


class Explode(Strict):
    """A child list in one column: each element becomes a row.

    Its fields are `column.field`, its position (from 1) is `column.#`, a plain value is
    `column.value`.
    """

    column: str = Field(description="Column that holds the list.")
    split: str | None = Field(
        default=None, min_length=1, description="Text between the values, where it is no JSON list."
    )
    values: bool = Field(default=False, description="The JSON list holds plain values.")

    @model_validator(mode="before")
    @classmethod
    def _plain_text_is_column(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @property
    def prefix(self) -> str:
        """What the names of child fields begin with."""
        return f"{self.column}."


class Into(Strict):
    """One entity that a stream feeds."""

    entity: str = Field(description="Entity of core.")
    key: Names | None = Field(
        default=None, description="Columns that identify a row of it, if not the stream's key."
    )
    explode: Explode | None = Field(
        default=None, description="Child list whose elements are the rows."
    )
    columns: dict[str, ColumnMapping] = Field(description="Core column: where it comes from.")

    def relation(self, stream_key: tuple[str, ...]) -> Literal["same", "many"]:
        """`same` when a landing row and its core row have one key, else `many`."""
        is_same = self.explode is None and self.key in {None, stream_key}
        return "same" if is_same else "many"


class Deleted(Strict):
    """The column by which a source marks a row as deleted, instead of removing it.

    A plain text in the YAML is the column. Which values mark it: the words of `when` (the words
    that mean true, if nothing is said), or any value at all.
    """

    column: str = Field(description="Column that marks a row as deleted.")
    when: Words | None = Field(
        default=None, min_length=1,
        description="Values that mean deleted; the words that mean true, if not stated.",
    )  # fmt: skip
    any_value: bool = Field(
        default=False, description="Every value means deleted: a time of deletion, mostly."
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_text_is_column(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Deleted:
        if self.any_value and self.when is not None:
            message = "'when' and 'any_value' can't both say which values mean deleted"
            raise ValueError(message)
        return self


class StreamMapping(Strict):
    """All that mapping has to know of a stream.

    Attributes:
        source: Name of the source.
        stream: Name of the stream.
        agency: Code of the source's agency, for `{agency}` in constants.
        timezone: The source's zone: of times without an offset, of every `_date` and `_month`.
        currency: Filled into `currency` where an amount is mapped and the currency isn't.
        key: The raw columns that identify a row.
        version: What orders two copies of a row, or None for the start of the read.
        deleted: How the source marks a row as deleted, or None where it never does.
        nulls: Words that mean "no value" in every column.
        into: The entities fed.
    """

    source: str
    stream: str
    agency: str | None = None
    timezone: Zone = "Asia/Ho_Chi_Minh"
    currency: str = "VND"
    key: Names
    version: ColumnMapping | None = None
    deleted: Deleted | None = None
    nulls: Words = ()
    into: tuple[Into, ...]

    def key_of(self, into: Into) -> tuple[str, ...]:
        """The raw columns that identify a row of the entity."""
        return into.key or self.key

    def relation(self, into: Into) -> Literal["same", "many"]:
        """`same` when a landing row and its core row have one key, else `many`."""
        return into.relation(self.key)


def entity_columns(into: Into) -> Iterator[str]:
    """Raw columns that an entity's key, child list and columns use; child fields included."""
    explode = into.explode.column if into.explode else None
    yield from into.key or ()
    if explode is not None:
        yield explode
    for column in into.columns.values():
        yield from column.raw_columns(explode)


def source_columns(mapping: StreamMapping) -> tuple[str, ...]:
    """Every source column that a stream's mapping uses, each once, in order of first use.

    Child fields (`list.field`) aren't columns of the source: their list column is.
    """
    names: list[str] = list(mapping.key)
    if mapping.version is not None:
        names.extend(mapping.version.raw_columns())
    if mapping.deleted is not None:
        names.append(mapping.deleted.column)
    for into in mapping.into:
        prefix = into.explode.prefix if into.explode else None
        names.extend(
            name for name in entity_columns(into) if prefix is None or not name.startswith(prefix)
        )
    return _unique(names)


def _unique(names: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(names))
