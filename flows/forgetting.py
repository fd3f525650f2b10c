"""Forgetting one person: every row and every trace, and nobody comes back the next night.

The order makes a kill harmless: first it is committed who is to be forgotten (by marks that tell
nobody who that is), and each step behind it finds its work by the marks alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from flows.catalog import Source, Stream
from flows.context import Context, new_sync_id
from flows.screens import forgotten_of
from flows.sweeping import Sweep
from flows.views import write_views
from flows.who import checked_reason
from schemas.entities import ENTITIES
from schemas.errors import ConfigError, LostRaceError, WarehouseError
from schemas.personal import PSEUDONYM_LENGTH, compact, pseudonyms_of
from warehouse.delta import Table
from warehouse.forgetting import clean_copy, cleaned, keys_of_subjects, swept_landing
from warehouse.forgotten import Forgotten, Marks
from warehouse.phases import reached
from warehouse.purge import COPIES, Past, copies, drop_copies
from warehouse.races import retried
from warehouse.reconciled import Reconciled
from warehouse.releases import Part, Release, Releases, expire, publish
from warehouse.traces import Traces
from warehouse.upkeep import kept_versions

_LEAST: Final = 5  # letters and digits of an identity number
_WHY: Final = "without a person whose rows were erased"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is to be forgotten.

    Attributes:
        pseudonym: As it stands in core.
        needle: The identity number as numbers are compared; None where only the pseudonym is known.
    """

    pseudonym: str
    needle: str | None = None

    def __repr__(self) -> str:
        return "Person(***)"


@dataclass(frozen=True, kw_only=True)
class ForgetReport:
    """What was forgotten: counts, no value.

    Attributes:
        forget_id: Of the receipt.
        removed: Table to rows that went.
        emptied: Landing table to rows of others in which the person's number was emptied.
        release: Number of the release that analysts see now; None where there is none.
        expired: Releases that can't be read any more.
        files: Files of rows that were deleted.
        not_mapped: Landing tables of streams that the catalog doesn't map: not looked into.
        seconds: Wall time.
        dry_run: Nothing was done.
        found: A row was found, or what an earlier run had left to do, or an old file that names
            them. Else the person is marked, and releases and old files are as they were.
    """

    forget_id: str
    removed: Mapping[str, int]
    emptied: Mapping[str, int]
    release: int | None = None
    expired: tuple[int, ...] = ()
    files: int = 0
    not_mapped: tuple[str, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False
    found: bool = True


def person_of(context: Context, *, number: str | None = None, key: str | None = None) -> Person:
    """Who is meant, by the identity number or by the pseudonym of core.

    Raises:
        ConfigError: It is neither; nothing of it is repeated.
    """
    if key is not None:
        text = key.strip().lower()
        if len(text) != PSEUDONYM_LENGTH or any(c not in "0123456789abcdef" for c in text):
            message = f"--key is a pseudonym of core: {PSEUDONYM_LENGTH} hexadecimal digits"
            raise ConfigError(message)
        return Person(pseudonym=text)
    values = pl.Series([(number or "").strip()], dtype=pl.String)
    (needle,) = pl.DataFrame({"t": values}).select(compact(pl.col("t")))["t"]
    (pseudonym,) = pseudonyms_of(values, context.warehouse.person_key.value)
    if pseudonym is None or sum(c.isalnum() for c in needle) < _LEAST:
        message = "what was given is no identity number: it has too few letters and digits"
        raise ConfigError(message)
    return Person(pseudonym=pseudonym, needle=needle)


def forget(context: Context, person: Person, *, reason: str, dry_run: bool = False) -> ForgetReport:
    """Takes a person out of everything that the warehouse keeps.

    Raises:
        ConfigError: The reason, which is kept, holds a number or address of a person.
        WarehouseError: The warehouse isn't in a folder, or a table can't be read or written. Run
            it again: it goes on.
    """
    started = time.monotonic()
    if "://" in context.warehouse.uri:
        raise WarehouseError(
            f"{context.warehouse.uri}: forgetting deletes files and commits by itself, and does so "
            "in folders only. Nothing was changed: copy the warehouse to a folder, forget there, "
            "and put the copy in its place"
        )
    if not dry_run:
        reason = _nameless(reason, person)
    run = _Forgetting(context, person, reason)
    report = run.tell() if dry_run else run.do()
    return ForgetReport(**{**report.__dict__, "seconds": round(time.monotonic() - started, 3)})


def _nameless(reason: str, person: Person) -> str:
    """The reason as the receipt keeps it, where it doesn't tell who was forgotten."""
    text = checked_reason(reason)
    (said,) = pl.DataFrame({"t": [text]}).select(compact(pl.col("t")))["t"]
    known = [person.pseudonym.upper(), *([] if person.needle is None else [person.needle])]
    if any(one in said for one in known):
        message = "--reason holds what is to be forgotten. It is kept: say it without"
        raise ConfigError(message)
    return text


class _Forgetting:
    """One run of it."""

    def __init__(self, context: Context, person: Person, reason: str) -> None:
        self._context = context
        self._person = person
        self._reason = reason
        self._uri = context.warehouse.uri
        self._forgotten: Forgotten = forgotten_of(context)
        self._sweep = Sweep(context, needle=person.needle)
        self._id = self._sweep.id

    def tell(self) -> ForgetReport:
        """Counts where `do` looks first; nothing is marked and nothing changed."""
        removed, emptied = {}, {}
        planned = {name: self._planned(name) for name in self._sweep.sources()}
        for path, screen in self._sweep.screens():
            *_, source, stream = path.split("/")
            landing = self._context.warehouse.landing(source, stream)
            counts = swept_landing(landing, screen.with_marks(planned[source]), dry_run=True)
            removed[path], emptied[path] = counts["removed"], counts["emptied"]
        removed |= self._sweep.unmapped_rows(planned)
        return ForgetReport(
            forget_id=self._id, removed=_some(removed), emptied=_some(emptied),
            not_mapped=self._sweep.not_mapped, dry_run=True,
            found=bool(_some(removed) or _some(emptied)),
        )  # fmt: skip

    def do(self) -> ForgetReport:
        """Forgets: marks, landing, quarantine, core, release, old files."""
        before = self._forgotten.unfinished()
        self._mark()
        removed, emptied = self._sweep.do()
        found = bool(before or _some(removed) or _some(emptied)) or self._sweep.is_traced(
            self._traces
        )
        if not found:
            self._end(before, {}, {})
            return ForgetReport(
                forget_id=self._id, removed={}, emptied={}, not_mapped=self._sweep.not_mapped,
                found=False,
            )  # fmt: skip
        removed["restricted/reconcile"] = Reconciled(self._uri).forget_keys()
        pasts = [
            Past(f"{self._uri}/{path}", is_landing=path.startswith("restricted/landing/"))
            for path in self._sweep.with_rows()
        ]
        release, expired = retried(self._release)
        write_views(self._uri)
        files = sum(past.delete() for past in pasts)
        retried(self._drop_copies)
        self._end(before, removed, emptied)
        return ForgetReport(
            forget_id=self._id, removed=_some(removed), emptied=_some(emptied),
            release=None if release is None else release.id, expired=expired, files=files,
            not_mapped=self._sweep.not_mapped,
        )  # fmt: skip

    @property
    def _traces(self) -> Traces:
        alone = self._forgotten.only(self._person.pseudonym)
        return Traces(
            marks=alone, pseudonym=self._person.pseudonym, needle=self._person.needle
        )  # fmt: skip

    def _end(
        self, before: frozenset[str], removed: Mapping[str, int], emptied: Mapping[str, int]
    ) -> None:
        self._forgotten.end(
            forget_id=self._id, before=before, reason=self._reason, now=self._context.clock(),
            counts=json.dumps({"removed": _some(removed), "emptied": _some(emptied)}),
        )  # fmt: skip

    def _planned(self, name: str) -> Marks:
        """What a source's rows will be compared with once the person is marked."""
        mine = [(source, stream) for source, stream in self._sweep.streams if source.name == name]
        keys = set[str]().union(*(self._theirs(*one) for one in mine))
        return self._marks(name).with_rows(keys)

    def _marks(self, name: str) -> Marks:
        """What is marked of a source, and the person."""
        return self._forgotten.marks(name).with_person(self._person.pseudonym)

    def _theirs(self, source: Source, stream: Stream) -> set[str]:
        landing = self._context.warehouse.landing(source.name, stream.name)
        if landing.table() is None:
            return set()
        screen = self._sweep.screen(source, stream).with_marks(self._marks(source.name))
        return keys_of_subjects(screen, landing)

    def _mark(self) -> None:
        rows: dict[str, set[str]] = {}
        for source, stream in self._sweep.streams:
            rows.setdefault(source.name, set()).update(self._theirs(source, stream))
        self._forgotten.add(
            [self._person.pseudonym], rows, forget_id=self._id, now=self._context.clock()
        )
        reached("forget_marked")

    def _release(self) -> tuple[Release | None, tuple[int, ...]]:
        """Publishes the latest release anew, without the person; those before it expire."""
        store = Releases(self._uri)
        if Table.open(store.uri) is None:
            return None, ()
        handle = store.table()
        latest = store.latest()
        if latest is None:
            return None, ()
        if latest.expired_at is not None:
            raise WarehouseError("the latest release has expired: publish one, then run it again")
        parts = {name: self._part(latest, name, part) for name, part in latest.parts.items()}
        reached("forget_release")
        made = publish(handle, parts, now=self._context.clock(), kind="forget", reason=_WHY)
        handle = store.table()
        kept = store.kept()
        if kept[-1].id != made.id:
            # A rollback may have brought back what the person is in.
            raise LostRaceError(f"{store.uri}: another release was published first")
        old = tuple(one.id for one in kept[:-1])
        expire(handle, old, now=self._context.clock())
        return made, old

    def _drop_copies(self) -> None:
        """Deletes the copies of releases that have expired, and those of tries that lost a race.

        Whoever has made one of them to publish it now loses, and makes another one.
        """
        store = Releases(self._uri)
        found = copies(self._uri)
        if not found:
            return
        handle = store.table()
        kept = kept_versions(store.kept())
        expire(handle, (), now=self._context.clock())
        drop_copies(self._uri, found, kept)

    def _part(self, release: Release, name: str, part: Part) -> Part:
        if name not in ENTITIES:
            return part
        table = release.table(self._uri, name)
        current = self._context.warehouse.core(name)
        if table is None:
            raise WarehouseError(f"release {release.id}: the table {name} is lost")
        if current is not None and self._same(name, table, current):
            path = f"analysts/core/{name}"
            return Part(path=path, version=current.version, rows=current.rows)
        # A new place each time: what a try that lost a race has left is somebody's to delete.
        path = f"{COPIES}/{new_sync_id()}/{name}"
        copy = clean_copy(
            table, f"{self._uri}/{path}", ENTITIES[name], lambda rows: self._clean(name, rows)
        )
        return Part(path=path, version=copy.version, rows=copy.rows)

    def _clean(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        current = self._context.warehouse.core(name)
        keys = pl.LazyFrame(schema={"_source": pl.String, "_key": pl.String})
        there = (keys if current is None else current.scan()).select(keys.collect_schema().names())
        parts = [rows.clear()]
        for part in rows.partition_by("_source", maintain_order=True):
            source = part["_source"][0]
            parts.append(
                cleaned(
                    part, ENTITIES[name], self._forgotten.marks(source), self._person.needle,
                    there=there.filter(pl.col("_source") == source).collect(),
                )
            )  # fmt: skip
        return pl.concat(parts)

    def _same(self, name: str, released: Table, current: Table) -> bool:
        """Whether core as it is now is what is left of a release's table."""
        columns = ["_source", "_key", "_row_hash", "_deleted_at", "_is_stale"]
        left = self._clean(name, released.scan().collect(engine="streaming")).select(columns)
        now = current.scan().select(columns).collect(engine="streaming")
        return left.sort(columns[:2]).equals(now.sort(columns[:2]))


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: rows for name, rows in sorted(counts.items()) if rows}
