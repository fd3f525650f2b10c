"""What core has to be, computed from landing alone; `rebuild` writes it, `audit` compares with it.

Core equals a rebuild from landing under today's YAML, row for row, but for `_changed_at` and
`_sync_id`, which say when and by which run this warehouse changed the row. Landed rows that a
person discarded stay out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl
import pyarrow as pa

from schemas.errors import LostRaceError
from schemas.fields import core_schema
from warehouse.ahead import ahead
from warehouse.core import Counts, Integration, count_merge, txns_of
from warehouse.delta import Table, as_table, sql_text
from warehouse.discards import carried, discards, without_discards
from warehouse.feeds import Feed, as_candidates, derive_alone
from warehouse.merge_plan import CANDIDATE, EXISTING, KEY, LINES, MergePlan, plan_merge
from warehouse.phases import reached
from warehouse.quarantine import SCHEMA, UNSPLIT
from warehouse.races import retried

_SAME: Final = ("_key", "_landing_version", "_row", "_row_hash")
"""What tells that a derived row is the one that had its number."""


@dataclass(kw_only=True)
class Projection:
    """The state that landing gives an entity for one source.

    Attributes:
        plans: One plan each for `same` and `many` feeds; every write is a row of core.
        rejected: What has to be in quarantine, in the form of its table.
        derived: Derived rows without their values (CANDIDATE).
        windows: (feed, after, to, `_id` of the first derived row) of every window, in order.
    """

    plans: list[MergePlan] = field(default_factory=list)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    derived: list[pl.DataFrame] = field(default_factory=list)
    windows: list[tuple[Feed, int, int, int]] = field(default_factory=list)

    @property
    def writes(self) -> pl.DataFrame:
        """One row per key of core."""
        nothing = plan_merge(pl.DataFrame(schema=CANDIDATE), pl.DataFrame(schema=EXISTING))
        return pl.concat([nothing.writes, *(plan.writes for plan in self.plans)])

    def values(self) -> Iterator[pl.DataFrame]:
        """The derived rows of every window once more, with their values, numbered as they were.

        Raises:
            LostRaceError: Retention or `forget` has rewritten landing meanwhile: project anew.
        """
        for (feed, after, to, first_id), known in zip(self.windows, self.derived, strict=True):
            rows = _numbered(derive_alone(feed, after=after, to=to).rows, first_id)
            if not as_candidates(rows).select(_SAME).equals(known.select(_SAME)):
                raise LostRaceError(f"{feed.landing.uri}: another run rewrote what had landed")
            yield rows


def project(
    integration: Integration,
    feeds: Sequence[Feed],
    goals: dict[str, int],
    *,
    held: pl.LazyFrame,
) -> Projection:
    """Derives everything that landed up to the goals, in bounded windows.

    Args:
        integration: The entity.
        feeds: The feeds of one source into it.
        goals: App of the feed to the newest landing version that counts.
        held: Quarantine as it stands: who is discarded there stays rejected.
    """
    found = Projection()
    lines = [pl.DataFrame(schema=LINES)]
    many: list[bool] = []
    next_id = 0
    for feed in feeds:
        discarded = discards(held, feed.source, integration.entity.name)
        mine = discarded.filter(pl.col("stream") == feed.stream)
        for after, to in feed.windows(after=0, to=goals[feed.app]):
            part = derive_alone(feed, after=after, to=to)
            part = replace(part, rows=without_discards(part.rows, mine))
            found.windows.append((feed, after, to, next_id))
            found.rejected.append(integration.rejected(feed, part))
            found.derived.append(as_candidates(_numbered(part.rows, next_id)))
            many.append(feed.is_many)
            next_id += part.rows.height
            if part.lines is not None:
                lines.append(part.lines)
    for is_many in sorted(set(many)):
        frames = [f for f, m in zip(found.derived, many, strict=True) if m is is_many]
        all_lines = pl.concat(lines) if is_many else None
        nothing = pl.DataFrame(schema=EXISTING)
        found.plans.append(plan_merge(pl.concat(frames), nothing, lines=all_lines))
    return found


def rebuild(integration: Integration, source: str, feeds: Sequence[Feed]) -> dict[str, Counts]:
    """Replaces an entity's rows of one source by what landing gives under today's mapping.

    Quarantine first, then core, one commit each; run it again if it dies between the two.

    Args:
        integration: The entity.
        source: The source; rows that no feed gives any more are removed.
        feeds: The source's feeds into the entity, possibly none.

    Returns:
        App of the feed to its counts, told against the core that was there before.
    """
    return retried(lambda: _rebuild(integration, source, feeds))


def _rebuild(integration: Integration, source: str, feeds: Sequence[Feed]) -> dict[str, Counts]:
    quarantine = integration.quarantine.table()
    core = integration.table()
    goals = {feed.app: feed.landing.version() for feed in feeds}
    held = integration.quarantine.settled(quarantine).filter(pl.col("source") == source).collect()
    found = project(integration, feeds, goals, held=held.lazy())
    rejected = pl.concat([pl.DataFrame(SCHEMA.empty_table()), *found.rejected])
    mine = [feed.stream for feed in feeds if feed.with_unsplit]
    others = held.filter(pl.col("entity") == UNSPLIT, ~pl.col("stream").is_in(mine))
    integration.quarantine.rewrite(
        quarantine,
        pl.concat([carried(rejected, held), others]),
        source=source,
        entities=[integration.entity.name, UNSPLIT],
        txns={f"{integration.entity.name}/{app}": to for app, to in goals.items()},
    )
    reached("quarantined")
    marks = core_marks(core, source)
    schema = core_schema(integration.entity)
    reached("core_commit")
    with ahead(_core_batches(integration, found, schema)) as batches:
        version = core.replace(
            pa.RecordBatchReader.from_batches(schema, batches),
            where=f"_source = {sql_text(source)}",
            txns=txns_of(core, feeds, goals),
        )
    reached("merged")
    counts = {
        feed.app: Counts(core_version=version, landing_version=goals[feed.app]) for feed in feeds
    }
    count_merge(
        counts, feeds, pl.concat([pl.DataFrame(schema=CANDIDATE), *found.derived]), found.plans
    )
    _tell_against(marks, found.writes, counts)
    return counts


def core_marks(core: Table, source: str) -> pl.DataFrame:
    """The core rows of a source without their values (EXISTING)."""
    rows = core.scan().filter(pl.col("_source") == source).select(EXISTING.keys())
    return rows.collect(engine="streaming")


def _core_batches(
    integration: Integration, found: Projection, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    writes = found.writes
    for rows in found.values():
        chosen = writes.join(rows.select("_id"), on="_id", how="semi")
        yield from as_table(integration.core_rows(rows, chosen), schema).to_batches()


def _numbered(rows: pl.DataFrame, first_id: int) -> pl.DataFrame:
    return rows.with_columns((pl.int_range(pl.len(), dtype=pl.Int64) + first_id).alias("_id"))


def _tell_against(before: pl.DataFrame, writes: pl.DataFrame, counts: dict[str, Counts]) -> None:
    """Tells rows that were in core before apart from new ones: a projection calls all inserted."""
    known = writes.join(
        before.select(*KEY, pl.col("_row_hash").alias("old_hash")), on=KEY, how="inner"
    )
    moved = known.group_by("_source", "_stream").agg(
        (pl.col("_row_hash") == pl.col("old_hash")).sum().alias("unchanged"),
        (pl.col("_row_hash") != pl.col("old_hash")).sum().alias("updated"),
    )
    for source, stream, kept, changed in moved.iter_rows():
        count = counts[f"{source}/{stream}"]
        inserted = count.fates.get("inserted", 0)
        unchanged = min(int(kept), inserted)
        updated = min(int(changed), inserted - unchanged)
        count.add("inserted", -unchanged - updated)
        count.add("unchanged", unchanged)
        count.add("updated", updated)
