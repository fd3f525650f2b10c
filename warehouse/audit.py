"""The audit: does core hold what landing says, whatever the counters claim?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from warehouse.core import Integration
from warehouse.feeds import Feed
from warehouse.hashing import row_hashes
from warehouse.merge_plan import KEY, ORDER
from warehouse.quarantine import SCHEMA, UNSPLIT
from warehouse.rebuild import Projection, core_marks, project

_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of disagreement, with the keys of a few rows that show it."""

    kind: str
    rows: int
    examples: tuple[str, ...]


def audit(
    integration: Integration, source: str, feeds: Sequence[Feed]
) -> tuple[int, list[Finding]]:
    """Compares the core rows of a source with a projection of landing.

    Only landing versions that core's txn calls integrated count.

    Returns:
        Core rows looked at, and the findings (none: core is what landing says).
    """
    core = integration.table()
    goals = {feed.app: min(core.txn(feed.app), feed.landing.version()) for feed in feeds}
    found = project(integration, feeds, goals, held=integration.quarantine.scan())
    actual = core_marks(core, source)
    findings = [
        *_doubled(actual),
        *_compared(found.writes, actual),
        *_quarantine_findings(integration, source, found, goals),
        *_stored_values(integration, source),
    ]
    return actual.height, findings


def _finding(kind: str, rows: pl.DataFrame) -> Iterator[Finding]:
    if rows.height:
        keys = rows["_key"].drop_nulls().unique().sort().head(_EXAMPLES)
        yield Finding(kind=kind, rows=rows.height, examples=tuple(keys))


def _doubled(actual: pl.DataFrame) -> Iterator[Finding]:
    yield from _finding("duplicate_key", actual.filter(pl.struct(KEY).is_duplicated()))


def _compared(expected: pl.DataFrame, actual: pl.DataFrame) -> Iterator[Finding]:
    yield from _finding("missing_in_core", expected.join(actual, on=KEY, how="anti"))
    yield from _finding("not_in_landing", actual.join(expected, on=KEY, how="anti"))
    both = actual.join(expected, on=KEY, how="inner", suffix="_due")
    other_order = pl.any_horizontal(pl.col(c) != pl.col(f"{c}_due") for c in ORDER)
    yield from _finding("wrong_version", both.filter(other_order))
    other_values = pl.col("_row_hash") != pl.col("_row_hash_due")
    yield from _finding("values_differ", both.filter(~other_order & other_values))
    gone, gone_due = (pl.col(c).is_not_null() for c in ("_deleted_at", "_deleted_at_due"))
    yield from _finding("deleted_differs", both.filter(gone != gone_due))
    yield from _finding(
        "stale_differs", both.filter(pl.col("_is_stale") != pl.col("_is_stale_due"))
    )


def _quarantine_findings(
    integration: Integration, source: str, found: Projection, goals: dict[str, int]
) -> Iterator[Finding]:
    """Rows rejected today against the quarantine, by place in landing.

    What a run that died before core's commit has left there waits for the next run, which replaces
    it: it is past what counts.
    """
    place = ["stream", "entity", "_landing_version", "_row"]
    rejected = pl.concat([pl.DataFrame(SCHEMA.empty_table()), *found.rejected])
    held = (
        integration.quarantine.scan()
        .filter(
            pl.col("source") == source,
            pl.col("entity").is_in([integration.entity.name, UNSPLIT]),
        )
        .collect()
    )
    held = held.filter(
        (pl.col("entity") != UNSPLIT) | pl.col("stream").is_in(_unsplit_streams(found))
    )
    apps = pl.concat_str(pl.lit(f"{source}/"), "stream")
    goal = apps.replace_strict(goals, default=None, return_dtype=pl.Int64)
    held = held.filter(goal.is_null() | (pl.col("_landing_version") <= goal))
    yield from _finding("missing_in_quarantine", rejected.join(held, on=place, how="anti"))
    yield from _finding("not_rejected_today", held.join(rejected, on=place, how="anti"))


def _unsplit_streams(found: Projection) -> list[str]:
    return sorted({feed.stream for feed, *_ in found.windows if feed.with_unsplit})


def _stored_values(integration: Integration, source: str) -> Iterator[Finding]:
    """Core rows whose stored values don't give their own hash any more."""
    columns = integration.entity.columns
    rows = (
        integration.table()
        .scan()
        .filter(pl.col("_source") == source)
        .select("_key", "_row_hash", *columns)
        .collect(engine="streaming")
    )
    hashes = row_hashes(pa.table(rows.select(columns).to_arrow()), columns)
    yield from _finding("hash_differs", rows.filter(pl.Series(hashes) != pl.col("_row_hash")))
