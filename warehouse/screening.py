"""Which landing rows concern somebody forgotten, and what stays of them.

A row goes as a whole where the person is who it is about: applicant, payer, sender, or the dossier
that it belongs to is one of theirs. Where the person only acts in somebody else's matter (an
official who took a step, a payer in the list of another one's dossier) what names the person is
emptied, and the row stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from schemas.fields import Entity
from schemas.personal import compact, pseudonyms_of
from schemas.rows import LANDING
from warehouse.feeds import Feed
from warehouse.forgotten import Marks

CODE: Final = "dossier_code"
"""Stands for the entity in the mark of a forgotten dossier's code."""

_AT: Final = "_at"
_TOKEN: Final = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What becomes of some landing rows.

    Attributes:
        gone: For each row whether it goes.
        values: Own columns with emptied cells, as long as the rows, by name.
    """

    gone: pl.Series
    values: Mapping[str, pl.Series]

    @property
    def is_idle(self) -> bool:
        """Nothing has to change."""
        return not self.gone.any() and not self.values


def subjects(entity: Entity) -> list[str]:
    """The columns of whom a row is about: those that hold an identity number."""
    return [field.name for field in entity.fields if field.personal and field.min_length]


def mentions(entity: Entity) -> list[str]:
    """The columns of whoever only acted."""
    return [field.name for field in entity.fields if field.personal and not field.min_length]


def dossier_columns(entity: Entity) -> list[str]:
    """Where a row says which dossier it belongs to; none for a dossier itself."""
    named = ("dossier_key", "dossier_code")
    return [] if entity.name == "dossier" else [name for name in named if name in entity.columns]


def of_dossiers(frame: pl.DataFrame, entity: Entity, marks: Marks) -> pl.Series:
    """For each row whether its dossier is forgotten; the code tells where no key is mapped."""
    columns = dossier_columns(entity)
    found = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    keys = frame["dossier_key"] if "dossier_key" in columns else None
    if keys is not None:
        found |= marks.are_rows("dossier", keys)
    if "dossier_code" in columns:
        codes = frame["dossier_code"]
        if keys is not None:
            codes = codes.zip_with(keys.is_null(), codes.clear(len(codes)))
        found |= marks.are_rows(CODE, codes)
    return found


@dataclass(frozen=True, kw_only=True)
class Screen:
    """How the rows of one stream are judged.

    Attributes:
        feeds: Every feed of the stream; none where today's catalog doesn't map it.
        marks: Whom the warehouse has forgotten.
        key: The stream's key columns.
        needle: The identity number itself, compacted, while somebody asks for it to be forgotten.
    """

    feeds: Sequence[Feed]
    marks: Marks
    key: Sequence[str]
    needle: str | None = None

    def with_marks(self, marks: Marks) -> Screen:
        """The same with other marks."""
        return replace(self, marks=marks)

    def judge(self, rows: pl.DataFrame) -> Judgement:
        """Decides over landing rows."""
        numbered = rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(_AT))
        gone, named = self._hits(numbered)
        named -= gone
        values: dict[str, pl.Series] = {}
        if named:
            chosen = numbered.filter(pl.col(_AT).is_in(list(named)))
            emptied = self._emptied(chosen)
            own_key = [name for name in self.key if name in rows.columns]
            changed = pl.any_horizontal(
                pl.lit(value=False),
                *(pl.Series(~chosen[n].eq_missing(emptied[n])) for n in own_key),
            )
            gone |= set(emptied.filter(changed)[_AT])
            left_gone, left_named = self._hits(emptied)
            gone |= left_gone | left_named
            kept = emptied.filter(~pl.col(_AT).is_in(list(gone)))
            values = _placed(numbered, kept)
        return Judgement(gone=numbered[_AT].is_in(list(gone)), values=values)

    def keys_of(self, rows: pl.DataFrame) -> set[str]:
        """`entity/key` of the core rows that landing rows would become, and codes of dossiers."""
        readable = rows.filter(pl.col("_unreadable").is_null())
        found: set[str] = set()
        for feed in self.feeds:
            found |= marked_as(feed.entity, feed.derive(readable))
        return found

    def subject_keys(self, rows: pl.DataFrame) -> Iterator[tuple[Feed, pl.DataFrame]]:
        """Per feed the keys derived, their order, and whether the row is about somebody marked."""
        readable = rows.filter(pl.col("_unreadable").is_null())
        for feed in self.feeds:
            derived = feed.derive(readable)
            code = [CODE] if feed.entity.name == "dossier" else []
            yield feed, derived.select(
                "_key", *code, "_version", "_landing_version", "_row",
                self._of_persons(derived, subjects(feed.entity)).alias("is_theirs"),
            )  # fmt: skip

    def _hits(self, rows: pl.DataFrame) -> tuple[set[int], set[int]]:
        gone: set[int] = set()
        named: set[int] = set()
        readable = rows.filter(pl.col("_unreadable").is_null())
        placed = readable.with_columns(
            pl.col(_AT).alias("_row"), pl.lit(0, pl.Int64).alias("_landing_version")
        ).drop(_AT)
        for feed in self.feeds:
            derived = feed.derive(placed)
            about = self._of_persons(derived, subjects(feed.entity))
            acting = self._of_persons(derived, mentions(feed.entity))
            theirs = self.marks.are_rows(feed.entity.name, derived["_key"])
            theirs |= of_dossiers(derived, feed.entity, self.marks)
            if feed.explodes:
                about, acting = theirs, acting | about
            gone |= set(derived.filter(about | theirs)["_row"])
            named |= set(derived.filter(acting)["_row"])
        unreadable = rows.filter(pl.col("_unreadable").is_not_null())
        gone |= self._in_raw(unreadable)
        if self.needle is not None:
            named |= self._with_needle(rows)
        return (gone, named) if self.feeds else (gone | named, set())

    def _of_persons(self, derived: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
        found = pl.repeat(value=False, n=derived.height, dtype=pl.Boolean, eager=True)
        for name in columns:
            found |= self.marks.are_persons(derived[name])
        return found

    def _in_raw(self, rows: pl.DataFrame) -> set[int]:
        """Records that could not be split and hold a word that is the number of a person."""
        if not rows.height:
            return set()
        words = rows.select(
            _AT, pl.col("_raw").str.extract_all(r"[\p{L}\p{N}]+").alias("word")
        ).explode("word")
        persons = self._persons(words["word"].drop_nulls().unique().to_list())
        return set(words.filter(pl.col("word").is_in(list(persons)))[_AT])

    def _with_needle(self, rows: pl.DataFrame) -> set[int]:
        texts = [c for c, kind in rows.schema.items() if kind == pl.String]
        if self.needle is None or not texts:
            return set()
        holds = [compact(pl.col(c)).str.contains(self.needle, literal=True) for c in texts]
        integers = [
            pl.col(c).cast(pl.String) == self.needle
            for c, kind in rows.schema.items()
            if kind.is_integer() and c not in LANDING and c != _AT
        ]
        return set(rows.filter(pl.any_horizontal(*holds, *integers))[_AT])

    def _persons(self, texts: Sequence[str]) -> set[str]:
        """The texts that are numbers of persons who are forgotten."""
        values = pl.Series(texts, dtype=pl.String)
        hashed = pseudonyms_of(values, self.marks.key)
        found = set(values.filter(self.marks.are_persons(hashed)))
        if self.needle is not None:
            compacted = pl.DataFrame({"t": values}).select(compact(pl.col("t")))["t"]
            holds = compacted.str.contains(self.needle, literal=True).fill_null(value=False)
            found |= set(values.filter(holds))
        return found

    def _emptied(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with every cell, or item of a list, emptied that names a person."""
        own = [c for c in rows.columns if c not in LANDING and c != _AT]
        texts = {c: rows[c].cast(pl.String).to_list() for c in own if _can_name(rows.schema[c])}
        leaves = {leaf for values in texts.values() for v in values for leaf in _leaves(v)}
        persons = self._persons(sorted(leaves))
        changed = []
        for name, values in texts.items():
            kind = rows.schema[name]
            new = [_without(value, persons) for value in values]
            changed.append(pl.Series(name, new, pl.String).cast(kind))
        return rows.with_columns(changed)


def marked_as(entity: Entity, rows: pl.DataFrame) -> set[str]:
    """What is marked of core rows that are forgotten: `entity/key`, and the codes of dossiers."""
    found = {f"{entity.name}/{key}" for key in rows["_key"].drop_nulls().unique()}
    if entity.name == "dossier":
        found |= {f"{CODE}/{code}" for code in rows[CODE].drop_nulls().unique()}
    return found


def _can_name(kind: pl.DataType) -> bool:
    return kind == pl.String or kind.is_integer()


def _placed(rows: pl.DataFrame, kept: pl.DataFrame) -> dict[str, pl.Series]:
    """The own columns in which something was emptied, with all rows in their places."""
    own = [c for c in rows.columns if c not in LANDING and c != _AT]
    merged = rows.select(_AT, *own).update(kept.select(_AT, *own), on=_AT, include_nulls=True)
    return {c: merged[c] for c in own if not merged[c].equals(rows[c], null_equal=True)}


def _leaves(value: str | None) -> Iterator[str]:
    """The texts and numbers in a cell: itself, or the items of JSON."""
    if value is None:
        return
    if value[:1] in {"[", "{"}:
        try:
            yield from _items(json.loads(value, parse_int=str, parse_float=str))
        except ValueError:
            yield from _TOKEN.findall(value)
        return
    yield value


def _items(value: Any) -> Iterator[str]:  # noqa: ANN401 - what JSON holds
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value
    for item in inner if isinstance(value, dict | list) else ():
        yield from _items(item)


def _without(value: str | None, persons: set[str]) -> str | None:
    """A cell without what names a person; every other letter of a list stays as it is."""
    if value is None or value in persons:
        return None
    if value[:1] not in {"[", "{"}:
        return value
    for leaf in persons.intersection(_leaves(value)):
        for literal in {json.dumps(leaf), json.dumps(leaf, ensure_ascii=False)}:
            value = value.replace(literal, "null")
        value = re.sub(rf"(?<![\w.\"]){re.escape(leaf)}(?![\w.\"])", "null", value)
    return value
