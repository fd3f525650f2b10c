"""A stream as a whole: what it feeds, its key, its version, and what of it stays unread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import polars as pl

from schemas.entities import ENTITIES
from schemas.proposing.entities import (
    EntityProposal,
    Seen,
    is_called_id,
    is_withheld,
    percent,
    propose,
    propose_entity,
)
from schemas.proposing.naming import DELETED, VERSION, match_other
from schemas.proposing.profiles import Profile

_REPEATED: Final = 1.2  # rows per dossier from which on a table holds one line per event
_MOST_PAIRED = 12  # columns that are tried together as a key
_KEY_FIELDS = ("sequence", "event_code", "occurred_at", "document_code", "payment_code")


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One or more source columns in some role, and what speaks for them.

    Attributes:
        columns: The columns.
        evidence: What speaks for it, for a person.
        is_sure: The source itself declares it.
    """

    columns: tuple[str, ...]
    evidence: str
    is_sure: bool = False


@dataclass(frozen=True, kw_only=True)
class IntoProposal:
    """An entity that the stream feeds.

    Attributes:
        entity: Its columns.
        key: Its key, where it isn't the stream's.
    """

    entity: EntityProposal
    key: Guess | None = None


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A source column that isn't mapped, hence not read.

    Attributes:
        profile: It.
        withheld: Why it should stay unread, where something speaks against it.
    """

    profile: Profile
    withheld: str | None


@dataclass(frozen=True, kw_only=True)
class StreamProposal:
    """What a stream could be.

    Attributes:
        seen: What it was made from.
        key: The columns that identify a row.
        into: The entities that it feeds; never empty.
        version: The column that orders two copies of a row, where one says so by its name.
        cursors: Columns by which the stream could be read in intervals, best first.
        deleted: The column that marks deleted rows.
        nulls: Words that mean "no value" in the mapped columns.
        unread: The other columns, in the source's order.
    """

    seen: Seen
    key: Guess
    into: tuple[IntoProposal, ...]
    version: Guess | None
    cursors: tuple[Guess, ...]
    deleted: Guess | None
    nulls: tuple[str, ...]
    unread: tuple[Unread, ...]


def propose_stream(seen: Seen, sample: pl.DataFrame) -> StreamProposal | None:
    """What a table or set of files could feed; None where no entity fits it.

    Args:
        seen: Names, profiles and declared keys.
        sample: The rows that the profiles were made from.
    """
    single, lines = propose(seen), _line_per_event(seen, sample)
    score = sum(one.entity.score for one in lines[1]) if lines else 0
    if lines and (single is None or score > single.score):
        key, into = lines
    elif single is not None:
        key = _key(seen, sample, single)
        into = (IntoProposal(entity=single),)
    else:
        return None
    return _completed(seen, key, into)


def _completed(seen: Seen, key: Guess, into: tuple[IntoProposal, ...]) -> StreamProposal:
    version, deleted = _version(seen), _deleted(seen)
    used = {*key.columns}
    for one in into:
        used |= {column.source for column in one.entity.columns}
        used |= set(one.key.columns) if one.key else set()
    for guess in (version, deleted):
        used |= set(guess.columns) if guess else set()
    mapped = [one for one in seen.profiles if one.name in used]
    nulls = dict.fromkeys(word for one in mapped for word in one.null_words)
    return StreamProposal(
        seen=seen,
        key=key,
        into=into,
        version=version,
        cursors=_cursors(seen, version),
        deleted=deleted,
        nulls=tuple(nulls),
        unread=tuple(
            Unread(profile=one, withheld=is_withheld(one))
            for one in seen.profiles
            if one.name not in used
        ),
    )


def _line_per_event(
    seen: Seen, sample: pl.DataFrame
) -> tuple[Guess, tuple[IntoProposal, ...]] | None:
    """One line per event with its dossier repeated on each, or None.

    Columns with one value per dossier are the dossier's, the others the event's.
    """
    code = _dossier_code(seen)
    if code is None or not sample.height:
        return None
    groups = sample.filter(pl.col(code).is_not_null()).group_by(code)
    found = groups.agg(pl.exclude(code).n_unique()).drop(code)
    if not found.height or sample.height < _REPEATED * found.height:
        return None
    steady = [name for name in found.columns if found[name].max() == 1]
    changing = [name for name in found.columns if name not in steady]
    whole = propose_entity(seen, ENTITIES["dossier"], only=[code, *steady])
    event = propose_entity(seen, ENTITIES["dossier_event"], only=[code, *changing])
    if whole is None or event is None:
        return None
    repeated = Guess(
        columns=(code,),
        evidence=f"{sample.height:,} rows of {found.height:,} dossiers: one line per event; "
        f"{len(steady)} columns hold one value per dossier",
    )
    key = _key(seen, sample, event)
    return key, (IntoProposal(entity=whole, key=repeated), IntoProposal(entity=event))


def _dossier_code(seen: Seen) -> str | None:
    for entity in ("dossier_event", "dossier"):
        found = propose_entity(seen, ENTITIES[entity])
        if found is not None and (code := found.source_of("dossier_code")) is not None:
            return code
    return None


def _key(seen: Seen, sample: pl.DataFrame, entity: EntityProposal) -> Guess:
    """The declared key, else the smallest set of columns that differs in every row seen."""
    if seen.keys:
        return Guess(columns=seen.keys[0], evidence="the source declares it", is_sure=True)
    rows = f"{sample.height:,} of {sample.height:,} rows of the sample differ"
    for column in _single_keys(seen, entity):
        if seen.profile(column).is_unique:
            return Guess(columns=(column,), evidence=rows)
    for pair in _pairs(seen, entity):
        if _differs(sample, pair):
            return Guess(columns=pair, evidence=rows)
    code = _code_source(entity)
    repeats = sample.height - sample[code].n_unique()
    return Guess(
        columns=(code,),
        evidence=f"nothing differs in every row; {repeats:,} rows repeat it: the newest counts",
    )


def _code_source(entity: EntityProposal) -> str:
    first = ENTITIES[entity.entity].key_fields[0]
    return entity.source_of(first) or entity.columns[0].source


def _single_keys(seen: Seen, entity: EntityProposal) -> Iterator[str]:
    """Columns that may be a key by themselves, the likeliest first."""
    if len(ENTITIES[entity.entity].key_fields) == 1 or entity.entity != "dossier_event":
        yield _code_source(entity)
    named = [p for p in seen.profiles if is_called_id(p.name)]
    for one in (*named, *seen.profiles):
        if one.kind in {"text", "whole"} and not one.looks_personal and one.spaces == 0:
            yield one.name


def _pairs(seen: Seen, entity: EntityProposal) -> Iterator[tuple[str, ...]]:
    """Two columns that may be a key together, the likeliest first."""
    code = _code_source(entity)
    mapped = [s for f in _KEY_FIELDS if (s := entity.source_of(f)) is not None]
    others = [p.name for p in seen.profiles if p.kind in {"text", "whole", "time"}]
    likely = [name for name in dict.fromkeys([*mapped, *others]) if name != code][:_MOST_PAIRED]
    yield from ((code, name) for name in likely)
    yield from ((code, *pair) for pair in combinations(likely[:6], 2))


def _differs(sample: pl.DataFrame, columns: Sequence[str]) -> bool:
    part = sample.select(columns)
    if any(part[name].null_count() for name in columns):
        return False
    return part.n_unique() == part.height


def _version(seen: Seen) -> Guess | None:
    found = []
    for one in seen.profiles:
        name = match_other(one.name, VERSION)
        is_ordered = one.stamps is not None or one.kind == "whole"
        if name is None or name.score < 0.6 or not is_ordered or one.filled < one.rows:
            continue
        if name.score < 0.9 and one.stamps is None:
            continue
        found.append((name.score, one.name, f"it {name.how} '{name.known}', and is never empty"))
    if not found:
        return None
    _, column, evidence = max(found, key=lambda item: item[0])
    return Guess(columns=(column,), evidence=evidence)


def _cursors(seen: Seen, version: Guess | None) -> tuple[Guess, ...]:
    """Time columns without nulls: the version first, then those that grow with the rows."""
    found: list[Guess] = []
    for one in seen.profiles:
        is_time = one.kind in {"time", "date"} or (one.kind == "whole" and one.stamps is not None)
        if not is_time or not one.rows or one.filled < one.rows:
            continue
        grows = f"never empty, grows with the rows in {percent(one.grows)} of the steps"
        if version is not None and one.name == version.columns[0]:
            found.insert(0, Guess(columns=(one.name,), evidence=version.evidence))
        elif one.grows >= 0.95:
            found.append(Guess(columns=(one.name,), evidence=grows))
    return tuple(found[:3])


def _deleted(seen: Seen) -> Guess | None:
    for one in seen.profiles:
        name = match_other(one.name, DELETED)
        if name is None or name.score < 0.9:
            continue
        if one.kind in {"time", "date"} or one.distinct <= 2:
            return Guess(columns=(one.name,), evidence=f"it {name.how} '{name.known}'")
    return None
