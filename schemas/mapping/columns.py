"""One core column from a stream's raw columns: its values, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import polars as pl

from schemas.codes import code_list, normalise, normalised
from schemas.errors import ConfigError
from schemas.fields import Entity, Field
from schemas.keys import key_text
from schemas.mapping.filled import nowhere
from schemas.mapping.models import ColumnMapping, StreamMapping
from schemas.mapping.numbers import (
    FALSE_WORDS,
    TRUE_WORDS,
    NumberMarks,
    read_booleans,
    read_integers,
    read_money,
    whole_text,
)
from schemas.mapping.steps import run_steps
from schemas.mapping.times import TimeRules, local_dates, read_times

MAY_BE_DECOMPOSED = (
    r"[\p{M}\x{0374}\x{037E}\x{0387}\x{0900}-\x{0FFF}\x{1100}-\x{11FF}\x{1F00}-\x{1FFF}"
    r"\x{2000}\x{2001}\x{2126}\x{212A}\x{212B}\x{2329}\x{232A}\x{2ADC}\x{F900}-\x{FB4F}"
    r"\x{1D15E}-\x{1D1C0}\x{2F800}-\x{2FA1F}]"
)
"""Characters without which a text is in NFC already: looking for them is cheaper than NFC."""


_FEW_ROWS = 20_000

Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """Rows that one rule names: `mask` is true where it does."""

    name: str
    mask: pl.Series
    rejects: bool


@dataclass(kw_only=True)
class Mapped:
    """Core columns mapped from one YAML column (its `_date` companions included), and the hits."""

    columns: dict[str, pl.Series]
    hits: list[Hit] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Values of a column before they are read as its type.

    Attributes:
        values: Text, or typed as the source delivers it; null where there is no value.
        lost: True where steps or a cast turned a value into nothing.
    """

    values: pl.Series
    lost: pl.Series


def prepared(frame: pl.DataFrame, names: tuple[str, ...], nulls: tuple[str, ...]) -> pl.DataFrame:
    """The raw columns in the form all mapping works on.

    Text is stripped of white space around, in NFC, and null where blank or a null word. Typed
    columns are null where their text is a null word.
    """
    own = pl.DataFrame([frame[name] for name in names], height=frame.height)
    texts = [name for name in own.columns if own.schema[name] == pl.String]
    if texts:
        own = own.with_columns(_stripped(own.select(texts)).get_columns())
    if nulls:
        words = pl.Series(nulls, dtype=pl.String).implode()
        kept = [_unless(words, name) for name, kind in own.schema.items() if not kind.is_temporal()]
        own = own.with_columns(kept)
    return own


def in_parallel(work: Callable[[Item], Done], items: Sequence[Item], *, rows: int) -> list[Done]:
    """`work` of each item, in order; side by side where there are rows enough to pay for it.

    polars works on one column with one core, and lets go of Python's lock meanwhile.
    """
    if rows < _FEW_ROWS or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(len(items), os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))


def _prepared(values: pl.Series, nulls: tuple[str, ...]) -> pl.Series:
    """One column prepared; see `prepared`."""
    return prepared(values.to_frame(), (values.name,), nulls)[values.name]


def _stripped(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts without white space around, in NFC, null where blank; asked for all columns at once."""
    texts = texts.select(pl.all().str.strip_chars())
    if not texts.height:
        return texts
    # Whatever has a byte for every character is ASCII, and so in NFC.
    wide = texts.select(pl.all().str.len_bytes().sum() > pl.all().str.len_chars().sum()).row(0)
    others = [name for name, is_wide in zip(texts.columns, wide, strict=True) if is_wide]
    loose = [name for name in others if texts[name].str.contains(MAY_BE_DECOMPOSED).any()]
    if loose:
        texts = texts.with_columns(pl.col(loose).str.normalize("NFC"))
    blank = [name for name in texts.columns if (texts[name] == "").any()]
    if blank:
        texts = texts.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in blank)
    return texts


def _unless(words: pl.Expr | pl.Series, name: str) -> pl.Expr:
    """A column, null where its text is one of some words."""
    return pl.when(~pl.col(name).cast(pl.String, strict=False).is_in(words)).then(pl.col(name))


def origin(frame: pl.DataFrame, mapping: ColumnMapping, *, explode: str | None) -> Origin:
    """The values of `from` or `sql` after null words and steps.

    Args:
        frame: Prepared raw columns.
        mapping: A mapping with `from`, `sql` or `key`.
        explode: Name of the entity's list column, or None.
    """
    if mapping.sql is not None:
        return _computed(frame, mapping, explode)
    if mapping.key is not None:
        values = frame.select(key_text([pl.col(name) for name in mapping.key]).alias("key"))["key"]
        if mapping.nulls:
            values = _prepared(values, mapping.nulls)
    else:
        names = mapping.from_ or ()
        values = _first(prepared(frame, names, mapping.nulls) if mapping.nulls else frame, names)
    if not mapping.steps:
        return Origin(values=values, lost=nowhere(frame.height))
    stepped = run_steps(pl.col("text"), mapping.steps)
    read = whole_text(values).alias("text").to_frame().select(
        value=stepped.value, lost=stepped.lost.fill_null(value=False)
    )  # fmt: skip
    return Origin(values=read["value"], lost=read["lost"])


def _computed(frame: pl.DataFrame, mapping: ColumnMapping, explode: str | None) -> Origin:
    sql = mapping.compiled_sql(explode)
    try:
        read = frame.with_columns(__value=sql.value(), __lost=sql.lost())
    except pl.exceptions.PolarsError:
        kinds = ", ".join(f"{name} ({frame.schema[name]})" for name in sql.columns)
        message = f"sql '{sql.text}' doesn't fit the types of its columns: {kinds}"
        raise ConfigError(message) from None
    values = _prepared(read["__value"], mapping.nulls)
    return Origin(values=values, lost=read["__lost"])


def _first(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.Series:
    if len(names) == 1:
        return frame[names[0]]
    kinds = {frame.schema[name] for name in names}
    parts = [frame[name] if len(kinds) == 1 else whole_text(frame[name]) for name in names]
    return pl.DataFrame([part.alias(str(n)) for n, part in enumerate(parts)]).select(
        pl.coalesce(pl.all()).alias("value")
    )["value"]


@dataclass(frozen=True, kw_only=True)
class ColumnReader:
    """Maps the columns of one entity.

    Attributes:
        mapping: The stream's mapping.
        entity: The entity fed.
        explode: Name of its list column, or None.
        frame: Prepared raw columns.
        bad_values: Per raw column, where its value could not be carried over.
    """

    mapping: StreamMapping
    entity: Entity
    explode: str | None
    frame: pl.DataFrame
    bad_values: dict[str, pl.Series]

    def read(self, name: str, column: ColumnMapping) -> Mapped:
        """Maps one column."""
        target = self.entity.field(name)
        if column.const is not None:
            return self._constant(target, column)
        if name.endswith("_key") and column.from_ is not None:
            column = column.model_copy(update={"key": column.from_, "from_": None})
        source = origin(self.frame, column, explode=self.explode)
        found, unknown = _coded(source.values, column, target)
        mapped = self._typed(target, column, found)
        values = mapped.columns[name]
        lost = source.lost
        if values.null_count() != found.null_count():  # nothing comes of nothing
            lost = lost | (found.is_not_null() & values.is_null())
        rejects = column.on_bad == "reject" or (column.on_bad is None and target.required)
        mapped.hits.append(Hit(name=f"unparseable:{name}", mask=lost, rejects=rejects))
        # What was never guessed is quarantined, unless the YAML says that a warning will do.
        is_alarm = column.on_bad != "warn"
        if unknown is not None:
            mapped.hits.append(Hit(name=f"unknown_code:{name}", mask=unknown, rejects=is_alarm))
            lost = lost | unknown
        bad = [self.bad_values[c] for c in column.raw_columns(self.explode) if c in self.bad_values]
        for mask in bad:
            mapped.hits.append(Hit(name=f"out_of_range:{name}", mask=mask, rejects=is_alarm))
            lost = lost | mask
        if column.default is not None:
            mapped.columns[name] = _with_default(values, column.default, lost)
        return mapped

    def _constant(self, target: Field, column: ColumnMapping) -> Mapped:
        text = constant_text(column, self.mapping)
        one = self._typed(target, column, pl.Series("const", [text]))
        height = self.frame.height
        return Mapped(
            columns={name: values.new_from_index(0, height) for name, values in one.columns.items()}
        )

    def _typed(self, target: Field, column: ColumnMapping, values: pl.Series) -> Mapped:
        """Reads values as the type of the field."""
        name = target.name
        marks = NumberMarks(decimal=column.decimal, thousands=column.thousands)
        match target.type:
            case "timestamp" | "date":
                return self._time(target, column, values)
            case "decimal":
                read = read_money(values, marks)
            case "integer":
                read = read_integers(values, marks)
            case "boolean":
                read = read_booleans(
                    values,
                    true_words=_words(column.true_words, TRUE_WORDS),
                    false_words=_words(column.false_words, FALSE_WORDS),
                )
            case "text":
                read = whole_text(values)
        return Mapped(columns={name: read})

    def _time(self, target: Field, column: ColumnMapping, values: pl.Series) -> Mapped:
        rules = time_rules(column, self.mapping.timezone)
        times = read_times(values, rules)
        name = target.name
        warned = [
            Hit(name=f"ambiguous_hour:{name}", mask=times.ambiguous, rejects=False),
            Hit(name=f"nonexistent_hour:{name}", mask=times.nonexistent, rejects=False),
        ]
        if target.type == "date":
            return Mapped(
                columns={name: local_dates(times.instant, self.mapping.timezone)}, hits=warned
            )
        columns = {name: times.instant}
        stem = name.removesuffix("_at")
        if f"{stem}_date" in self.entity.columns:
            columns[f"{stem}_date"] = local_dates(times.instant, self.mapping.timezone)
        if f"{stem}_is_date_only" in self.entity.columns:
            columns[f"{stem}_is_date_only"] = times.date_only
        return Mapped(columns=columns, hits=warned)


def time_rules(column: ColumnMapping, timezone: str) -> TimeRules:
    """How a column's stamps are read, in a source of that time zone."""
    return TimeRules(
        formats=column.format or (),
        zone=column.timezone or timezone,
        local_zone=timezone,
        date_only=column.date_only,
    )


def constant_text(column: ColumnMapping, mapping: StreamMapping) -> str:
    """The text of a constant, `{agency}` and `{source}` filled in."""
    if isinstance(column.const, bool):
        return str(column.const).lower()
    text = str(column.const)
    return text.replace("{agency}", mapping.agency or "").replace("{source}", mapping.source)


def _words(own: tuple[str, ...] | None, common: tuple[str, ...]) -> tuple[str, ...]:
    return common if own is None else tuple(normalise(own))


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Spelling (as `schemas.codes.normalised` writes it) to word; None is "no value"."""

    words: dict[str, str | None]

    @classmethod
    def of(cls, column: ColumnMapping, target: Field) -> Codes | None:
        """The codes of a column: the YAML's, else the field's own list, else None."""
        parts = column.codes if column.codes is not None else _own_list(target)
        if parts is None:
            return None
        words: dict[str, str | None] = {}
        for part in reversed(parts):
            words |= _list_words(part) if isinstance(part, str) else _map_words(part)
        return cls(words=words)


def _own_list(target: Field) -> tuple[str | dict[str, str | None], ...] | None:
    return None if target.codes is None else (target.codes,)


@cache
def _list_words(name: str) -> dict[str, str | None]:
    codes = code_list(name)
    return {**dict.fromkeys(codes.ignored), **codes.translate}


def _map_words(words: dict[str, str | None]) -> dict[str, str | None]:
    return dict(zip(normalise(words), words.values(), strict=True))


def _coded(
    values: pl.Series, column: ColumnMapping, target: Field
) -> tuple[pl.Series, pl.Series | None]:
    """Values as words of core, and where the code is unknown (None: there are no codes)."""
    codes = Codes.of(column, target)
    if codes is None:
        return values, None
    text = whole_text(values).alias("raw")
    distinct = text.drop_nulls().unique()
    if distinct.is_empty():
        return text, nowhere(len(text))
    spellings = distinct.to_frame().select(normalised(pl.col("raw")))["raw"].to_list()
    found = pl.Series([codes.words.get(spelling) for spelling in spellings], dtype=pl.String)
    words = text.replace_strict(distinct, found, default=None, return_dtype=pl.String)
    is_known = pl.Series([spelling in codes.words for spelling in spellings])
    if is_known.all():
        return words, nowhere(len(text))
    strangers = distinct.filter(~is_known)
    return words, text.is_in(strangers.implode()).fill_null(value=False)


def unknown_words(values: pl.Series, column: ColumnMapping, target: Field) -> dict[str, int]:
    """The distinct codes of a column that its lists don't know, sorted, with their rows."""
    _, unknown = _coded(values, column, target)
    if unknown is None:
        return {}
    words = whole_text(values).filter(unknown).alias("word").to_frame()
    return dict(words.group_by("word").len().sort("word").iter_rows())


def _with_default(values: pl.Series, default: object, lost: pl.Series) -> pl.Series:
    filler = pl.Series([default]).cast(values.dtype).new_from_index(0, len(values))
    return filler.zip_with(values.is_null() & ~lost, values)
