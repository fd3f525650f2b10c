"""The commits of a replay: quarantine under its number, then core, then tidying up behind both."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from schemas.errors import LostRaceError
from schemas.fields import core_schema
from warehouse.core import (
    BUMPED,
    MARKED,
    OPERATION,
    Integration,
    check_unique,
    in_months,
)
from warehouse.delta import Table, as_table
from warehouse.known_keys import keys_app
from warehouse.merge_plan import BUMP, KEY, MARK, PUT
from warehouse.phases import reached
from warehouse.quarantine import SCHEMA, replay_app

PLACE: Final = ("stream", "_landing_version", "_row")
_DROP: Final = "drop"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What has to be written.

    Attributes:
        values: Derived rows, numbered.
        writes: The writes of the plans.
        gone: Core rows that no accepted copy stands for (EXISTING).
        leaving: Quarantined rows that aren't rejected like that any more (SCHEMA).
        coming: Rejected copies that quarantine doesn't hold like that (SCHEMA).
    """

    values: pl.DataFrame
    writes: pl.DataFrame
    gone: pl.DataFrame
    leaving: pl.DataFrame
    coming: pl.DataFrame

    @property
    def is_in_core(self) -> bool:
        """Core has to be written."""
        return bool(self.writes.height or self.gone.height)

    @property
    def is_in_quarantine(self) -> bool:
        """Quarantine has to be written."""
        return bool(self.leaving.height or self.coming.height)


def differences(before: pl.DataFrame, now: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `before` that aren't among those of `now`, and the other way round.

    Children of one list may be rejected alike: they are counted.
    """
    alike = [*PLACE, "_key", "_landing_key", "_version", "_tombstone", "broke"]
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
class Moving:
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

    def write(self, change: Change, held: pl.DataFrame) -> None:
        """Brings quarantine and core to what a replay has found.

        Args:
            change: What it has found.
            held: All that quarantine holds of the source and entity.

        Raises:
            LostRaceError: Another run wrote to one of them first: judge again.
        """
        kept = _without(held, change.leaving)
        if change.is_in_quarantine and change.is_in_core:
            number = pl.lit(self.core.txn(replay_app(self.source)) + 1, pl.Int64)
            leaving = change.leaving.with_columns(_replay_out=number)
            self._rewrite([kept, leaving, change.coming.with_columns(_replay_in=number)])
        elif change.is_in_quarantine:
            self._rewrite([kept, change.coming])
        reached("quarantined")
        if not change.is_in_core:
            return
        reached("core_commit")
        self._merge(change)
        reached("merged")
        if change.is_in_quarantine:
            # Who came first reads them settled all the same: core carries the number.
            with contextlib.suppress(LostRaceError):
                self._rewrite([kept, change.coming])

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

    def _merge(self, change: Change) -> None:
        writes, gone = change.writes, change.gone
        keys = keys_app(self.source)
        txns = {**self.txns, keys: self.core.txn(keys) + 1}
        if change.is_in_quarantine:
            # Else rows that a replay that died has left there would count from this commit on.
            app = replay_app(self.source)
            txns[app] = self.core.txn(app) + 1
        schema = core_schema(self.integration.entity)
        rows = self.integration.core_rows(change.values, writes).with_columns(writes["_op"])
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
    kept, _ = differences(held, leaving)
    return kept
