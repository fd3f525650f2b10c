"""Errors as a person meets them: what, where, next step; never a value, never a secret.

An expected error is a sentence of ours. The text of any other exception may hold a row's value or
a password (a database driver prints both), so it is not told: its type and the place in our code
are.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from schemas.errors import (
    ConfigError,
    ContractError,
    LienThongError,
    LostRaceError,
    SourceError,
    TransientSourceError,
    WarehouseError,
)

ROOT = Path(__file__).resolve().parents[1]
OURS = ("flows", "connectors", "schemas", "warehouse", "demo")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error, told.

    Attributes:
        kind: What sort of thing is wrong, in a word or two.
        what: What happened and where.
        step: What to do next.
        is_defect: The program is wrong, and nobody's data.
    """

    kind: str
    what: str
    step: str
    is_defect: bool = False


_FAMILIES: tuple[tuple[type[LienThongError], str, str], ...] = (
    (ConfigError, "configuration", "Correct it and run the command again."),
    (ContractError, "source changed", "`lienthong check` compares the mapping with the source."),
    (TransientSourceError, "source unreachable", "Nothing is lost: run the command again later."),
    (
        SourceError,
        "source",
        "If your access is wrong, correct it; else the office that runs the system has to help.",
    ),
    (
        LostRaceError,
        "warehouse",
        "Nothing is damaged: run the command again when the other run has ended.",
    ),
    (WarehouseError, "warehouse", "docs/deploy.md says what to do when the warehouse refuses."),
    (LienThongError, "run", "Correct what it names and run the command again."),
)

_FILE_GONE = Fault(
    kind="warehouse",
    what="a file of a table is gone that this run was still reading: it was suspended or slow for "
    "longer than maintenance keeps old files",
    step="Nothing is damaged: run the command again.",
)


def told(error: BaseException) -> Fault:
    """The error as kind, sentence and next step."""
    for family, kind, step in _FAMILIES:
        if isinstance(error, family):
            return Fault(kind=kind, what=str(error), step=step)
    if isinstance(error, FileNotFoundError) and ".parquet" in str(error):
        return _FILE_GONE
    return Fault(
        kind="unexpected",
        what=f"{_type_name(error)}{_where(error)}. This is a defect of the program, not of your "
        "data.",
        step="Run the command again with `lienthong --debug` and report it.",
        is_defect=True,
    )


def cleaned(error: BaseException) -> LienThongError:
    """The same error without the exceptions it came from, for whoever prints whole tracebacks.

    Prefect logs the traceback of a failed task with every exception of its chain, and a library's
    exception may print a value. The family stays, so that a transient error is still retried.
    """
    for family, _, _ in _FAMILIES:
        if isinstance(error, family):
            return family(str(error))
    return LienThongError(told(error).what)


def frames(error: BaseException) -> Iterator[str]:
    """The way of an error through our own code: files, lines and source text, no values."""
    for link in reversed(_chain(error)):
        for path, line, function in _our_frames(link.__traceback__):
            yield f"  {path}:{line} in {function}"
            source = linecache.getline(str(ROOT / path), line).strip()
            if source:
                yield f"    {source}"
        yield f"  {_type_name(link)}" + (f": {link}" if isinstance(link, LienThongError) else "")


def _chain(error: BaseException) -> list[BaseException]:
    """The error, then what it came from."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        hidden = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or hidden
    return chain


def _where(error: BaseException) -> str:
    """The innermost place in our code that the error passed."""
    ours = list(_our_frames(error.__traceback__))
    return f" at {ours[-1][0]}:{ours[-1][1]} in {ours[-1][2]}" if ours else ""


def _our_frames(trace: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    for frame, line in traceback.walk_tb(trace):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in OURS:
            yield path.relative_to(ROOT).as_posix(), line, frame.f_code.co_name


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
