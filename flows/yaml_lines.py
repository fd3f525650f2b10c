"""YAML that remembers its lines, and can be laid over other YAML.

It reads the core schema of YAML 1.2, as editors do: only `true` and `false` are truth values
(`no` is a word), numbers have no leading zero (`01` is a code), and dates are texts. A key that
stands twice, a tag and a second document are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows.catalog_errors import CatalogError, Place, Problem

Scalar = str | int | float | bool | None

_MOST_NODES = 100_000  # aliases of aliases can make a short text a huge document
_DEEPEST = 60
_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One value of a document, and where it stands.

    Attributes:
        value: A scalar, a tuple of nodes, or a dict of nodes by key.
        place: Where the value begins.
        keys: For a dict, where each key stands.
    """

    value: Scalar | tuple[Node, ...] | dict[str, Node]
    place: Place
    keys: dict[str, Place]

    def plain(self) -> object:
        """The value as plain lists, dicts and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def mapping(self) -> dict[str, object]:
        """The plain values by key; empty where the node is no mapping."""
        if not isinstance(self.value, dict):
            return {}
        return {key: node.plain() for key, node in self.value.items()}

    def child(self, part: str | int) -> Node | None:
        """The node at a key or an index, or None."""
        if isinstance(self.value, dict):
            return self.value.get(str(part))
        if isinstance(self.value, tuple) and isinstance(part, int) and part < len(self.value):
            return self.value[part]
        return None

    def known(self, path: Sequence[str | int]) -> tuple[Node, tuple[str | int, ...]]:
        """The deepest node on a path, and the part of the path that led there."""
        node = self
        for depth, part in enumerate(path):
            child = node.child(part)
            if child is None:
                return node, tuple(path[:depth])
            node = child
        return node, tuple(path)

    def place_of(self, path: Sequence[str | int]) -> Place:
        """Where the thing at a path stands: its key's line, else that of what holds it."""
        node, found = self.known(path)
        if not found:
            return node.place
        parent, _ = self.known(found[:-1])
        return parent.keys.get(str(found[-1]), node.place)

    def texts(self) -> Iterator[Node]:
        """Every text in it."""
        if isinstance(self.value, dict):
            for node in self.value.values():
                yield from node.texts()
        elif isinstance(self.value, tuple):
            for node in self.value:
                yield from node.texts()
        elif isinstance(self.value, str):
            yield self


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:0|[1-9][0-9]*)\.[0-9]+$", "-+0123456789"),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(_pattern), list(_first))


def read_yaml(path: Path) -> Node:
    """Reads one file.

    Raises:
        CatalogError: It can't be read, is no UTF-8 text or no YAML, or a key stands twice.
    """
    text = _text(path)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        raise CatalogError([_no_yaml(error, path)]) from None
    finally:
        loader.dispose()
    if root is None:
        raise _problem(Place(file=path, line=1), "the file", "nothing", "the keys of a source")
    return _Builder(path).build(root, depth=0)


def merged(base: Node, over: Node, path: tuple[str, ...] = ()) -> Node:
    """Lays one document over another: what `over` says wins, null takes away.

    Mappings are merged key by key, except that a column's mapping is one statement and is taken
    whole. The entities of `into` are merged by their name. Other lists are taken whole.
    """
    if isinstance(base.value, tuple) and isinstance(over.value, tuple) and path[-1:] == ("into",):
        return _merged_into(base, over, path)
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if len(path) > 1 and path[-2] == "columns":
        return over
    values = dict(base.value)
    for key, node in over.value.items():
        if node.value is None:
            values.pop(key, None)
        elif key in values:
            values[key] = merged(values[key], node, (*path, key))
        else:
            values[key] = node
    return Node(value=values, place=over.place, keys=base.keys | over.keys)


def _merged_into(base: Node, over: Node, path: tuple[str, ...]) -> Node:
    assert isinstance(base.value, tuple)  # noqa: S101 - the caller looked
    assert isinstance(over.value, tuple)  # noqa: S101
    by_entity = {_entity(node): node for node in base.value}
    for number, node in enumerate(over.value):
        name = _entity(node) or f"#{number}"
        known = by_entity.get(name)
        by_entity[name] = node if known is None else merged(known, node, (*path, name))
    return Node(value=tuple(by_entity.values()), place=over.place, keys={})


def _entity(node: Node) -> str | None:
    child = node.child("entity")
    return child.value if child is not None and isinstance(child.value, str) else None


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        place = Place(file=path, line=1)
        raise _problem(place, "the file", str(error.strerror), "a file to read") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"a byte that is no UTF-8 (byte {error.start + 1} of the file)"
        place = Place(file=path, line=line)
        raise _problem(place, "the file", found, "YAML text in UTF-8") from None


def _problem(place: Place, what: str, found: str, expected: str) -> CatalogError:
    return CatalogError([Problem(place=place, what=what, found=found, expected=expected)])


def _tagged(node: yaml.Node, place: Place) -> CatalogError:
    return _problem(place, "a tag", f"'{node.tag}'", "a plain value without a tag")


def _no_yaml(error: yaml.YAMLError, path: Path) -> Problem:
    """The place and the kind of a syntax error, without the text that it met."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
    reason = str(reason).split(" '")[0]
    return Problem(
        place=Place(file=path, line=line), what="this is not YAML", found=reason,
        expected="keys and values, indented by spaces (a text with ': ' or '#' needs quotes)",
    )  # fmt: skip


class _Builder:
    """Turns the nodes of the YAML library into ours; counts them, so that it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nodes = 0

    def build(self, node: yaml.Node, *, depth: int) -> Node:
        """One node and all it holds."""
        place = self._place(node)
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            raise _problem(place, "the document", "aliases without end", "a document of its own")
        if isinstance(node, yaml.ScalarNode):
            return Node(value=self._scalar(node, place), place=place, keys={})
        if node.tag not in {f"{_PREFIX}seq", f"{_PREFIX}map"}:
            raise _tagged(node, place)
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.build(item, depth=depth + 1) for item in node.value)
            return Node(value=items, place=place, keys={})
        return self._mapping(node, place, depth)

    def _mapping(self, node: yaml.Node, place: Place, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for key_node, value_node in node.value:
            where = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                raise _problem(where, "a key", "a list or a mapping", "a text")
            key = str(key_node.value)
            if key in keys:
                found = f"'{key}' a second time (first in line {keys[key].line})"
                raise _problem(where, "a key that stands twice", found, "every key once")
            keys[key] = where
            values[key] = self.build(value_node, depth=depth + 1)
        return Node(value=values, place=place, keys=keys)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Scalar:
        text = str(node.value)
        match node.tag.removeprefix(_PREFIX):
            case "str":
                return text
            case "bool":
                return text.lower() == "true"
            case "null":
                return None
            case "int":
                return int(text)
            case "float":
                return float(text)
            case _:
                raise _tagged(node, place)

    def _place(self, node: yaml.Node) -> Place:
        return Place(file=self._path, line=node.start_mark.line + 1)
