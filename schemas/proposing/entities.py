"""From names and samples to a proposed mapping: which entity, which column, how sure.

Every proposal is a guess with its evidence. What evidence says of values are counts, formats and
the words of coded columns; never a value of a column that may identify a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.entities import ENTITIES
from schemas.fields import Entity, Field
from schemas.proposing.codes import Codes, codes_of
from schemas.proposing.naming import (
    FREE_TEXT,
    PERSONAL,
    NameMatch,
    columns_of,
    folded,
    match_column,
    match_other,
    match_table,
)
from schemas.proposing.profiles import Profile

LEAST: Final = 0.4
"""A column that scores less for everything isn't mapped."""

_LEAST_ENTITY = 1.5  # what the columns and the table's name have to score together
_TABLE_WEIGHT = 1.5
_KEY_BONUS = 0.45  # a column that is a key of one column, for the code of the entity
_UNIQUE_BONUS = 0.35
_LOOK_BONUS = 0.4
_ID_WORDS = frozenset({"id", "ma", "key", "code", "no", "uuid", "guid", "so", "instance", "number"})
_MOSTLY = 0.8
_MANY_WORDS = 60  # a column with more different values holds no codes
_PLANS = frozenset({"planned", "plan", "expected", "target", "estimated", "hen", "du", "kien"})
_LOOKS_OF: Mapping[str, tuple[str, ...]] = {
    "citizen number": ("applicant_id", "payer_id", "sender_id"),
    "procedure code": ("procedure_code",),
    "dossier number": ("dossier_code",),
    "agency code": ("agency_code", "intake_agency_code", "to_agency_code"),
}


@dataclass(frozen=True, kw_only=True)
class ColumnProposal:
    """One core column, and the source column that is proposed for it.

    Attributes:
        column: Column of the entity.
        source: Column of the source.
        score: How well it fits; names alone give at most 1.
        evidence: What speaks for it, for a person.
        codes: What its words mean, where it is a coded column.
        rivals: Other source columns that fit nearly as well.
    """

    column: str
    source: str
    score: float
    evidence: tuple[str, ...]
    codes: Codes | None = None
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EntityProposal:
    """An entity that a stream may feed.

    Attributes:
        entity: Its name.
        score: Sum over its columns and the table's name.
        columns: The proposed columns, in the entity's order.
        evidence: What speaks for the entity as a whole.
    """

    entity: str
    score: float
    columns: tuple[ColumnProposal, ...]
    evidence: tuple[str, ...] = ()

    def source_of(self, column: str) -> str | None:
        """The source column proposed for a core column, or None."""
        return next((one.source for one in self.columns if one.column == column), None)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of a table or set of files.

    Attributes:
        name: Its name.
        profiles: Its columns, in order.
        keys: Keys that the source declares, the primary key first.
    """

    name: str
    profiles: tuple[Profile, ...]
    keys: tuple[tuple[str, ...], ...] = field(default=())

    def profile(self, name: str) -> Profile:
        """The profile of a column. Raises KeyError when there is none."""
        for one in self.profiles:
            if one.name == name:
                return one
        raise KeyError(name)


def propose(seen: Seen, *, only: Sequence[str] | None = None) -> EntityProposal | None:
    """The entity that fits best, with its columns; None where none fits.

    Args:
        seen: Names, profiles and keys.
        only: Look at these source columns alone.
    """
    found = [propose_entity(seen, entity, only=only) for entity in ENTITIES.values()]
    likely = [one for one in found if one is not None]
    return max(likely, key=lambda one: one.score, default=None)


def propose_entity(
    seen: Seen, entity: Entity, *, only: Sequence[str] | None = None
) -> EntityProposal | None:
    """The columns of one entity; None where what it requires isn't there, or little else."""
    profiles = [one for one in seen.profiles if only is None or one.name in only]
    columns = _assigned(entity, profiles, seen.keys)
    have = {one.column for one in columns}
    if any(f.required and f.name not in have for f in entity.fields):
        return None
    table = match_table(seen.name, entity.name)
    score = sum(one.score for one in columns) + (table.score * _TABLE_WEIGHT if table else 0)
    if score < _LEAST_ENTITY or len(columns) < 2:
        return None
    said = [f"{len(columns)} of its columns found"]
    if table is not None:
        said.append(f"the table {table.how} '{table.known}'")
    return EntityProposal(
        entity=entity.name, score=round(score, 3), columns=columns, evidence=tuple(said)
    )


def _assigned(
    entity: Entity, profiles: Sequence[Profile], keys: tuple[tuple[str, ...], ...]
) -> tuple[ColumnProposal, ...]:
    """The best pairs first; each core column and each source column once."""
    pairs = [
        proposal
        for column in columns_of(entity.name)
        for profile in profiles
        if (proposal := _fit(entity, column, profile, keys)) is not None
    ]
    taken: dict[str, ColumnProposal] = {}
    used: set[str] = set()
    for pair in sorted(pairs, key=lambda one: -one.score):  # stable: earlier columns first
        if pair.column not in taken and pair.source not in used:
            taken[pair.column] = pair
            used.add(pair.source)
    return tuple(_with_rivals(taken[name], pairs, used) for name in entity.columns if name in taken)


def _with_rivals(
    chosen: ColumnProposal, pairs: Sequence[ColumnProposal], used: set[str]
) -> ColumnProposal:
    near = [
        one.source
        for one in pairs
        if one.column == chosen.column
        and one.source not in used
        and one.score >= chosen.score - 0.2
    ]
    return ColumnProposal(
        column=chosen.column, source=chosen.source, score=chosen.score,
        evidence=chosen.evidence, codes=chosen.codes, rivals=tuple(near[:3]),
    )  # fmt: skip


def _fit(
    entity: Entity, column: str, profile: Profile, keys: tuple[tuple[str, ...], ...]
) -> ColumnProposal | None:
    """How well one source column fits one core column, or None."""
    field_ = entity.field(column)
    name = match_column(profile.name, entity=entity.name, column=column)
    bonus, said = _bonus(entity, field_, profile, keys)
    if name is None and not bonus:
        return None
    content = _content(entity, field_, profile, name)
    if content is None:
        return None
    factor, evidence, codes = content
    score = ((name.score if name else 0.1) + bonus) * factor
    if score < LEAST:
        return None
    names = [f"{name.how} '{name.known}'"] if name else []
    return ColumnProposal(
        column=column, source=profile.name, score=round(score, 3),
        evidence=(*names, *said, *evidence), codes=codes,
    )  # fmt: skip


def _bonus(
    entity: Entity, field_: Field, profile: Profile, keys: tuple[tuple[str, ...], ...]
) -> tuple[float, list[str]]:
    """What speaks for the pair beside its name."""
    bonus, said = 0.0, []
    if field_.name == entity.key_fields[0] and len(entity.key_fields) == 1:
        if (profile.name,) in keys:
            bonus += _KEY_BONUS
            said.append("the key of the table")
        elif profile.is_unique and profile.spaces == 0 and is_called_id(profile.name):
            bonus += _UNIQUE_BONUS
            said.append("different in every row of the sample")
    if profile.looks is not None and field_.name in _LOOKS_OF.get(profile.looks, ()):
        bonus += _LOOK_BONUS
        said.append(f"the values look like a {profile.looks}")
    return bonus, said


_Content = tuple[float, list[str], Codes | None]


def _content(
    entity: Entity, field_: Field, profile: Profile, name: NameMatch | None
) -> _Content | None:
    """A factor for how the values fit the field, and what speaks for it; None: they don't."""
    if profile.filled == 0:
        is_named = name is not None and name.score >= 0.9
        return (0.9, ["no value in the sample"], None) if is_named else None
    if field_.codes is not None:
        return _coded(field_, profile)
    match field_.type:
        case "timestamp" | "date":
            return _timed(field_, profile)
        case "decimal" | "integer":
            return _numeric(field_, profile)
        case "boolean":
            return _truth(profile)
        case _:
            return _textual(field_, profile, name, is_reference=entity.anchor is None)


def _coded(field_: Field, profile: Profile) -> _Content | None:
    if profile.distinct > _MANY_WORDS or profile.kind in {"time", "date", "number"}:
        return None
    codes = codes_of(field_.codes or "", profile)
    known = codes.known_share
    if not profile.words and known == 0:
        return None
    said = [f"{profile.distinct} different words"]
    if codes.lists or codes.words:
        said.append(f"{percent(known)} of the rows hold a word that is known")
    return 0.8 + 0.3 * known, said, codes


def _timed(field_: Field, profile: Profile) -> _Content | None:
    stamps = profile.stamps
    if stamps is None:
        return None
    is_plan = not _PLANS.isdisjoint(folded(profile.name).words)
    planned = is_plan and not field_.name.startswith("due")
    said = []
    if stamps.formats:
        said.append(f"{percent(stamps.share)} of the values read as {' or '.join(stamps.formats)}")
        if stamps.by_day_first:
            said.append("no value tells day from month")
    return (0.5 if planned else 1.0), said, None


def _numeric(field_: Field, profile: Profile) -> _Content | None:
    numbers = profile.numbers
    if numbers is None or (field_.type == "integer" and not numbers.whole):
        return None
    kind = "whole numbers" if numbers.whole else "numbers"
    said = [f"{percent(numbers.share)} of the values are {kind}"]
    return 1.0, said, None


def _truth(profile: Profile) -> _Content | None:
    if profile.kind != "truth" and profile.distinct > 2:
        return None
    return 1.0, [f"{profile.distinct} different values"], None


def _textual(
    field_: Field, profile: Profile, name: NameMatch | None, *, is_reference: bool
) -> _Content | None:
    is_typed = profile.kind in {"time", "date", "truth"}
    is_stamp = profile.stamps is not None and profile.kind == "text" and profile.numbers is None
    if is_typed or is_stamp or (profile.looks_personal and not field_.personal):
        return None
    # Names of procedures and agencies are long, and come once: that makes them no free text.
    enough = 0.5 if is_reference and field_.name.endswith("_name") else 0.9
    exact = name is not None and name.score >= enough
    if not exact and not field_.personal and is_withheld(profile) is not None:
        return None
    is_name = field_.name.endswith(("_name", "_agency")) or field_.name == "phase"
    if is_name and (profile.is_code_like or profile.numbers is not None):
        return 0.6, ["the values look like codes"], None
    if field_.name.endswith("_code") and profile.spaces > _MOSTLY:
        return 0.5, ["the values have spaces"], None
    return 1.0, [], None


def percent(share: float) -> str:
    """A share as a whole percentage; 100 % only where it is all."""
    return f"{int(share * 100 + 1e-9)}%"


def is_called_id(name: str) -> bool:
    """Whether a word of the name says that the column identifies something."""
    return not _ID_WORDS.isdisjoint(folded(name).words)


def is_withheld(profile: Profile) -> str | None:
    """Why a column isn't pulled unless a person maps it; None: nothing speaks against it.

    Personal-looking columns belong to a column tagged personal, or nowhere; free text isn't
    pulled at all (DESIGN, section 7).
    """
    if profile.looks_personal:
        return f"personal: the values look like a {profile.looks}"
    personal = match_other(profile.name, PERSONAL)
    free = match_other(profile.name, FREE_TEXT)
    if personal is not None and personal.score >= 0.6:
        return f"personal: it {personal.how} '{personal.known}'"
    if free is not None and free.score >= 0.6:
        return f"free text: it {free.how} '{free.known}'"
    if profile.looks_like_free_text:
        return f"free text: {profile.length:.0f} characters a value, hardly one twice"
    return None
