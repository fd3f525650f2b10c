"""Paths in XML as `rows:` and `fields:` write them: a small part of XPath.

Namespaces and prefixes are ignored on both sides. docs/connect-an-office.md lists the forms.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TypeAlias

from lxml import etree

from schemas.errors import ConfigError

_WORD = r"[^\W\d][\w.\-]*"
_NAME = rf"(?:{_WORD}:)?({_WORD}|\*)"
_STEP = re.compile(rf"{_NAME}(?:\[@{_NAME}=(?:'([^']*)'|\"([^\"]*)\")\])?(\[\])?(?=/|$)")
_ATTRIBUTE = re.compile(rf"@{_NAME}$")
_ROW_STEP = rf"(?:(?:{_WORD}:)?{_WORD}|\*)"
_ROW_PATH = re.compile(rf"(//|/)?({_ROW_STEP}(?:/{_ROW_STEP})*)")

Element: TypeAlias = etree._Element


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step down: an element by its name (`*`: any), and by an attribute's value."""

    name: str
    attribute: str | None = None
    value: str | None = None

    def fits(self, element: Element) -> bool:
        """Whether the step leads to this element."""
        if self.name not in {"*", local_name(element)}:
            return False
        return self.attribute is None or attribute(element, self.attribute) == self.value


@dataclass(frozen=True, kw_only=True)
class FieldPath:
    """Where a column's value is.

    Attributes:
        up: Steps up from the row.
        steps: Steps down from there.
        attribute: Attribute of what they lead to; None: its text.
        is_ordinal: The number of the element itself among its like.
        is_list: All that the path leads to, as a JSON list.
        is_bare: A single name: where no such child is, the attribute of that name.
    """

    up: int = 0
    steps: tuple[Step, ...] = ()
    attribute: str | None = None
    is_ordinal: bool = False
    is_list: bool = False
    is_bare: bool = False

    def value(self, element: Element) -> str | None:
        """The value, from the element that the steps up lead to; None: there is none."""
        if not self.steps:
            return self._leaf(element)
        found = [element]
        for step in self.steps:
            found = [child for parent in found for child in parent if step.fits(child)]
        if self.is_list:
            held = [self._leaf(one) for one in found]
            return as_list([one for one in held if one is not None]) if held else None
        value = next((v for one in found if (v := self._leaf(one)) is not None), None)
        if value is None and self.is_bare:
            return attribute(element, self.steps[0].name)
        return value

    def _leaf(self, element: Element) -> str | None:
        return text(element) if self.attribute is None else attribute(element, self.attribute)

    def after_first(self) -> FieldPath:
        """The rest of the path, from a child that the first step led to."""
        return FieldPath(steps=self.steps[1:], attribute=self.attribute)


@dataclass(frozen=True, kw_only=True)
class RowPath:
    """Which elements are rows: names from the root, or of the last ones at any depth."""

    names: tuple[str, ...]
    is_anywhere: bool

    def fits(self, element: Element, *, up: int = 0) -> bool:
        """Whether an element is at the path, without its last `up` names."""
        names = self.names[: len(self.names) - up]
        at: Element | None = element
        for name in reversed(names):
            if at is None or name not in {"*", local_name(at)}:
                return False
            at = at.getparent()
        return self.is_anywhere or at is None


def row_path(path: str, *, where: str) -> RowPath:
    """Reads `rows:`.

    Raises:
        ConfigError: It is no such path.
    """
    match = _ROW_PATH.fullmatch(path.strip())
    if match is None:
        message = f"{where}: `rows: {path}` is no path such as /log/trace/event or //event"
        raise ConfigError(message)
    names = tuple(name.rpartition(":")[2] for name in match[2].split("/"))
    return RowPath(names=names, is_anywhere=match[1] == "//")


def field_path(path: str, column: str, *, where: str) -> FieldPath:
    """Reads the path of a column.

    Raises:
        ConfigError: It is no such path.
    """
    rest, up = path.strip(), 0
    while rest.startswith("../"):
        rest, up = rest[3:], up + 1
    if rest == "#":
        return FieldPath(up=up, is_ordinal=True)
    if rest == "." and not up:
        return FieldPath()
    steps: list[Step] = []
    is_list = False
    name: str | None = None
    at = 0
    while at < len(rest) and name is None:
        step = _STEP.match(rest, at)
        last = None if step else _ATTRIBUTE.match(rest, at)
        if (step is None and last is None) or (is_list and step):
            message = (
                f"{where}: the path {path!r} of {column!r} can't be understood; paths look like "
                "child, @attribute, child[@key='x']/@value, ../child, #"
            )
            raise ConfigError(message)
        if step:
            value = step[3] if step[3] is not None else step[4]
            steps.append(Step(name=step[1], attribute=step[2], value=value))
            is_list = step[5] is not None
            at = step.end() + 1
        elif last:
            name = last[1]
    if not steps and name is None:
        raise ConfigError(f"{where}: the path of {column!r} is empty")
    is_bare = len(steps) == 1 and name is None and steps[0].attribute is None and not is_list
    return FieldPath(up=up, steps=tuple(steps), attribute=name, is_list=is_list, is_bare=is_bare)


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str | None:
    """The attribute of that name, in whatever namespace."""
    value: str | None = element.get(name)
    if value is None:
        value = next((v for k, v in element.items() if k.rpartition("}")[2] == name), None)
    return value


def text(element: Element) -> str:
    """The text of an element; of one with elements in it, JSON text."""
    if len(element) == 0:
        return element.text or ""
    return json.dumps(_as_object(element), ensure_ascii=False, separators=(",", ":"))


def as_list(values: list[str]) -> str:
    """A JSON list; values that are JSON text of an element stay objects in it."""
    inside = (v if v.startswith("{") and _is_json(v) else json.dumps(v, ensure_ascii=False)
              for v in values)  # fmt: skip
    return f"[{','.join(inside)}]"


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _as_object(element: Element) -> object:
    if len(element) == 0 and not element.attrib:
        return element.text or ""
    found: dict[str, object] = {
        f"@{name.rpartition('}')[2]}": value for name, value in element.items()
    }
    for child in element:
        name, value = local_name(child), _as_object(child)
        there = found.get(name)
        if name not in found:
            found[name] = value
        elif isinstance(there, list):
            there.append(value)
        else:
            found[name] = [there, value]
    own = (element.text or "").strip()
    if own:
        found["#text"] = own
    return found
