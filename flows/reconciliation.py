"""What a comparison of a source with the warehouse reports; counts are keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from flows.receipts import RunStatus

By = Literal["checksums", "rows"]


@dataclass(frozen=True, kw_only=True)
class ReconcileOptions:
    """What a person asked of a comparison.

    Attributes:
        stream: Only this stream of the source.
        repair: Read what differs again, land and integrate it; bury what is gone.
        accept_deletes: With `repair`: believe that many keys, or all, are gone.
    """

    stream: str | None = None
    repair: bool = False
    accept_deletes: bool = False


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """One stream of a source, held against what is landed and integrated of it.

    Attributes:
        source: Name of the source.
        stream: Name of the stream.
        sync_id: The run.
        by: `checksums`: the source computed them, and only unequal slots were read; `rows`: all
            rows were read. None where nothing was compared.
        read: Rows that were read of the source.
        landed: Keys in landing, alive.
        missing: Keys of the source that aren't in landing.
        extra: Keys in landing that the source doesn't have.
        differing: Keys whose rows aren't the same.
        due: Of the missing and differing, those in the late window: the next sync brings them.
        buckets: Month to its differences by kind; months without any aren't told.
        keys: Kind to the first keys; masked where a key identifies a person.
        behind: Entities that lack landing versions.
        is_repaired: Every difference was repaired.
        waiting: Extra keys that weren't buried: too many at once to be believed.
        seconds: Wall time.
        status: `done`: no difference, or all repaired; `degraded`: differences; `failed`.
        error: The error's sentence, where it failed.
        note: What a person should know or do next.
    """

    source: str
    stream: str
    sync_id: str
    by: By | None = None
    read: int = 0
    landed: int = 0
    missing: int = 0
    extra: int = 0
    differing: int = 0
    due: int = 0
    buckets: dict[str, dict[str, int]] = field(default_factory=dict)
    keys: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    behind: tuple[str, ...] = ()
    is_repaired: bool = False
    waiting: int = 0
    seconds: float = 0.0
    status: RunStatus = "done"
    error: str | None = None
    note: str | None = None

    @property
    def differences(self) -> int:
        """Keys that aren't the same on both sides."""
        return self.missing + self.extra + self.differing
