"""Which copies of a stream's rows landing can do without: core comes out of the others just so.

Of every line (landed key) what counts begins at a copy; everything before it may go:

- a core row takes its values from the newest accepted copy that derives it, and since when it is
  gone from the copies behind its last living one. So for each core row that a line ever derived,
  everything from the newest accepted living copy on stays; where there is none, the whole line;
- a line that repeats its parent warns by the other lines of the same landing version: they stay;
- rejected and unreadable copies stay: quarantine shows them, and a mended YAML may accept them;
- the rows of a key's newest read stay: the next read is compared with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import pyarrow as pa

from schemas.errors import LostRaceError, WarehouseError
from warehouse.ahead import ahead
from warehouse.delta import Table, as_table
from warehouse.feeds import Feed, as_candidates, derive_alone
from warehouse.landing_commits import APP
from warehouse.merge_plan import CANDIDATE, EXISTING, KEY, LINES, ORDER, plan_merge
from warehouse.phases import reached
from warehouse.races import retried

_PLACE = ("_landing_version", "_row")


@dataclass(frozen=True, kw_only=True)
class Fed:
    """What one feed derives from the whole landing, without values."""

    feed: Feed
    rows: pl.DataFrame  # CANDIDATE
    lines: pl.DataFrame | None  # LINES, for `many`


def trimmed(
    feeds: Sequence[Feed],
    *,
    quarantine: pl.LazyFrame,
    integrated: int,
    before: datetime,
    dry_run: bool = False,
) -> int:
    """Takes the copies out of a landing table that nothing needs, in one commit.

    Args:
        feeds: Every feed of one stream, at least one.
        quarantine: The whole table, lazily.
        integrated: The landing version up to which core of every entity holds the stream.
        before: Only rows whose read began earlier (UTC).
        dry_run: Only count.

    Returns:
        The number of rows.

    Raises:
        WarehouseError: Landing could not be written, or core would come out differently.
    """

    def once() -> int:
        landing = feeds[0].landing
        table = landing.table()
        if table is None:
            return 0
        gone = _removable(feeds, quarantine=quarantine, integrated=integrated, before=before)
        if gone.height and not dry_run:
            _rewrite(feeds[0], table, gone)
        return gone.height

    return retried(once)


def _removable(
    feeds: Sequence[Feed], *, quarantine: pl.LazyFrame, integrated: int, before: datetime
) -> pl.DataFrame:
    """The places that may go, proved by computing core with and without them.

    What core doesn't hold yet makes nothing needless: until it is merged core rests on the copies
    before it, and it may be rejected then.
    """
    rows, fed = _read(feeds)
    is_integrated = pl.col("_landing_version") <= integrated
    held_by_core = [_of(one, is_integrated) for one in fed]
    held = (
        quarantine.filter(pl.col("source") == feeds[0].source, pl.col("stream") == feeds[0].stream)
        .select(_PLACE)
        .unique()
        .collect()
    )
    known = rows.filter(is_integrated)
    old = known.filter(pl.col("_read_at") < before).select(_PLACE)
    gone = superseded(old, known, held_by_core, held=held)
    for one in [*held_by_core, *fed]:
        _demand_same(one, gone)
    return gone


def _of(fed: Fed, condition: pl.Expr) -> Fed:
    """What is derived of some landing rows."""
    lines = None if fed.lines is None else fed.lines.filter(condition)
    return replace(fed, rows=fed.rows.filter(condition), lines=lines)


def superseded(
    old: pl.DataFrame, rows: pl.DataFrame, fed: Sequence[Fed], *, held: pl.DataFrame
) -> pl.DataFrame:
    """The places (landing version and row) that core doesn't rest on.

    Args:
        old: The places in question.
        rows: Every readable landing row that has a key: `_landing_key`, ORDER, `_sync_id`.
        fed: What the stream's feeds derive of them.
        held: The places that quarantine shows.
    """
    needed = [held, _of_newest_read(rows), *(_rejected_or_beside(one) for one in fed)]
    ranked = rows.sort(ORDER).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).over("_landing_key").alias("rank")
    )
    begins = pl.concat([_begins(ranked, one, held) for one in fed])
    start = begins.group_by("_landing_key").agg(pl.col("begin").min())
    newest = ranked.group_by("_landing_key").agg(pl.col("rank").max().alias("newest"))
    return (
        ranked.join(old, on=_PLACE, how="semi")
        .join(newest, on="_landing_key")
        .join(start, on="_landing_key", how="left")
        .filter(pl.col("rank") < pl.coalesce("begin", "newest"))
        .select(_PLACE)
        .join(pl.concat(needed), on=_PLACE, how="anti")
    )


def _read(feeds: Sequence[Feed]) -> tuple[pl.DataFrame, list[Fed]]:
    """Every readable landing row with its order, and what each feed derives of them."""
    landing = feeds[0].landing
    to = landing.version()
    orders, marks = [], []
    derived: dict[str, list[pl.DataFrame]] = {feed.entity.name: [] for feed in feeds}
    lines: dict[str, list[pl.DataFrame]] = {feed.entity.name: [] for feed in feeds}
    for low, high in feeds[0].windows(after=0, to=to):
        landed = landing.rows(after=low, to=high)
        readable = landed.filter(pl.col("_unreadable").is_null())
        orders.append(feeds[0].orders(readable).select("_landing_key", *ORDER, "_read_at"))
        marks.append(readable.select(*_PLACE, "_sync_id"))
        for feed in feeds:
            part = derive_alone(feed, after=low, to=high)
            numbered = part.rows.with_columns(pl.lit(None, pl.Int64).alias("_id"))
            derived[feed.entity.name].append(as_candidates(numbered))
            if part.lines is not None:
                lines[feed.entity.name].append(part.lines)
    if not orders:
        empty = {"_landing_key": pl.String, **dict.fromkeys(ORDER, pl.Int64)}
        rows = pl.DataFrame(schema={**empty, "_read_at": pl.Datetime("us", "UTC")})
        orders, marks = [rows], [rows.select(*_PLACE, pl.lit("").alias("_sync_id"))]
    rows = pl.concat(orders).join(pl.concat(marks), on=_PLACE)
    fed = [
        Fed(
            feed=feed,
            rows=pl.concat([pl.DataFrame(schema=CANDIDATE), *derived[feed.entity.name]]),
            lines=pl.concat([pl.DataFrame(schema=LINES), *lines[feed.entity.name]])
            if feed.is_many
            else None,
        )
        for feed in feeds
    ]
    return rows.filter(pl.col("_landing_key").is_not_null()), fed


def _of_newest_read(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that the next read of their key is compared with."""
    last = rows.sort(_PLACE).group_by("_landing_key").agg(pl.col("_sync_id").last())
    return rows.join(last, on=["_landing_key", "_sync_id"], how="semi").select(_PLACE)


def _rejected_or_beside(one: Fed) -> pl.DataFrame:
    """Rows that derive something rejected, and those whose disagreement makes a parent vary."""
    rejected = one.rows.filter(~pl.col("_accepted")).select(_PLACE)
    folding = one.rows.filter(pl.col("_folds"), pl.col("_accepted"), pl.col("_key").is_not_null())
    winners = folding.sort(ORDER).group_by(KEY).last().select(*KEY, "_landing_version")
    beside = folding.join(winners, on=[*KEY, "_landing_version"], how="semi").select(_PLACE)
    return pl.concat([rejected, beside]).unique()


def _begins(ranked: pl.DataFrame, one: Fed, held: pl.DataFrame) -> pl.DataFrame:
    """Per line and core row: the rank of its newest accepted living copy; 0 where none is."""
    derives = one.rows.filter(pl.col("_key").is_not_null()).join(
        ranked.select(*_PLACE, "rank"), on=_PLACE
    )
    stands = pl.col("_accepted") & ~pl.col("_tombstone") & ~pl.col("_is_held")
    return (
        derives.join(held.with_columns(pl.lit(value=True).alias("_is_held")), on=_PLACE, how="left")
        .with_columns(pl.col("_is_held").fill_null(value=False))
        .group_by("_key", "_landing_key")
        .agg(pl.col("rank").filter(stands).max().fill_null(0).alias("begin"))
        .select("_landing_key", "begin")
        .drop_nulls("_landing_key")
    )


def _demand_same(one: Fed, gone: pl.DataFrame) -> None:
    """Computes core with and without the rows: it has to be the same.

    Raises:
        WarehouseError: It isn't.
    """
    nothing = pl.DataFrame(schema=EXISTING)
    kept = one.rows.join(gone, on=_PLACE, how="anti")
    lines = None if one.lines is None else one.lines.join(gone, on=_PLACE, how="anti")
    order = [*KEY, *ORDER]
    before = plan_merge(one.rows, nothing, lines=one.lines).writes.sort(order)
    after = plan_merge(kept, nothing, lines=lines).writes.sort(order)
    if not before.equals(after):
        raise WarehouseError(
            f"{one.feed.landing.uri}: {one.feed.entity.name} would come out differently without "
            "the superseded copies: nothing was removed. Report it: this must not happen"
        )


def _rewrite(feed: Feed, table: Table, gone: pl.DataFrame) -> None:
    version = table.txn(APP)
    state = table.newest_state()
    schema = table.schema

    def batches() -> Iterator[pa.RecordBatch]:
        for low, high in feed.windows(after=0, to=version):
            rows = feed.landing.rows(after=low, to=high).join(gone, on=_PLACE, how="anti")
            yield from as_table(rows, schema).to_batches()

    if feed.landing.version() != version:
        raise LostRaceError(f"{table.uri}: another run of this stream landed rows")
    reached("trim_commit")
    with ahead(batches()) as kept:
        table.replace(
            pa.RecordBatchReader.from_batches(schema, kept),
            where=None,
            txns={APP: version},
            state=state,
        )
    reached("trimmed")
