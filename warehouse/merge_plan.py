"""What a merge does, as a pure function of frames.

The state of a core key is a function of the landing rows that derive it, and of nothing else:

- order: two copies are ordered by (`_version`, `_landing_version`, `_row`);
- values: those of the greatest accepted copy, a tombstone (which carries the last values) included;
- deleted: no source row whose newest copy is alive derives the key any more;
- stale: the newest copy of the key was rejected, so the values are older than the source's.

For an entity whose key is its stream's key (`same`) that is a maximum, so the core row stands for
all copies before it and only new rows are looked at; but for keys that are or get buried, whose
whole history says since when. Everywhere else (children of a list, parents
repeated on their lines: `many`) the plan is given the whole landing history of the keys touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

ORDER: Final = ("_version", "_landing_version", "_row")
KEY: Final = ("_source", "_key")
PUT: Final = "put"  # the key's values are written, or the key is new
MARK: Final = "mark"  # values stay; the key was deleted, came back, or became stale
BUMP: Final = "bump"  # values stay; only a newer copy with the same values stands for it

CANDIDATE: Final[dict[str, pl.DataType]] = {
    "_source": pl.String(),
    "_stream": pl.String(),
    "_key": pl.String(),
    "_landing_key": pl.String(),
    "_version": pl.Int64(),
    "_landing_version": pl.Int64(),
    "_row": pl.Int64(),
    "_row_hash": pl.String(),
    "_read_at": pl.Datetime("us", "UTC"),
    "_tombstone": pl.Boolean(),  # buries its key
    "_is_copy": pl.Boolean(),  # of a vanished row: the source didn't send it, nothing counts it
    "_accepted": pl.Boolean(),
    "_in_batch": pl.Boolean(),  # a row of the landing versions integrated now
    "_folds": pl.Boolean(),  # repeats its parent: one of its kind per read is enough
    "_warnings": pl.List(pl.String()),
    "_id": pl.Int64(),  # position in the frame that holds the values; null where there are none
}
EXISTING: Final[dict[str, pl.DataType]] = {
    "_source": pl.String(),
    "_stream": pl.String(),
    "_key": pl.String(),
    "_landing_key": pl.String(),
    "_version": pl.Int64(),
    "_landing_version": pl.Int64(),
    "_row": pl.Int64(),
    "_row_hash": pl.String(),
    "_deleted_at": pl.Datetime("us", "UTC"),
    "_is_stale": pl.Boolean(),
    "_warnings": pl.List(pl.String()),
    "_month": pl.String(),
}
LINES: Final[dict[str, pl.DataType]] = {
    "_source": pl.String(),
    "_stream": pl.String(),
    "_landing_key": pl.String(),
    "_version": pl.Int64(),
    "_landing_version": pl.Int64(),
    "_row": pl.Int64(),
    "_read_at": pl.Datetime("us", "UTC"),
    "_tombstone": pl.Boolean(),
    "_is_unknown": pl.Boolean(),  # its child list could not be read: which keys it derives is open
}
FATES: Final = ("inserted", "updated", "unchanged", "superseded", "folded", "quarantined")


@dataclass(frozen=True, kw_only=True)
class MergePlan:
    """What to write, and what became of every derived row.

    Attributes:
        writes: One row per key to write: KEY, ORDER, `_stream`, `_landing_key`, `_row_hash`,
            `_deleted_at`, `_is_stale`, `_warnings`, `_id` (the candidate whose values stand),
            `_op` (PUT, MARK or BUMP), `_old_month` and `_is_known` (of the core row).
        fates: One row per (`_source`, `_stream`, `fate`): number of derived rows of the batch that
            the source sent, those that it marks as deleted included.
        tombstoned: One row per (`_source`, `_stream`): keys that are gone now and weren't.
    """

    writes: pl.DataFrame
    fates: pl.DataFrame
    tombstoned: pl.DataFrame


def plan_merge(
    candidates: pl.DataFrame,
    existing: pl.DataFrame,
    *,
    lines: pl.DataFrame | None = None,
    is_whole: bool = False,
) -> MergePlan:
    """Decides the state of every key among the candidates.

    Args:
        candidates: Columns CANDIDATE. For `same`: the batch, earlier rejected copies, and every
            copy of a key that is or gets buried. For
            `many`: the whole landing history of every key and line touched, the batch included.
            Rows whose `_key` is null are only counted.
        existing: Columns EXISTING: the core rows of the candidates' keys.
        lines: For `many`, columns LINES: every landing row of every line among the candidates.
            None means `same`.
        is_whole: The candidates of a `same` feed are the whole history of their keys too: what core
            holds stands for none of them, and is only compared with.

    Returns:
        The plan. It depends on the order of rows in no frame.
    """
    keyed = candidates.filter(pl.col("_key").is_not_null())
    if lines is None and existing.is_empty() and _are_all_different(keyed):
        return _plan_of_new(candidates, keyed)
    is_whole = is_whole or lines is not None
    pool = keyed if is_whole else _with_existing(keyed, existing)
    several = pool.group_by(KEY).len().filter(pl.col("len") > 1)
    state = _winners(pool, several)
    life = _life_of_same(pool, several) if lines is None else _life_of_many(pool, lines)
    state = state.join(life, on=KEY, how="left")
    known = existing.rename({c: f"old{c}" for c in EXISTING if c not in KEY})
    state = state.join(known, on=KEY, how="left").with_columns(
        pl.col("old_version").is_not_null().alias("is_known")
    )
    state = state.with_columns(pl.col("_is_stale").fill_null(value=False))
    batch = candidates.filter(pl.col("_in_batch"), ~pl.col("_is_copy"))
    return _plan(state, _fates(batch, state))


def _are_all_different(keyed: pl.DataFrame) -> bool:
    """Whether every key is there once."""
    if keyed["_source"].n_unique() == 1:  # as a rule; one column is looked through sooner than two
        return keyed["_key"].n_unique() == keyed.height
    return keyed.select(KEY).is_unique().all()


def _plan_of_new(candidates: pl.DataFrame, keyed: pl.DataFrame) -> MergePlan:
    """The plan where core has none of the keys and each comes once: nothing is compared.

    What a first load is made of. It is the same as in general, without looking each key up again.
    """
    state = keyed.filter(pl.col("_accepted")).with_columns(
        pl.when(pl.col("_tombstone")).then(pl.col("_read_at")).alias("_deleted_at"),
        pl.lit(value=False).alias("_is_stale"),
        pl.lit(value=False).alias("is_known"),
        pl.lit(None, EXISTING["_deleted_at"]).alias("old_deleted_at"),
        pl.lit(None, EXISTING["_month"]).alias("old_month"),
    )
    is_new = pl.col("_key").is_not_null() & pl.col("_id").is_not_null()
    fate = (
        pl.when(~pl.col("_accepted"))
        .then(pl.lit("quarantined"))
        .when(is_new)
        .then(pl.lit("inserted"))
        .otherwise(pl.lit("superseded"))
    )
    batch = candidates.filter(pl.col("_in_batch"), ~pl.col("_is_copy"))
    return _plan(state, _counted(batch, fate))


def _plan(state: pl.DataFrame, fates: pl.DataFrame) -> MergePlan:
    return MergePlan(
        writes=_writes(state),
        fates=fates,
        tombstoned=state.filter(
            pl.col("_deleted_at").is_not_null(),
            ~pl.col("is_known") | pl.col("old_deleted_at").is_null(),
        )
        .group_by("_source", "_stream")
        .agg(pl.len().cast(pl.Int64).alias("rows")),
    )


def _with_existing(keyed: pl.DataFrame, existing: pl.DataFrame) -> pl.DataFrame:
    """The core rows stand for every copy integrated before."""
    standing = existing.join(keyed.select(KEY).unique(), on=KEY, how="semi").select(
        *KEY,
        "_stream",
        "_landing_key",
        *ORDER,
        "_row_hash",
        "_warnings",
        pl.col("_deleted_at").alias("_read_at"),
        pl.col("_deleted_at").is_not_null().alias("_tombstone"),
        pl.lit(value=False).alias("_is_copy"),
        pl.lit(value=True).alias("_accepted"),
        pl.lit(value=False).alias("_in_batch"),
        pl.lit(value=False).alias("_folds"),
    )
    # A landing row that core already holds is the core row: integrated twice, it changes nothing.
    standing = standing.join(keyed.select(*KEY, *ORDER), on=[*KEY, *ORDER], how="anti")
    return pl.concat([keyed, standing], how="diagonal")


def _winners(pool: pl.DataFrame, several: pl.DataFrame) -> pl.DataFrame:
    """Per key the greatest accepted copy, with `parent_varies` where its read disagreed.

    Args:
        pool: The copies.
        several: The keys that have more than one; most have one alone, which needs no ranking.
    """
    accepted = pool.filter(pl.col("_accepted"))
    if not several.height:
        return accepted
    accepted = accepted.sort(ORDER)
    winners = accepted.group_by(KEY).last()
    folding = accepted.filter(pl.col("_folds"))
    if not folding.height:
        return winners
    varying = (
        folding.join(
            winners.select(*KEY, "_landing_version", "_row_hash"),
            on=[*KEY, "_landing_version"],
            suffix="_won",
        )
        .filter(pl.col("_row_hash") != pl.col("_row_hash_won"))
        .select(KEY)
        .unique()
        .with_columns(pl.lit(value=True).alias("varies"))
    )
    return (
        winners.join(varying, on=KEY, how="left")
        .with_columns(
            pl.when(pl.col("varies"))
            .then(pl.concat_list("_warnings", pl.lit(["parent_varies"])).list.unique().list.sort())
            .otherwise(pl.col("_warnings"))
            .alias("_warnings")
        )
        .drop("varies")
    )


def _life_of_same(pool: pl.DataFrame, several: pl.DataFrame) -> pl.DataFrame:
    """Deleted and stale of keys that are their own lines: the newest copy says both.

    A key is gone since the first read that missed it after its last living copy.
    """
    is_stale = ~pl.col("_accepted") & ~pl.col("_tombstone")
    alone = pool if not several.height else pool.join(several, on=KEY, how="anti")
    life = alone.select(
        *KEY,
        pl.when(pl.col("_tombstone")).then(pl.col("_read_at")).alias("_deleted_at"),
        is_stale.alias("_is_stale"),
    )
    if not several.height:
        return life
    ranked = _ranked(pool.join(several, on=KEY, how="semi"), KEY)
    living = pl.when(~pl.col("_tombstone")).then(pl.col("rank")).max()
    after_living = pl.col("rank") > living.fill_null(-1)
    ranked_life = ranked.group_by(KEY).agg(
        pl.col("_read_at").filter(after_living).min().alias("_deleted_at"),
        is_stale.last().alias("_is_stale"),
    )
    return pl.concat([life, ranked_life])


def _life_of_many(pool: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Deleted and stale of keys that their lines derive.

    A line has left a key with the first read after the last copy that derives it (a copy whose list
    can't be read proves nothing); the key is gone when its last line has left.
    """
    line = ["_source", "_stream", "_landing_key"]
    ranked = _ranked(lines, line)
    newest = ranked.group_by(line).last().select(
        *line, pl.col("rank").alias("newest"), pl.col("_tombstone").alias("line_gone"),
        pl.col("_is_unknown").alias("line_unknown"),
    )  # fmt: skip
    derives = (
        pool.join(ranked.select(*line, *ORDER, "rank"), on=[*line, *ORDER], nulls_equal=True)
        .sort(ORDER)
        .join(newest, on=line, nulls_equal=True, maintain_order="left")
    )
    stands = ~pl.col("line_gone") & (pl.col("rank") == pl.col("newest"))
    unknown = ~pl.col("line_gone") & pl.col("line_unknown")
    life = derives.group_by(KEY).agg(
        (stands | unknown).any().alias("alive"),
        unknown.any().alias("unknown"),
        (~pl.col("_accepted")).filter(stands).last().alias("newest_rejected"),
    )
    stale = pl.col("unknown") | pl.col("newest_rejected").fill_null(value=False)
    return life.join(_left_at(derives, ranked, line), on=KEY, how="left").select(
        *KEY,
        pl.when(~pl.col("alive")).then(pl.col("left_at")).alias("_deleted_at"),
        (pl.col("alive") & stale).alias("_is_stale"),
    )


def _left_at(derives: pl.DataFrame, ranked: pl.DataFrame, line: list[str]) -> pl.DataFrame:
    """Per key the read in which the last of its lines was seen to have left it."""
    telling = ranked.filter(pl.col("_tombstone") | ~pl.col("_is_unknown"))
    return (
        derives.group_by("_key", *line)
        .agg(
            pl.col("rank").filter(~pl.col("_tombstone")).max().fill_null(-1).alias("last_rank"),
        )
        .join(telling.select(*line, "rank", "_read_at"), on=line, nulls_equal=True)
        .filter(pl.col("rank") > pl.col("last_rank"))
        .group_by("_key", *line)
        .agg(pl.col("_read_at").min())
        .group_by(KEY)
        .agg(pl.col("_read_at").max().alias("left_at"))
    )


def _ranked(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Rows in their order, each with its place among the copies of `by`."""
    ordered = rows.sort(ORDER)
    return ordered.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over(by).alias("rank"))


def _writes(state: pl.DataFrame) -> pl.DataFrame:
    """The keys that differ from what core has of them, and the operation that each needs."""
    new = _written(state.filter(~pl.col("is_known")), pl.lit(PUT))
    known = state.filter(pl.col("is_known"))
    return pl.concat([new, _changes(known)]) if known.height else new


def _changes(state: pl.DataFrame) -> pl.DataFrame:
    """The same for keys that core has."""
    same_order = pl.all_horizontal(pl.col(c) == pl.col(f"old{c}") for c in ORDER)
    same_life = pl.col("_deleted_at").eq_missing(pl.col("old_deleted_at")) & pl.col(
        "_is_stale"
    ).eq_missing(pl.col("old_is_stale"))
    same_rest = (
        (pl.col("_row_hash") == pl.col("old_row_hash"))
        & pl.col("_warnings").list.sort().eq_missing(pl.col("old_warnings").list.sort())
        & pl.col("_landing_key").eq_missing(pl.col("old_landing_key"))
    )
    settled = same_order & same_life & same_rest
    keeps_values = pl.col("_row_hash") == pl.col("old_row_hash")
    operation = (
        pl.when(~keeps_values.fill_null(value=False))
        .then(pl.lit(PUT))
        .when(~same_life)
        .then(pl.lit(MARK))
        .otherwise(pl.lit(BUMP))
    )
    return _written(state.filter(~settled.fill_null(value=False)), operation)


def _written(state: pl.DataFrame, operation: pl.Expr) -> pl.DataFrame:
    return state.select(
        *KEY,
        *ORDER,
        "_stream",
        "_landing_key",
        "_row_hash",
        "_deleted_at",
        "_is_stale",
        "_warnings",
        "_id",
        operation.alias("_op"),
        pl.col("old_month").alias("_old_month"),
        pl.col("is_known").alias("_is_known"),
    )


def _fates(batch: pl.DataFrame, state: pl.DataFrame) -> pl.DataFrame:
    """What became of each derived row of the batch, counted."""
    won = state.select(
        *KEY,
        *(pl.col(c).alias(f"won{c}") for c in ORDER),
        pl.col("_id").alias("won_id"),
        pl.col("_tombstone").alias("won_tombstone"),
        "is_known",
        (pl.col("_row_hash") == pl.col("old_row_hash")).alias("same_values"),
        pl.col("_deleted_at").is_not_null().alias("is_gone"),
        pl.col("old_deleted_at").is_not_null().alias("was_gone"),
    )
    rows = batch.join(won, on=KEY, how="left")
    is_winner = pl.col("_accepted") & (pl.col("_id") == pl.col("won_id")).fill_null(value=False)
    came_back = pl.col("was_gone") & ~pl.col("is_gone")
    went = pl.col("_tombstone") & pl.col("is_gone") & ~pl.col("was_gone")
    in_winning_read = pl.col("_landing_version") == pl.col("won_landing_version")
    fate = (
        pl.when(~pl.col("_accepted"))
        .then(pl.lit("quarantined"))
        .when(is_winner & ~pl.col("is_known"))
        .then(pl.lit("inserted"))
        .when(is_winner & pl.col("same_values") & ~came_back & ~went)
        .then(pl.lit("unchanged"))
        .when(is_winner)
        .then(pl.lit("updated"))
        .when(pl.col("_folds") & in_winning_read)
        .then(pl.lit("folded"))
        .otherwise(pl.lit("superseded"))
    )
    return _counted(rows, fate)


def _counted(rows: pl.DataFrame, fate: pl.Expr) -> pl.DataFrame:
    return (
        rows.select("_source", "_stream", fate.alias("fate"))
        .group_by("_source", "_stream", "fate")
        .agg(pl.len().cast(pl.Int64).alias("rows"))
    )
