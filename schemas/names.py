"""What to say about a name that doesn't exist: what was found, and the nearest right one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None when none is alike."""
    matches = get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown(kind: str, name: str, *, valid: Iterable[str]) -> str:
    """A sentence about an unknown name, for the message of an error.

    Args:
        kind: What the name was meant to be ("entity", "code list").
        name: The name as found.
        valid: The names there are.
    """
    names = sorted(valid)
    guess = nearest(name, names)
    hint = f"did you mean '{guess}'? " if guess else ""
    return f"there is no {kind} '{name}': {hint}valid are {', '.join(names)}"
