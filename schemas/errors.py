"""The errors a person meets, grouped by what they do about them.

Every message says what happened, where, and the next step. None of them carries the value of a row
or a secret: an error is read by more people than the data is.
"""

from __future__ import annotations


class LienThongError(Exception):
    """Base of every expected error. ``str(error)`` is the sentence a person reads."""


class ConfigError(LienThongError):
    """The YAML, the environment or the command line is wrong: fix it and run again (exit 2)."""


class SourceError(LienThongError):
    """The source refused or misbehaved for good: call the office (exit 1, or 3 beside others)."""


class TransientSourceError(SourceError):
    """The source could not be reached just now: retried, then reported like a `SourceError`."""


class ContractError(SourceError):
    """The source changed its shape: a column vanished, or a type is another one."""


class WarehouseError(LienThongError):
    """The warehouse refused: other key, newer format, disk full, conflicting writers."""
