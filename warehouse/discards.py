"""Discarded rejections: a person said that a landed row isn't wanted, whatever the YAML becomes.

The words stand in quarantine beside the row, so of a discard and a rebuild at once one sees the
other. Whoever derives old rows anew asks here first; a rebuild keeps them out of core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from warehouse.acts import Act
from warehouse.delta import Table
from warehouse.quarantine import SCHEMA, Quarantine

RULE: Final = "discarded"
"""The rule that rejects a row which nothing but its discard rejects."""

WORDS: Final = ("discarded_at", "discarded_by", "discard_reason")
_PLACE: Final = ("stream", "_landing_version", "_row")


def discards(rows: pl.LazyFrame, source: str, entity: str) -> pl.DataFrame:
    """The discarded rows of a source in an entity (SCHEMA)."""
    mine = (pl.col("source") == source) & (pl.col("entity") == entity)
    return rows.filter(mine, pl.col("discarded_at").is_not_null()).collect()


def without_discards(derived: pl.DataFrame, discarded: pl.DataFrame) -> pl.DataFrame:
    """Derived rows of any landing version, the discarded ones rejected.

    Args:
        derived: With `_stream`, `_accepted`, `_reasons`.
        discarded: SCHEMA; of the entity that the rows are derived for.
    """
    if not discarded.height or not derived.height:
        return derived
    marked = _told(derived.with_columns(stream=pl.col("_stream")), discarded)
    is_discarded = pl.col("discarded_at").is_not_null()
    alone = is_discarded & (pl.col("_reasons").list.len() == 0)
    return marked.with_columns(
        (pl.col("_accepted") & ~is_discarded).alias("_accepted"),
        pl.when(alone).then(pl.lit([RULE])).otherwise(pl.col("_reasons")).alias("_reasons"),
    ).select(derived.columns)


def carried(rejected: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Rejected rows with what is known of them already: since when, and whether discarded.

    Args:
        rejected: SCHEMA, as derived now.
        held: SCHEMA, as quarantine holds them; of the same source.
    """
    if not rejected.height or not held.height:
        return rejected
    parts = []
    for (entity,), mine in rejected.group_by("entity", maintain_order=True):
        before = held.filter(pl.col("entity") == entity)
        since = before.group_by(_PLACE).agg(pl.col("quarantined_at").min().alias("since"))
        known = mine.drop(WORDS).join(since, on=_PLACE, how="left", maintain_order="left")
        told = _told(known, before.filter(pl.col("discarded_at").is_not_null()))
        parts.append(
            told.with_columns(pl.coalesce("since", "quarantined_at").alias("quarantined_at"))
        )
    return pl.concat(parts).select(SCHEMA.names)


def _told(rows: pl.DataFrame, discarded: pl.DataFrame) -> pl.DataFrame:
    """Rows with the words of their discard.

    A row that was discarded without a key is meant whatever key it has today.
    """
    whole = discarded.filter(pl.col("_key").is_null()).unique(_PLACE, keep="first")
    keyed = discarded.filter(pl.col("_key").is_not_null()).unique([*_PLACE, "_key"], keep="first")
    return (
        rows.join(
            keyed.select(*_PLACE, "_key", *WORDS),
            on=[*_PLACE, "_key"], how="left", maintain_order="left",
        )
        .join(
            whole.select(*_PLACE, *WORDS),
            on=_PLACE, how="left", maintain_order="left", suffix="_whole",
        )
        .with_columns(pl.coalesce(word, f"{word}_whole").alias(word) for word in WORDS)
        .drop(f"{word}_whole" for word in WORDS)
    )  # fmt: skip


def discard(
    quarantine: Quarantine,
    table: Table,
    rows: pl.DataFrame,
    *,
    act: Act,
    txns: Mapping[str, int],
) -> None:
    """Writes the words of a discard beside rows of one source, in one commit.

    Args:
        quarantine: The quarantine.
        table: The handle that the rows were chosen from, behind a fence.
        rows: SCHEMA; all of one source, and integrated.
        act: Who, when and why.
        txns: The apps whose runs write these rows, with the versions that they keep.

    Raises:
        LostRaceError: Another run wrote them first: choose again.
    """
    source = rows["source"][0]
    entities = rows["entity"].unique().sort().to_list()
    mine = (pl.col("source") == source) & pl.col("entity").is_in(entities)
    held = quarantine.settled(table).filter(mine).collect()
    place = ["entity", *_PLACE, "_key"]
    meant = rows.select(place).unique().with_columns(is_meant=pl.lit(value=True))
    known = held.join(meant, on=place, how="left", nulls_equal=True, maintain_order="left")
    is_new = pl.col("is_meant").fill_null(value=False) & pl.col("discarded_at").is_null()
    words = (act.at, act.who, act.reason)
    types = pl.DataFrame(SCHEMA.empty_table()).schema
    marked = known.with_columns(
        pl.when(is_new).then(pl.lit(word).cast(types[name])).otherwise(pl.col(name)).alias(name)
        for name, word in zip(WORDS, words, strict=True)
    )
    quarantine.rewrite(
        table, marked.select(SCHEMA.names), source=source, entities=entities, txns=txns
    )
