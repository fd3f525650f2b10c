"""Replay: rejected rows are judged again under today's mapping, and their keys with them.

Afterwards core and quarantine hold of those keys what a rebuild would give them: every copy of a
key that is integrated is derived anew, whether it was rejected or not.

Quarantine and core are two tables. What moves is written to quarantine first, under the number of
the replay, and counts from the moment that core's commit carries that number: a run that dies
between the two has done nothing that anybody sees (`warehouse.quarantine`). Both commits go through
the handles that everything was read from, and repeat the txns of the streams, so that of a replay
and a merge at once one begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from warehouse.core import Counts, Integration, count_merge
from warehouse.delta import Table
from warehouse.discards import carried, discards, without_discards
from warehouse.feeds import Feed, as_candidates
from warehouse.merge_plan import CANDIDATE, EXISTING, KEY, LINES, MergePlan, plan_merge
from warehouse.moving import PLACE, Change, Moving, differences
from warehouse.quarantine import rejections
from warehouse.races import retried
from warehouse.stories import Story, stories

ROUND_ROWS: Final = 100_000
"""Rejections that are judged at once: a round's copies are held in memory."""

_PLACE: Final = list(PLACE)

Wanted = Callable[[pl.DataFrame], pl.DataFrame]
"""Of quarantined rows (SCHEMA) those that are meant."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What one replay did in one entity.

    Attributes:
        looked: The rejections that were meant (SCHEMA).
        rejected: Those of them that are rejected today too, with today's rules.
        counts: App of the feed to its counts, over every copy that was judged again.
        removed: App of the feed to core rows that no copy stands for any more.
    """

    looked: pl.DataFrame
    rejected: pl.DataFrame
    counts: dict[str, Counts]
    removed: dict[str, int]

    def plus(self, other: Replayed | None) -> Replayed:
        """What this round and another did."""
        if other is None:
            return self
        return Replayed(
            looked=pl.concat([self.looked, other.looked]),
            rejected=pl.concat([self.rejected, other.rejected]),
            counts={app: _sum(counts, other.counts[app]) for app, counts in self.counts.items()},
            removed={app: rows + other.removed[app] for app, rows in self.removed.items()},
        )


def _sum(one: Counts, other: Counts) -> Counts:
    total = Counts(
        fates=dict(other.fates),
        tombstoned=one.tombstoned + other.tombstoned,
        warnings=dict(other.warnings),
        core_version=other.core_version,
        landing_version=other.landing_version,
    )
    for fate, rows in one.fates.items():
        total.add(fate, rows)
    for name, rows in one.warnings.items():
        total.warnings[name] = total.warnings.get(name, 0) + rows
    return total


def replay(
    integration: Integration,
    source: str,
    feeds: Sequence[Feed],
    *,
    wanted: Wanted,
    dry_run: bool = False,
) -> Replayed | None:
    """Judges rejected rows of one source in one entity again.

    Args:
        integration: The entity.
        source: The source.
        feeds: All its feeds into the entity.
        wanted: Which rejections are meant.
        dry_run: Only tell; nothing is written.

    Returns:
        What was done, or would be; None where no integrated rejection is meant.

    Raises:
        WarehouseError: Core or quarantine can't be written.
    """
    mine = (pl.col("source") == source) & (pl.col("entity") == integration.entity.name)
    rows = wanted(integration.quarantine.scan().filter(mine).collect()).height
    rounds = -(-rows // ROUND_ROWS)
    done = None
    for number in range(rounds):
        part = _every(wanted, rounds, number)
        one = retried(
            lambda part=part: _replay(  # type: ignore[misc]
                integration, source, feeds, part, dry_run=dry_run
            )
        )
        done = one if done is None else done.plus(one)
    return done


def _every(wanted: Wanted, rounds: int, number: int) -> Wanted:
    """One share of the rows meant; the copies of one record are in the same one."""
    place = pl.format("{}:{}", "_landing_version", "_row")
    share = pl.concat_str("stream", pl.coalesce("_landing_key", place)).hash() % rounds
    return lambda rows: wanted(rows).filter(share == number)


def _replay(
    integration: Integration,
    source: str,
    feeds: Sequence[Feed],
    wanted: Wanted,
    *,
    dry_run: bool,
) -> Replayed | None:
    table = integration.quarantine.table()
    if not dry_run:
        integration.quarantine.fence(table, source)
    core = integration.table()
    mine = (pl.col("source") == source) & (pl.col("entity") == integration.entity.name)
    held = integration.quarantine.settled(table).filter(mine).collect()
    goals = {feed.app: min(core.txn(feed.app), feed.landing.version()) for feed in feeds}
    looked = wanted(_integrated(held, feeds, goals))
    if not looked.height:
        return None
    verdict = _Verdict.of(integration, core, held, *stories(feeds, looked, goals))
    done = verdict.told(looked, feeds, goals)
    if not dry_run:
        txns = {app: core.txn(app) for app in goals if goals[app]}
        moving = Moving(integration=integration, source=source, table=table, core=core, txns=txns)
        moving.write(verdict.change, held)
        for counts in done.counts.values():
            counts.core_version = core.version
    return done


def _integrated(
    held: pl.DataFrame, feeds: Sequence[Feed], goals: Mapping[str, int]
) -> pl.DataFrame:
    streams = {feed.stream: goals[feed.app] for feed in feeds}
    goal = pl.col("stream").replace_strict(streams, default=0, return_dtype=pl.Int64)
    return held.filter(pl.col("_landing_version") <= goal)


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """What today's mapping makes of some keys, beside what core and quarantine hold of them.

    Attributes:
        plans: One each for `same` and `many` feeds.
        rejected: The rejected copies (SCHEMA).
        change: What has to be written.
    """

    plans: list[MergePlan]
    rejected: pl.DataFrame
    change: Change

    @classmethod
    def of(
        cls,
        integration: Integration,
        core: Table,
        held: pl.DataFrame,
        told: Sequence[Story],
        keys: pl.DataFrame,
    ) -> _Verdict:
        discarded = discards(held.lazy(), str(held["source"][0]), integration.entity.name)
        parts = [
            without_discards(s.rows, discarded.filter(pl.col("stream") == s.feed.stream))
            for s in told
        ]
        values = pl.concat(parts).with_row_index("_id").with_columns(pl.col("_id").cast(pl.Int64))
        existing = _existing(core, told, keys, str(held["source"][0]))
        plans = list(_plans(told, values, existing))
        alive = values.filter("_accepted").select(KEY).unique()
        rejected = rejections(values, entity=integration.entity.name, now=integration.now)
        rejected = carried(rejected, held)
        places = pl.concat([s.places.with_columns(stream=pl.lit(s.feed.stream)) for s in told])
        before = held.join(places.select(_PLACE).unique(), on=_PLACE, how="semi")
        leaving, coming = differences(before, rejected)
        nothing = plan_merge(pl.DataFrame(schema=CANDIDATE), pl.DataFrame(schema=EXISTING))
        change = Change(
            values=values,
            writes=pl.concat([nothing.writes, *(plan.writes for plan in plans)]),
            gone=existing.join(alive, on=KEY, how="anti"),
            leaving=leaving,
            coming=coming,
        )
        return cls(plans=plans, rejected=rejected, change=change)

    def told(
        self, looked: pl.DataFrame, feeds: Sequence[Feed], goals: Mapping[str, int]
    ) -> Replayed:
        counts = {feed.app: Counts(landing_version=goals[feed.app]) for feed in feeds}
        count_merge(counts, feeds, self.change.values, self.plans)
        removed = dict.fromkeys(counts, 0)
        for source, stream, rows in (
            self.change.gone.group_by("_source", "_stream").len().iter_rows()
        ):
            removed[f"{source}/{stream}"] = int(rows)
        meant = looked.select(*_PLACE, "_key").unique()
        nameless = meant.filter(pl.col("_key").is_null()).select(_PLACE)
        still = pl.concat(
            [
                self.rejected.join(nameless, on=_PLACE, how="semi"),
                self.rejected.join(nameless, on=_PLACE, how="anti").join(
                    meant, on=[*_PLACE, "_key"], how="semi"
                ),
            ]
        )
        return Replayed(looked=looked, rejected=still, counts=counts, removed=removed)


def _existing(core: Table, told: Sequence[Story], keys: pl.DataFrame, source: str) -> pl.DataFrame:
    """Core rows of the keys, and those that came of the lists of the records looked at."""
    rows = core.scan().filter(pl.col("_source") == source).select(EXISTING.keys())
    found = [rows.join(keys.lazy(), on="_key", how="semi").collect(engine="streaming")]
    for story in told:
        if story.feed.explodes and story.lines is not None:
            parents = story.lines.select("_stream", "_landing_key").drop_nulls().unique()
            children = rows.join(parents.lazy(), on=["_stream", "_landing_key"], how="semi")
            found.append(children.collect(engine="streaming"))
    return pl.concat(found).unique(KEY, maintain_order=True)


def _plans(
    told: Sequence[Story], values: pl.DataFrame, existing: pl.DataFrame
) -> Iterator[MergePlan]:
    apps = pl.concat_str("_source", pl.lit("/"), "_stream")
    for is_many in (False, True):
        mine = [story for story in told if story.feed.is_many is is_many]
        if not mine:
            continue
        candidates = as_candidates(values.filter(apps.is_in([s.feed.app for s in mine])))
        lines = None
        if is_many:
            found = [s.lines for s in mine if s.lines is not None]
            lines = pl.concat([pl.DataFrame(schema=LINES), *found])
        yield plan_merge(candidates, existing, lines=lines, is_whole=True)
