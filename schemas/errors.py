"""The errors a person meets, grouped by what they do about them.

Every message says what happened, where, and the next step. None of them carries the value of a row
or a secret: an error is read by more people than the data is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class LienThongError(Exception):
    """Base of every expected error. ``str(error)`` is the sentence a person reads."""


class ConfigError(LienThongError):
    """The YAML, the environment or the command line is wrong: fix it and run again (exit 2)."""


class SourceError(LienThongError):
    """The source refused or misbehaved for good: call the office (exit 1, or 3 beside others)."""


class TransientSourceError(SourceError):
    """The source could not be reached just now: retried, then reported like a `SourceError`."""


class ContractError(SourceError):
    """The source changed its shape: a column vanished, or a type is another one.

    Attributes:
        missing: The columns that aren't there, where that is what changed.
        found: The columns that are, with their types in the source's words; empty where unknown.
    """

    def __init__(
        self, message: str, *, missing: Sequence[str] = (), found: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.missing = tuple(missing)
        self.found = dict(found or {})


class WarehouseError(LienThongError):
    """The warehouse refused: other key, newer format, disk full, conflicting writers."""


class LostRaceError(WarehouseError):
    """Another writer committed first: reload, read the txn again, recompute."""
