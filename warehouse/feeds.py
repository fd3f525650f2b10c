"""How a stream feeds an entity, as the warehouse needs to know it.

The warehouse doesn't know YAML: whoever integrates hands it the mapping as functions on frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import polars as pl
import pyarrow as pa

from schemas.fields import Entity
from warehouse.delta import Table
from warehouse.hashing import row_hashes
from warehouse.landing import Landing
from warehouse.merge_plan import CANDIDATE, LINES, ORDER

CHUNK_ROWS: Final = 250_000


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One stream into one entity.

    Attributes:
        source: Name of the source.
        stream: Name of the stream.
        entity: The entity fed.
        landing: The stream's landing.
        derive: Landing rows (without unreadable ones) to derived rows (`schemas.rows.DERIVED` and
            the entity's columns).
        orders: Landing rows to (`_landing_key`, ORDER, `_tombstone`, `_read_at`), one per row.
        key_columns: For `many` without a list: the columns whose key text is the entity's key.
        is_many: The entity's key isn't the stream's.
        explodes: The entity's rows come from a list on the row.
        with_unsplit: This feed answers for the stream's unsplit records.
        order: Mark of what orders its copies; core keeps it. 0: nobody says.
        ready: What is derived of a window already, where somebody has done that.
    """

    source: str
    stream: str
    entity: Entity
    landing: Landing
    derive: Callable[[pl.DataFrame], pl.DataFrame]
    orders: Callable[[pl.DataFrame], pl.DataFrame]
    key_columns: tuple[str, ...]
    is_many: bool
    explodes: bool
    with_unsplit: bool
    order: int = 0
    ready: Callable[..., Derived | None] | None = None

    @property
    def app(self) -> str:
        """The app whose txn in core says which landing version is integrated."""
        return f"{self.source}/{self.stream}"

    @property
    def order_txn(self) -> dict[str, int]:
        """The txn in core that says what its copies are ordered by."""
        return {f"order/{self.app}": self.order} if self.order else {}

    def is_reordered(self, core: Table) -> bool:
        """Whether core holds copies that were ordered by something else: it has to be made anew."""
        is_ordered = all(core.txn(app) == order for app, order in self.order_txn.items())
        return not is_ordered and core.txn(self.app) > 0

    def windows(self, *, after: int, to: int) -> list[tuple[int, int]]:
        """Cuts `(after, to]` into windows of about `CHUNK_ROWS` rows; none where no row landed."""
        windows: list[tuple[int, int]] = []
        sizes = self.landing.sizes(after=after, to=to)
        if not sizes:
            return windows  # versions that only moved a coverage: core has no reason for a commit
        low, rows = after, 0
        for version, count in sizes:
            if rows and rows + count > CHUNK_ROWS:
                windows.append((low, version - 1))
                low, rows = version - 1, 0
            rows += count
        if low < to:
            windows.append((low, to))
        return windows


@dataclass(frozen=True, kw_only=True)
class Derived:
    """What one feed derives from one window.

    Attributes:
        rows: Derived rows with `_row_hash`, `_accepted`, `_in_batch`, `_folds`.
        lines: LINES of the landing rows, for `many`.
        broken: The window's unreadable landing rows.
    """

    rows: pl.DataFrame
    lines: pl.DataFrame | None
    broken: pl.DataFrame


def derive_window(feed: Feed, *, after: int, to: int) -> Derived:
    """Derives a window, with the history that a `many` feed needs beside it."""
    if feed.ready is not None and (done := feed.ready(feed, after=after, to=to)) is not None:
        return done
    landed = feed.landing.rows(after=after, to=to)
    if not feed.is_many or after == 0:
        return derive_rows(feed, landed, after=after)
    readable = landed.filter(pl.col("_unreadable").is_null())
    history = _of_lines(feed, readable, to=to)
    if feed.explodes:
        return _derived(feed, history, landed, after=after)
    keys = feed.derive(history).select("_key").drop_nulls().unique()
    part = _derived(feed, _siblings(feed, history, keys, to=to), landed, after=after)
    # The lines of a touched key may have derived other keys, which the history is not whole for.
    touched = part.rows.join(keys, on="_key", how="semi")
    keyless = part.rows.filter(pl.col("_key").is_null(), pl.col("_in_batch"))
    return replace(part, rows=pl.concat([touched, keyless]))


def derive_alone(feed: Feed, *, after: int, to: int) -> Derived:
    """Derives a window for somebody who goes through all windows anyway."""
    return derive_rows(feed, feed.landing.rows(after=after, to=to), after=after)


def derive_rows(feed: Feed, landed: pl.DataFrame, *, after: int = 0) -> Derived:
    """Derives landing rows, in whatever cut, without any history.

    Args:
        feed: The feed.
        landed: The rows, with their landing versions.
        after: Rows of later landing versions are of the batch that is integrated.
    """
    return _derived(feed, landed.filter(pl.col("_unreadable").is_null()), landed, after=after)


def lines_of(feed: Feed, rows: pl.DataFrame, *, to: int) -> pl.DataFrame:
    """The readable landing rows, up to a version, of the records that some landing rows belong to.

    Rows without a key stay as they are.
    """
    return _of_lines(feed, rows, to=to)


def siblings_of(feed: Feed, rows: pl.DataFrame, keys: pl.DataFrame, *, to: int) -> pl.DataFrame:
    """`lines_of` some rows and of all that ever derived one of some keys (column `_key`)."""
    return _siblings(feed, rows, keys, to=to)


def _derived(feed: Feed, readable: pl.DataFrame, landed: pl.DataFrame, *, after: int) -> Derived:
    rows = _marked(feed, feed.derive(readable), after)
    return Derived(
        rows=rows,
        lines=line_orders(feed, readable, rows) if feed.is_many else None,
        broken=landed.filter(pl.col("_unreadable").is_not_null()),
    )


def line_orders(feed: Feed, rows: pl.DataFrame, derived: pl.DataFrame) -> pl.DataFrame:
    """The LINES of landing rows: which copies of which lines there are, and how they ended."""
    unknown = derived.filter(pl.col("_key").is_null()) if feed.explodes else derived.clear()
    place = ["_landing_version", "_row"]
    return (
        feed.orders(rows)
        .join(
            unknown.select(place).unique().with_columns(pl.lit(value=True).alias("_is_unknown")),
            on=place,
            how="left",
        )
        .with_columns(
            pl.lit(feed.source).alias("_source"),
            pl.lit(feed.stream).alias("_stream"),
            pl.col("_is_unknown").fill_null(value=False),
        )
        .select(LINES.keys())
        .cast(LINES)  # type: ignore[arg-type]
    )


def _siblings(feed: Feed, history: pl.DataFrame, keys: pl.DataFrame, *, to: int) -> pl.DataFrame:
    """The history of every line that ever derived one of some keys."""
    wanted = keys.select(pl.col("_key").alias("_wanted"))
    siblings = feed.landing.history(wanted, by=feed.key_columns, to=to)
    return _of_lines(feed, pl.concat([history, siblings]), to=to)


def _of_lines(feed: Feed, rows: pl.DataFrame, *, to: int) -> pl.DataFrame:
    """Every landing row of the lines that some rows belong to; keyless rows stay as they are."""
    lines = rows.select(pl.col("_key").alias("_wanted")).drop_nulls().unique()
    history = feed.landing.history(lines, by=None, to=to)
    keyless = rows.filter(pl.col("_key").is_null())
    return (
        pl.concat([history, keyless])
        .filter(pl.col("_unreadable").is_null())
        .unique(["_landing_version", "_row"], maintain_order=True)
    )


def _marked(feed: Feed, derived: pl.DataFrame, after: int) -> pl.DataFrame:
    """Derived rows with their hash and what the plan wants to know of them."""
    own = pa.table(derived.select(feed.entity.columns).to_arrow())
    return derived.with_columns(
        pl.Series("_row_hash", row_hashes(own, feed.entity.columns), pl.String),
        (pl.col("_reasons").list.len() == 0).alias("_accepted"),
        (pl.col("_landing_version") > after).alias("_in_batch"),
        pl.lit(value=feed.is_many and not feed.explodes).alias("_folds"),
    )


def history_of(feed: Feed, values: pl.DataFrame, keys: pl.DataFrame, *, to: int) -> pl.DataFrame:
    """Derived rows of the whole landing history of some keys of a `same` feed.

    Args:
        feed: The feed.
        values: Derived rows that are there already; they don't come again.
        keys: One column `_key`, distinct.
        to: Newest landing version to look at.
    """
    wanted = keys.select(pl.col("_key").alias("_wanted"))
    landed = feed.landing.history(wanted, by=None, to=to)
    readable = landed.filter(pl.col("_unreadable").is_null())
    rows = _marked(feed, feed.derive(readable), after=to).filter(pl.col("_key").is_not_null())
    place = ["_source", "_stream", "_landing_version", "_row"]
    return rows.join(values.select(place), on=place, how="anti")


def as_candidates(derived: pl.DataFrame) -> pl.DataFrame:
    """Derived rows (with `_id`) as the plan's candidates."""
    return derived.select(CANDIDATE.keys()).cast(CANDIDATE)  # type: ignore[arg-type]


def rejected_before(quarantine: pl.LazyFrame, feed: Feed, keys: pl.DataFrame) -> pl.DataFrame:
    """Earlier rejected copies of some keys, as candidates.

    Args:
        quarantine: The whole table, lazily.
        feed: A `same` feed.
        keys: One column `_key`, distinct.
    """
    return (
        quarantine.filter(pl.col("source") == feed.source, pl.col("entity") == feed.entity.name)
        .join(keys.lazy(), on="_key", how="semi")
        .select(
            pl.col("source").alias("_source"),
            pl.col("stream").alias("_stream"),
            "_key",
            "_landing_key",
            *ORDER,
            pl.lit(None, pl.String).alias("_row_hash"),
            "_read_at",
            "_tombstone",
            pl.lit(value=False).alias("_is_copy"),
            pl.lit(value=False).alias("_accepted"),
            pl.lit(value=False).alias("_in_batch"),
            pl.lit(value=False).alias("_folds"),
            pl.lit([], pl.List(pl.String)).alias("_warnings"),
            pl.lit(None, pl.Int64).alias("_id"),
        )
        .collect()
        .select(CANDIDATE.keys())
        .cast(CANDIDATE)  # type: ignore[arg-type]
    )
