"""What a system holds, and what its tables or files could feed."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from connectors import registry
from connectors.protocol import Candidate, Connector, ReadRequest, StreamSpec
from flows.faults import told
from flows.newsource.target import Target
from schemas.entities import ENTITIES
from schemas.errors import ConfigError, SourceError
from schemas.proposing.entities import Seen
from schemas.proposing.naming import folded, is_known, match_table, mean_the_same
from schemas.proposing.profiles import SAMPLE_ROWS, Profile, profile
from schemas.proposing.streams import StreamProposal, propose_stream

MOST_TABLES = 40
"""Tables that are looked into; of more, those whose names say the most come first."""

_MOST_ROWS = {"rest": 500}  # every page is a request to somebody else's server
_LIKE_A_VALUE = re.compile(r"^\s*(?:[0-9][0-9./:,-]{4,}|.*@.*\..*|.{120,})\s*$", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One table or set of files that was looked into.

    Attributes:
        candidate: It.
        proposal: What it could feed; None where nothing fits.
        columns: Its columns and their types.
        skipped: Columns that can't be mapped, and why.
        rows: Rows of the sample.
        header_line: Line of the header, where title lines precede it.
        trouble: Why it could not be looked into, or what is odd about it.
    """

    candidate: Candidate
    proposal: StreamProposal | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    header_line: int | None = None
    trouble: str | None = None

    def is_steady(self, name: str) -> bool:
        """Whether every file has the column under this name."""
        return all(name in header for header in self.candidate.headers)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A system as it was found.

    Attributes:
        looked: What was looked into, the fitting ones first.
        passed_over: Names of tables that were not.
    """

    looked: tuple[Looked, ...]
    passed_over: tuple[str, ...] = ()


def survey(
    target: Target,
    *,
    timezone: str,
    base: Path,
    only: str | None = None,
    told_of: Callable[[str], None] = lambda _: None,
) -> Survey:
    """Looks into a system. Reads a sample of every table or set of files, and keeps no row.

    Args:
        target: Where it is.
        timezone: Zone of times that carry none.
        base: Folder of the YAML.
        only: Pattern that names of tables, or paths of files, have to match.
        told_of: Called with the name of what is looked at next.

    Raises:
        ConfigError: The target can't be used, or nothing of that pattern is there.
        SourceError: It could not be reached, or refused.
    """
    options = _options(target)
    pattern = only or target.only
    found = registry.survey(target.type, options, timezone=timezone, base=base, only=pattern)
    if not found:
        wanted = f" like {pattern}" if pattern else ""
        kinds = {"sql": "tables or views that this user may read", "rest": "lists"}
        kind = kinds.get(target.type, "files")
        raise ConfigError(f"there are no {kind}{wanted} in {target.shown}")
    ordered = sorted(found, key=_promise, reverse=True)
    looked = []
    connector = registry.connect(target.type, options, timezone=timezone, base=base)
    with closing(connector):
        for one in ordered[:MOST_TABLES]:
            told_of(f"looking at {one.name}")
            looked.append(_looked_into(connector, one, target.type, timezone))
    looked.sort(key=lambda one: one.proposal is None)
    return Survey(looked=tuple(looked), passed_over=tuple(c.name for c in ordered[MOST_TABLES:]))


def _options(target: Target) -> BaseModel:
    model = registry.connector_type(target.type).options_model
    try:
        return model.model_validate(dict(target.resolved))
    except ValidationError:
        raise ConfigError(f"{target.shown} can't be used as a connector of {target.type}") from None


def _promise(candidate: Candidate) -> float:
    """How much the name of a table promises."""
    scores = [m.score for e in ENTITIES if (m := match_table(candidate.name, e)) is not None]
    return max(scores, default=0.0)


def _looked_into(connector: Connector, found: Candidate, kind: str, timezone: str) -> Looked:
    one = drifting(found)
    try:
        return _sampled(connector, one, kind, timezone)
    except (SourceError, ConfigError) as error:
        return Looked(candidate=one, trouble=told(error).what)


def drifting(one: Candidate) -> Candidate:
    """A set of files whose headers differ, with `aliases` and `optional` for what differs.

    A column of the newest file that an older one lacks is called by another name there, where that
    one has a name which the newest lacks and which means the same; else older files haven't got it.
    """
    if len(one.headers) < 2:
        return one
    newest, *older = one.headers
    aliases: dict[str, list[str]] = {}
    optional: list[str] = []
    for header in older:
        left = [name for name in header if name not in newest]
        for name in newest:
            if name in header:
                continue
            other = next((o for o in left if mean_the_same(name, o)), None)
            if other is None:
                optional.append(name)
            elif other not in aliases.setdefault(name, []):
                aliases[name].append(other)
    stated: dict[str, object] = {}
    if aliases:
        stated["aliases"] = aliases
    if optional:
        stated["optional"] = list(dict.fromkeys(optional))
    said = "headers differ between the files: what is called otherwise, or is absent, is a guess"
    return replace(one, options={**one.options, **stated}, notes=(said, *one.notes))


def _sampled(connector: Connector, one: Candidate, kind: str, timezone: str) -> Looked:
    spec = _spec(one, kind, ())
    columns = _columns(connector, spec, kind, one)
    if kind == "files" and (trouble := _no_header(columns)) is not None:
        return Looked(candidate=one, trouble=trouble)
    skipped = _skipped(columns)
    names = tuple(name for name in columns if name not in skipped)
    if not names:
        return Looked(candidate=one, columns=columns, skipped=skipped, trouble="it has no columns")
    rows, first_line = _rows(connector, _spec(one, kind, names), _MOST_ROWS.get(kind, SAMPLE_ROWS))
    profiles = tuple(_profiles(rows, columns, timezone))
    seen = Seen(name=one.name, profiles=profiles, keys=_keys(one, names))
    return Looked(
        candidate=one,
        proposal=propose_stream(seen, rows) if rows.height else None,
        columns=columns,
        skipped=skipped,
        rows=rows.height,
        header_line=first_line - 1 if first_line and first_line > 2 else None,
        trouble=None if rows.height else "it has no rows",
    )


def _spec(one: Candidate, kind: str, columns: tuple[str, ...]) -> StreamSpec:
    model = registry.connector_type(kind).stream_model
    options = model.model_validate({**one.options, **one.sample})
    return StreamSpec(name=one.name, columns=columns, key=(), options=options)


def _columns(
    connector: Connector, spec: StreamSpec, kind: str, one: Candidate
) -> dict[str, str]:
    if kind != "files":
        return connector.check(spec).columns
    with connector.read(spec, ReadRequest(limit=1)) as read:  # the headers alone
        readers = getattr(read, "readers", ())
        found = dict.fromkeys(name for reader in readers for name in reader.names if name)
    kept = one.headers[0] if one.headers else tuple(found)  # the newest file's names count
    return {name: "text" for name in found if name in kept}


def _no_header(columns: Mapping[str, str]) -> str | None:
    """Why the names of a file's columns are none; they may be a person's, so none is repeated."""
    if 3 * sum(_LIKE_A_VALUE.match(name) is not None for name in columns) >= len(columns):
        return "its first line looks like a row, not like a header: give it one (see header_row)"
    if not any(map(is_known, columns)):
        return (
            f"none of the {len(columns)} names in its first line is one that is known: is it a "
            "header? If so, write the stream by hand; if not, see header_row"
        )
    return None


def _skipped(columns: Mapping[str, str]) -> dict[str, str]:
    """Columns that can't be told from another by name."""
    counts = Counter(" ".join(name.casefold().split()) for name in columns)
    twice = [name for name in columns if counts[" ".join(name.casefold().split())] > 1]
    return dict.fromkeys(twice, "another column has the same name but for case and space")


def _rows(connector: Connector, spec: StreamSpec, most: int) -> tuple[pl.DataFrame, int | None]:
    """A sample of the readable rows, and the line of the first of them."""
    with connector.read(spec, ReadRequest(limit=most, batch_rows=most)) as read:
        batches = list(read.batches())
        table = pa.Table.from_batches(batches, schema=read.schema)
    frame = pl.DataFrame(table) if table.num_columns else pl.DataFrame()
    if "_unreadable" in frame.columns:
        frame = frame.filter(pl.col("_unreadable").is_null())
    line = None
    if "_line" in frame.columns and frame.height:
        line = frame["_line"][0]
    return frame.select(spec.columns), line


def _profiles(rows: pl.DataFrame, columns: Mapping[str, str], timezone: str) -> Iterator[Profile]:
    for name in rows.columns:
        yield profile(rows[name], type_=columns[name], zone=timezone)


def _keys(one: Candidate, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(key for key in one.keys if set(key) <= set(names))


def folder_of(sources: Path) -> Path:
    """The sources folder, made where it isn't there.

    Raises:
        ConfigError: It can't be made.
    """
    try:
        sources.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{sources}: {os.strerror(error.errno or 0)}") from None
    return sources


def stream_name(candidate: Candidate, taken: set[str]) -> str:
    """A name for the stream: the table's, in small letters, digits and _."""
    words = "_".join(folded(candidate.name).words)[:48] or "files"
    name = words if words[0].isalnum() else f"s{words}"
    number = 2
    while name in taken:
        name = f"{words}_{number}"
        number += 1
    taken.add(name)
    return name
