"""Integration: landing versions become the current state of an entity.

One merge per entity carries the txn of every stream it integrates: core's txn alone says what is
integrated. The quarantine of those versions is committed before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl
import pyarrow as pa

from schemas.errors import WarehouseError
from schemas.fields import CORE_SYSTEM_COLUMNS, Entity, core_schema
from warehouse.delta import Table, as_table
from warehouse.feeds import (
    Derived,
    Feed,
    as_candidates,
    derive_window,
    history_of,
    rejected_before,
)
from warehouse.known_keys import KnownKeys, keys_app
from warehouse.merge_plan import BUMP, EXISTING, KEY, MARK, PUT, MergePlan, plan_merge
from warehouse.phases import reached
from warehouse.quarantine import Quarantine, Window, rejections, unsplit
from warehouse.races import retried

BUMPED: Final = (
    "_version",
    "_landing_version",
    "_row",
    "_landing_key",
    "_warnings",
    "_deleted_at",
    "_is_stale",
)
MARKED: Final = (*BUMPED, "_sync_id", "_changed_at")
OPERATION: Final = pa.field("_op", pa.string())
_FEW_KEYS: Final = 50_000  # are looked for one by one


@dataclass
class Counts:
    """What one merge did for one stream; rows, tombstones counted apart."""

    fates: dict[str, int] = field(default_factory=dict)
    tombstoned: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    core_version: int | None = None
    landing_version: int = 0

    def add(self, name: str, rows: int) -> None:
        """Adds rows to a fate."""
        self.fates[name] = self.fates.get(name, 0) + rows

    def join(self, other: Counts) -> None:
        """Adds what another merge did for the same stream."""
        for name, rows in other.fates.items():
            self.add(name, rows)
        self.tombstoned += other.tombstoned
        for name, rows in other.warnings.items():
            self.warnings[name] = self.warnings.get(name, 0) + rows


@dataclass(frozen=True, kw_only=True)
class Integration:
    """Where an entity's rows go.

    Attributes:
        entity: The entity.
        uri: Its core table.
        quarantine: The warehouse's quarantine.
        sync_id: The run.
        now: The moment stamped on changes, UTC.
        known: The keys of core, as far as they were asked for; one for all rounds of a load.
    """

    entity: Entity
    uri: str
    quarantine: Quarantine
    sync_id: str
    now: datetime
    known: KnownKeys = field(default_factory=KnownKeys)

    def table(self) -> Table:
        """The core table, created empty where there is none."""
        return Table.open_or_create(self.uri, core_schema(self.entity), partition_by=["_month"])

    def integrate(self, feeds: Sequence[Feed]) -> dict[str, Counts]:
        """Integrates every landing version of the feeds that core doesn't hold yet.

        Large backlogs go in rounds of bounded windows; an ordinary night is one round, hence one
        merge. Another run that integrates at the same time wins some rounds: they are then skipped.

        Returns:
            App of the feed to what was done for it.
        """
        counts = {feed.app: Counts() for feed in feeds}
        goals = {feed.app: feed.landing.version() for feed in feeds}
        core = self.table()
        done = {feed.app: core.txn(feed.app) for feed in feeds}
        queues = {f.app: f.windows(after=done[f.app], to=goals[f.app]) for f in feeds}
        while any(queues.values()):
            goal = {app: windows.pop(0)[1] for app, windows in queues.items() if windows}
            due = [feed for feed in feeds if feed.app in goal]
            retried(lambda due=due, goal=goal: self._round(due, goal, counts))  # type: ignore[misc]
        version = self.table().version
        for app, count in counts.items():
            count.landing_version = goals[app]
            count.core_version = version
        return counts

    def _round(
        self, feeds: Sequence[Feed], goal: dict[str, int], counts: dict[str, Counts]
    ) -> None:
        quarantine = self.quarantine.table()
        core = self.table()
        due = [(feed, core.txn(feed.app)) for feed in feeds]
        due = [(feed, after) for feed, after in due if after < goal[feed.app]]
        if not due:
            return
        derived = [derive_window(feed, after=after, to=goal[feed.app]) for feed, after in due]
        windows = [
            Window(
                source=feed.source,
                stream=feed.stream,
                entity=self.entity.name,
                after=after,
                to=goal[feed.app],
                with_unsplit=feed.with_unsplit,
            )
            for feed, after in due
        ]
        rejected = pl.concat(
            [self.rejected(feed, part) for (feed, _), part in zip(due, derived, strict=True)]
        )
        self.quarantine.replace(quarantine, windows, rejected)
        reached("quarantined")
        feeds_due = [feed for feed, _ in due]
        values, plans = self._plans(core, feeds_due, derived, goal)
        writes = pl.concat([plan.writes for plan in plans])
        reached("core_commit")
        self._commit(core, values, writes, txns_of(core, feeds_due, goal))
        reached("merged")
        count_merge(counts, feeds_due, values, plans)

    def rejected(self, feed: Feed, part: Derived) -> pl.DataFrame:
        """What a window puts in quarantine, in the form of its table."""
        batch = part.rows.filter(pl.col("_in_batch"))
        rejected = rejections(batch, entity=self.entity.name, now=self.now)
        if not feed.with_unsplit or not part.broken.height:
            return rejected
        broken = unsplit(part.broken, source=feed.source, stream=feed.stream, now=self.now)
        return pl.concat([rejected, broken])

    def _plans(
        self, core: Table, feeds: Sequence[Feed], derived: Sequence[Derived], goal: dict[str, int]
    ) -> tuple[pl.DataFrame, list[MergePlan]]:
        """The values of every candidate, and one plan each for `same` and `many` feeds."""
        values = pl.concat([part.rows for part in derived])
        existing = self._existing(core, values, feeds)
        values = _with_buried(values, existing, feeds, goal)
        values = self._as_decided(values).with_row_index("_id")
        values = values.with_columns(pl.col("_id").cast(pl.Int64))
        apps = pl.concat_str("_source", pl.lit("/"), "_stream")
        plans = []
        for is_many in (False, True):
            chosen = [f for f in feeds if f.is_many is is_many]
            if not chosen:
                continue
            candidates = as_candidates(values.filter(apps.is_in([f.app for f in chosen])))
            lines = None
            if is_many:
                lines = pl.concat([part.lines for part in derived if part.lines is not None])
            else:
                candidates = self._with_rejected(candidates, chosen)
            plans.append(plan_merge(candidates, existing, lines=lines))
        return values, plans

    def _with_rejected(self, candidates: pl.DataFrame, feeds: Sequence[Feed]) -> pl.DataFrame:
        """The candidates of `same` feeds, and the earlier rejected copies of their keys."""
        if not self.quarantine.table().rows:
            return candidates
        keys = candidates.select("_key").drop_nulls().unique()
        held = self.quarantine.scan()
        before = pl.concat([rejected_before(held, feed, keys) for feed in feeds])
        order = [*KEY, "_version", "_landing_version", "_row"]
        return pl.concat([candidates, before.join(candidates, on=order, how="anti")])

    def _as_decided(self, values: pl.DataFrame) -> pl.DataFrame:
        """Rows of earlier versions, rejected where they were: only a rebuild decides anew.

        They are mapped under today's YAML. A copy that quarantine holds would else enter core too,
        and a copy that core holds would leave it for nowhere.
        """
        if values["_in_batch"].all():
            return values
        # The key too: children of one list share the place of their row.
        place = ["_source", "_stream", "_landing_version", "_row", "_key"]
        held = (
            self.quarantine.scan()
            .filter(pl.col("entity") == self.entity.name)
            .rename({"source": "_source", "stream": "_stream"})
            .select(*place, pl.lit(value=True).alias("_was_rejected"))
            .unique()
            .collect()
        )
        known = values.join(held, on=place, how="left", nulls_equal=True, maintain_order="left")
        was_rejected = pl.col("_was_rejected").fill_null(value=False)
        turned = ~pl.col("_in_batch") & ~was_rejected & ~pl.col("_accepted")
        stands = turned & ~pl.col("_folds") & (pl.col("_key") == pl.col("_landing_key"))
        decided = pl.col("_accepted") & (pl.col("_in_batch") | ~was_rejected)
        return (
            known.filter(~stands.fill_null(value=False))
            .with_columns(decided.alias("_accepted"))
            .drop("_was_rejected")
        )

    def _existing(self, core: Table, values: pl.DataFrame, feeds: Sequence[Feed]) -> pl.DataFrame:
        """The core rows of the keys among some values."""
        if not core.rows:
            return pl.DataFrame(schema=EXISTING)
        keys = values.select(KEY).drop_nulls().unique()
        if keys.height > _FEW_KEYS:
            keys = self.known.among(keys, core)  # most keys of a load are new
            if not keys.height:
                return pl.DataFrame(schema=EXISTING)
        own = core.scan().filter(pl.col("_source").is_in(sorted({feed.source for feed in feeds})))
        rows = own.select(EXISTING.keys())
        if keys.height <= _FEW_KEYS:  # pushed down to the files: of other rows only the key is read
            rows = rows.filter(pl.col("_key").is_in(keys["_key"].implode()))
        return rows.join(keys.lazy(), on=KEY, how="semi").collect(engine="streaming")

    def _commit(
        self, core: Table, values: pl.DataFrame, writes: pl.DataFrame, txns: dict[str, int]
    ) -> None:
        rows = self.core_rows(values, writes)
        schema = core_schema(self.entity)
        new = writes.filter(~pl.col("_is_known")).select(KEY)
        if new.height == writes.height:
            # Each was looked up among all of core's keys: what is left is one beside another.
            is_many = new.height > _FEW_KEYS
            is_proved = is_many and self.known.hold(new["_source"].unique(), core)
            if is_proved:
                _raise_if_doubled(new.height - new.n_unique(), self.entity)
            core.append(as_table(rows, schema), txns=txns)
            months = [] if is_proved else rows["_month"].unique().to_list()
        else:
            operations = rows.with_columns(writes["_op"])
            old = writes.filter("_is_known")["_old_month"].unique().to_list()
            core.merge(
                as_table(operations, schema.append(OPERATION)),
                on=(
                    "target._source = source._source AND target._key = source._key "
                    f"AND {in_months(old)}"
                ),
                clauses={PUT: schema.names, MARK: MARKED, BUMP: BUMPED},
                insert=PUT,
                txns=txns,
            )
            months = sorted({*rows["_month"].to_list(), *old}, key=str)
        self.known.brought(new, values["_source"].unique(), core)
        if months:
            check_unique(core, self.entity, months)

    def core_rows(self, values: pl.DataFrame, writes: pl.DataFrame) -> pl.DataFrame:
        """The rows to write, in the order of `writes`; MARK and BUMP rows have no values."""
        own = values.select("_id", *self.entity.columns, "_month")
        decided = [c for c in CORE_SYSTEM_COLUMNS if c in writes.columns]
        return (
            writes.select(*decided, "_id", "_op")
            .join(own, on="_id", how="left", maintain_order="left")
            .with_columns(
                pl.lit(self.sync_id).alias("_sync_id"),
                pl.lit(self.now).cast(pl.Datetime("us", "UTC")).alias("_changed_at"),
            )
            .drop("_op")
        )


def txns_of(core: Table, feeds: Sequence[Feed], goal: Mapping[str, int]) -> dict[str, int]:
    """What core's commit says of the feeds whose rows it brings.

    Args:
        core: Core before the commit.
        feeds: The feeds.
        goal: App of the feed to the landing version that core holds then.
    """
    txns = {feed.app: goal[feed.app] for feed in feeds}
    for feed in feeds:
        txns |= feed.order_txn
        app = keys_app(feed.source)
        txns[app] = core.txn(app) + 1
    return txns


def _with_buried(
    values: pl.DataFrame, existing: pl.DataFrame, feeds: Sequence[Feed], goal: dict[str, int]
) -> pl.DataFrame:
    """The derived rows, and the whole history of those keys of `same` feeds that are or get buried.

    A core row stands for the copies before it, but since when a key is gone is told by its last
    living copy, which a core row that is buried doesn't show any more.
    """
    buried = pl.concat(
        [
            values.filter("_tombstone").select(KEY),
            existing.filter(pl.col("_deleted_at").is_not_null()).select(KEY),
        ]
    )
    buried = buried.drop_nulls().unique()
    found = [values]
    for feed in feeds:
        keys = buried.filter(pl.col("_source") == feed.source).select("_key")
        if keys.height and not feed.is_many:
            found.append(history_of(feed, values, keys, to=goal[feed.app]))
    return pl.concat(found)


def in_months(months: Sequence[str | None]) -> str:
    """That a row of core stands in one of some months, as a condition of a merge."""
    named = sorted(m for m in months if m is not None)
    parts = []
    if named:
        parts.append("target._month IN (" + ", ".join(f"'{m}'" for m in named) + ")")
    if len(named) < len(months):
        parts.append("target._month IS NULL")
    return "(" + " OR ".join(parts) + ")"


def check_unique(core: Table, entity: Entity, months: Sequence[str | None]) -> None:
    """Raises WarehouseError where a key stands more than once in some months of core."""
    named = [m for m in months if m is not None]
    touched = pl.col("_month").is_in(named)
    if len(named) < len(months):
        touched = touched | pl.col("_month").is_null()
    keys = core.scan().filter(touched).group_by(KEY).len()
    doubled = keys.filter(pl.col("len") > 1).select(pl.len()).collect(engine="streaming").item()
    _raise_if_doubled(doubled, entity)


def _raise_if_doubled(keys: int, entity: Entity) -> None:
    if keys:
        raise WarehouseError(
            f"{entity.name}: {keys} keys stand in core more than once after a merge: "
            "run `lienthong rebuild` for the source, and report it: this must not happen"
        )


def count_merge(
    counts: dict[str, Counts], feeds: Sequence[Feed], values: pl.DataFrame, plans: list[MergePlan]
) -> None:
    """Adds what plans did to the counts of their feeds.

    Args:
        counts: App of the feed to its counts.
        feeds: The feeds that took part.
        values: The derived rows (at least CANDIDATE).
        plans: The plans.
    """
    for feed in feeds:
        mine = (pl.col("_source") == feed.source) & (pl.col("_stream") == feed.stream)
        count = counts[feed.app]
        for plan in plans:
            for fate, rows in plan.fates.filter(mine).select("fate", "rows").iter_rows():
                count.add(fate, rows)
            count.tombstoned += int(plan.tombstoned.filter(mine)["rows"].sum())
            varying = plan.writes.filter(mine, pl.col("_warnings").list.contains("parent_varies"))
            if varying.height:
                name = "parent_varies"
                count.warnings[name] = count.warnings.get(name, 0) + varying.height
        warned = (
            values.filter(mine, "_in_batch", "_accepted", ~pl.col("_is_copy"))
            .select(pl.col("_warnings").explode().drop_nulls().value_counts())
            .unnest("_warnings")
        )
        for name, rows in warned.iter_rows():
            count.warnings[name] = count.warnings.get(name, 0) + int(rows)
