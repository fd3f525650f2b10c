"""Texts of a source as YAML takes them, and as a comment may hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from flows.output import safe

_PLAIN = re.compile(r"[^\W\d_][\w.-]*(?: [\w.-]+)*")
_RESERVED = frozenset({
    "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf",
})  # fmt: skip
_LONGEST_SHOWN = 80


def scalar(text: str) -> str:
    """A text as one YAML scalar, in a block or in `{...}`: plain where it can be, else quoted."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _RESERVED and text.isprintable():
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def listed(texts: Iterable[str]) -> str:
    """One text, or a list of them in brackets."""
    items = [scalar(text) for text in texts]
    return items[0] if len(items) == 1 else f"[{', '.join(items)}]"


def bracketed(texts: Iterable[str]) -> str:
    """A list of texts."""
    return f"[{', '.join(scalar(text) for text in texts)}]"


def flow_map(items: Mapping[str, str]) -> str:
    """A mapping on one line; its values are YAML already."""
    return "{" + ", ".join(f"{scalar(key)}: {value}" for key, value in items.items()) + "}"


def value_of(value: object) -> str:
    """An option on one line: texts as `scalar`, lists and mappings in brackets."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case dict():
            return flow_map({str(key): value_of(inner) for key, inner in value.items()})
        case list() | tuple():
            return f"[{', '.join(map(value_of, value))}]"
        case _:
            return scalar(str(value))


def comment(text: str) -> str:
    """A text without what would end a comment, or move a cursor."""
    return safe(text).strip()


def shown(name: str) -> str:
    """A column's name in a comment: quoted where it is odd, cut where it is long."""
    cut = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
    return comment(scalar(cut))


def _escaped(char: str) -> str:
    number = ord(char)
    return f"\\U{number:08x}" if number > 0xFFFF else f"\\u{number:04x}"
