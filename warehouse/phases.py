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

_listeners: list[Callable[[str], None]] = []


def listen(listener: Callable[[str], None]) -> None:
    """Has `listener` called with the name of every phase that this process reaches."""
    _listeners.append(listener)


def reached(phase: str) -> None:
    """Tells the listeners that a phase is reached."""
    for listener in _listeners:
        listener(phase)
