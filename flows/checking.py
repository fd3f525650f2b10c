"""Trying a source out: reach it, compare columns, map and validate a sample; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from connectors.files.formats.header import fold
from connectors.protocol import Connector, Found
from connectors.registry import FilesStream
from connectors.sampling import SAMPLE_ROWS
from flows.catalog import Source, Stream
from flows.context import Context
from flows.faults import told
from flows.findings import (
    BrokenRule,
    FoundColumn,
    Role,
    StreamFindings,
    Trouble,
    broken_rules,
    described_columns,
    unreadable_rules,
)
from flows.parts import demand_step
from flows.receipts import StreamCheck
from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError
from schemas.mapping import DeriveContext, derive, personal_columns, unknown_codes
from schemas.personal import looks_personal
from schemas.telling import is_plain, like
from warehouse.landing_schema import landing_schema
from warehouse.landing_stamp import ReadStamp, stamp

_LIKE_A_PERSON = "(what looks like a person's number or address)"
_ROWS_OF_A_WORD = 3
_MOST_CODES = 20

_SAMPLE_KEY = b"the sample of a check is never stored"


def check_source(
    context: Context, source_name: str, *, rows: int = SAMPLE_ROWS
) -> list[StreamCheck]:
    """`examine_source`, in short."""
    return [found.check for found in examine_source(context, source_name, rows=rows)]


def examine_source(
    context: Context, source_name: str, *, rows: int = SAMPLE_ROWS
) -> list[StreamFindings]:
    """Tries every stream of a source on a sample; writes nothing.

    Args:
        context: The catalog.
        source_name: Which source.
        rows: At most so many rows of each stream.

    Raises:
        ConfigError: No such source, its YAML is wrong, a reference can't be filled in, or a stated
            `chunk` can't cut its cursor.
    """
    source = context.catalog.source(source_name)
    with closing(source.connect()) as connector:
        findings = []
        for stream in source.streams.values():
            try:
                found = connector.check(stream.spec, sample_rows=rows)
                _demand_chunk(source, stream, connector)
                sample = _Sample(source=source, stream=stream, found=found, now=context.clock())
                findings.append(sample.judged(rows))
            except SourceError as error:
                findings.append(_failed(source, stream, error))
    return findings


def _demand_chunk(source: Source, stream: Stream, connector: Connector) -> None:
    """Refuses a `chunk` here that would stop the first night; an API's windows are of time."""
    cursor = stream.spec.cursor
    if cursor is None or cursor.chunk is None or source.connector_type != "sql":
        return
    high = connector.high(stream.spec)
    try:
        if high is not None:
            demand_step(cursor, high)
    except ConfigError as error:
        raise ConfigError(f"{source.name}, stream {stream.name!r}: {error}") from None


def _failed(source: Source, stream: Stream, error: SourceError) -> StreamFindings:
    found = error.found if isinstance(error, ContractError) else {}
    missing = error.missing if isinstance(error, ContractError) else ()
    taken = _taken(stream, found) if found else {n: n for n in stream.spec.columns}
    taken = {there: name for there, name in taken.items() if name not in missing}
    return StreamFindings(
        check=StreamCheck(
            source=source.name,
            stream=stream.name,
            status="failed",
            columns_found=found,
            columns_mapped=stream.spec.columns,
            error=told(error).what,
        ),
        trouble=_trouble(error),
        message=_message(error),
        columns=_columns(stream, found, taken) if found or missing else (),
    )


def _trouble(error: SourceError) -> Trouble:
    if isinstance(error, TransientSourceError):
        return "unreachable"
    return "changed" if isinstance(error, ContractError) else "refused"


def _message(error: SourceError) -> str:
    """The error; where no header was found, without the names that are like the missing ones.

    What stands in place of the header may be a row.
    """
    if isinstance(error, ContractError) and error.missing and not error.found:
        return f"no column {', '.join(map(repr, error.missing))}"
    return told(error).what


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """The sample of one stream."""

    source: Source
    stream: Stream
    found: Found
    now: datetime

    def judged(self, wanted: int) -> StreamFindings:
        """What becomes of it."""
        mapping, rows = self.stream.mapping, self._stamped()
        readable = rows.filter(pl.col("_unreadable").is_null())
        entities: dict[str, dict[str, int]] = {}
        rules: list[BrokenRule] = unreadable_rules(rows)
        unknown: dict[str, tuple[str, ...]] = {}
        for into in mapping.into:
            given = DeriveContext(person_key=_SAMPLE_KEY, now=self.now)
            derived = derive(readable, mapping=mapping, into=into, context=given)
            rejected = derived["_reasons"].list.len() > 0
            warned = (derived["_warnings"].list.len() > 0) & ~rejected
            entities[into.entity] = {
                "accepted": int((~rejected).sum()),
                "rejected": int(rejected.sum()),
                "warned": int(warned.sum()),
            }
            rules += broken_rules(readable, derived, mapping=mapping, into=into)
            codes = unknown_codes(readable, mapping=mapping, into=into)
            people = _people(readable, personal_columns(mapping))
            unknown |= {column: _told(words, people) for column, words in codes.items()}
        reasons, warnings = _counted(rules, "reject"), _counted(rules, "warn")
        check = StreamCheck(
            source=self.source.name,
            stream=self.stream.name,
            status="degraded" if reasons else "done",
            columns_found=self.found.columns,
            columns_mapped=self.stream.spec.columns,
            sample_rows=rows.height,
            entities=entities,
            reasons=reasons,
            warnings=warnings,
            unknown_codes=unknown,
            notes=(*self.found.notes, *_key_notes(rows)),
        )
        taken = _taken(self.stream, self.found.columns)
        elsewhere = [
            name
            for name in self.stream.spec.columns
            if name not in taken.values() and rows[name].null_count() < rows.height
        ]
        return StreamFindings(
            check=check,
            columns=_columns(
                self.stream,
                self.found.columns | dict.fromkeys(elsewhere, "text"),
                taken | {name: name for name in elsewhere},
            ),
            rules=tuple(sorted(rules, key=lambda one: (one.severity, -one.rows))),
            is_whole=rows.height < wanted,
        )

    def _stamped(self) -> pl.DataFrame:
        schema = landing_schema(self.found.sample.schema)
        read = ReadStamp(key=self.stream.spec.key, read_at=self.now, sync_id="check")
        return pl.DataFrame(stamp(self.found.sample, schema, read, first_row=1))


def _counted(rules: list[BrokenRule], severity: str) -> dict[str, int]:
    """Rule to rows, over the entities."""
    counts: Counter[str] = Counter()
    for one in rules:
        if one.severity == severity:
            counts[one.rule] += one.rows
    return dict(counts)


def _columns(
    stream: Stream, found: Mapping[str, str], taken: Mapping[str, str]
) -> tuple[FoundColumn, ...]:
    roles: dict[str, list[Role]] = {}
    for name in stream.spec.key:
        roles.setdefault(name, []).append("key")
    if stream.mapping.version is not None:
        for name in stream.mapping.version.raw_columns():
            roles.setdefault(name, []).append("version")
    if stream.spec.cursor is not None:
        roles.setdefault(stream.spec.cursor.column, []).append("cursor")
    if stream.mapping.deleted is not None:
        roles.setdefault(stream.mapping.deleted.column, []).append("deleted")
    return described_columns(found, taken, mapping=stream.mapping, roles=roles)


def _taken(stream: Stream, found: Mapping[str, str]) -> dict[str, str]:
    """Name in the source to the name in the mapping, of the columns that are read.

    The headings of files may be spelled in several ways, another one in each file.
    """
    taken = {name: name for name in stream.spec.columns if name in found}
    if not isinstance(stream.spec.options, FilesStream):
        return taken
    aliases = stream.spec.options.aliases
    spelled = {
        fold(spelling): column
        for column in stream.spec.columns
        for spelling in (column, *aliases.get(column, ()))
    }
    folded = {name: spelled[fold(name)] for name in found if fold(name) in spelled}
    return folded | taken


def _told(words: Mapping[str, int], people: Collection[str]) -> tuple[str, ...]:
    """Unknown codes as they may be told, at most `_MOST_CODES`.

    A number or address of a person is in the wrong column, and so may a word be that isn't like a
    code and stands in few rows only, or in a personal column too: of it the shape is told.
    """
    counted: Counter[str] = Counter()
    for word, rows in words.items():
        is_word = rows >= _ROWS_OF_A_WORD and word.casefold() not in people
        if looks_personal(word):
            told_as = _LIKE_A_PERSON
        else:
            told_as = word if is_word or is_plain(word) else like(word)
        counted[told_as] += rows
    shown = [w if w in words else f"{w}: {_rows(rows)}" for w, rows in counted.items()]
    return tuple(shown[:_MOST_CODES])


def _rows(count: int) -> str:
    return f"{count:,} row" + "s" * (count != 1)


def _people(rows: pl.DataFrame, personal: Collection[str]) -> set[str]:
    """The values of personal columns, folded."""
    found: set[str] = set()
    for name in personal:
        if name in rows.columns:
            texts = rows[name].drop_nulls().cast(pl.String, strict=False).unique()
            found |= {text.strip().casefold() for text in texts.drop_nulls()}
    return found


def _key_notes(rows: pl.DataFrame) -> Iterator[str]:
    keyed = rows.filter(pl.col("_key").is_not_null())
    repeated = keyed.height - keyed["_key"].n_unique()
    if repeated:
        yield f"{repeated} rows of the sample repeat a key: the newest of each key is kept"
