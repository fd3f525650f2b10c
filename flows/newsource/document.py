"""The first YAML of a source, as text: what is declared, what is guessed, what stays unread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flows.newsource.columns import column_lines, null_line
from flows.newsource.scalars import (
    bracketed,
    comment,
    flow_map,
    listed,
    scalar,
    shown,
    value_of,
)
from flows.newsource.survey import Looked, Survey, stream_name
from flows.newsource.target import Target
from schemas.proposing.streams import Guess, IntoProposal, StreamProposal

_SAID_OF = {"paging": " # guess: as far as one answer shows", "query": " # as in the URL"}
DEFAULT_ZONE = "Asia/Ho_Chi_Minh"
_MOST_LISTED = 60  # unread columns that are listed one by one


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the person said of the office.

    Attributes:
        source: Name of the source.
        label: What people call it.
        agency: Code of its agency.
        level: Administrative level.
        timezone: Zone of its times.
        currency: Currency of its amounts.
        vendor: Vendor file that it extends.
        is_zone_stated: The zone was said, and isn't the default.
        token: Bearer token of an API, or `${VARIABLE}` that holds one.
        header: `NAME: VALUE` of an API's key, likewise.
    """

    source: str
    label: str | None = None
    agency: str | None = None
    level: str | None = None
    timezone: str = DEFAULT_ZONE
    currency: str | None = None
    vendor: str | None = None
    is_zone_stated: bool = False
    token: str | None = field(default=None, repr=False)
    header: str | None = field(default=None, repr=False)


def document(facts: Facts, target: Target, survey: Survey | None) -> str:
    """The YAML.

    Args:
        facts: What was said.
        target: Where the system is.
        survey: What it holds; None for a source that extends a vendor's file.
    """
    lines = [*_head(facts, target), *_connector(target)]
    if survey is not None:
        lines += _streams(survey, facts)
    return "\n".join(lines) + "\n"


def _head(facts: Facts, target: Target) -> Iterator[str]:
    yield f"# Written by `lienthong sources new` after a look at {comment(target.shown)}."
    yield '# A line marked "guess" is one, with what speaks for it: confirm it with the office, or'
    yield f"# correct it. `lienthong check {facts.source}` tries it out and writes nothing."
    yield f"source: {scalar(facts.source)}"
    if facts.vendor:
        yield f"extends: {scalar(facts.vendor)}"
    label = scalar(facts.label) if facts.label else None
    yield f"name: {label}" if label else "# name: {vi: ..., en: ...}"
    if facts.agency:
        yield f"agency: {scalar(facts.agency)}"
    else:
        yield "# agency: ... (its code, such as H41.15)"
    if facts.level:
        yield f"level: {facts.level}"
    elif not facts.vendor:
        yield "# level: ... (ministry, province, district or commune)"
    if facts.is_zone_stated:
        yield f"timezone: {facts.timezone}"
    elif not facts.vendor:
        yield f"timezone: {facts.timezone} # guess: the default, of times without an offset"
    if facts.currency:
        yield f"currency: {facts.currency}"


def _connector(target: Target) -> Iterator[str]:
    yield "connector:"
    yield f"  type: {target.type}"
    for key, value in target.written.items():
        yield f"  {key}: {value_of(value)}"


def _streams(survey: Survey, facts: Facts) -> Iterator[str]:
    fitting = [one for one in survey.looked if one.proposal is not None]
    yield "streams:" if fitting else "streams: {}"
    taken: set[str] = set()
    for one in fitting:
        yield from _indented("  ", _stream(one, stream_name(one.candidate, taken), facts))
    for one in survey.looked:
        if one.proposal is None:
            yield from _indented("  # ", _unfitting(one))
    if survey.passed_over:
        names = ", ".join(map(shown, survey.passed_over[:_MOST_LISTED]))
        yield f"  # Not looked into, because there are so many: {names}."
        yield "  # `lienthong sources new --only PATTERN` looks at those of a pattern."


def _indented(indent: str, lines: Iterator[str]) -> Iterator[str]:
    return (f"{indent}{line}".rstrip() for line in lines)


def _stream(one: Looked, name: str, facts: Facts) -> Iterator[str]:
    proposal = one.proposal
    if proposal is None:
        return
    yield f"{scalar(name)}:"
    yield from _indented("  ", _reading(one, proposal))
    yield from _indented("  ", _roles(proposal, is_file=one.candidate.kind == "files"))
    if one.candidate.kind == "list" and proposal.version is not None:
        column = scalar(proposal.version.columns[0])
        yield f"  # cursor: {{column: {column}, late_window: 2 days}}"
        yield "  #   candidate, where the API can be asked for an interval of it (`interval:`)."
    yield "  into:"
    for into in proposal.into:
        yield from _indented("    ", _into(into, proposal, facts))
    yield from _indented("  # ", _unread(one, proposal))


def _reading(one: Looked, proposal: StreamProposal) -> Iterator[str]:
    found = one.candidate
    about = f", about {found.rows:,} rows" if found.rows is not None else ""
    yield f"# {found.kind}{about}; {one.rows:,} rows were looked at"
    for note in found.notes[:3]:
        yield f"# {comment(note)}"
    for key, value in found.options.items():
        guess = _SAID_OF.get(key, "") if found.kind == "list" else ""
        yield f"{key}: {value_of(value)}{guess}"
    if one.header_line is not None:
        names = [c.source for into in proposal.into for c in into.entity.columns]
        steady = [n for n in dict.fromkeys([*proposal.key.columns, *names]) if one.is_steady(n)]
        sure = bracketed(steady[:3])
        yield f"header_contains: {sure} # guess: the header is line {one.header_line}"
    if found.mode is not None:
        why = (
            "new files bring new rows, and none is ever gone"
            if found.mode == "increment"
            else f"what is missing from the {found.kind} is gone"
        )
        yield f"mode: {found.mode} # guess: {why}"


def _roles(proposal: StreamProposal, *, is_file: bool) -> Iterator[str]:
    key = proposal.key
    said = "declared by the source" if key.is_sure else f"guess: {key.evidence}"
    yield f"key: {listed(key.columns)} # {comment(said)}"
    if proposal.version is not None:
        yield _version(proposal, proposal.version)
    elif not is_file:
        yield "# version: ... (the column of the last change, if there is one)"
    for cursor in proposal.cursors:
        yield from _cursor(proposal, cursor)
    if proposal.deleted is not None:
        profile = proposal.seen.profile(proposal.deleted.columns[0])
        value = scalar(profile.name)
        if profile.kind in {"time", "date"}:
            value = flow_map({"column": value, "any_value": "true"})
        yield f"deleted: {value} # guess: {comment(proposal.deleted.evidence)}"
    if proposal.nulls:
        yield null_line(proposal.nulls)


def _version(proposal: StreamProposal, version: Guess) -> str:
    profile = proposal.seen.profile(version.columns[0])
    value = scalar(profile.name)
    formats = profile.stamps.formats if profile.stamps else ()
    if formats and formats != ("iso",):
        value = flow_map({"from": value, "format": listed(formats)})
    return f"version: {value} # guess: {comment(version.evidence)}"


def _cursor(proposal: StreamProposal, cursor: Guess) -> Iterator[str]:
    profile = proposal.seen.profile(cursor.columns[0])
    options = {"column": scalar(profile.name), "late_window": "2 days"}
    if profile.kind == "whole" and profile.stamps is not None:
        options["unit"] = profile.stamps.formats[0]
    yield f"# cursor: {flow_map(options)}"
    yield f"#   candidate: {comment(cursor.evidence)}. Ask the office whether every change moves"
    yield "#   it; then take the # away, and only what changed is read."


def _into(into: IntoProposal, proposal: StreamProposal, facts: Facts) -> Iterator[str]:
    entity = into.entity
    yield f"- entity: {entity.entity} # guess: {comment('; '.join(entity.evidence))}"
    if into.key is not None:
        yield f"  key: {listed(into.key.columns)} # guess: {comment(into.key.evidence)}"
    yield "  columns:"
    yield from _indented("    ", column_lines(into, proposal.seen, agency=facts.agency))


def _unread(one: Looked, proposal: StreamProposal) -> Iterator[str]:
    """The columns that nothing maps: their data never leaves the office."""
    if not proposal.unread and not one.skipped:
        return
    yield "Not mapped, so not read:"
    for left in proposal.unread[:_MOST_LISTED]:
        profile = left.profile
        said = profile.type if profile.filled else f"{profile.type}, no value in the sample"
        yield f"  {shown(profile.name)}: {comment(said)}"
        if left.withheld is not None:
            advice = ": map it only to a column tagged personal"
            is_personal = left.withheld.startswith("personal")
            yield f"    withheld ({comment(left.withheld)}){advice if is_personal else ''}"
    if len(proposal.unread) > _MOST_LISTED:
        yield f"  and {len(proposal.unread) - _MOST_LISTED} more"
    for name, reason in one.skipped.items():
        yield f"  {shown(name)}: {comment(reason)}"


def _unfitting(one: Looked) -> Iterator[str]:
    found = one.candidate
    reason = one.trouble or "it looks like none of our tables (`lienthong schema` lists them)"
    yield f"{shown(found.name)}: {comment(reason)}"
    for key, value in found.options.items():
        yield f"  {key}: {comment(value_of(value))}"
    if one.columns:
        typed = [f"{shown(name)} ({comment(kind)})" for name, kind in one.columns.items()]
        more = f", and {len(typed) - _MOST_LISTED} more" if len(typed) > _MOST_LISTED else ""
        yield f"  columns: {', '.join(typed[:_MOST_LISTED])}{more}"
