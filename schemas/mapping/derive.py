"""Landing rows become rows of an entity: mapped, pseudonymised, validated; none lost.

The work is per column and vectorised; no row looks at another one, so any order and any cut of the
same landing gives the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from schemas.entities import entity as entity_of
from schemas.errors import ContractError
from schemas.fields import Entity
from schemas.keys import key_text
from schemas.mapping.columns import ColumnReader, Hit, in_parallel, origin, prepared, unknown_words
from schemas.mapping.deleted import buried
from schemas.mapping.explode import Exploded, exploded
from schemas.mapping.filled import filled, nothing, nowhere
from schemas.mapping.models import ColumnMapping, Into, StreamMapping, entity_columns
from schemas.mapping.times import local_dates
from schemas.mapping.versions import versions
from schemas.names import nearest
from schemas.personal import pseudonymise
from schemas.rows import DERIVED
from schemas.validation import validate

FIRST_YEAR = 1990
"""An anchor before it, or past next year, is no date of a dossier: it has no month."""

_NAMES = pl.List(pl.String())
_FROM_LANDING = ("_landing_version", "_row", "_sync_id", "_read_at", "_file", "_line")


@dataclass(frozen=True, kw_only=True)
class DeriveContext:
    """What mapping needs beside the YAML.

    Attributes:
        person_key: Key of the pseudonyms.
        now: The time of the run (UTC): anchors past next year have no month.
    """

    person_key: bytes = field(repr=False)
    now: datetime


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Rows on their way: the entity's rows, and where each came from.

    Attributes:
        raw: Prepared raw columns and child fields, one row for each derived row.
        landing: The landing columns, `_version` and `_bad_values` of each row's parent.
        unread: Rows that stand for a child list that could not be read; None without explode.
    """

    raw: pl.DataFrame
    landing: pl.DataFrame
    unread: pl.Series | None


def derive(
    rows: pl.DataFrame, *, mapping: StreamMapping, into: Into, context: DeriveContext
) -> pl.DataFrame:
    """Maps landing rows into one entity.

    Args:
        rows: Landing rows that could be split into columns (no `_unreadable` ones).
        mapping: The stream's mapping.
        into: Which of its entities.
        context: Person key and clock.

    Returns:
        The DERIVED columns, then the entity's, in exactly their types. Without `explode` one row
        for each landing row, in order; with it one for each child, and one (without a key, with the
        reason `unparseable:<list column>`) for a list that can't be read.

    Raises:
        ContractError: A mapped column isn't in `rows`.
        ConfigError: A `sql:` doesn't fit the types of its columns.
    """
    entity = entity_of(into.entity)
    work = _work(rows, mapping, into)
    mapped, hits = _mapped(work, mapping, into, entity)
    key = work.raw.select(
        _key=key_text([pl.col(name) for name in mapping.key_of(into)])
    )["_key"]  # fmt: skip
    month, out_of_range = _months(mapped, entity, mapping.timezone, context.now)
    hits = [
        Hit(name="key_missing", mask=key.is_null(), rejects=True),
        *hits,
        Hit(name="anchor_out_of_range", mask=out_of_range, rejects=False),
    ]
    judged = mapped.with_columns(
        _names([hit for hit in hits if hit.rejects], mapped.height).alias("_reasons"),
        _names([hit for hit in hits if not hit.rejects], mapped.height).alias("_warnings"),
    )
    judged = validate(pseudonymise(judged, entity, context.person_key), entity)
    derived = judged.with_columns(
        pl.lit(mapping.source).alias("_source"),
        pl.lit(mapping.stream).alias("_stream"),
        key,
        month,
        *work.landing.drop("_bad_values").get_columns(),
    )
    if work.unread is not None and work.unread.any():
        derived = _only_unread(derived, work.unread, into)
    return derived.select([*DERIVED, *entity.columns])


def unknown_codes(
    rows: pl.DataFrame, *, mapping: StreamMapping, into: Into
) -> dict[str, dict[str, int]]:
    """The codes that no code list knows, by core column: each with its rows, sorted.

    Personal columns are left out. For `check`, so that a person sees what to add to the YAML; what
    may be told of them is for whoever tells it.
    """
    entity = entity_of(into.entity)
    work = _work(rows, mapping, into)
    explode = into.explode.column if into.explode else None
    words = {
        name: unknown_words(origin(work.raw, column, explode=explode).values, column, target)
        for name, column in into.columns.items()
        if column.const is None and not (target := entity.field(name)).personal
    }
    return {name: found for name, found in words.items() if found}


def _work(rows: pl.DataFrame, mapping: StreamMapping, into: Into) -> _Work:
    prefix = into.explode.prefix if into.explode else None
    used = tuple(dict.fromkeys([*mapping.key, *entity_columns(into)]))
    fields = tuple(name for name in used if prefix is not None and name.startswith(prefix))
    raw_names = tuple(name for name in used if name not in fields)
    _demand(rows, raw_names, mapping)
    raw = prepared(rows, raw_names, mapping.nulls)
    landing = _landing(rows, mapping)
    if into.explode is None:
        return _Work(raw=raw, landing=landing, unread=None)
    children = exploded(raw[into.explode.column], into.explode, fields=fields)
    fields_frame = prepared(children.fields, fields, mapping.nulls)
    return _Work(
        raw=_children_of(raw, children).hstack(fields_frame),
        landing=_children_of(landing, children),
        unread=children.unread,
    )


def _children_of(frame: pl.DataFrame, children: Exploded) -> pl.DataFrame:
    return frame.select(pl.all().gather(children.parent))


def _demand(rows: pl.DataFrame, names: Sequence[str], mapping: StreamMapping) -> None:
    for name in names:
        if name not in rows.columns:
            guess = nearest(name, rows.columns)
            hint = f"; did you mean '{guess}'?" if guess else ""
            message = (
                f"{mapping.source}/{mapping.stream}: column '{name}', which the YAML maps, "
                f"isn't among the landed ones{hint}"
            )
            raise ContractError(message)


def _landing(rows: pl.DataFrame, mapping: StreamMapping) -> pl.DataFrame:
    given = [
        rows[name] if name in rows.columns else nothing(DERIVED[name], rows.height)
        for name in _FROM_LANDING
    ]
    columns = [
        values.cast(DERIVED[name]).alias(name)
        for name, values in zip(_FROM_LANDING, given, strict=True)
    ]
    bad = rows["_bad_values"] if "_bad_values" in rows.columns else None
    if bad is None:
        bad = nothing(_NAMES, rows.height)
    return pl.DataFrame(
        [
            *columns,
            rows["_key"].alias("_landing_key"),
            versions(rows, mapping),
            buried(rows, mapping),
            rows["_tombstone"].fill_null(value=False).alias("_is_copy"),
            bad.alias("_bad_values"),
        ]
    )


def _mapped(
    work: _Work, mapping: StreamMapping, into: Into, entity: Entity
) -> tuple[pl.DataFrame, list[Hit]]:
    """The entity's columns, in order and in their types, and what is wrong with them."""
    reader = ColumnReader(
        mapping=mapping,
        entity=entity,
        explode=into.explode.column if into.explode else None,
        frame=work.raw,
        bad_values=_bad_values(work),
    )
    found: dict[str, pl.Series] = {}
    hits: list[Hit] = []
    columns_of = completed(into, mapping, entity)
    read = in_parallel(
        lambda name: reader.read(name, columns_of[name]), list(columns_of), rows=work.raw.height
    )
    for name, mapped in zip(columns_of, read, strict=True):
        hits += mapped.hits
        # A column that the YAML maps itself isn't overwritten by a companion.
        found |= {
            core: values
            for core, values in mapped.columns.items()
            if core == name or core not in into.columns
        }
    height = work.raw.height
    columns = [
        found[f.name].cast(f.polars_type).alias(f.name)
        if f.name in found
        else nothing(f.polars_type, height).alias(f.name)
        for f in entity.fields
    ]
    return pl.DataFrame(columns, height=height), hits


def completed(into: Into, mapping: StreamMapping, entity: Entity) -> dict[str, ColumnMapping]:
    """The columns of the YAML, and those that it needn't write.

    `dossier_key` of a child is its landing row's key, and `currency` the source's, where an amount
    is mapped.
    """
    columns = dict(into.columns)
    if "dossier_key" in entity.columns and into.explode is not None:
        columns.setdefault("dossier_key", ColumnMapping(key=mapping.key))
    money = {f.name for f in entity.fields if f.type == "decimal"}
    if "currency" in entity.columns and money & set(columns):
        columns.setdefault("currency", ColumnMapping(const=mapping.currency))
    return columns


def _bad_values(work: _Work) -> dict[str, pl.Series]:
    bad = work.landing["_bad_values"]
    if bad.null_count() == len(bad):
        return {}
    names = set(bad.explode().drop_nulls().unique())
    return {
        name: bad.list.contains(name).fill_null(value=False)
        for name in work.raw.columns
        if name in names
    }


def _months(
    mapped: pl.DataFrame, entity: Entity, timezone: str, now: datetime
) -> tuple[pl.Series, pl.Series]:
    """`_month` of the anchor, and where the anchor is too far off to have one."""
    if entity.anchor is None:
        return nothing(pl.String, mapped.height).alias("_month"), nowhere(mapped.height)
    anchor = mapped[entity.anchor]
    days = anchor if anchor.dtype == pl.Date else local_dates(anchor, timezone)
    frame = days.alias("day").to_frame()
    inside = pl.col("day").dt.year().is_between(FIRST_YEAR, now.year + 1)
    months = frame.select(
        _month=pl.when(inside).then(pl.col("day")).dt.strftime("%Y-%m"),
        outside=(~inside).fill_null(value=False),
    )
    return months["_month"], months["outside"]


def _names(hits: Sequence[Hit], height: int) -> pl.Series:
    """Per row the names of the rules that hit it, in the order given, each once."""
    parts = []
    for hit in hits:
        if hit.mask.any():
            rows = hit.mask.arg_true()
            named = filled(hit.name, pl.String, len(rows))
            parts.append(pl.DataFrame({"row": rows, "name": named}))
    if not parts:
        return filled([], _NAMES, height)
    empty = pl.lit([], dtype=_NAMES)
    lists = (
        pl.concat(parts)
        .group_by("row", maintain_order=True)
        .agg(pl.col("name").unique(maintain_order=True).alias("names"))
    )
    every = pl.DataFrame({"row": pl.int_range(height, dtype=pl.UInt32, eager=True)})
    joined = every.join(lists, on="row", how="left", maintain_order="left")
    return joined.select(pl.col("names").fill_null(empty))["names"]


def _only_unread(derived: pl.DataFrame, unread: pl.Series, into: Into) -> pl.DataFrame:
    """Of a list that can't be read nothing is known: no key, no values, one reason."""
    column = into.explode.column if into.explode else ""
    own = [name for name in derived.columns if name not in DERIVED]
    reason = pl.lit([f"unparseable:{column}"], dtype=_NAMES)
    is_read = pl.lit(~unread)
    return derived.with_columns(
        pl.when(is_read).then(pl.col([*own, "_key", "_month"])),
        pl.when(is_read).then(pl.col("_reasons")).otherwise(reason).alias("_reasons"),
        pl.when(is_read).then(pl.col("_warnings")).otherwise(pl.lit([], dtype=_NAMES))
        .alias("_warnings"),
    )  # fmt: skip
