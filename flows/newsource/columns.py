"""One proposed column, as a line of YAML with its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from flows.newsource.scalars import bracketed, comment, flow_map, listed, scalar, shown
from schemas.entities import entity as entity_of
from schemas.fields import Field
from schemas.proposing.codes import Codes
from schemas.proposing.entities import ColumnProposal, Seen, percent
from schemas.proposing.profiles import Profile
from schemas.proposing.streams import IntoProposal

_MIDNIGHTS = 0.2  # from this share on, midnight is taken for "no hour known"
_KEY = "dossier_key"


def column_lines(into: IntoProposal, seen: Seen, *, agency: str | None) -> Iterator[str]:
    """The lines under `columns:`, without their indent."""
    entity = entity_of(into.entity.entity)
    for one in into.entity.columns:
        yield from _lines(one, entity.field(one.column), seen.profile(one.source))
        if one.column == "dossier_code" and _KEY in entity.columns:
            yield (
                f"{_KEY}: {{key: {scalar(one.source)}}} # guess: joins with dossiers whose key "
                "is their number"
            )
    proposed = {one.column for one in into.entity.columns}
    is_dossier = into.entity.entity == "dossier"
    if agency and is_dossier and proposed.isdisjoint({"agency_code", "agency_name"}):
        yield 'agency_code: {const: "{agency}"} # guess: all of its dossiers are of this agency'


def _lines(one: ColumnProposal, field: Field, profile: Profile) -> Iterator[str]:
    options: dict[str, str] = {}
    said = list(one.evidence)
    if field.type in {"timestamp", "date"}:
        options |= _times(profile, said)
    elif field.type in {"decimal", "integer"}:
        options |= _numbers(profile)
    elif one.codes is not None:
        options |= _codes(one.codes)
    if field.personal:
        said.append("personal: becomes a pseudonym on the way in")
    if one.rivals:
        said.append(f"or {', '.join(map(shown, one.rivals))}?")
    value = scalar(one.source)
    if options:
        value = flow_map({"from": value, **options})
    yield f"{one.column}: {value} # guess: {comment('; '.join(said))}"
    if one.codes is not None and one.codes.unknown:
        yield from _open_words(one.codes)


def _times(profile: Profile, said: list[str]) -> dict[str, str]:
    stamps = profile.stamps
    if stamps is None:
        return {}
    options = {}
    if stamps.formats and stamps.formats != ("iso",):
        options["format"] = listed(stamps.formats)
    has_hours = profile.kind == "time" or stamps.formats[:1] == ("iso",)
    is_partly = has_hours and stamps.midnight >= _MIDNIGHTS
    if is_partly and not (profile.kind == "text" and profile.length <= 10):
        options["date_only"] = "midnight"
        said.append(f"{percent(stamps.midnight)} at midnight: taken for days without an hour")
    if stamps.offsets:
        said.append(f"offsets stated: {', '.join(stamps.offsets)}")
    return options


def _numbers(profile: Profile) -> dict[str, str]:
    numbers = profile.numbers
    if numbers is None:
        return {}
    marks = {"decimal": numbers.decimal, "thousands": numbers.thousands}
    return {name: scalar(mark) for name, mark in marks.items() if mark is not None}


def _parts(codes: Codes) -> list[str]:
    """The lists and words that are proposed under `codes:`."""
    parts = []
    if codes.words:
        parts.append(flow_map({word: scalar(code) for word, code in codes.words.items()}))
    return parts + [scalar(name) for name in codes.lists]


def _codes(codes: Codes) -> dict[str, str]:
    parts = _parts(codes)
    options = {}
    if parts and parts != [codes.own]:
        options["codes"] = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    if codes.unknown:
        options["on_bad"] = "warn"
    return options


def _open_words(codes: Codes) -> Iterator[str]:
    """The words that nobody knows, as a comment to be filled in."""
    said = [f"{shown(word)} ({rows:,} row{'s'[: rows != 1]})" for word, rows in codes.open_words]
    left = len(codes.unknown) - len(said)
    if left:
        said.append(f"{left} word{'s'[: left != 1]} of few rows or of a person, not shown here")
    yield f"#   open: what is meant by {', '.join(said)}?"
    meanings = flow_map({word: "..." for word, _ in codes.open_words} or {"...": "..."})
    # Words alone would take the place of the list that knows the others.
    whole = ", ".join([meanings, *(_parts(codes) or [scalar(codes.own)])])
    yield f"#   Write `codes: [{whole}]`, with words of the list {codes.own}, and"
    yield "#   take `on_bad: warn` away; until then such rows are kept, without a value here."


def null_line(words: tuple[str, ...]) -> str:
    """The stream's words for "no value"."""
    return f"nulls: {bracketed(words)} # guess: seen in the sample, taken for no value"
