"""The rows of an answer as Arrow, column by column and all as text.

Text is text, a number its own digits, an object or a list JSON text, null no value; the same as
`connectors.files.formats.json_rows` gives for a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UnsetType

from connectors.composed import text_column
from connectors.rest.decoding import Decoded
from connectors.rest.errors import broken_answer
from connectors.rest.records import ABSENT
from connectors.rest.request import at_path
from schemas.errors import ContractError
from schemas.names import nearest

BROKEN_RECORD = "broken_record"
_RAW_LETTERS = 2048
_MOST_KEYS = 500  # paths that are told of; objects may be keyed by what is data
_DEEPEST = 4
TRAIL = (
    pa.field("_unreadable", pa.string()),
    pa.field("_raw", pa.string()),
    pa.field("_bad_values", pa.list_(pa.string())),
)

Row = dict[str, Any]
Kinds = dict[str, Counter[str]]


@dataclass(kw_only=True)
class Rows:
    """Rows of one answer.

    Attributes:
        batch: The columns as text, then TRAIL.
        present: Columns that some row has, null or not.
        kinds: Column to the JSON types of its values, with their number.
        keys: Every key of the rows' objects (of the first hundred), with the type it has.
    """

    batch: pa.RecordBatch
    present: set[str]
    kinds: Kinds
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Which columns the rows of a stream have, and where in a row each stands."""

    columns: tuple[str, ...]
    paths: Mapping[str, str]

    @property
    def schema(self) -> pa.Schema:
        """Of the batches."""
        return pa.schema([*(pa.field(name, pa.string()) for name in self.columns), *TRAIL])

    def rows(self, elements: Sequence[Any], decoded: Decoded) -> Rows:
        """The elements of a list as rows; what is no object becomes an unreadable row.

        Args:
            elements: The list.
            decoded: The value that it is part of.
        """
        found = set(map(type, elements))
        records = decoded.records if decoded.records and found == {decoded.records.kind} else None
        is_sound = records is not None or found <= {dict}
        rows = elements if is_sound else [e if isinstance(e, dict) else {} for e in elements]
        columns: list[pa.Array] = []
        present: set[str] = set()
        kinds: Kinds = {}
        bad: dict[int, list[str]] = {}
        for name in self.columns:
            path = self.paths.get(name, name)
            values = _values(rows, path) if records is None else records.values(rows, path)
            types = set(map(type, values))
            if types - {UnsetType}:
                present.add(name)
            if UnsetType in types:
                values = [None if value is ABSENT else value for value in values]
            column, kinds[name], bad_rows = _column(values, types - {UnsetType}, decoded)
            columns.append(column)
            for row in bad_rows:
                bad.setdefault(row, []).append(name)
        trail = _trail(elements, bad, None if is_sound else decoded)
        batch = pa.RecordBatch.from_arrays([*columns, *trail], schema=self.schema)
        return Rows(batch=batch, present=present, kinds=kinds)


def elements_at(value: Any, path: str | None) -> list[Any]:  # noqa: ANN401 - any JSON value
    """The list of rows in an answer. An object at a stated path is a list of one, null is empty.

    Raises:
        Failure: There is no list; it says where one is.
    """
    found = value if path is None else at_path(value, path)
    if isinstance(found, list):
        return found
    if path is not None and isinstance(found, dict):
        return [found]
    if path is not None and found is None and _is_there(value, path):
        return []
    lists = sorted(_lists(value))
    hint = f"; there is one at {', '.join(lists)}" if lists else ""
    where = "at the top of the answer" if path is None else f"at `rows: {path}`"
    raise broken_answer(
        f"no list {where}{hint}", shown="", advice="compare `rows:` with what the API answers"
    )


def missing(columns: Iterable[str], present: set[str], optional: Sequence[str]) -> list[str]:
    """The columns that no row had and that aren't optional."""
    return [name for name in columns if name not in present and name not in optional]


def raise_if_missing(absent: Sequence[str], *, where: str, keys: Mapping[str, str]) -> None:
    """Raises ContractError for columns that no row has, with the nearest key that there is."""
    if not absent:
        return
    said = []
    for name in absent:
        near = nearest(name, keys)
        said.append(f"{name!r}" + (f" (there is {near!r})" if near else ""))
    message = (
        f"{where}: no row has {', '.join(said)}; has the office renamed it? Say in `fields:` where "
        "it is, or name it in `optional:` where it may be missing from a whole answer"
    )
    raise ContractError(message, missing=absent, found=keys)


def keys_of(elements: Sequence[Any], mark: str) -> dict[str, str]:
    """Every path of the objects in a list, with the JSON type of its first value that isn't null.

    Objects inside of objects are taken apart (`agency.code`); lists aren't.
    """
    found: dict[str, str] = {}
    for element in elements:
        for path, value in _leaves(element, "", 0):
            if len(found) < _MOST_KEYS or path in found:
                kind = found.setdefault(path, "null")
                found[path] = _kind(value, mark) if kind == "null" else kind
    outer = {path.rpartition(".")[0] for path in found}
    return {path: kind for path, kind in found.items() if kind != "null" or path not in outer}


def _leaves(value: Any, at: str, depth: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """The paths of an object that lead to something else than an object."""
    if isinstance(value, dict) and value and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, f"{at}.{key}" if at else key, depth + 1)
    elif at:
        yield at, value


def _kind(value: object, mark: str) -> str:
    if isinstance(value, str):
        return "number" if value.startswith(mark) else "text"
    names: dict[type, str] = {bool: "boolean", int: "number", dict: "object", list: "list"}
    return names.get(type(value), "null")


def _values(rows: Sequence[Row], path: str) -> list[Any]:
    """What a path leads to in each row, `ABSENT` where it leads nowhere."""
    try:
        return list(map(itemgetter(path), rows))
    except KeyError:
        pass  # not every row has it
    if "." not in path or any(path in row for row in rows):
        return [row.get(path, ABSENT) for row in rows]
    return _below(rows, path)


def _below(rows: Sequence[Row], path: str) -> list[Any]:
    """What a dotted path leads to in each row; most rows are built alike, objects all the way."""
    values: list[Any] = list(rows)
    for part in path.split("."):
        if set(map(type, values)) != {dict}:
            return [_found(row, path) for row in rows]
        try:
            values = list(map(itemgetter(part), values))
        except KeyError:
            values = [value.get(part, ABSENT) for value in values]
    return values


def _found(row: Row, path: str) -> Any:  # noqa: ANN401 - any JSON value
    value = at_path(row, path)
    return ABSENT if value is None and not _is_there(row, path) else value


def _is_there(row: Any, path: str) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a path leads to something, null included."""
    outer, _, last = path.rpartition(".")
    parent = at_path(row, outer) if outer else row
    return isinstance(parent, dict) and last in parent


def _column(
    values: list[Any], types: set[type], decoded: Decoded
) -> tuple[pa.Array, Counter[str], list[int]]:
    if types <= {int, type(None)} and int in types:
        return _whole_numbers(values)
    is_plain = not types - {str, type(None)}
    column, bad = text_column(values if is_plain else [_text(value, decoded) for value in values])
    kinds: Counter[str] = Counter()
    texts = len(column) - column.null_count + len(bad) if is_plain else 0
    if not is_plain:
        counts = Counter(map(type, values))
        named = ((bool, "boolean"), (dict, "object"), (list, "list"))
        kinds.update({name: counts[kind] for kind, name in named if counts[kind]})
        texts = counts[str]
        kinds["number"] = counts[int]
    data = column.buffers()[2]
    if data is not None and decoded.mark.encode() in data.to_pybytes():
        numbers = pc.sum(pc.starts_with(column, decoded.mark)).as_py() or 0
        kinds["number"] += numbers
        texts -= numbers
        column = pc.replace_substring(column, decoded.mark, "")
    if texts > 0:
        kinds["text"] = texts
    return column, +kinds, bad


def _whole_numbers(values: list[int | None]) -> tuple[pa.Array, Counter[str], list[int]]:
    try:
        column = pa.array(values, pa.int64()).cast(pa.string())
    except (OverflowError, pa.ArrowInvalid):
        column = pa.array([None if v is None else str(v) for v in values], pa.string())
    return column, Counter({"number": len(values) - column.null_count}), []


def _text(value: object, decoded: Decoded) -> str | None:
    """A value as text; a number's mark is taken off the whole column later."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else decoded.nested(value)


def _trail(
    elements: Sequence[Any], bad: dict[int, list[str]], broken_of: Decoded | None
) -> tuple[pa.Array, pa.Array, pa.Array]:
    count = len(elements)
    bad_values = pa.nulls(count, TRAIL[2].type)
    if bad:
        bad_values = pa.array([bad.get(row) for row in range(count)], TRAIL[2].type)
    if broken_of is None:
        return pa.nulls(count, pa.string()), pa.nulls(count, pa.string()), bad_values
    broken = [None if isinstance(e, dict) else broken_of.nested(e) for e in elements]
    raw, _ = text_column([None if text is None else text[:_RAW_LETTERS] for text in broken])
    rules = pa.array([None if text is None else BROKEN_RECORD for text in broken], pa.string())
    return rules, raw, bad_values


def _lists(value: Any, prefix: str = "", depth: int = 0) -> list[str]:  # noqa: ANN401
    """Paths of the lists in an answer, for the sentence of an error."""
    found: list[str] = []
    if isinstance(value, dict) and depth < 3:
        for key, inner in value.items():
            path = f"{prefix}{key}"
            if isinstance(inner, list):
                found.append(path)
            else:
                found += _lists(inner, f"{path}.", depth + 1)
    return found
