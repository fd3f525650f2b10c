"""Releases: write, audit, publish. What analysts see is the last set of tables that passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PanicException

from flows.context import Context
from flows.evening import even_tables, not_of_one_moment
from flows.faults import told
from flows.history import runs_of, summary_uri
from flows.logs import defect_event
from flows.views import FRESHNESS, QUARANTINE_SUMMARY, write_views
from flows.who import checked_reason
from schemas.entities import ENTITIES
from schemas.errors import ConfigError, WarehouseError
from schemas.names import unknown
from warehouse import gating, releases
from warehouse.delta import Table, as_table
from warehouse.freshness import SCHEMA, freshness
from warehouse.gating import Candidate, Finding, Gate
from warehouse.races import retried
from warehouse.releases import Part, Release, Releases


@dataclass(frozen=True, kw_only=True)
class ReleaseReport:
    """How a publication ended.

    Attributes:
        release: What was published; None where a gate blocked it.
        kept: Number of the release that analysts go on seeing where it was blocked, if any.
        findings: Where gates don't hold: those that blocked, and those that only tell.
        skipped: Gates that a person took away.
    """

    release: Release | None
    kept: int | None
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()


def publish_release(
    context: Context, *, reason: str | None = None, skip: Sequence[str] = ()
) -> ReleaseReport:
    """Checks the newest versions of core, and publishes them as one release.

    Args:
        context: Catalog and warehouse.
        reason: Why, where a person asks for it.
        skip: Names of gates that don't count this time.

    Raises:
        ConfigError: No such gate, or its SQL fails; or see `flows.who.checked_reason`.
        WarehouseError: Nothing was ever integrated, or a table can't be read or written.
    """
    reason = None if reason is None else checked_reason(reason)
    known = gating.gates()
    names = [gate.name for gate in known]
    if absent := [name for name in skip if name not in names]:
        raise ConfigError(unknown("gate", absent[0], valid=names))
    chosen = [gate for gate in known if gate.name not in skip]
    report = retried(lambda: _published(context, chosen, reason=reason, skip=tuple(skip)))
    if report.release is not None:
        write_views(context.warehouse.uri)
    return report


@dataclass(frozen=True, kw_only=True)
class NightRelease:
    """What became of a night's release: a reference and sentences, for a report.

    Attributes:
        number: The release; None where none was published.
        blocked: What stood against it: what, where, how much. Empty also where there is nothing
            to release yet.
    """

    number: int | None = None
    blocked: tuple[str, ...] = ()


def release_of_night(context: Context) -> NightRelease:
    """Publishes a night's release; what goes wrong becomes a sentence and stops nobody."""
    if not any(context.warehouse.core(name) for name in ENTITIES):
        return NightRelease()
    try:
        report = publish_release(context)
    except (Exception, PanicException) as error:  # noqa: BLE001 - the night's rows are in core
        defect_event(error)
        fault = told(error)
        what = f"{fault.what} {fault.step}" if fault.is_defect else fault.what
        return NightRelease(blocked=(what,))
    if report.release is not None:
        return NightRelease(number=report.release.id)
    blocking = (one for one in report.findings if one.severity == "block")
    return NightRelease(blocked=tuple(map(sentence, blocking)))


def sentence(finding: Finding) -> str:
    """What, where, how much: `nothing_shrinks: so-tu-phap / dossier: found 10, allowed 95`."""
    where = " / ".join(part for part in (finding.source, finding.table) if part)
    amounts = f"found {finding.found:,.10g}, allowed {finding.allowed:,.10g}"
    return f"{finding.gate}: {where}: {amounts}"


def _published(
    context: Context, chosen: Sequence[Gate], *, reason: str | None, skip: tuple[str, ...]
) -> ReleaseReport:
    uri = context.warehouse.uri
    store = Releases(uri)
    handle = store.table()  # before the versions are chosen: of two at once, one loses and repeats
    previous = store.latest()
    fresh = freshness(runs_of(context))
    tables, behind = even_tables(context)
    if not tables:
        message = f"{uri}: nothing has been integrated yet, so there is nothing to release"
        raise WarehouseError(message)
    candidate = Candidate(tables=tables, freshness=fresh, previous=previous, now=context.clock())
    found = (*gating.findings(uri, candidate, chosen), *not_of_one_moment(behind))
    if any(finding.severity == "block" for finding in found):
        kept = previous.id if previous is not None else None
        return ReleaseReport(release=None, kept=kept, findings=found, skipped=skip)
    parts = {name: _part(f"analysts/core/{name}", table) for name, table in tables.items()}
    written = _write_freshness(context, fresh)
    parts[FRESHNESS] = _part(f"analysts/{FRESHNESS}", written)
    counted = Table.open(summary_uri(context.warehouse.analysts_uri))
    if counted is not None:
        parts[QUARANTINE_SUMMARY] = _part(f"analysts/{QUARANTINE_SUMMARY}", counted)
    if skip:
        reason = f"{reason or 'no reason given'} (without {', '.join(skip)})"
    release = releases.publish(handle, parts, now=context.clock(), reason=reason)
    return ReleaseReport(release=release, kept=None, findings=found, skipped=skip)


def _part(path: str, table: Table) -> Part:
    return Part(path=path, version=table.version, rows=table.rows)


def _write_freshness(context: Context, rows: pl.DataFrame) -> Table:
    table = Table.open_or_create(f"{context.warehouse.analysts_uri}/{FRESHNESS}", SCHEMA)
    table.replace(as_table(rows, SCHEMA), where=None)
    return table


def roll_back(context: Context, number: int, *, reason: str) -> Release:
    """Publishes the tables of an older release again: the newest stays in the history.

    Raises:
        ConfigError: There is no such release; or see `flows.who.checked_reason`.
        WarehouseError: One of its table versions is gone.
    """
    reason = checked_reason(reason)
    uri = context.warehouse.uri

    def again() -> Release:
        store = Releases(uri)
        handle = store.table()
        old = store.get(number)
        for name in old.parts:
            old.table(uri, name)  # raises where the version is gone
        why = f"to release {number}: {reason}"
        now = context.clock()
        return releases.publish(handle, old.parts, now=now, kind="rollback", reason=why)

    release = retried(again)
    write_views(uri)
    return release


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changed in one table of one source from one release to another. Counts, no values."""

    table: str
    source: str
    before: int
    after: int
    added: int
    changed: int
    gone: int


def difference(warehouse_uri: str, one: int, other: int) -> list[Difference]:
    """Per table and source: rows added, changed and gone from a release to another.

    Raises:
        ConfigError: There is no such release.
        WarehouseError: A table version is gone.
    """
    store = Releases(warehouse_uri)
    first, second = store.get(one), store.get(other)
    found: list[Difference] = []
    for name in ENTITIES:
        if first.parts.get(name) == second.parts.get(name):
            continue
        before = _rows(first, warehouse_uri, name)
        after = _rows(second, warehouse_uri, name)
        pairs = before.join(
            after, on=["_source", "_key"], how="full", coalesce=True, suffix="_after"
        )
        was, now = pl.col("_row_hash").is_not_null(), pl.col("_row_hash_after").is_not_null()
        counted = pairs.group_by("_source").agg(
            was.sum().alias("before"),
            now.sum().alias("after"),
            (~was & now).sum().alias("added"),
            (was & now & (pl.col("_row_hash") != pl.col("_row_hash_after"))).sum().alias("changed"),
            (was & ~now).sum().alias("gone"),
        )
        rows = counted.sort("_source").collect(engine="streaming").rows(named=True)
        found += [
            Difference(table=name, source=row.pop("_source"), **row)
            for row in rows
            if row["added"] or row["changed"] or row["gone"]
        ]
    return found


def _rows(release: Release, uri: str, name: str) -> pl.LazyFrame:
    table = release.table(uri, name)
    columns = ["_source", "_key", "_row_hash"]
    if table is None:
        return pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))
    return table.scan().filter(pl.col("_deleted_at").is_null()).select(columns)
