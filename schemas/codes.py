"""Code lists: which words a coded column may hold, and which spellings lead to them.

A list is one CSV file in `schemas/codes/`, with a line per spelling. Its `kind` says what is done
with it: `good` is a code as it should be written, `fixable` a known other spelling of one,
`ignored` a word that means "no value". Whatever a list doesn't know is an alarm: the row goes to
quarantine as `unknown_code:<column>`; nothing is guessed.

`status` holds our own words. `national_status` and `opencps_status` translate another system's
codes into those words; a list that translates says so in the column `into` of `lists.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Literal, cast, get_args

import polars as pl

from schemas.errors import ConfigError
from schemas.names import unknown

Kind = Literal["good", "fixable", "ignored"]

_FIXED_COLUMNS: Final = ("kind", "code", "canonical", "national", "vi", "en", "source")


@dataclass(frozen=True, kw_only=True)
class Code:
    """One line of a code list.

    Attributes:
        kind: `good`, `fixable` or `ignored`.
        code: The spelling, as a source writes it.
        canonical: The word it becomes in core; empty for an ignored one.
        national: The national code of that word, or None where it has none.
        vi: What it means, in Vietnamese (good codes only).
        en: What it means, in English (good codes only).
        source: Where the code comes from.
        attributes: What else the list says of the code (of a status: its clock and its end).
    """

    kind: Kind
    code: str
    canonical: str
    national: str | None
    vi: str
    en: str
    source: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CodeList:
    """One code list.

    Attributes:
        name: Its name, as a `Field` and the YAML use it.
        vi: What it lists, in Vietnamese.
        en: What it lists, in English.
        into: The list whose words this one translates into, or None for a list of own words.
        codes: Its lines, in the order of the file.
        good: The words of core that it leads to, each once, in the order of the file.
        translate: Spelling, as `normalised` writes it, to word of core; good and fixable ones.
        ignored: Spellings, as `normalised` writes them, that mean "no value".
        national: Word of core to its national code, where it has one.
    """

    name: str
    vi: str
    en: str
    into: str | None
    codes: tuple[Code, ...]
    good: tuple[str, ...]
    translate: Mapping[str, str]
    ignored: frozenset[str]
    national: Mapping[str, str]

    def having(self, attribute: str, *values: str) -> tuple[str, ...]:
        """The words whose `attribute` is one of `values`, in the order of the file.

        Raises:
            KeyError: The list doesn't have that attribute.
        """
        good = [code for code in self.codes if code.kind == "good"]
        return tuple(code.canonical for code in good if code.attributes[attribute] in values)


def normalised(text: pl.Expr) -> pl.Expr:
    """The form in which spellings are compared.

    NFC, lower case, no white space around, one space inside, and the Icelandic eth that old
    converters write for the Vietnamese letter (U+00D0, U+00F0) turned into it (U+0111).

    Args:
        text: A String expression.
    """
    folded = text.str.normalize("NFC").str.to_lowercase().str.replace_all("ð", "đ", literal=True)
    return folded.str.replace_all(r"\s+", " ").str.strip_chars()


def normalise(spellings: Iterable[str]) -> list[str]:
    """`normalised`, for a few strings at hand (the keys of a mapping in the YAML)."""
    frame = pl.DataFrame({"text": list(spellings)}, schema={"text": pl.String})
    return cast("list[str]", frame.select(normalised(pl.col("text"))).to_series().to_list())


def code_list(name: str) -> CodeList:
    """The code list of that name.

    Raises:
        ConfigError: There is none; the message names the nearest right one.
    """
    lists = code_lists()
    if name not in lists:
        raise ConfigError(unknown("code list", name, valid=lists))
    return lists[name]


@cache
def code_lists() -> Mapping[str, CodeList]:
    """Every code list by name, in the order of `lists.csv`."""
    folder = resources.files("schemas").joinpath("codes")
    index = csv.DictReader(folder.joinpath("lists.csv").read_text(encoding="utf-8").splitlines())
    lists: dict[str, CodeList] = {}
    for line in index:
        text = folder.joinpath(f"{line['list']}.csv").read_text(encoding="utf-8")
        lists[line["list"]] = parse_code_list(
            line["list"], text, vi=line["vi"], en=line["en"], into=line["into"] or None
        )
    return MappingProxyType(lists)


def parse_code_list(name: str, text: str, *, vi: str, en: str, into: str | None) -> CodeList:
    """Reads one list from the text of its CSV file.

    Args:
        name: Name of the list.
        text: The file: columns kind, code, canonical, national, vi, en, source, then attributes.
        vi: What it lists, in Vietnamese.
        en: What it lists, in English.
        into: The list whose words it translates into, or None.

    Raises:
        ConfigError: A line is of no known kind, leads to a word that no good line has, or its
            spelling already leads elsewhere. File and line are named.
    """
    codes = _read_lines(name, text)
    good = tuple(dict.fromkeys(code.canonical for code in codes if code.kind == "good"))
    translate: dict[str, str] = {}
    ignored: set[str] = set()
    spellings = normalise(code.code for code in codes)
    for number, (code, spelling) in enumerate(zip(codes, spellings, strict=True), start=2):
        where = f"codes/{name}.csv, line {number}"
        if code.kind == "fixable" and code.canonical not in good:
            raise ConfigError(f"{where}: " + unknown("good code", code.canonical, valid=good))
        if spelling in ignored or spelling in translate:
            raise ConfigError(f"{where}: the spelling '{code.code}' is already taken")
        if code.kind == "ignored":
            ignored.add(spelling)
        else:
            translate[spelling] = code.canonical
    return CodeList(
        name=name,
        vi=vi,
        en=en,
        into=into,
        codes=codes,
        good=good,
        translate=MappingProxyType(translate),
        ignored=frozenset(ignored),
        national=MappingProxyType({c.canonical: c.national for c in codes if c.national}),
    )


def _read_lines(name: str, text: str) -> tuple[Code, ...]:
    codes = []
    for number, line in enumerate(csv.DictReader(text.splitlines(), strict=True), start=2):
        kind = line["kind"]
        if kind not in get_args(Kind):
            valid = get_args(Kind)
            where = f"codes/{name}.csv, line {number}: "
            raise ConfigError(where + unknown("kind of code", kind, valid=valid))
        fixed = {
            column: line[column] for column in _FIXED_COLUMNS if column not in {"kind", "national"}
        }
        attributes = {key: value for key, value in line.items() if key not in _FIXED_COLUMNS}
        codes.append(
            Code(
                kind=cast("Kind", kind),
                national=line["national"] or None,
                attributes=MappingProxyType(attributes),
                **fixed,
            )
        )
    return tuple(codes)
