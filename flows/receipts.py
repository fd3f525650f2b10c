"""What a run reports: plain, frozen results that the command prints and Prefect stores.

No result carries the value of a row. Counts are rows, times are UTC, intervals are cursor values
as ISO 8601 text (or digits for an integer cursor).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

RunStatus = Literal["done", "degraded", "failed"]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of one stream's rows in one entity during one sync.

    Conservation, each term counted where it happens::

        read    = landed + same + unreadable
        derived = inserted + updated + unchanged + superseded + folded + quarantined

    Attributes:
        source: Name of the source.
        stream: Name of the stream.
        entity: Entity fed; None on a receipt of a stream that failed before anything landed.
        sync_id: The run.
        interval: `[low, high]` of the cursor that the read covered, or None for a whole read.
        read: Rows the source delivered.
        landed: Rows that landed as new evidence.
        same: Rows equal to what is already landed.
        unreadable: Records that could not be split into columns (in quarantine).
        derived: Entity rows mapped from the landing versions integrated now, without the copies
            that bury a vanished row.
        inserted: New keys in core.
        updated: Keys whose values changed, or that came back.
        unchanged: Keys whose newest copy holds the same values.
        superseded: Rows that lost to another version of their key.
        folded: Rows that repeated their parent.
        quarantined: Rows that broke a rule.
        tombstoned: Keys that are gone from the source now (counted apart).
        warnings: Rule name to number of rows, of the rows derived now.
        null_cursor: Rows of the source whose cursor is NULL.
        future_cursor: Rows of the source dated at or past the read's `high`; a backfill counts
            none.
        landing_version: Newest landing version integrated.
        core_version: Delta version of the core table after the merge.
        seconds: Wall time of read, landing and (shared) merge.
        status: `done`; `degraded` (something waits for a person, see `note`); `failed`.
        error: The error's sentence, where it failed.
        note: What a person should know or do next.
        reason: Why a person asked for it, where one had to be given.
    """

    source: str
    stream: str
    entity: str | None
    sync_id: str
    interval: tuple[str | None, str | None] | None = None
    read: int = 0
    landed: int = 0
    same: int = 0
    unreadable: int = 0
    derived: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    folded: int = 0
    quarantined: int = 0
    tombstoned: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    null_cursor: int = 0
    future_cursor: int = 0
    landing_version: int = 0
    core_version: int | None = None
    seconds: float = 0.0
    status: RunStatus = "done"
    error: str | None = None
    note: str | None = None
    reason: str | None = None

    def as_record(self) -> dict[str, Any]:
        """The receipt as a JSON-ready dict."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class SyncOptions:
    """What a person asked of a sync.

    Attributes:
        stream: Only this stream of the source.
        full: Read everything, whatever the coverage says.
        limit: Read at most so many rows per stream (a first taste; coverage does not advance).
        accept_deletes: Believe a read in which many keys, or all, are gone.
        interval: Read this interval of the cursor, from and to as they were typed, and no other.
        reason: Why (of a backfill).
    """

    stream: str | None = None
    full: bool = False
    limit: int | None = None
    accept_deletes: bool = False
    interval: tuple[str, str] | None = None
    reason: str | None = None

    @property
    def kind(self) -> Literal["sync", "backfill"]:
        """What the run is called among the receipts that the warehouse keeps."""
        return "sync" if self.interval is None else "backfill"


def explained(receipts: Iterable[Receipt], options: SyncOptions) -> list[Receipt]:
    """The receipts of a run with the reason that a person gave for it."""
    return [replace(receipt, reason=options.reason) for receipt in receipts]


@dataclass(frozen=True, kw_only=True)
class BackfillPlan:
    """What `lienthong backfill` would read of one stream.

    Attributes:
        interval: `[from, to)` of the cursor; None: the source has no row.
        rows: Rows that lie in it now; None where the source can't count them.
        parts: Questions that it is read by.
    """

    source: str
    stream: str
    interval: tuple[str | None, str | None] | None
    rows: int | None
    parts: int = 0


@dataclass(frozen=True, kw_only=True)
class SourceLine:
    """One stream of one connected source, for `lienthong sources`."""

    source: str
    label_vi: str
    label_en: str
    agency: str | None
    level: str | None
    connector: str
    stream: str
    entities: tuple[str, ...]
    reads: str  # "interval by <column>", "whole", "files (increment)", ...
    retired: bool = False


@dataclass(frozen=True, kw_only=True)
class StreamCheck:
    """What `lienthong check` saw of one stream. `status` is the worst thing seen.

    Attributes:
        columns_found: Every column of the source, with its type in the source's words.
        columns_mapped: The ones that the YAML uses.
        sample_rows: Rows read to try the mapping on.
        entities: Entity name to `{accepted, rejected, warned}` rows of the sample.
        reasons: Rule name to rows of the sample it rejected.
        warnings: Rule name to rows of the sample it marked.
        unknown_codes: Core column to the codes (never personal) that the code list lacks.
        notes: Sentences worth a person's attention.
        error: Why the stream could not be checked.
        report: Path of the page that tells the office, where one was asked for.
    """

    source: str
    stream: str
    status: RunStatus
    columns_found: dict[str, str] = field(default_factory=dict)
    columns_mapped: tuple[str, ...] = ()
    sample_rows: int = 0
    entities: dict[str, dict[str, int]] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    unknown_codes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str | None = None
    report: str | None = None


@dataclass(frozen=True, kw_only=True)
class StreamStatus:
    """How one stream stands, for `lienthong status`. Times are ISO 8601 UTC.

    `gaps` were never read, `again` is to be read once more (a full read or a backfill that broke
    off); the next sync reads both.
    """

    source: str
    stream: str
    last_good_sync: str | None
    last_run: str | None
    last_status: str | None  # done, degraded, failed, or None when it never ran
    last_error: str | None
    fresh_to: str | None  # newest cursor covered, or the start of the last good whole read
    rows: dict[str, int] = field(default_factory=dict)  # entity -> live core rows
    quarantined: int = 0
    coverage: tuple[tuple[str | None, str | None], ...] = ()
    gaps: tuple[tuple[str | None, str | None], ...] = ()
    again: tuple[tuple[str | None, str | None], ...] = ()
    landing_version: int = 0


@dataclass(frozen=True, kw_only=True)
class QuarantineLine:
    """One rule's rejections in one source, for `lienthong quarantine list`."""

    source: str
    stream: str
    entity: str  # '' for a record that could not be split into columns
    rule: str
    rows: int
    oldest: str  # ISO 8601 UTC
    agency: str | None = None  # code of the office that owns the rows
    oldest_days: int = 0  # whole days that the oldest has waited
    status: str = "open"  # or `superseded`, `discarded`


@dataclass(frozen=True, kw_only=True)
class QuarantinedRow:
    """One quarantined row, for `lienthong quarantine show`; what may name somebody is masked."""

    source: str
    stream: str
    entity: str
    key: str | None
    rules: tuple[str, ...]
    landing_version: int
    row: int
    file: str | None
    line: int | None
    quarantined_at: str
    values: dict[str, str | None] = field(default_factory=dict)  # column -> text, shape or mask
    status: str = "open"  # or `superseded`, `discarded`
    closed_by: str | None = None  # who discarded it
    reason: str | None = None  # why


@dataclass(frozen=True, kw_only=True)
class Discarded:
    """Rows of one stream and entity that were put aside, for `lienthong quarantine discard`."""

    source: str
    stream: str
    entity: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class ReplayLine:
    """What became of one stream's rejections in one entity, for `lienthong quarantine replay`.

    Attributes:
        source: Name of the source.
        stream: Name of the stream.
        entity: The entity.
        rows: Rejections that were judged again.
        accepted: Those that today's YAML accepts, or doesn't derive any more.
        rejected: Those that it rejects still.
        rules: Rule to the rows that it rejects.
        inserted: Keys new in core.
        updated: Keys of core whose values changed.
        removed: Keys of core that today's YAML accepts no copy of.
    """

    source: str
    stream: str
    entity: str
    rows: int
    accepted: int
    rejected: int
    rules: dict[str, int] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    removed: int = 0


@dataclass(frozen=True, kw_only=True)
class NightReport:
    """The outcome of `lienthong nightly`."""

    sync_id: str
    receipts: tuple[Receipt, ...]
    broken: tuple[str, ...]  # sources that failed
    waiting: tuple[str, ...]  # sources that wait for a person
    seconds: float
    release: int | None = None  # number of the release that the night published
    blocked: tuple[str, ...] = ()  # what stood against publishing one: what, where, how much

    @property
    def status(self) -> RunStatus:
        """`failed` when every source failed, `degraded` when some did or wait, else `done`.

        A night whose release a gate blocked is degraded.
        """
        if self.receipts and all(r.status == "failed" for r in self.receipts):
            return "failed"
        return "degraded" if self.broken or self.waiting or self.blocked else "done"


@dataclass(frozen=True, kw_only=True)
class AuditFinding:
    """One disagreement between landing and core; no finding means core is what landing says."""

    source: str
    stream: str
    entity: str
    kind: str  # missing_in_core, not_in_landing, wrong_version, duplicate_key, values_differ, ...
    rows: int
    examples: tuple[str, ...] = ()  # at most five `_key`s (no key is personal)


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The outcome of `lienthong audit`."""

    checked_rows: int
    findings: tuple[AuditFinding, ...]
    not_checked: tuple[str, ...] = ()  # sources whose YAML is wrong
