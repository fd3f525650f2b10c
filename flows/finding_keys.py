"""Where a key is: in core, in quarantine, in landing; and what is like it where it is nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

import polars as pl

from flows.context import Context
from schemas.entities import ENTITIES
from schemas.errors import ConfigError
from schemas.telling import is_plain, told

Place = tuple[str, str, str]
"""Source, entity, key."""

_MOST_ALIKE: Final = 2_000
_NOT_ALIKE: Final = r"[^\p{L}\p{N}]"
_DOSSIER: Final = "dossier"


def find_key(context: Context, key: str, source: str | None) -> list[Place]:
    """The records that a key is of: by `_key`, or a dossier's by its code.

    Raises:
        ConfigError: Nothing has that key; the message says what is near. Or no such source.
    """
    if source is not None:
        context.catalog.source(source)
    found = sorted({*_in_core(context, key), *_in_quarantine(context, key)})
    found = found or sorted(_in_landing(context, key))
    mine = [place for place in found if source in (None, place[0])]
    if mine:
        return mine
    raise ConfigError(_nowhere(context, key, source, [place[0] for place in found]))


def _in_core(context: Context, key: str) -> Iterator[Place]:
    for entity in ENTITIES:
        table = context.warehouse.core(entity)
        if table is None:
            continue
        is_it = pl.col("_key") == key
        if entity == _DOSSIER:
            is_it = is_it | (pl.col("dossier_code") == key)
        rows = table.scan().filter(is_it.fill_null(value=False)).select("_source", "_key")
        for source, text in rows.collect(engine="streaming").iter_rows():
            yield source, entity, text


def _in_quarantine(context: Context, key: str) -> Iterator[Place]:
    is_it = (pl.col("_key") == key) & (pl.col("entity") != "")
    rows = context.warehouse.quarantine.scan().filter(is_it.fill_null(value=False))
    yield from rows.select("source", "entity", "_key").unique().collect().iter_rows()


def _in_landing(context: Context, key: str) -> Iterator[Place]:
    """Landed, and not integrated yet: under the first entity of its stream."""
    for source in context.catalog.sources.values():
        for stream in source.streams.values():
            table = context.warehouse.landing(source.name, stream.name).table()
            if table is None:
                continue
            rows = table.scan().filter(pl.col("_key") == key).select("_key").head(1)
            if rows.collect(engine="streaming").height:
                yield source.name, stream.entities[0], key


def _nowhere(context: Context, key: str, source: str | None, others: list[str]) -> str:
    shown = told(key)
    if others:
        there = ", ".join(sorted(set(others)))
        return f"{source} has no record with the key {shown!r}; {there} has"
    where = f"of {source} " if source else ""
    message = (
        f"no record {where}has the key {shown!r}, neither in core nor in quarantine or landing"
    )
    near = _alike(context, key, source)
    if near:
        return f"{message}; the nearest: {', '.join(near)}"
    return f"{message}. A key is what `lienthong sql` shows as `_key`, or a dossier's code"


def _alike(context: Context, key: str, source: str | None) -> list[str]:
    """At most three keys of dossiers that are like one, with their sources."""
    table = context.warehouse.core(_DOSSIER)
    if table is None:
        return []
    rows = table.scan().select("_source", "_key")
    if source is not None:
        rows = rows.filter(pl.col("_source") == source)
    folded = pl.col("_key").str.to_lowercase().str.replace_all(_NOT_ALIKE, "")
    mine = "".join(sign for sign in key.casefold() if sign.isalnum())
    same = rows.filter(folded == mine).head(3).collect(engine="streaming")
    if not same.height and len(key) > 3:
        start = key[: max(3, len(key) * 2 // 3)]
        near = rows.filter(pl.col("_key").str.starts_with(start)).head(_MOST_ALIKE)
        same = near.collect(engine="streaming")
        close = get_close_matches(key, same["_key"].to_list(), n=3, cutoff=0.6)
        same = same.filter(pl.col("_key").is_in(close))
    plain = [(s, k) for s, k in same.iter_rows() if is_plain(k)]
    return [f"{text} ({name})" for name, text in plain[:3]]
