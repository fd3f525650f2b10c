"""Taking the rows of forgotten people out of landing, quarantine, core and the latest release.

Each part looks for them by itself, by the marks: a run that was killed is finished by another one,
whatever the first had done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from schemas.entities import ENTITIES
from schemas.fields import Entity, core_schema
from schemas.personal import compact
from warehouse.ahead import ahead
from warehouse.core import Integration
from warehouse.delta import Table, as_table, sql_text
from warehouse.feeds import Feed
from warehouse.forgotten import Marks
from warehouse.hashing import row_hashes
from warehouse.landing import Landing
from warehouse.landing_commits import APP
from warehouse.landing_stamp import hashed
from warehouse.phases import reached
from warehouse.quarantine import SCHEMA, Quarantine
from warehouse.races import retried
from warehouse.rebuild import project
from warehouse.screening import (
    Screen,
    dossier_columns,
    marked_as,
    mentions,
    of_dossiers,
    subjects,
)

CHUNK_ROWS = 250_000
_PLACE = ("_landing_version", "_row")


def windows(landing: Landing) -> Iterator[pl.DataFrame]:
    """Every row of a landing, in bounded parts, in the order they came."""
    low, rows = 0, 0
    to = landing.version()
    for version, count in landing.sizes(after=0, to=to):
        if rows and rows + count > CHUNK_ROWS:
            yield landing.rows(after=low, to=version - 1)
            low, rows = version - 1, 0
        rows += count
    if rows:
        yield landing.rows(after=low, to=to)


def keys_of_subjects(screen: Screen, landing: Landing) -> set[str]:
    """`entity/key` of the rows whose newest copy is about somebody marked."""
    found: dict[str, list[pl.DataFrame]] = {}
    for rows in windows(landing):
        for feed, keys in screen.subject_keys(rows):
            if not feed.explodes:
                found.setdefault(feed.entity.name, []).append(keys.drop_nulls("_key"))
    theirs: set[str] = set()
    for entity, frames in found.items():
        newest = pl.concat(frames).sort("_version", *_PLACE).group_by("_key").last()
        theirs |= marked_as(ENTITIES[entity], newest.filter("is_theirs"))
    return theirs


def swept_landing(landing: Landing, screen: Screen, *, dry_run: bool = False) -> dict[str, int]:
    """Takes rows out of a landing and empties cells, in one commit that shuts running reads out.

    A read that began before and compared its rows with nothing loses the race for the next landing
    version, and begins anew.

    Returns:
        Rows that went (`removed`) and in which something was emptied (`emptied`).
    """

    def once() -> dict[str, int]:
        table = landing.table()
        if table is None:
            return {"removed": 0, "emptied": 0}
        version, state = table.txn(APP), table.newest_state()
        counts = {"removed": 0, "emptied": 0}
        for rows in windows(landing):
            left, emptied = _swept(rows, screen, table.schema)
            counts["removed"] += rows.height - left.height
            counts["emptied"] += emptied
        if dry_run:
            return counts
        reached("forget_landing")
        # The next number, though no row has it: whoever reads for that number starts over.
        txns = {APP: version + 1}
        if any(counts.values()):
            schema = table.schema

            def batches() -> Iterator[pa.RecordBatch]:
                for rows in windows(landing):
                    yield from as_table(_swept(rows, screen, schema)[0], schema).to_batches()

            with ahead(batches()) as kept:
                reader = pa.RecordBatchReader.from_batches(schema, kept)
                table.replace(reader, where=None, txns=txns, state=state)
        else:
            table.append(table.schema.empty_table(), txns=txns, state=state)
        reached("forget_landed")
        return counts

    return retried(once)


def _swept(rows: pl.DataFrame, screen: Screen, schema: pa.Schema) -> tuple[pl.DataFrame, int]:
    judged = screen.judge(rows)
    if judged.is_idle:
        return rows, 0
    changed = pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
    for name, values in judged.values.items():
        changed |= values.ne_missing(rows[name])
    emptied = rows.with_columns([values.alias(name) for name, values in judged.values.items()])
    changed &= ~judged.gone
    if changed.any():
        # The hash of the values that were there would let the emptied one be guessed.
        again = pl.Series("_new_hash", hashed(as_table(emptied, schema)), pl.String)
        emptied = emptied.with_columns(
            pl.when(changed).then(again).otherwise(pl.col("_row_hash")).alias("_row_hash")
        )
    return emptied.filter(~judged.gone), int(changed.sum())


def swept_quarantine(
    quarantine: Quarantine, places: Mapping[tuple[str, str], pl.DataFrame], apps: Sequence[str]
) -> int:
    """Takes the quarantine rows out whose landing rows are gone, in one commit.

    Args:
        quarantine: The table.
        places: (source, stream) to the places that landing has.
        apps: The apps of every integration: one under way starts over.

    Returns:
        The number of rows.
    """

    def once() -> int:
        table = quarantine.table()
        rows = table.scan().collect()
        kept = []
        for part in rows.partition_by("source", "stream", maintain_order=True):
            there = places.get((part["source"][0], part["stream"][0]))
            kept.append(part if there is None else part.join(there, on=_PLACE, how="semi"))
        left = pl.concat([pl.DataFrame(SCHEMA.empty_table()), *kept])
        reached("forget_quarantine")
        txns = {app: table.txn(app) for app in apps if table.txn(app)}
        if left.height < rows.height:
            table.replace(as_table(left, SCHEMA), where=None, txns=txns)
        else:
            table.append(SCHEMA.empty_table(), txns=txns)
        return rows.height - left.height

    return retried(once)


@dataclass(frozen=True, kw_only=True)
class CoreSweep:
    """One source's rows in one entity.

    Attributes:
        integration: The entity.
        source: The source.
        feeds: Its feeds into the entity.
        marks: Whom the warehouse has forgotten.
        needle: See `Screen`.
    """

    integration: Integration
    source: str
    feeds: Sequence[Feed]
    marks: Marks
    needle: str | None

    def run(self) -> int:
        """Makes the rows concerned what landing says now, in one commit.

        Returns:
            The number of rows that went or changed.
        """
        return retried(self._once)

    def _once(self) -> int:
        core = self.integration.table()
        entity = self.integration.entity
        apps = {feed.app: core.txn(feed.app) for feed in self.feeds}
        rows = core.scan().filter(pl.col("_source") == self.source)
        looked = rows.select(looked_at(entity, with_text=self.needle is not None))
        frame = looked.collect(engine="streaming")
        concerned = frame.filter(
            concerns(frame, entity, self.marks, self.needle) | self._orphans(frame)
        )
        reached("forget_core")
        if not concerned.height:
            core.append(core_schema(entity).empty_table(), txns=apps)
            return 0
        keys = concerned.select("_key").unique()
        fresh = self._fresh(keys, apps)
        months = pl.concat([concerned["_month"], fresh["_month"]]).unique().to_list()
        stay = (
            rows.filter(_in_months(months))
            .join(keys.lazy(), on="_key", how="anti")
            .collect(engine="streaming")
        )
        schema = core_schema(entity)
        every = pl.concat([stay.select(schema.names), fresh.select(schema.names)])
        where = f"_source = {sql_text(self.source)} AND {_months_sql(months)}"
        core.replace(as_table(every, schema), where=where, txns=apps)
        reached("forget_cored")
        return concerned.height

    def _orphans(self, frame: pl.DataFrame) -> pl.Series:
        """Rows whose landing row is gone."""
        gone = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
        for feed in self.feeds:
            table = feed.landing.table()
            if table is None:
                continue
            keys = table.scan().select("_key").unique().collect(engine="streaming")["_key"]
            mine = frame["_stream"] == feed.stream
            gone |= mine & ~frame["_landing_key"].is_in(keys.drop_nulls().implode())
        return gone.fill_null(value=False)

    def _fresh(self, keys: pl.DataFrame, goals: dict[str, int]) -> pl.DataFrame:
        """What landing gives for the keys: nothing for those that are gone."""
        found = project(
            self.integration, self.feeds, goals, held=self.integration.quarantine.scan()
        )
        writes = found.writes.join(keys, on="_key", how="semi")
        parts = [pl.DataFrame(core_schema(self.integration.entity).empty_table())]
        for rows in found.values():
            chosen = writes.join(rows.select("_id"), on="_id", how="semi")
            if chosen.height:
                made = self.integration.core_rows(rows, chosen)
                parts.append(made.select(parts[0].columns).cast(parts[0].schema))
        return pl.concat(parts)


def looked_at(entity: Entity, *, with_text: bool) -> list[str]:
    """The columns of core that say whether a row concerns somebody."""
    texts = [f.name for f in entity.fields if f.type == "text"] if with_text else []
    own = [*subjects(entity), *mentions(entity), *texts]
    listed = ["_key", "_stream", "_landing_key", "_month", *own, *dossier_columns(entity)]
    return list(dict.fromkeys(listed))


def concerns(frame: pl.DataFrame, entity: Entity, marks: Marks, needle: str | None) -> pl.Series:
    """For each row of core whether it concerns somebody forgotten.

    Args:
        frame: At least the columns of `looked_at`.
        entity: The entity.
        marks: Of the rows' source.
        needle: See `Screen`.
    """
    found = marks.are_rows(entity.name, frame["_key"])
    found |= of_dossiers(frame, entity, marks)
    for name in [*subjects(entity), *mentions(entity)]:
        found |= marks.are_persons(frame[name])
    if needle is not None:
        for name in (f.name for f in entity.fields if f.type == "text"):
            found |= _holds(frame[name], needle)
        found |= _holds(frame["_key"], needle) | _holds(frame["_landing_key"], needle)
    return found


def _holds(values: pl.Series, needle: str) -> pl.Series:
    frame = pl.DataFrame({"v": values})
    held = frame.select(compact(pl.col("v")).str.contains(needle, literal=True))["v"]
    return held.fill_null(value=False)


def cleaned(
    rows: pl.DataFrame, entity: Entity, marks: Marks, needle: str | None, *, there: pl.DataFrame
) -> pl.DataFrame:
    """Rows of a release without those about somebody forgotten, and without what names one.

    Args:
        rows: Rows of one source.
        entity: The entity.
        marks: Of the source.
        needle: See `Screen`.
        there: `_key` of the source's rows in core, which is swept: their rows in the release stay.
    """
    keys = there["_key"].implode()
    concerned = concerns(rows, entity, marks, needle)
    left = rows.filter(~concerned | rows["_key"].is_in(keys))
    named = concerns(left, entity, marks, needle)
    if not named.any():
        return left
    emptied = []
    for field in entity.fields:
        if field.type != "text":
            continue
        values = left[field.name]
        hit = marks.are_persons(values) if field.personal else named & False
        if needle is not None:
            hit |= _holds(values, needle)
        emptied.append(
            pl.Series(field.name, values.zip_with(~hit, pl.Series([None], dtype=pl.String)))
        )
    made = left.with_columns(emptied)
    hashes = row_hashes(pa.table(made.select(entity.columns).to_arrow()), entity.columns)
    again = pl.Series("_again", hashes, pl.String)
    return made.with_columns(
        pl.when(named).then(again).otherwise(pl.col("_row_hash")).alias("_row_hash")
    )


def clean_copy(
    table: Table, uri: str, entity: Entity, clean: Callable[[pl.DataFrame], pl.DataFrame]
) -> Table:
    """A table of its own with what is left of a version of core, month by month."""
    schema = core_schema(entity)
    copy = Table.create(uri, schema, partition_by=["_month"])
    months = table.scan().select("_month").unique().collect()["_month"].sort().to_list()
    for month in months:
        rows = table.scan().filter(_in_months([month])).collect(engine="streaming")
        copy.append(as_table(clean(rows), schema))
    return copy


def _in_months(months: Sequence[str | None]) -> pl.Expr:
    named = pl.col("_month").is_in([m for m in months if m is not None])
    return named | pl.col("_month").is_null() if None in months else named


def _months_sql(months: Sequence[str | None]) -> str:
    listed = ", ".join(sql_text(m) for m in sorted(m for m in months if m is not None))
    parts = [f"_month IN ({listed})"] if listed else []
    return "(" + " OR ".join([*parts, *(["_month IS NULL"] if None in months else [])]) + ")"
