"""What a sample says of one source column: how its stamps, numbers and words are written.

A profile holds counts and formats, and of values only what may be shown: the words of a column
that holds few of them. It is evidence for a proposal, never the base of a mapping by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

from schemas.mapping.formats import time_format

Kind = Literal["text", "whole", "number", "time", "date", "truth", "other"]

SAMPLE_ROWS: Final = 5_000
"""Rows that a profile is made from."""

FORMATS: Final = (
    "iso",
    "%Y%m%d%H%M%S",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%H:%M:%S %d/%m/%Y",
    "%H:%M %d/%m/%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%Y%m%d",
    "epoch_ms",
    "epoch_s",
    "excel",
)
"""Formats in the order in which they are tried: of two that read the same, the first is taken.

Day before month, as Vietnam writes; the ones that read bare numbers come last.
"""

NULL_WORDS: Final = (
    "EMPTY", "NULL", "(null)", "N/A", "#N/A", "NaN", "UNKNOWN", "None", "nil", "-", "--", "?",
    "Không có", "Chưa có", "00000000000000", "0000-00-00", "0000-00-00 00:00:00", "00/00/0000",
)  # fmt: skip
"""Words that offices write for "no value"."""

MOST_FORMATS: Final = 3
MOST_WORDS: Final = 30
LONGEST_WORD: Final = 40

_BARE = frozenset({"%Y%m%d", "epoch_ms", "epoch_s", "excel"})  # they read bare numbers
_YEARS = (1980, 2060)  # a stamp outside was read by the wrong format
_ENOUGH = 0.8
_DISTINCT_STAMPS = 1_000  # different texts that formats are tried on
_LOOKS: Mapping[str, str] = {
    "citizen number": r"^0[0-9]{11}$",
    "phone number": r"^(?:\+84|0)[0-9]{9}$",
    "e-mail address": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "procedure code": r"^[0-9]\.[0-9]{6}(?:\.|$)",
    "dossier number": r"^[0-9A-Z][0-9A-Z.]*-[0-9]{6}-[0-9]{4,6}$",
    "agency code": r"^(?:H[0-9]{2}(?:\.[0-9]+)*|(?:[0-9]+\.)+H[0-9]{2})$",
}
_PERSONAL_LOOKS = ("citizen number", "phone number", "e-mail address")
_CODE_LIKE = r"^[0-9A-Z][0-9A-Z_./:-]*$"
_GROUPED = {
    ".": r"^-?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?$",
    ",": r"^-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?$",
}
_PLAIN = {".": r"^-?[0-9]+(?:\.[0-9]+)?$", ",": r"^-?[0-9]+(?:,[0-9]+)?$"}


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """How the stamps of a column are written.

    Attributes:
        formats: Formats that read them, in the order to be tried; empty for typed columns.
        share: Share of the different values that they read.
        midnight: Share of the read stamps at midnight: of the offset that a text states, of the
            source's zone for a typed instant.
        by_day_first: Month first reads them as well: the order is a guess.
        offsets: The offsets from UTC that texts state, as they are written ("+07:00").
    """

    formats: tuple[str, ...]
    share: float
    midnight: float
    by_day_first: bool = False
    offsets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """How the numbers of a column are written.

    Attributes:
        share: Share of the values that are numbers.
        decimal: Decimal mark, where it isn't a point.
        thousands: Mark between groups, where there is one.
        whole: All of them are whole.
    """

    share: float
    decimal: str | None = None
    thousands: str | None = None
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a sample says of a column.

    Attributes:
        name: The column.
        type: Its type in the source's own words.
        kind: Its type as it was delivered.
        rows: Rows of the sample.
        filled: Rows with a value, null words taken out.
        distinct: Different values.
        stamps: How its stamps are written; None where it holds none.
        numbers: How its numbers are written; None where it holds none.
        words: The values and how often each comes, where they are few and short; else empty.
        null_words: The null words that were seen.
        looks: What its values look like ("citizen number").
        grows: Share of the rows, in the order they came, whose value isn't below the one before.
        spaces: Share of the values with white space in them.
        length: Mean length of the values, in characters.
        is_code_like: The values are written like codes: capitals, digits and marks.
    """

    name: str
    type: str
    kind: Kind
    rows: int
    filled: int
    distinct: int
    stamps: Stamps | None = None
    numbers: Numbers | None = None
    words: Mapping[str, int] = field(default_factory=dict)
    null_words: tuple[str, ...] = ()
    looks: str | None = None
    grows: float = 0.0
    spaces: float = 0.0
    length: float = 0.0
    is_code_like: bool = False

    @property
    def is_unique(self) -> bool:
        """Every row of the sample has a value of its own."""
        return self.rows > 0 and self.filled == self.rows and self.distinct == self.rows

    @property
    def looks_personal(self) -> bool:
        """The values look like what identifies a person."""
        return self.looks in _PERSONAL_LOOKS

    @property
    def looks_like_free_text(self) -> bool:
        """Long values with spaces, hardly one of them twice."""
        many = self.filled >= 20 and self.distinct > 0.5 * self.filled
        return self.kind == "text" and many and self.length > 60 and self.spaces > _ENOUGH


def profile(values: pl.Series, *, type_: str, zone: str) -> Profile:
    """Looks at one column of a sample.

    Args:
        values: The column as its connector delivered it.
        type_: Its type in the source's own words.
        zone: The source's zone, in which it is midnight or not.
    """
    kind = _kind(values.dtype)
    if kind in {"time", "date"}:
        return _typed_stamps(values, type_, kind, zone)
    raw = values.cast(pl.String, strict=False) if kind != "other" else values.cast(pl.String)
    texts = _cleaned(raw)
    seen = texts.filter(texts.is_in(NULL_WORDS)).unique().sort().to_list()
    texts = texts.filter(~texts.is_in(NULL_WORDS)) if seen else texts
    texts = texts.drop_nulls()
    lengths = texts.str.len_chars()
    return Profile(
        name=values.name,
        type=type_,
        kind=kind,
        rows=len(values),
        filled=len(texts),
        distinct=texts.n_unique(),
        stamps=_stamps(texts),
        numbers=_numbers(texts),
        words=_words(texts),
        null_words=tuple(w for w in NULL_WORDS if w in seen),
        looks=_looks(texts),
        grows=_grows(values) if kind in {"whole", "number"} else 0.0,
        spaces=_share(texts.str.contains(r"\s")),
        length=_mean(lengths),
        is_code_like=_share(texts.str.contains(_CODE_LIKE)) >= _ENOUGH,
    )


def _kind(dtype: pl.DataType) -> Kind:
    if dtype == pl.String:
        return "text"
    if dtype == pl.Boolean:
        return "truth"
    if dtype == pl.Date:
        return "date"
    if isinstance(dtype, pl.Datetime):
        return "time"
    if dtype.is_integer():
        return "whole"
    return "number" if dtype.is_numeric() else "other"


def _cleaned(texts: pl.Series) -> pl.Series:
    stripped = texts.str.strip_chars()
    return stripped.set(stripped == "", None)


def _share(mask: pl.Series) -> float:
    return float(mask.sum() or 0) / len(mask) if len(mask) else 0.0


def _longest(texts: pl.Series) -> int:
    return max(texts.str.len_chars().to_list(), default=0)


def _mean(values: pl.Series) -> float:
    return float(values.sum()) / len(values) if len(values) else 0.0


def _typed_stamps(values: pl.Series, type_: str, kind: Kind, zone: str) -> Profile:
    there = values.drop_nulls()
    midnight = 1.0
    if isinstance(there.dtype, pl.Datetime):
        local = there if there.dtype.time_zone is None else there.dt.convert_time_zone(zone)
        midnight = _share(local.dt.truncate("1d") == local)
    return Profile(
        name=values.name,
        type=type_,
        kind=kind,
        rows=len(values),
        filled=len(there),
        distinct=there.n_unique(),
        stamps=Stamps(formats=(), share=1.0, midnight=midnight),
        grows=_grows(values),
    )


def _grows(values: pl.Series) -> float:
    steps = values.drop_nulls()
    return _share((steps >= steps.shift(1)).drop_nulls())


def _stamps(texts: pl.Series) -> Stamps | None:
    """The formats that read the texts: the one that reads most, then those for what is left."""
    if not len(texts) or _longest(texts) > LONGEST_WORD:
        return None
    texts = texts.unique(maintain_order=True).head(_DISTINCT_STAMPS)
    chosen: list[str] = []
    left, midnights = texts, 0
    while len(left) and len(chosen) < MOST_FORMATS:
        found = _reading_most(left)
        if found is None:
            break
        name, mask, midnight = found
        chosen.append(name)
        midnights += midnight
        left = left.filter(~mask)
    read = len(texts) - len(left)
    if read < _ENOUGH * len(texts):
        return None
    first = chosen[0]
    swapped = first.replace("%d/%m", "%m/%d") if first.startswith("%d/%m") else None
    also = swapped is not None and _mask(texts, swapped)[0].sum() >= read
    return Stamps(
        formats=tuple(chosen),
        share=read / len(texts),
        midnight=midnights / read,
        by_day_first=bool(also),
        offsets=_offsets(texts) if first == "iso" else (),
    )


def _reading_most(texts: pl.Series) -> tuple[str, pl.Series, int] | None:
    """The first of the formats that read most: its name, what it reads, how many midnights."""
    best: tuple[str, pl.Series, int] | None = None
    reads = 0
    for name in FORMATS:
        mask, midnight = _mask(texts, name)
        count = int(mask.sum())
        # A bare number may be anything: all of them have to be stamps, or none is.
        if count > reads and (name not in _BARE or count == len(texts)):
            best, reads = (name, mask, midnight), count
        if reads == len(texts):
            break
    return best


def _mask(texts: pl.Series, name: str) -> tuple[pl.Series, int]:
    """What a format reads as a stamp of our times, and how many of these are at midnight."""
    read = time_format(name).read(texts)["naive"]
    sane = read.dt.year().is_between(*_YEARS).fill_null(value=False)
    stamps = read.filter(sane)
    return sane, int((stamps.dt.truncate("1d") == stamps).sum())


def _offsets(texts: pl.Series) -> tuple[str, ...]:
    found = texts.str.extract(r"[0-9]([+-][0-9]{2}:?[0-9]{2}|Z)$", 1).drop_nulls()
    return tuple(found.unique().sort().to_list()[:4])


def _numbers(texts: pl.Series) -> Numbers | None:
    if not len(texts):
        return None
    for thousands, decimal in ((".", ","), (",", ".")):
        grouped = texts.str.contains(_GROUPED[thousands])
        small = texts.str.contains(_PLAIN[decimal])
        # A fraction of another length than three says that the mark doesn't group.
        if grouped.any() and _share(grouped | small) >= _ENOUGH and _groups(texts, thousands):
            whole = not texts.str.contains(decimal, literal=True).any()
            return Numbers(
                share=_share(grouped | small), thousands=thousands,
                decimal=decimal if decimal != "." else None, whole=whole,
            )  # fmt: skip
    for decimal in (".", ","):
        plain = texts.str.contains(_PLAIN[decimal])
        if _share(plain) >= _ENOUGH:
            return Numbers(
                share=_share(plain), decimal=decimal if decimal != "." else None,
                whole=not texts.filter(plain).str.contains(decimal, literal=True).any(),
            )  # fmt: skip
    return None


def _groups(texts: pl.Series, mark: str) -> bool:
    escaped = re.escape(mark)
    twice = texts.str.contains(rf"{escaped}[0-9]{{3}}{escaped}").any()
    other = texts.str.contains(rf"{escaped}(?:[0-9]{{1,2}}|[0-9]{{4,}})$").any()
    return bool(twice) or not other


def _words(texts: pl.Series) -> dict[str, int]:
    """The values with their counts, where a person could read them all and none is a secret."""
    if not len(texts) or texts.n_unique() > MOST_WORDS:
        return {}
    if _longest(texts) > LONGEST_WORD:
        return {}
    counts = texts.value_counts(sort=True).rows()
    return {str(word): int(count) for word, count in sorted(counts, key=lambda r: (-r[1], r[0]))}


def _looks(texts: pl.Series) -> str | None:
    if not len(texts):
        return None
    shares = {look: _share(texts.str.contains(pattern)) for look, pattern in _LOOKS.items()}
    look = max(shares, key=lambda name: shares[name])
    return look if shares[look] >= _ENOUGH else None
