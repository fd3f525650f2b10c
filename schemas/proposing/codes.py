"""Which code list knows the words of a column, and what its other words may mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from schemas.codes import CodeList, code_list, code_lists, normalise
from schemas.personal import looks_personal
from schemas.proposing.naming import code_words
from schemas.proposing.profiles import Profile

_MOST_SHOWN = 12
_ROWS_OF_A_WORD = 3  # a word of fewer rows may be a person's name; one or two letters are none


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What the words of a column mean.

    Attributes:
        own: The code list of the core column.
        lists: The list that knows most of the words; empty where none knows any.
        words: Words that no list knows, and the code that they usually mean: a guess.
        unknown: Words that nobody knows, with their rows.
        known_share: Share of the rows whose word is known, guesses included.
    """

    own: str
    lists: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    known_share: float = 0.0

    @property
    def open_words(self) -> tuple[tuple[str, int], ...]:
        """The unknown words that may be shown, with their rows."""
        fit = [(w, n) for w, n in self.unknown.items() if n >= _ROWS_OF_A_WORD or len(w) <= 2]
        return tuple((w, n) for w, n in fit if not looks_personal(w))[:_MOST_SHOWN]


def codes_of(own: str, profile: Profile) -> Codes:
    """What the words of a column mean, for a core column with the code list `own`."""
    words = dict(profile.words)
    if not words:
        return Codes(own=own)
    folded = dict(zip(words, normalise(words), strict=True))
    rows = sum(words.values())
    best, known = None, 0
    for candidate in _lists_for(own):
        count = sum(n for word, n in words.items() if _knows(candidate, folded[word]))
        if count > known:
            best, known = candidate, count
    guesses = code_words(own)
    left = {w: n for w, n in words.items() if best is None or not _knows(best, folded[w])}
    guessed = {w: guesses[folded[w]] for w in left if folded[w] in guesses}
    unknown = {w: n for w, n in left.items() if w not in guessed}
    return Codes(
        own=own,
        lists=(best.name,) if best is not None else (),
        words=guessed,
        unknown=unknown,
        known_share=(rows - sum(unknown.values())) / rows,
    )


def _knows(known: CodeList, word: str) -> bool:
    return word in known.translate or word in known.ignored


@cache
def _lists_for(own: str) -> tuple[CodeList, ...]:
    """The column's own list first, then those that translate into it."""
    others = [one for one in code_lists().values() if one.into == own]
    return (code_list(own), *others)
