"""Child lists: one row per element, with its parent's columns.

A list is JSON text (of objects, or of plain values) or text with a separator. A JSON object where
a list should be counts as a list of one: converters from XML write it so. A list that can't be
read gives one row that says so; an empty one gives none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from schemas.mapping.filled import nowhere
from schemas.mapping.models import Explode

_POSITION = "#"
_VALUE = "value"
_TEXTS = pl.List(pl.String())
# polars takes a JSON number with a fraction for a float: 778451317244761.19 came out as ...1.3.
_INEXACT = r"[\[:,]\s*-?[0-9]+[.eE]|[0-9]{20}"
_TEXT_OR_NUMBER = r'"((?:[^"\\]|\\.)*)"|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)'


@dataclass(frozen=True, kw_only=True)
class Exploded:
    """Children, in the order of their parents and of their lists.

    Attributes:
        parent: Row number of the parent in the frame, from 0.
        unread: The row stands for a list that could not be read.
        fields: Child fields by name (`list.field`), as text; the position as integer.
    """

    parent: pl.Series
    unread: pl.Series
    fields: pl.DataFrame


def exploded(lists: pl.Series, explode: Explode, *, fields: tuple[str, ...]) -> Exploded:
    """Reads a column of lists.

    Args:
        lists: The texts; null where there is no list.
        explode: How they are written.
        fields: Names of the child fields wanted, as the YAML writes them (`list.field`).
    """
    wanted = [name.removeprefix(explode.prefix) for name in fields]
    if explode.split is not None:
        elements, unread = _split(lists, explode.split), nowhere(len(lists))
    else:
        kind = pl.String() if explode.values else _struct(wanted)
        elements, unread = _decoded(lists, pl.List(kind))
    frame = pl.DataFrame({"element": elements, "unread": unread}).with_row_index("parent")
    frame = frame.filter(pl.col("unread") | (pl.col("element").list.len() > 0))
    frame = frame.with_columns(position=pl.int_ranges(1, pl.col("element").list.len() + 1))
    one = pl.when(pl.col("unread"))
    frame = frame.with_columns(
        one.then(pl.lit([None], dtype=elements.dtype))
        .otherwise(pl.col("element"))
        .alias("element"),
        one.then(pl.lit([None], dtype=pl.List(pl.Int64))).otherwise("position").alias("position"),
    )
    frame = frame.explode("element", "position")
    is_plain = explode.split is not None or explode.values
    read = [_field(explode.prefix, name, is_plain=is_plain) for name in wanted]
    return Exploded(parent=frame["parent"], unread=frame["unread"], fields=frame.select(read))


def _field(prefix: str, name: str, *, is_plain: bool) -> pl.Expr:
    if name == _POSITION:
        return pl.col("position").cast(pl.Int64).alias(f"{prefix}{name}")
    element = pl.col("element")
    if is_plain:
        known = element if name == _VALUE else pl.lit(None, dtype=pl.String)
        return known.alias(f"{prefix}{name}")
    for part in name.split("."):
        element = element.struct.field(part)
    return element.alias(f"{prefix}{name}")


def _split(lists: pl.Series, by: str) -> pl.Series:
    stripped = pl.element().str.strip_chars()
    filled = stripped.filter(stripped.str.len_bytes() > 0)
    return lists.str.split(by).list.eval(filled)


def _struct(wanted: list[str]) -> pl.Struct:
    """The polars type of an object with the wanted fields, dotted ones nested, all of text."""
    tree: dict[str, Any] = {}
    for name in wanted:
        if name == _POSITION:
            continue
        *outer, last = name.split(".")
        branch = tree
        for part in outer:
            branch = branch.setdefault(part, {})
        branch.setdefault(last, {})
    return _struct_of(tree)


def _struct_of(tree: dict[str, Any]) -> pl.Struct:
    # A struct without fields can't be told from null: an unlikely field stands in.
    leaves = tree or {"\0": {}}
    return pl.Struct(
        {name: _struct_of(inner) if inner else pl.String() for name, inner in leaves.items()}
    )


def _decoded(lists: pl.Series, kind: pl.List) -> tuple[pl.Series, pl.Series]:
    """Lists of JSON elements, and which rows aren't such lists."""
    text = pl.col("text")
    given = pl.when(text.str.strip_chars() != "null").then(text)
    is_one = text.str.contains(r"^\s*\{")
    is_list = text.str.contains(r"(?s)^\s*\[.*\]\s*$")
    exact = text.str.replace_all(_TEXT_OR_NUMBER, '"${1}${2}"')
    frame = lists.alias("text").to_frame().select(given)
    frame = frame.select(pl.when(text.str.contains(_INEXACT)).then(exact).otherwise(text))
    frame = frame.with_columns(
        shaped=pl.when(is_one).then(pl.lit("[") + text + pl.lit("]")).when(is_list).then(text)
    )
    elements = _decode(frame["shaped"], kind)
    return elements, elements.is_null() & frame["text"].is_not_null()


def _decode(texts: pl.Series, kind: pl.List) -> pl.Series:
    """Decodes; rows that can't be are null.

    polars fails a whole column for one bad row: a failing stretch is halved until it stands alone.
    """
    try:
        return texts.str.json_decode(kind)
    except pl.exceptions.PolarsError:
        if len(texts) == 1:
            return pl.Series(texts.name, [None], dtype=kind)
    middle = len(texts) // 2
    return pl.concat([_decode(texts[:middle], kind), _decode(texts[middle:], kind)])
