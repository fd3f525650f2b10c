"""Everything that landed of some records, derived under today's mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from warehouse.feeds import Feed, derive_rows, lines_of, siblings_of

_PLACE = ["_landing_version", "_row"]


@dataclass(frozen=True, kw_only=True)
class Story:
    """What one feed has to tell of some keys: every copy that is integrated.

    Attributes:
        feed: The feed.
        rows: Derived rows (`warehouse.feeds.Derived`), all of them of the batch.
        lines: LINES of their records, for `many`.
        places: Landing version and row of every landing row that was judged anew.
    """

    feed: Feed
    rows: pl.DataFrame
    lines: pl.DataFrame | None
    places: pl.DataFrame


def stories(
    feeds: Sequence[Feed], chosen: pl.DataFrame, goals: Mapping[str, int]
) -> tuple[list[Story], pl.DataFrame]:
    """The whole integrated history of the keys that some landing rows derive, or derived once.

    Args:
        feeds: All feeds of one source into one entity.
        chosen: `stream`, `_landing_version`, `_row` and the `_key` they had, of rows integrated.
        goals: App of the feed to the landing version that core holds.

    Returns:
        One story for each feed that has one, and the keys (column `_key`).
    """
    told: list[Story] = []
    keys = [pl.DataFrame(schema={"_key": pl.String})]
    for is_many in (False, True):
        kind = [feed for feed in feeds if feed.is_many is is_many and goals[feed.app]]
        mine = chosen.filter(pl.col("stream").is_in([feed.stream for feed in kind]))
        if not mine.height:
            continue
        own = {feed.app: _landed(feed, mine) for feed in kind}
        if is_many:
            own = {f.app: lines_of(f, own[f.app], to=goals[f.app]) for f in kind}
        derived = [derive_rows(feed, own[feed.app]).rows.select("_key") for feed in kind]
        wanted = pl.concat([mine.select("_key"), *derived]).drop_nulls().unique()
        keys.append(wanted)
        told += _told(kind, own, wanted, goals)
    return told, pl.concat(keys).unique()


def _landed(feed: Feed, chosen: pl.DataFrame) -> pl.DataFrame:
    """The readable landing rows at the places chosen of a feed's stream."""
    places = chosen.filter(pl.col("stream") == feed.stream).select(_PLACE).unique()
    rows = feed.landing.at(places)
    return rows.filter(pl.col("_unreadable").is_null())


def _told(
    feeds: Sequence[Feed],
    own: Mapping[str, pl.DataFrame],
    keys: pl.DataFrame,
    goals: Mapping[str, int],
) -> Iterator[Story]:
    for feed in feeds:
        landed, to = own[feed.app], goals[feed.app]
        if feed.explodes:
            part = derive_rows(feed, landed)
            yield Story(
                feed=feed, rows=part.rows, lines=part.lines, places=landed.select(_PLACE).unique()
            )
            continue
        if feed.is_many:
            whole = siblings_of(feed, landed, keys, to=to)
        else:
            whole = _copies(feed, landed, keys, to=to)
        part = derive_rows(feed, whole)
        # The records of a key may have derived other keys, whose story this isn't.
        mine = part.rows.join(keys, on="_key", how="semi")
        keyless = part.rows.filter(pl.col("_key").is_null())
        rows = pl.concat([mine, keyless])
        yield Story(feed=feed, rows=rows, lines=part.lines, places=rows.select(_PLACE).unique())


def _copies(feed: Feed, landed: pl.DataFrame, keys: pl.DataFrame, *, to: int) -> pl.DataFrame:
    """Every copy of some keys of a `same` feed; by the key they landed with, and by today's."""
    wanted = keys.select(pl.col("_key").alias("_wanted"))
    found = [landed, feed.landing.history(wanted, by=None, to=to)]
    if set(feed.key_columns) <= set(landed.columns):
        found.append(feed.landing.history(wanted, by=feed.key_columns, to=to))
    return pl.concat(found).unique(_PLACE, maintain_order=True)


def story_of(feed: Feed, key: str, records: Sequence[str], *, to: int) -> pl.DataFrame:
    """The landing rows that may derive one key: of its records, or by its columns.

    Args:
        feed: The feed.
        key: Of the entity.
        records: Landing keys that it was derived from, as far as is known.
        to: Newest landing version to look at.
    """
    wanted = pl.DataFrame({"_key": [key]}, {"_key": pl.String})
    known = pl.DataFrame({"_wanted": list(records)}, {"_wanted": pl.String})
    found = feed.landing.history(known, by=None, to=to)
    if feed.explodes:
        return found
    if feed.is_many:
        return siblings_of(feed, found, wanted, to=to)
    return _copies(feed, found, wanted, to=to)
