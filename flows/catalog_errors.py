"""What is wrong with a source's YAML, said so that a person can mend it.

Every problem names file, line, what was found, what was expected, and the nearest right name where
there is one. What stands under `connector:` is never repeated: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something stands: a file and a line, counted from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in a YAML file.

    Attributes:
        place: File and line.
        what: What is wrong, where in the document.
        found: What stands there (never a secret).
        expected: What should.
        nearest: The nearest right name, or None.
    """

    place: Place
    what: str
    found: str
    expected: str
    nearest: str | None = None

    def __str__(self) -> str:
        guess = f"; did you mean '{self.nearest}'?" if self.nearest else ""
        return f"{self.place}: {self.what}: found {self.found}, expected {self.expected}{guess}"


class CatalogError(ConfigError):
    """A source's YAML is wrong: `problems` says where, what, and what to write instead."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[CatalogError], tuple[tuple[Problem, ...]]]:
        # Pickled (between processes) as its problems: the default would take the text for them.
        return CatalogError, (self.problems,)


def dotted(path: Sequence[str | int]) -> str:
    """A path in a document as a person reads it: `streams.ho_so.into[0].columns.fee`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
