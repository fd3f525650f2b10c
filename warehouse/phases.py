"""Named moments of a run, for whoever needs to be told: progress, and tests that kill there."""

from __future__ import annotations

from collections.abc import Callable

PHASES = (
    "read",
    "landing_commit",
    "landed",
    "quarantined",
    "core_commit",
    "merged",
)
"""read: a batch has come; landing_commit: about to commit landing; landed: landing committed,
quarantine not; quarantined: quarantine committed, core not; core_commit: about to commit core;
merged: core committed."""

RELEASE_PHASES = ("release_commit", "released", "views_written")
"""release_commit: about to commit a release; released: committed, the views are those of the one
before; views_written: `analytics.duckdb` is replaced."""

MAINTENANCE_PHASES = (
    "trim_commit",
    "trimmed",
    "compact_commit",
    "compacted",
    "checkpoint",
    "expire_commit",
    "expired",
    "vacuum",
    "vacuumed",
)
"""trim: old copies leave a landing table; compact: small files become large ones (compact_commit is
also where they are written); checkpoint: about to write one; expire: releases are told to be
expired, which also makes publications under way start over; vacuum: about to delete files;
vacuumed: a table's files are deleted."""

FORGET_PHASES = (
    "forget_marked",
    "forget_landing",
    "forget_landed",
    "forget_quarantine",
    "forget_core",
    "forget_cored",
    "forget_release",
    "forget_purge",
    "forget_purged",
)
"""forget_marked: who is to be forgotten is committed, nothing else; forget_landing, _quarantine,
_core, _release: about to commit there; forget_landed, forget_cored: a table is committed;
forget_purge: about to delete the old files of a table; forget_purged: they and their log are
gone."""

_listeners: list[Callable[[str], None]] = []


def listen(listener: Callable[[str], None]) -> None:
    """Has `listener` called with the name of every phase that this process reaches."""
    _listeners.append(listener)


def reached(phase: str) -> None:
    """Tells the listeners that a phase is reached."""
    for listener in _listeners:
        listener(phase)
