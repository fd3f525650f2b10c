"""Whether a mapping makes sense: its entities, columns, code lists, constants and formats exist.

The models say what shape a mapping has; these checks say whether it means anything. A flaw names
where in the stream's mapping it is, so that whoever read the YAML can name the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from schemas.codes import code_lists
from schemas.entities import ENTITIES
from schemas.errors import ConfigError
from schemas.fields import Field, FieldType
from schemas.mapping.columns import constant_text, time_rules
from schemas.mapping.formats import time_format
from schemas.mapping.models import ColumnMapping, Into, StreamMapping, entity_columns
from schemas.mapping.numbers import (
    FALSE_WORDS,
    TRUE_WORDS,
    NumberMarks,
    read_booleans,
    read_integers,
    read_money,
)
from schemas.mapping.privacy import open_uses
from schemas.mapping.times import read_times
from schemas.names import nearest
from schemas.rows import LANDING

Path = tuple[str | int, ...]

_MANY = 12  # names listed in an error; with more, the nearest one helps and a list doesn't
_ONLY_FOR: dict[str, tuple[FieldType, ...]] = {
    "format": ("timestamp", "date"),
    "timezone": ("timestamp", "date"),
    "date_only": ("timestamp",),
    "decimal": ("decimal", "integer"),
    "thousands": ("decimal", "integer"),
    "true_words": ("boolean",),
    "false_words": ("boolean",),
    "codes": ("text", "boolean"),
}
_BOOLEAN_WORDS = ("true", "false")


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing in a mapping that makes no sense.

    Attributes:
        path: Where, from the stream's mapping on (`("into", 0, "columns", "fee", "sql")`).
        what: What is wrong.
        found: What stands there.
        expected: What should.
        nearest: The nearest right name, or None.
    """

    path: Path
    what: str
    found: str
    expected: str
    nearest: str | None = None


def flaws(mapping: StreamMapping) -> Iterator[Flaw]:
    """Everything in a stream's mapping that makes no sense, in the order of the YAML.

    Whether it shows persons is looked at once all else makes sense.
    """
    senseless = list(_senseless(mapping))
    yield from senseless or _shown_persons(mapping)


def _senseless(mapping: StreamMapping) -> Iterator[Flaw]:
    yield from _reserved(mapping)
    if mapping.currency not in code_lists()["currency"].good:
        yield _unknown(("currency",), "currency", mapping.currency, code_lists()["currency"].good)
    if mapping.version is not None:
        yield from _version_flaws(mapping.version)
    if not mapping.into:
        yield Flaw(path=("into",), what="the entities", found="none", expected="at least one")
    seen: dict[str, int] = {}
    for number, into in enumerate(mapping.into):
        path: Path = ("into", number)
        if into.entity not in ENTITIES:
            yield _unknown((*path, "entity"), "entity", into.entity, ENTITIES)
            continue
        if into.entity in seen:
            yield Flaw(
                path=(*path, "entity"), what=f"entity '{into.entity}' stands twice in one stream",
                found="a second one", expected="one (a second stream may feed it too)",
            )  # fmt: skip
        seen[into.entity] = number
        yield from _into_flaws(into, mapping, path)


def _shown_persons(mapping: StreamMapping) -> Iterator[Flaw]:
    """A column that identifies a person may feed personal columns only: they are pseudonymised."""
    for number, into in enumerate(mapping.into):
        for where, name in open_uses(mapping, into):
            path: Path = ("into", number, *(() if where == "key" else ("columns",)), where)
            yield Flaw(
                path=path, what=f"'{name}' identifies a person, and core would show it",
                found=f"it feeds a personal column, and {where} too",
                expected="another column here, or only the personal one",
            )  # fmt: skip


def _unknown(path: Path, kind: str, name: str, valid: Iterable[str]) -> Flaw:
    names = list(valid)
    return Flaw(
        path=path, what=f"unknown {kind}", found=f"'{name}'", expected=_one_of(names, kind),
        nearest=nearest(name, names),
    )  # fmt: skip


def _one_of(names: list[str], kind: str) -> str:
    if len(names) > _MANY:
        return (
            f"one of the {len(names)} of `lienthong schema`"
            if kind == "column"
            else (f"one of {', '.join(names[:_MANY])}, ...")
        )
    return f"one of {', '.join(names)}"


def _reserved(mapping: StreamMapping) -> Iterator[Flaw]:
    """A source column named like one of ours would be overwritten on landing."""
    used: list[tuple[Path, str]] = [(("key",), name) for name in mapping.key]
    for number, into in enumerate(mapping.into):
        used += [(("into", number), name) for name in into.key or ()]
        for core, column in into.columns.items():
            if column.sql is None:
                names = column.raw_columns()
                used += [(("into", number, "columns", core), name) for name in names]
    for path, name in used:
        if name in LANDING:
            yield Flaw(
                path=path, what="a column of landing", found=f"'{name}'",
                expected="a source column (rename this one in a `query:` or by `aliases:`)",
            )  # fmt: skip


def _version_flaws(version: ColumnMapping) -> Iterator[Flaw]:
    path: Path = ("version",)
    if version.const is not None or version.key is not None:
        yield Flaw(
            path=path, what="the version of a row", found="a constant or a key",
            expected="a source column with the time of its last change, or its counter",
        )  # fmt: skip
    if version.sql is not None:
        yield from _sql_flaws(path, version, None)
    yield from _format_flaws(path, version)


def _into_flaws(into: Into, mapping: StreamMapping, path: Path) -> Iterator[Flaw]:
    entity = ENTITIES[into.entity]
    if into.explode is not None and into.key is None:
        yield Flaw(
            path=(*path, "explode"), what="a child list without a key of its rows",
            found="the stream's key, which all children share",
            expected=f"key: [{', '.join([*mapping.key, f'{into.explode.prefix}#'])}]",
        )  # fmt: skip
    if into.explode is not None:
        yield from _child_flaws(into, path)
        if into.key is not None and not set(mapping.key) <= set(into.key):
            yield Flaw(
                path=(*path, "key"), what="a child's key without its parent's",
                found=", ".join(into.key), expected=", ".join([*mapping.key, *into.key]),
            )  # fmt: skip
    for name, column in into.columns.items():
        where = (*path, "columns", name)
        if name not in entity.columns:
            yield _unknown(where, "column", name, entity.columns)
        else:
            yield from _column_flaws(column, entity.field(name), into, mapping, where)
    for field in entity.fields:
        if field.required and field.name not in into.columns:
            given = ", ".join(into.columns) or "no column"
            yield Flaw(
                path=(*path, "columns"), found=given, expected=f"{field.name}: <source column>",
                what=f"{entity.name} needs '{field.name}' ({field.en.rstrip('.')})",
            )  # fmt: skip


def _child_flaws(into: Into, path: Path) -> Iterator[Flaw]:
    explode = into.explode
    if explode is None or not (explode.split is not None or explode.values):
        return
    allowed = (f"{explode.prefix}value", f"{explode.prefix}#")
    for name in _readable_columns(into):
        if name.startswith(explode.prefix) and name not in allowed:
            yield _unknown(path, "child field of plain values", name, allowed)


def _readable_columns(into: Into) -> list[str]:
    try:
        return list(entity_columns(into))
    except ConfigError:
        return list(into.key or ())  # the broken sql is told where it stands


def _column_flaws(
    column: ColumnMapping, field: Field, into: Into, mapping: StreamMapping, path: Path
) -> Iterator[Flaw]:
    for option, types in _ONLY_FOR.items():
        if option in column.model_fields_set and field.type not in types:
            yield Flaw(
                path=(*path, option), what=f"'{option}' on a column of {field.type}",
                found=f"{option}:", expected=f"it on columns of {' or '.join(types)} only",
            )  # fmt: skip
    if column.sql is not None:
        explode = into.explode.column if into.explode else None
        yield from _sql_flaws(path, column, explode)
    if column.from_ is not None and field.name.endswith("_key") and len(column.from_) > 1:
        yield Flaw(
            path=(*path, "from"), what="a key of several columns", found="from:",
            expected=f"key: [{', '.join(column.from_)}]",
        )  # fmt: skip
    yield from _format_flaws(path, column)
    yield from _code_flaws(path, column, field)
    yield from _value_flaws(path, column, field, mapping)


def _sql_flaws(path: Path, column: ColumnMapping, explode: str | None) -> Iterator[Flaw]:
    if column.steps:
        yield Flaw(
            path=(*path, "steps"), what="steps beside sql", found="both",
            expected="the steps written in the sql, or `from:` with steps",
        )  # fmt: skip
    try:
        column.compiled_sql(explode)
    except ConfigError as error:
        yield Flaw(
            path=(*path, "sql"), what=str(error), found="this expression",
            expected="an expression of one row",
        )  # fmt: skip


def _format_flaws(path: Path, column: ColumnMapping) -> Iterator[Flaw]:
    for text in column.format or ():
        try:
            time_format(text)
        except ValueError as error:
            named = ("iso", "epoch_s", "epoch_ms", "epoch_us", "excel")
            yield Flaw(
                path=(*path, "format"), what=str(error), found=f"'{text}'",
                expected=f"{', '.join(named)} or a strptime pattern", nearest=nearest(text, named),
            )  # fmt: skip


def _code_flaws(path: Path, column: ColumnMapping, field: Field) -> Iterator[Flaw]:
    words = _allowed_words(field)
    for part in column.codes or ():
        where = (*path, "codes")
        if isinstance(part, str):
            if part not in code_lists():
                yield _unknown(where, "code list", part, code_lists())
            elif words is not None and not set(code_lists()[part].good) <= set(words):
                yield Flaw(
                    path=where, what=f"code list '{part}' leads to words that "
                    f"'{field.name}' doesn't have", found=f"'{part}'",
                    expected=f"a list that leads to {field.codes or 'true and false'}",
                    nearest=_list_into(field),
                )  # fmt: skip
            continue
        for raw, word in part.items():
            if word is not None and words is not None and word not in words:
                yield _unknown((*where, raw), f"word of '{field.name}'", word, words)


def _allowed_words(field: Field) -> tuple[str, ...] | None:
    if field.type == "boolean":
        return _BOOLEAN_WORDS
    return code_lists()[field.codes].good if field.codes is not None else None


def _list_into(field: Field) -> str | None:
    into = [name for name, codes in code_lists().items() if codes.into == field.codes]
    return next((name for name in into if name.startswith("national")), None) or field.codes


def _value_flaws(
    path: Path, column: ColumnMapping, field: Field, mapping: StreamMapping
) -> Iterator[Flaw]:
    for option in ("const", "default"):
        given = getattr(column, option)
        if given is None:
            continue
        text = constant_text(column, mapping) if option == "const" else _plain_text(given)
        where = (*path, option)
        if option == "const" and "{agency}" in str(given) and mapping.agency is None:
            yield Flaw(
                path=where, what="a constant with {agency}", found="no `agency:` of the source",
                expected="the source to name its agency",
            )  # fmt: skip
        words = _allowed_words(field) if field.type == "text" else None
        if words is not None and text not in words:
            yield _unknown(where, f"word of '{field.name}'", text, words)
        elif words is None and not _is_readable(text, column, field, mapping):
            yield Flaw(
                path=where, what=f"a value of '{field.name}'", found=f"'{text}'",
                expected=f"a value that can be read as {field.type}",
            )  # fmt: skip
        if option == "default" and field.type in {"timestamp", "date"}:
            yield Flaw(
                path=where, what="a default of a date", found=f"'{text}'",
                expected="no default: a date is never invented",
            )  # fmt: skip


def _plain_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_readable(text: str, column: ColumnMapping, field: Field, mapping: StreamMapping) -> bool:
    values = pl.Series("value", [text])
    marks = NumberMarks(decimal=column.decimal, thousands=column.thousands)
    match field.type:
        case "timestamp" | "date":
            try:
                read = read_times(values, time_rules(column, mapping.timezone)).instant
            except ValueError:
                return True  # the format itself is told as a flaw
        case "decimal":
            read = read_money(values, marks)
        case "integer":
            read = read_integers(values, marks)
        case "boolean":
            read = read_booleans(values, true_words=TRUE_WORDS, false_words=FALSE_WORDS)
        case "text":
            return True
    return read.null_count() == 0
