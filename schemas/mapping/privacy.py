"""Which source columns identify a person, and what must never be made of them."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.codes import normalise
from schemas.entities import entity as entity_of
from schemas.mapping.columns import Codes
from schemas.mapping.models import Into, StreamMapping


def personal_origins(into: Into) -> Iterator[str]:
    """The raw columns and child fields (`list.field`) that feed a personal column of the entity."""
    entity = entity_of(into.entity)
    explode = into.explode.column if into.explode else None
    for name, column in into.columns.items():
        if entity.field(name).personal:
            yield from column.raw_columns(explode)


def personal_columns(mapping: StreamMapping) -> set[str]:
    """The source columns to mask before a person's eyes; a list with a personal field is one."""
    columns: set[str] = set()
    for into in mapping.into:
        prefix = into.explode.prefix if into.explode else None
        for origin in personal_origins(into):
            is_child = prefix is not None and origin.startswith(prefix)
            columns.add(into.explode.column if into.explode and is_child else origin)
    return columns


def open_uses(mapping: StreamMapping, into: Into) -> Iterator[tuple[str, str]]:
    """Uses of a personal origin that would show it in core: (where, raw column or child field).

    `where` is `key`, or the name of a column that isn't personal.
    """
    personal = {origin for one in mapping.into for origin in personal_origins(one)}
    entity = entity_of(into.entity)
    explode = into.explode.column if into.explode else None
    for name in mapping.key_of(into):
        if name in personal:
            yield "key", name
    for core, column in into.columns.items():
        if not entity.field(core).personal:
            for name in column.raw_columns(explode):
                if name in personal:
                    yield core, name


def known_words(mapping: StreamMapping) -> dict[str, frozenset[str]]:
    """Source column to the words that its code lists know, as `normalise` writes them.

    The words that stand for no value are among them.
    """
    known: dict[str, set[str]] = {}
    for into in mapping.into:
        entity = entity_of(into.entity)
        explode = into.explode.column if into.explode else None
        for name, column in into.columns.items():
            codes = Codes.of(column, entity.field(name))
            words = {*normalise([*mapping.nulls, *column.nulls]), *(codes.words if codes else ())}
            for raw in column.raw_columns(explode):
                known.setdefault(raw, set()).update(words)
    return {name: frozenset(words) for name, words in known.items()}
