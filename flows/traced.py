"""What a trace of one key tells: plain, frozen results; values only as they may be told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TracedCopy:
    """One landed copy of a record. Times are ISO 8601 UTC.

    Attributes:
        landing_version: Its landing commit.
        row: Its place in its read.
        read_at: Start of the read.
        sync_id: The run.
        file: File that it stood in, if any.
        line: Line of that file.
        interval: `[low, high]` of the cursor that the read covered, where that is known.
        verdict: `in core`; `accepted` (another copy stands in core); `rejected`; `unreadable`;
            `without it` (the record came without this key); `not integrated yet`.
        is_tombstone: It says that the record is gone.
        rules: Rules that reject it under today's YAML.
        warnings: Rules that only warn.
        values: The source's columns, as they may be told.
    """

    landing_version: int
    row: int
    read_at: str
    sync_id: str
    file: str | None
    line: int | None
    interval: tuple[str | None, str | None] | None
    verdict: str
    is_tombstone: bool
    rules: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    values: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TracedRejection:
    """One rejection of a record, and what became of it."""

    landing_version: int
    row: int
    rules: tuple[str, ...]
    since: str
    status: str  # open, superseded, discarded, deleted
    closed_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class TracedAct:
    """What a person did to copies of a record: reveal, discard, replay."""

    at: str
    who: str
    act: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class TracedRelease:
    """What a release holds of a key; `landing_version` is None where it doesn't have it.

    `is_gone`: the version of the table can't be read any more.
    """

    release: int
    published_at: str
    table_version: int
    landing_version: int | None = None
    row: int | None = None
    is_gone: bool = False


@dataclass(frozen=True, kw_only=True)
class TracedRun:
    """The receipt of a run that read, merged or replayed the record's stream."""

    sync_id: str
    kind: str
    entity: str | None
    status: str
    ended_at: str
    interval: tuple[str | None, str | None] | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The way of one record of one source into one entity.

    Attributes:
        source: Name of the source.
        entity: The entity.
        key: Its key, as `sql` shows it in `_key`.
        stream: The stream that it comes from.
        origin: What is read of the source: `table v_ho_so`, `files *.csv`, ...
        landing_keys: The landed records that it was derived from.
        core: What core says of it (system columns); empty where core doesn't hold it.
        copies: The landed copies, the oldest first.
        rejections: Its history in quarantine.
        acts: What people did to its copies.
        releases: What the releases hold of it.
        runs: Receipts of the runs concerned.
        parent: (entity, key) of the dossier that it belongs to, for its parts.
        parts: Entity to rows that belong to it, for a dossier.
    """

    source: str
    entity: str
    key: str
    stream: str
    origin: str
    landing_keys: tuple[str, ...] = ()
    core: dict[str, str | int | bool | None] = field(default_factory=dict)
    copies: tuple[TracedCopy, ...] = ()
    rejections: tuple[TracedRejection, ...] = ()
    acts: tuple[TracedAct, ...] = ()
    releases: tuple[TracedRelease, ...] = ()
    runs: tuple[TracedRun, ...] = ()
    parent: tuple[str, str] | None = None
    parts: dict[str, int] = field(default_factory=dict)
