"""What may be told of a value that stands where nobody should be named.

Somebody types a name into the status, or a telephone number into the code of the dossier: the
column isn't personal, its values may be. A value is told if it is a known code or plainly no
person: a code of signs and digits, a date, a small number. Of every other one its shape is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from schemas.codes import normalise
from schemas.personal import looks_personal

SHOWN_CHARACTERS: Final = 32
_TELLING: Final = 4  # characters of a personal value that make another value tell it
_MOST_DIGITS: Final = 8  # a telephone number has 10, an identity number 9 or 12
_SHAPES: Final = (
    (r"[\p{Ll}\p{Lm}\p{Lo}]", "a"),
    (r"[\p{Lu}\p{Lt}]", "A"),
    (r"\p{N}", "9"),
    (r"\p{M}", ""),
    (r"\s", " "),
    (r"[^Aa9 .,:;/\\_()+#%*'\"&=-]", "?"),
)
_DAY: Final = r"(?:[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2})"
_HOUR: Final = (
    r"[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?"
)
_STAMP: Final = (
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9])?"
)
_TIME: Final = re.compile(rf"{_DAY}(?:{_HOUR})?|{_STAMP}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*")
_NUMBERED: Final = re.compile(
    r"(?:[A-Za-z]{1,4}[-/._])?(?:19|20)[0-9]{2}[-/._][0-9]{1,8}"  # of a year: HS-2026-000123
    r"|[0-9A-Z]{1,4}(?:\.[0-9A-Z]{2,4}){0,4}-[0-9]{6}-[0-9]{4,6}"  # H41.15-240111-00012
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",  # UUID
)
_TOKEN: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")
_PASSPORT: Final = re.compile(r"[A-Za-z][0-9]{7,8}")
_SEPARATORS: Final = re.compile(r"[-./_]")
_LONG_WORD: Final = re.compile(r"[A-Za-z]{5}")
_LONG_NUMBER: Final = re.compile(rf"[0-9]{{{_MOST_DIGITS + 1}}}")
_TRUTH: Final = frozenset({"true", "false"})


def shape(values: pl.Expr) -> pl.Expr:
    """The shape of values: a letter is `a` or `A`, a digit `9`, an unusual sign `?`; null if blank.

    At most `SHOWN_CHARACTERS` long.
    """
    text = values.cast(pl.String, strict=False).str.normalize("NFC").str.strip_chars()
    cut = text.str.slice(0, SHOWN_CHARACTERS)
    for pattern, sign in _SHAPES:
        cut = cut.str.replace_all(pattern, sign)
    shown = pl.when(text.str.len_chars() > SHOWN_CHARACTERS).then(cut + "…").otherwise(cut)
    return pl.when(text.str.len_bytes() > 0).then(shown)


def like(text: str) -> str:
    """A value as its shape, marked as one: `(like Aaaaaa Aaa)`."""
    one = pl.select(shape(pl.lit(text))).item()
    return "(blank)" if one is None else f"(like {one})"


def is_plain(text: str, people: Sequence[str] = ()) -> bool:
    """Whether a value looks like a code, a date or a small number, and tells nobody.

    Args:
        text: The value.
        people: Personal values that stand beside it: a code made of one of them tells it.
    """
    value = text.strip()
    if not value or value.casefold() in _TRUTH:
        return True
    if _TIME.fullmatch(value):
        return True
    return _is_code(value) and not _tells(value, people)


def _is_code(value: str) -> bool:
    if _NUMBER.fullmatch(value):
        return sum(map(str.isdigit, value)) <= _MOST_DIGITS
    if _NUMBERED.fullmatch(value):
        return True
    if not _TOKEN.fullmatch(value) or _LONG_WORD.search(value) or looks_personal(value):
        return False
    if _PASSPORT.fullmatch(value):
        return False
    return not _LONG_NUMBER.search(_SEPARATORS.sub("", value))


def _tells(value: str, people: Sequence[str]) -> bool:
    own = value.casefold()
    if len(own) < _TELLING:
        return False
    folded = (person.strip().casefold() for person in people)
    return any(len(p) >= _TELLING and (p in own or own in p) for p in folded)


def told(text: str, *, known: Collection[str] = (), people: Sequence[str] = ()) -> str:
    """The value where it may be told, else its shape.

    Args:
        text: The value.
        known: Its code list knows these, as `schemas.codes.normalise` writes them; null words too.
        people: See `is_plain`.
    """
    if known and normalise([text])[0] in known:
        return text
    return text if is_plain(text, people) else like(text)
