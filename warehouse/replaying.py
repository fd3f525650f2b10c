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

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from schemas.fields import core_schema
from warehouse.core import (
    BUMPED,
    MARKED,
    OPERATION,
    Counts,
    Integration,
    check_unique,
    count_merge,
    in_months,
)
from warehouse.delta import LostRaceError, Table, as_table, retried
from warehouse.discards import carried, discards, without_discards
from warehouse.feeds import Feed, as_candidates
from warehouse.merge_plan import (
    BUMP,
    CANDIDATE,
    EXISTING,
    KEY,
    LINES,
    MARK,
    PUT,
    MergePlan,
    plan_merge,
)
from warehouse.phases import reached
from warehouse.quarantine import SCHEMA, rejections, replay_app
from warehouse.stories import Story, stories

_DROP: Final = "drop"
_PLACE: Final = ["stream", "_landing_version", "_row"]

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
    return retried(lambda: _replay(integration, source, feeds, wanted, dry_run=dry_run))


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
        moving = _Moving(integration=integration, source=source, table=table, core=core, txns=txns)
        moving.write(verdict, held)
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
        values: Every copy, derived and numbered.
        plans: One each for `same` and `many` feeds.
        gone: Core rows that no accepted copy stands for (EXISTING).
        rejected: The rejected copies (SCHEMA).
        leaving: Quarantined rows that aren't rejected like that any more (SCHEMA).
        coming: Rejected copies that quarantine doesn't hold like that (SCHEMA).
    """

    values: pl.DataFrame
    plans: list[MergePlan]
    gone: pl.DataFrame
    rejected: pl.DataFrame
    leaving: pl.DataFrame
    coming: pl.DataFrame

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
        leaving, coming = _differences(before, rejected)
        return cls(
            values=values,
            plans=plans,
            gone=existing.join(alive, on=KEY, how="anti"),
            rejected=rejected,
            leaving=leaving,
            coming=coming,
        )

    @property
    def writes(self) -> pl.DataFrame:
        nothing = plan_merge(pl.DataFrame(schema=CANDIDATE), pl.DataFrame(schema=EXISTING))
        return pl.concat([nothing.writes, *(plan.writes for plan in self.plans)])

    def told(
        self, looked: pl.DataFrame, feeds: Sequence[Feed], goals: Mapping[str, int]
    ) -> Replayed:
        counts = {feed.app: Counts(landing_version=goals[feed.app]) for feed in feeds}
        count_merge(counts, feeds, self.values, self.plans)
        removed = dict.fromkeys(counts, 0)
        for source, stream, rows in self.gone.group_by("_source", "_stream").len().iter_rows():
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


def _differences(before: pl.DataFrame, now: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `before` that aren't among those of `now`, and the other way round.

    Children of one list may be rejected alike: they are counted.
    """
    alike = [*_PLACE, "_key", "_landing_key", "_version", "_tombstone", "broke"]
    marked = [
        rows.with_columns(pl.col("rules").list.join("\n").alias("broke")).with_columns(
            pl.int_range(pl.len()).over(alike).alias("nth")
        )
        for rows in (before, now)
    ]
    on = [*alike, "nth"]
    leaving = marked[0].join(marked[1], on=on, how="anti", nulls_equal=True)
    coming = marked[1].join(marked[0], on=on, how="anti", nulls_equal=True)
    return leaving.select(SCHEMA.names), coming.select(SCHEMA.names)


@dataclass(frozen=True, kw_only=True)
class _Moving:
    """The two commits of a replay, and the third that tidies up behind them.

    Attributes:
        integration: The entity.
        source: The source.
        table: The handle on quarantine.
        core: The handle on core, opened after it.
        txns: App of the feed to the landing version that core holds: repeated, not moved.
    """

    integration: Integration
    source: str
    table: Table
    core: Table
    txns: Mapping[str, int]

    def write(self, verdict: _Verdict, held: pl.DataFrame) -> None:
        """Brings quarantine and core to what the verdict says.

        Raises:
            LostRaceError: Another run wrote to one of them first: judge again.
        """
        writes, gone = verdict.writes, verdict.gone
        changes_core = bool(writes.height or gone.height)
        kept = _without(held, verdict.leaving)
        if verdict.leaving.height or verdict.coming.height:
            number = self.core.txn(replay_app(self.source)) + 1 if changes_core else None
            leaving = verdict.leaving.with_columns(_replay_out=pl.lit(number, pl.Int64))
            coming = verdict.coming.with_columns(_replay_in=pl.lit(number, pl.Int64))
            self._rewrite([kept, leaving, coming] if changes_core else [kept, coming])
        reached("quarantined")
        if not changes_core:
            return
        reached("core_commit")
        self._merge(verdict.values, writes, gone)
        reached("merged")
        if verdict.leaving.height or verdict.coming.height:
            # Who came first reads them settled all the same: core carries the number.
            with contextlib.suppress(LostRaceError):
                self._rewrite([kept, verdict.coming])

    def _rewrite(self, parts: Sequence[pl.DataFrame]) -> None:
        name = self.integration.entity.name
        apps = [f"{name}/{app}" for app in self.txns]
        self.integration.quarantine.rewrite(
            self.table,
            pl.concat(parts),
            source=self.source,
            entities=[name],
            txns={app: self.table.txn(app) for app in apps},
        )

    def _merge(self, values: pl.DataFrame, writes: pl.DataFrame, gone: pl.DataFrame) -> None:
        app = replay_app(self.source)
        txns = {**self.txns, app: self.core.txn(app) + 1}
        schema = core_schema(self.integration.entity)
        rows = self.integration.core_rows(values, writes).with_columns(writes["_op"])
        dropped = gone.select(KEY).with_columns(pl.lit(_DROP).alias("_op"))
        rows = pl.concat([rows, dropped], how="diagonal")
        known = [
            *writes.filter("_is_known")["_old_month"].unique().to_list(),
            *gone["_month"].unique().to_list(),
        ]
        old = list(dict.fromkeys(known))
        if not old:
            self.core.append(as_table(rows, schema), txns=txns)
        else:
            self.core.merge(
                as_table(rows, schema.append(OPERATION)),
                on=(
                    "target._source = source._source AND target._key = source._key "
                    f"AND {in_months(old)}"
                ),
                clauses={PUT: schema.names, MARK: MARKED, BUMP: BUMPED},
                insert=PUT,
                drop=_DROP,
                txns=txns,
            )
        months = sorted({*_months_of(rows), *old}, key=str)
        check_unique(self.core, self.integration.entity, months)


def _months_of(rows: pl.DataFrame) -> list[str | None]:
    """The months that rows are written to."""
    return rows.filter(pl.col("_op") == PUT)["_month"].unique().to_list()


def _without(held: pl.DataFrame, leaving: pl.DataFrame) -> pl.DataFrame:
    kept, _ = _differences(held, leaving)
    return kept
