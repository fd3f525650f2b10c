"""What a check finds, told so that the office can act on it and nobody is named.

Of a value only its shape is kept (`99/99/9999` for a date), of a personal column not even that. The
place is told instead, so that the office finds the row in its own system.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from flows.receipts import StreamCheck
from schemas.entities import entity as entity_of
from schemas.fields import Entity, Severity
from schemas.mapping import Into, StreamMapping, personal_columns
from schemas.rules import RuleText, explain
from schemas.telling import shape

Trouble = Literal["unreachable", "refused", "changed"]
Role = Literal["key", "version", "cursor", "deleted"]

MOST_EXAMPLES: Final = 5
MOST_PLACES: Final = 5

_PLAIN_CODE: Final = r"^[A-Z]{0,2}[0-9]{1,3}$"
_PLAIN_KEY: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9./_-]{0,39}")
_LONG_NUMBER: Final = re.compile(r"[0-9]{9,}")  # an identity number has 9 or 12 digits
_TELLING: Final = 4  # characters of a personal value that make a key tell it
_STAMP_ENDINGS: Final = ("_date", "_is_date_only")


@dataclass(frozen=True, kw_only=True)
class Use:
    """A core column that a source column becomes."""

    entity: str
    column: str
    vi: str
    en: str
    is_personal: bool
    is_required: bool


@dataclass(frozen=True, kw_only=True)
class FoundColumn:
    """One column of the source, or one that was expected there.

    Attributes:
        name: Its name in the source.
        type: Its type in the source's words; None where it isn't there.
        uses: What it becomes.
        roles: What else it is needed for.
        is_taken: It is read. What isn't stays in the office.
    """

    name: str
    type: str | None
    uses: tuple[Use, ...]
    roles: tuple[Role, ...]
    is_taken: bool


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row is: file and line, else its ordinal in the sample and, where safe, its key."""

    file: str | None
    line: int | None
    row: int
    key: str | None


@dataclass(frozen=True, kw_only=True)
class Example:
    """Rows that look alike.

    Attributes:
        shapes: Source column to the shape of its value; None where it is empty.
        rows: How many rows look like that.
        places: The first of them.
    """

    shapes: tuple[tuple[str, str | None], ...]
    rows: int
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """One rule that rows of the sample broke.

    Attributes:
        entity: The entity they were for; '' for records that could not be split into columns.
        rule: Its name.
        severity: `reject` or `warn`.
        text: Its sentence.
        is_promise: The sentence says what rows keep, not what is wrong with these.
        rows: Rows that broke it.
        of: Rows it was tried on.
        columns: Source columns it looks at, personal ones included.
        hidden: Those of them whose values aren't shown at all.
        declared: Format or code list that the mapping states for them.
        examples: At most `MOST_EXAMPLES`, the most frequent first.
    """

    entity: str
    rule: str
    severity: Severity
    text: RuleText
    rows: int
    of: int
    is_promise: bool = False
    columns: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StreamFindings:
    """All that a check found of one stream.

    Attributes:
        check: What is printed of it.
        trouble: Why it could not be looked at, or None.
        message: The same in a technical sentence, without anything that may come from a row.
        columns: The source's columns, then the expected ones that aren't there.
        rules: The broken rules: rejections first, the most frequent first.
        is_whole: The sample was all there is.
    """

    check: StreamCheck
    trouble: Trouble | None = None
    message: str = ""
    columns: tuple[FoundColumn, ...] = ()
    rules: tuple[BrokenRule, ...] = ()
    is_whole: bool = False


def broken_rules(
    rows: pl.DataFrame, derived: pl.DataFrame, *, mapping: StreamMapping, into: Into
) -> list[BrokenRule]:
    """The rules that derived rows of one entity broke, by how often.

    Args:
        rows: The landing rows they were derived from.
        derived: What `derive` made of them.
        mapping: The stream's mapping.
        into: The entity's part of it.
    """
    entity = entity_of(into.entity)
    personal = personal_columns(mapping)
    given: tuple[tuple[str, Severity], ...] = (("_reasons", "reject"), ("_warnings", "warn"))
    found = []
    for names, severity in given:
        named = (
            derived.select("_row", "_file", "_line", rule=names).explode("rule").drop_nulls("rule")
        )
        for (rule,), hits in named.group_by("rule", maintain_order=True):
            name = str(rule)
            columns, declared = _origins(name, entity, mapping, into)
            shown = [c for c in columns if c in rows.columns and c not in personal]
            found.append(
                BrokenRule(
                    entity=entity.name,
                    rule=name,
                    severity=severity,
                    text=explain(name, entity) or RuleText(vi=name, en=name),
                    rows=hits["_row"].n_unique() if into.explode is None else hits.height,
                    of=derived.height,
                    is_promise=any(one.name == name for one in entity.rules),
                    columns=columns,
                    hidden=tuple(c for c in columns if _owner(c, into) in personal),
                    declared=declared,
                    examples=_examples(
                        hits, rows, shown, mapping=mapping, codes=name.startswith("unknown_code:")
                    ),
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.severity, -one.rows, one.rule))


def unreadable_rules(rows: pl.DataFrame) -> list[BrokenRule]:
    """The records that could not be split into columns, by the rule that says why."""
    found = []
    for (rule,), hits in rows.drop_nulls("_unreadable").group_by(
        "_unreadable", maintain_order=True
    ):
        name = str(rule)
        found.append(
            BrokenRule(
                entity="", rule=name, severity="reject",
                text=explain(name) or RuleText(vi=name, en=name), rows=hits.height, of=rows.height,
                examples=_examples(hits, rows, [], mapping=None, codes=False),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: -one.rows)


def described_columns(
    found: Mapping[str, str],
    taken: Mapping[str, str],
    *,
    mapping: StreamMapping,
    roles: Mapping[str, Sequence[Role]],
) -> tuple[FoundColumn, ...]:
    """The source's columns with what they become, then the expected ones that aren't there.

    Args:
        found: Columns of the source, with their types.
        taken: Name in the source to the name that the mapping gives it, for the columns read.
        mapping: The stream's mapping.
        roles: What mapped columns are needed for beside their uses.
    """
    uses = _uses(mapping)
    wanted = dict.fromkeys([*uses, *roles])
    there = [
        FoundColumn(
            name=name,
            type=kind,
            uses=tuple(uses.get(taken.get(name, ""), ())),
            roles=tuple(roles.get(taken.get(name, ""), ())),
            is_taken=name in taken,
        )
        for name, kind in found.items()
    ]
    absent = [name for name in wanted if name not in taken.values()]
    return tuple(there) + tuple(
        FoundColumn(
            name=name, type=None, uses=tuple(uses.get(name, ())), roles=tuple(roles.get(name, ())),
            is_taken=True,
        )
        for name in absent
    )  # fmt: skip


def _uses(mapping: StreamMapping) -> dict[str, list[Use]]:
    """Source column to what it becomes, in the order of the YAML."""
    uses: dict[str, list[Use]] = {}
    for into in mapping.into:
        entity = entity_of(into.entity)
        explode = into.explode.column if into.explode else None
        if explode is not None:
            uses.setdefault(explode, [])
        for name, column in into.columns.items():
            field = entity.field(name)
            for raw in dict.fromkeys(_owner(c, into) for c in column.raw_columns(explode)):
                uses.setdefault(raw, []).append(
                    Use(
                        entity=entity.name, column=name, vi=field.vi, en=field.en,
                        is_personal=field.personal, is_required=field.required,
                    )
                )  # fmt: skip
    return uses


def _owner(column: str, into: Into) -> str:
    """The source column that a name stands for: a child field's is its list."""
    is_child = into.explode is not None and column.startswith(into.explode.prefix)
    return into.explode.column if into.explode is not None and is_child else column


def _origins(
    rule: str, entity: Entity, mapping: StreamMapping, into: Into
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The source columns that a rule looks at, and what the mapping declares of them."""
    explode = into.explode.column if into.explode else None
    if rule == "key_missing":
        return mapping.key_of(into), ()
    names: list[str] = []
    declared: list[str] = []
    for core in _core_columns(rule, entity):
        column = into.columns.get(_stamp(core, into))
        if column is None:
            names += [core] if core == explode else []
            continue
        names += column.raw_columns(explode)
        declared += column.format or ()
        declared += [codes for codes in column.codes or () if isinstance(codes, str)]
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(declared))


def _core_columns(rule: str, entity: Entity) -> Sequence[str]:
    for one in entity.rules:
        if one.name == rule:
            return one.broken.meta.root_names()
    if rule == "anchor_out_of_range":
        return [entity.anchor] if entity.anchor else []
    return [rule.partition(":")[2]]


def _stamp(core: str, into: Into) -> str:
    """The column of the YAML that gives a core column; `finished_date` comes with `finished_at`."""
    if core in into.columns:
        return core
    ending = next((e for e in _STAMP_ENDINGS if core.endswith(e)), None)
    return core if ending is None else core.removesuffix(ending) + "_at"


def _examples(
    hits: pl.DataFrame,
    rows: pl.DataFrame,
    shown: Sequence[str],
    *,
    mapping: StreamMapping | None,
    codes: bool,
) -> tuple[Example, ...]:
    """The hit rows by the shapes of their values."""
    signs = [_sign(pl.col(c), codes=codes).alias(f"shape {i}") for i, c in enumerate(shown)]
    names = [f"shape {i}" for i in range(len(shown))]
    unique = hits.select("_row", "_file", "_line").unique("_row", maintain_order=True)
    looked = unique.join(rows.select("_row", *signs), on="_row", how="left", maintain_order="left")
    alike = looked.group_by(names or pl.lit(0).alias("all"), maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("_row", "_file", "_line").head(MOST_PLACES)
    )
    chosen = alike.sort("rows", descending=True, maintain_order=True).head(MOST_EXAMPLES)
    keys = _keys(rows, chosen["_row"].explode().to_list(), mapping)
    return tuple(
        Example(
            shapes=tuple((c, row[n]) for c, n in zip(shown, names, strict=True)),
            rows=row["rows"],
            places=tuple(
                Place(file=file, line=line, row=ordinal, key=keys.get(ordinal))
                for ordinal, file, line in zip(row["_row"], row["_file"], row["_line"], strict=True)
            ),
        )
        for row in chosen.iter_rows(named=True)
    )


def _sign(values: pl.Expr, *, codes: bool) -> pl.Expr:
    """The shape; a code of a few signs, which a code list lacks, is told as it is."""
    if not codes:
        return shape(values)
    text = values.cast(pl.String, strict=False).str.strip_chars()
    return pl.when(text.str.contains(_PLAIN_CODE)).then(text).otherwise(shape(values))


def _keys(
    rows: pl.DataFrame, wanted: Sequence[int], mapping: StreamMapping | None
) -> dict[int, str]:
    """Row to its key, where that is the only way to find it and tells nobody.

    A row of a file has its line. Of the others the key is told if it is the code of the dossier (or
    of what else the entity is), looks like a code, and has no number as long as a person's.
    """
    if mapping is None or not _is_code(mapping):
        return {}
    here = rows.filter(pl.col("_row").is_in(list(wanted)) & pl.col("_file").is_null())
    personal = [name for name in personal_columns(mapping) if name in rows.columns]
    told = {}
    for row in here.iter_rows(named=True):
        parts = [str(row[name]).strip() for name in mapping.key]
        people = [str(row[name]).strip().casefold() for name in personal if row[name] is not None]
        if all(_tells_nobody(part, people) for part in parts):
            told[int(row["_row"])] = " / ".join(parts)
    return told


def _is_code(mapping: StreamMapping) -> bool:
    known = {
        column.from_[0]
        for into in mapping.into
        for name, column in into.columns.items()
        if name in entity_of(into.entity).key_fields and column.from_ and len(column.from_) == 1
    }
    return set(mapping.key) <= known - personal_columns(mapping)


def _tells_nobody(part: str, people: Sequence[str]) -> bool:
    if not _PLAIN_KEY.fullmatch(part) or _LONG_NUMBER.search(part):
        return False
    folded = part.casefold()
    return not any(len(p) >= _TELLING and (p in folded or folded in p) for p in people)
