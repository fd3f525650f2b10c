"""The rows in quarantine: which are open, what they hold, and putting some aside for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import polars as pl

from flows.catalog import Stream
from flows.context import Context
from flows.history import summarise
from flows.receipts import Discarded, QuarantinedRow, QuarantineLine
from flows.rejections import rejections, stream_of
from flows.who import act_of
from schemas.errors import ConfigError
from schemas.keys import key_parts
from schemas.mapping import known_words, personal_columns
from schemas.telling import is_plain, like, told
from warehouse.acts import Act
from warehouse.discards import discard as put_aside
from warehouse.quarantine import UNSPLIT
from warehouse.quarantine_life import Status, summary
from warehouse.races import retried

MASK: Final = "***"
OPEN: Final[tuple[Status, ...]] = ("open",)
CLOSED: Final[tuple[Status, ...]] = ("superseded", "discarded")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rejections a command is about.

    Attributes:
        source: Only of this source.
        rule: Only rows that broke this rule.
        older_than: Only rows that have waited for so many days.
        key: Only rows of this key.
        closed: Those that nobody has to mend any more, instead of the open ones.
    """

    source: str | None = None
    rule: str | None = None
    older_than: int | None = None
    key: str | None = None
    closed: bool = False


def selected(context: Context, selection: Selection) -> pl.DataFrame:
    """The rows that a selection means.

    Raises:
        ConfigError: The named source doesn't exist.
    """
    rows = rejections(context, selection.source)
    wanted = rows.filter(pl.col("status").is_in(CLOSED if selection.closed else OPEN))
    order = ["source", "stream", "entity", "_landing_version", "_row", "_key"]
    return narrowed(context, wanted, selection).sort(order, nulls_last=True)


def narrowed(context: Context, rows: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    """The rows that the rule, age and key of a selection mean, open or closed."""
    if selection.rule is not None:
        rows = rows.filter(pl.col("rules").list.contains(selection.rule))
    if selection.older_than is not None:
        before = context.clock() - timedelta(days=selection.older_than)
        rows = rows.filter(pl.col("quarantined_at") <= before)
    if selection.key is not None:
        mine = (pl.col("_key") == selection.key) | (pl.col("_landing_key") == selection.key)
        rows = rows.filter(mine.fill_null(value=False))
    return rows


def quarantine_list(
    context: Context, source: str | None = None, selection: Selection | None = None
) -> list[QuarantineLine]:
    """Rejected rows per source, stream, entity and rule; the open ones, or the closed.

    Raises:
        ConfigError: The named source doesn't exist.
    """
    wanted = selection or Selection(source=source)
    rows = selected(context, wanted)
    agencies = {one.name: one.agency for one in context.catalog.sources.values()}
    lines = []
    for (status,), part in rows.group_by("status", maintain_order=True):
        counted = summary(
            part.with_columns(status=pl.lit("open")), agencies=agencies, now=context.clock()
        )
        if wanted.rule is not None:
            counted = counted.filter(pl.col("rule") == wanted.rule)
        lines += [
            QuarantineLine(
                source=row["source"], stream=row["stream"], entity=row["entity"], rule=row["rule"],
                rows=row["rows"], oldest=row["oldest"].isoformat(), agency=row["agency"],
                oldest_days=row["oldest_days"], status=str(status),
            )
            for row in counted.iter_rows(named=True)
        ]  # fmt: skip
    return sorted(lines, key=lambda one: (one.source, one.stream, one.entity, one.rule, one.status))


def quarantine_show(
    context: Context,
    *,
    source: str | None = None,
    rule: str | None = None,
    limit: int,
    selection: Selection | None = None,
    reveal: str | None = None,
) -> list[QuarantinedRow]:
    """Quarantined rows with the values of their landing row, as far as they may be told.

    Args:
        context: Catalog and warehouse.
        source: Only of this source.
        rule: Only rows that broke this rule.
        limit: At most so many rows.
        selection: What is meant, in place of `source` and `rule`.
        reveal: Why the values have to be seen as they are: that is written down first.

    Raises:
        ConfigError: The named source doesn't exist, or the reason can't be kept.
    """
    act = _reveal(context, reveal)
    wanted = selection or Selection(source=source, rule=rule)
    rows = selected(context, wanted).head(limit)
    if act is not None:
        context.warehouse.acts.record(act, rows)
    shown = []
    for place in rows.partition_by("source", "stream", maintain_order=True):
        shown += _shown(context, place, is_revealed=act is not None)
    return shown


def _reveal(context: Context, reason: str | None) -> Act | None:
    if reason is None:
        return None
    return act_of(context, "reveal", command="quarantine show", reason=reason)


def _shown(context: Context, rows: pl.DataFrame, *, is_revealed: bool) -> list[QuarantinedRow]:
    """Rows of one stream beside their landing rows."""
    source, stream = rows["source"][0], rows["stream"][0]
    landing = context.warehouse.landing(source, stream).table()
    place = ["_landing_version", "_row"]
    values: dict[tuple[int, int], dict[str, Any]] = {}
    if landing is not None:
        wanted = rows.select(place).unique().lazy()
        found = landing.scan().join(wanted, on=place, how="semi").collect()
        values = {(r["_landing_version"], r["_row"]): r for r in found.iter_rows(named=True)}
    mask = Mask.of(stream_of(context, source, stream), is_revealed=is_revealed)
    return [
        QuarantinedRow(
            source=source,
            stream=stream,
            entity=row["entity"],
            key=mask.key(row["_key"], values.get((row["_landing_version"], row["_row"]), {})),
            rules=tuple(row["rules"]),
            landing_version=row["_landing_version"],
            row=row["_row"],
            file=row["_file"],
            line=row["_line"],
            quarantined_at=row["quarantined_at"].isoformat(),
            values=mask.values(values.get((row["_landing_version"], row["_row"]), {})),
            status=row["status"],
            closed_by=row["discarded_by"],
            reason=row["discard_reason"],
        )
        for row in rows.iter_rows(named=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """What may be told of the landed rows of a stream.

    Attributes:
        open: Columns that today's YAML maps, and maps only where nobody is identified. One that it
            doesn't name any more stays masked: nobody says what it holds.
        personal: Columns that it maps where somebody is.
        known: Column to the words that its code lists know.
        is_revealed: Everything is told: that was asked for, and written down.
    """

    open: frozenset[str]
    personal: frozenset[str]
    known: dict[str, frozenset[str]]
    is_revealed: bool

    @classmethod
    def of(cls, stream: Stream | None, *, is_revealed: bool = False) -> Mask:
        """The mask of a stream; without its YAML nothing is told."""
        if stream is None:
            none: frozenset[str] = frozenset()
            return cls(open=none, personal=none, known={}, is_revealed=is_revealed)
        personal = frozenset(personal_columns(stream.mapping))
        return cls(
            open=frozenset(stream.spec.columns) - personal,
            personal=personal,
            known=known_words(stream.mapping),
            is_revealed=is_revealed,
        )

    def values(self, row: dict[str, Any]) -> dict[str, str | None]:
        """The source's columns of a landed row, as they may be told."""
        people = self._people(row)
        return {
            name: None if value is None else self._value(name, str(value), people)
            for name, value in row.items()
            if not name.startswith("_")
        }

    def key(self, key: str | None, row: dict[str, Any]) -> str | None:
        """A key, its parts as they may be told."""
        if key is None or self.is_revealed:
            return key
        if not self.open:
            return MASK
        people = self._people(row)
        parts = key_parts(key)
        safe = all(is_plain(part, people) for part in parts)
        return key if safe else like(key)

    def _people(self, row: dict[str, Any]) -> list[str]:
        return [str(row[name]) for name in self.personal if row.get(name) is not None]

    def _value(self, name: str, text: str, people: Sequence[str]) -> str:
        if self.is_revealed:
            return text
        if name not in self.open:
            return MASK
        return told(text, known=self.known.get(name, ()), people=people)


def discard(
    context: Context, selection: Selection, *, reason: str, dry_run: bool = False
) -> list[Discarded]:
    """Puts open rejections of one source aside for good: no rebuild brings them into core.

    Args:
        context: Catalog and warehouse.
        selection: Which; it names a source.
        reason: Why; kept beside the rows.
        dry_run: Only tell which rows it would be.

    Returns:
        Rows per stream and entity.

    Raises:
        ConfigError: No source is named, it doesn't exist, or the reason can't be kept.
        WarehouseError: Quarantine could not be written.
    """
    if selection.source is None:
        message = "which source? `lienthong quarantine discard SOURCE --reason TEXT`"
        raise ConfigError(message)
    act = act_of(context, "discard", command="quarantine discard", reason=reason)
    rows = retried(lambda: _discarded(context, selection, act, dry_run=dry_run))
    if rows.height and not dry_run:
        context.warehouse.acts.record(act, rows)
        summarise(context, [selection.source])
    counted = rows.group_by("source", "stream", "entity", maintain_order=True).len()
    return [
        Discarded(source=source, stream=stream, entity=entity, rows=rows)
        for source, stream, entity, rows in counted.iter_rows()
    ]


def _discarded(context: Context, selection: Selection, act: Act, *, dry_run: bool) -> pl.DataFrame:
    quarantine, source = context.warehouse.quarantine, str(selection.source)
    table = quarantine.table()
    if not dry_run:
        quarantine.fence(table, source)
    rows = selected(context, selection).drop("status")
    places = rows.select("stream", "entity").unique().rows()
    done = {place: _integrated(context, source, *place) for place in places}
    settled = [
        (pl.col("stream") == stream) & (pl.col("entity") == entity)
        & (pl.col("_landing_version") <= version)
        for (stream, entity), version in done.items()
    ]  # fmt: skip
    rows = rows.filter(pl.any_horizontal(settled)) if settled else rows
    if rows.height and not dry_run:
        apps = {_app(context, source, *place) for place in places}
        txns = {app: table.txn(app) for app in apps}
        put_aside(quarantine, table, rows, act=act, txns=txns)
    return rows


def _entity(context: Context, source: str, stream: str, entity: str) -> str:
    """The entity whose integration writes rows: one of a stream's writes those of no entity."""
    known = stream_of(context, source, stream)
    return known.entities[0] if entity == UNSPLIT and known is not None else entity


def _app(context: Context, source: str, stream: str, entity: str) -> str:
    return f"{_entity(context, source, stream, entity)}/{source}/{stream}"


def _integrated(context: Context, source: str, stream: str, entity: str) -> int:
    """The newest landing version whose rejections stand: a run that died may have left others."""
    core = context.warehouse.core(_entity(context, source, stream, entity))
    if stream_of(context, source, stream) is None:
        return context.warehouse.landing(source, stream).version()
    return 0 if core is None else core.txn(f"{source}/{stream}")
