"""Rows of an answer decoded into objects that hold a stream's columns and nothing else.

A dictionary of everything that a row has is dear: what no column wants is made and thrown away, and
each of a million values is looked up by its name. msgspec passes over what isn't wanted. Answers
that don't look as expected are left to `connectors.rest.decoding`; the values are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

ABSENT: Final = msgspec.UNSET
"""Stands for a value whose key a row doesn't have; null is None."""

_Tree = dict[str, "_Tree | None"]  # None: a value; else what is wanted of the object
_Never = Literal["\0"]  # no value of an answer that is decoded here
_OUTER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, kw_only=True)
class Records:
    """Decodes the lists of rows of a stream.

    Attributes:
        kind: The type of a row.
    """

    kind: type[msgspec.Struct]
    _way: tuple[str, ...]
    _rows: msgspec.json.Decoder[Any]
    _others: msgspec.json.Decoder[Any]
    _attributes: Mapping[str, str]

    @classmethod
    def of(
        cls,
        paths: Iterable[str],
        *,
        rows: str | None,
        beside: Iterable[str],
        number: Callable[[str], Any],
    ) -> Records | None:
        """For rows that are looked for at `paths`; None where dictionaries are needed.

        Args:
            paths: Where in a row each column stands.
            rows: Path of the list in an answer.
            beside: Paths that an answer is asked for besides its rows.
            number: Makes a value of a number with a fraction.
        """
        tree: _Tree = {}
        attributes: dict[str, str] = {}
        for path in dict.fromkeys(paths):
            parts = path.split(".")
            if any(map(str.isdigit, parts)) or not _planted(tree, parts):
                return None
        if not tree or any(_is_within(path, rows) for path in beside):
            return None
        kind = _kind(tree, attributes)
        return cls(
            kind=kind,
            _way=() if rows is None else tuple(rows.split(".")),
            _rows=msgspec.json.Decoder(list[kind], float_hook=number),  # type: ignore[valid-type]
            _others=msgspec.json.Decoder(float_hook=number),
            _attributes=attributes,
        )

    def decode(self, body: bytes) -> Any:  # noqa: ANN401 - any JSON value
        """The answer's value; of the list of rows each is of `kind`.

        Raises:
            msgspec.DecodeError: It has to be decoded in another way.
        """
        return self._opened(body, self._way)

    def values(self, rows: Sequence[Any], path: str) -> list[Any]:
        """What stands at a path in each row; `ABSENT` where there is none."""
        name = self._attributes[path]
        try:
            return list(map(attrgetter(name), rows))
        except AttributeError:  # not every row has the object that it stands in
            return [_value(row, name) for row in rows]

    def _opened(self, body: bytes | msgspec.Raw, way: tuple[str, ...]) -> Any:  # noqa: ANN401
        if not way:
            return self._rows.decode(body)
        return {
            key: self._opened(held, way[1:]) if key == way[0] else self._others.decode(held)
            for key, held in _OUTER.decode(body).items()
        }


def _planted(tree: _Tree, parts: Sequence[str]) -> bool:
    """Adds a path; False where one of two is the beginning of the other."""
    *outer, last = parts
    for part in outer:
        below = tree.setdefault(part, {})
        if below is None:
            return False
        tree = below
    is_new = last not in tree
    tree.setdefault(last)
    return is_new


def _kind(tree: _Tree, attributes: dict[str, str], path: str = "", name: str = "") -> Any:  # noqa: ANN401
    """The type of an object with the keys of a tree; notes which attribute a path is.

    Args:
        tree: The keys.
        attributes: Whole path to attribute, filled in.
        path: Begins the paths.
        name: Begins the attributes.
    """
    fields: list[tuple[str, Any, Any]] = []
    keys: dict[str, str] = {}
    for place, (key, below) in enumerate(tree.items()):
        own = f"f{place}"
        keys[own] = key
        kind: Any = Any
        if below is None:
            attributes[path + key] = name + own
        else:
            kind = _kind(below, attributes, f"{path}{key}.", f"{name}{own}.") | None
        fields.append((own, kind, ABSENT))
    if not path:
        # A key that is a whole path comes before the way that it describes (`request.at_path`).
        for place, whole in enumerate(sorted(at for at in attributes if "." in at)):
            keys[f"whole{place}"] = whole
            fields.append((f"whole{place}", _Never, ABSENT))
    return msgspec.defstruct("Record", fields, rename=keys, gc=False)


def _value(row: Any, name: str) -> Any:  # noqa: ANN401 - any JSON value
    for part in name.split("."):
        if row is None or row is ABSENT:
            return ABSENT
        row = getattr(row, part)
    return row


def _is_within(path: str, rows: str | None) -> bool:
    """Whether a path of an answer leads to its rows or into them."""
    if rows is None:
        return path.partition(".")[0].isdigit()
    return path == rows or path.startswith(f"{rows}.")
