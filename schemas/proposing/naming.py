"""What offices call the columns of our entities: names folded, and looked up in a dictionary.

`naming.csv` lists, for every column of every entity, the names that it goes by in Vietnamese and
English. A `weak` name (`id`, `name`, `date`) says little alone. A line without a column names
tables. Lines whose entity begins with a colon are no entity: what tells the version of a row, a
mark of deletion, what identifies a person, free text.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

VERSION: Final = ":version"
DELETED: Final = ":deleted"
PERSONAL: Final = ":personal"
FREE_TEXT: Final = ":free_text"

EXACT: Final = 1.0
"""Score of a name that is one of the dictionary's; every other score lies below."""

_WEAK = 0.5  # what a weak name counts, of a strong one
_STRONG = 0.9  # from this score on, two names of one column are taken for the same
_LONG = 6  # letters from which on a part of a word, or a misspelling, says something
_NEAR = 0.88  # from this likeness on, a name is taken for a misspelling
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_KEY_OF_PATH = re.compile(r"\[@\w+='([^']+)'\]")
_BREAK = re.compile(r"[^0-9a-z]+")
_OF_THE_PARENT = ({"case"}, {"dossier"}, {"ho", "so"}, {"hs"}, {"application"})
_EMPTY_WORDS = frozenset({"v", "vw", "tbl", "tb", "col", "dt", "of", "the"})


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name as it is compared.

    Attributes:
        words: Its words: no accents, small letters, camel and snake case taken apart.
    """

    words: tuple[str, ...]

    @property
    def joined(self) -> str:
        """The words without space: `ngay_tiep_nhan` and `NGAYTIEPNHAN` are one."""
        return "".join(self.words)


@dataclass(frozen=True, kw_only=True)
class NameMatch:
    """How well a name fits.

    Attributes:
        score: 0 (not at all) to `EXACT`.
        known: The dictionary's name that it was compared with, as the dictionary writes it.
        how: What kind of likeness it is, for a person.
    """

    score: float
    known: str
    how: str


@dataclass(frozen=True, kw_only=True)
class _Known:
    name: Name
    spelling: str
    is_weak: bool


Names = Mapping[tuple[str, str], tuple[_Known, ...]]


@cache
def folded(text: str) -> Name:
    """A name without accents, case and punctuation, as words.

    `NgayTiepNhan`, `ngày_tiếp_nhận` and `Ngày tiếp nhận` are the same; Vietnamese đ is d.
    """
    of_key = _KEY_OF_PATH.search(text)  # XML: string[@key='concept:name']/@value
    text = of_key[1] if of_key else text
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    words = _BREAK.split(_CAMEL.sub(" ", letters).lower())
    return Name(words=tuple(word for word in words if word and word not in _EMPTY_WORDS))


def columns_of(entity: str) -> tuple[str, ...]:
    """The columns of an entity that have names in the dictionary, in its order."""
    return tuple(column for owner, column in _names() if owner == entity and column)


def match_column(name: str, *, entity: str, column: str) -> NameMatch | None:
    """How well a source's column name fits a column of an entity; None: not at all."""
    return _best(name, _names().get((entity, column), ()))


def match_table(name: str, entity: str) -> NameMatch | None:
    """How well the name of a table, view or file fits an entity; None: not at all."""
    return _best(name, _names().get((entity, ""), ()))


def match_other(name: str, group: str) -> NameMatch | None:
    """How well a name fits `VERSION`, `DELETED`, `PERSONAL` or `FREE_TEXT`; None: not at all."""
    return _best(name, _names().get((group, ""), ()))


def mean_the_same(one: str, other: str) -> bool:
    """Whether two names are strong names of one column of some entity."""
    return not _meanings(one).isdisjoint(_meanings(other))


def _meanings(name: str) -> set[tuple[str, str]]:
    return {
        place
        for place, known in _names().items()
        if place[1] and (found := _best(name, known)) is not None and found.score >= _STRONG
    }


def is_known(name: str) -> bool:
    """Whether a name is one that the dictionary has in any place, or nearly."""
    return any(_best(name, known) is not None for known in _names().values())


def _best(text: str, known: tuple[_Known, ...]) -> NameMatch | None:
    name = folded(text)
    best: NameMatch | None = None
    for one in known:
        score, how = _likeness(name, one.name)
        score *= _WEAK if one.is_weak else 1
        if score > 0 and (best is None or score > best.score):
            best = NameMatch(score=round(score, 3), known=one.spelling, how=how)
    return best


def _likeness(name: Name, known: Name) -> tuple[float, str]:
    """Score and kind of the likeness of two names."""
    if name.joined == known.joined:
        return EXACT, "is called"
    if _without_parent(name).joined == known.joined:
        return 0.95, "is called, for its dossier,"
    if sorted(name.words) == sorted(known.words):
        return 0.9, "has the words of"
    return _part(name, known)


def _part(name: Name, known: Name) -> tuple[float, str]:
    """Of a name that holds the known one as a part, or is a misspelling of it."""
    share = len(known.joined) / max(len(name.joined), 1)
    is_long = len(known.joined) >= _LONG
    if _holds(name.words, known.words):
        return 0.5 + 0.4 * share, "has in its name"
    if is_long and len(name.words) == 1 and known.joined in name.joined:
        return 0.4 + 0.4 * share, "has in its name"
    if is_long and _is_near(name.joined, known.joined):
        return 0.6, "is nearly called"
    return 0.0, ""


def _without_parent(name: Name) -> Name:
    """The name without the words in front that only say whose it is: `case:deadline`."""
    for words in _OF_THE_PARENT:
        if len(name.words) > len(words) and set(name.words[: len(words)]) == words:
            return Name(words=name.words[len(words) :])
    return name


def _holds(words: tuple[str, ...], part: tuple[str, ...]) -> bool:
    size = len(part)
    return any(words[at : at + size] == part for at in range(len(words) - size + 1))


def _is_near(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 2:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _NEAR


@cache
def _names() -> Names:
    text = resources.files("schemas.proposing").joinpath("naming.csv").read_text("utf-8")
    found: dict[tuple[str, str], tuple[_Known, ...]] = {}
    for line in csv.DictReader(text.splitlines(), strict=True):
        known = [
            _Known(name=folded(spelling), spelling=spelling, is_weak=is_weak)
            for cell, is_weak in ((line["names"], False), (line["weak"], True))
            for spelling in cell.split("|")
            if spelling
        ]
        found[line["entity"], line["column"]] = tuple(known)
    return MappingProxyType(found)


@cache
def code_words(code_list: str) -> Mapping[str, str]:
    """Words that usually mean a code, beyond what the code list takes for certain.

    They are guesses: `sources new` writes them into the YAML for a person to confirm; no value
    is ever translated by them unseen.

    Returns:
        Word (small letters) to code of the list.
    """
    text = resources.files("schemas.proposing").joinpath("code_words.csv").read_text("utf-8")
    lines = csv.DictReader(text.splitlines(), strict=True)
    return MappingProxyType({x["word"]: x["code"] for x in lines if x["list"] == code_list})
