"""A request before it is sent, and an answer that came in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, without anything that says who asks.

    Attributes:
        method: GET, POST, PUT or HEAD.
        url: Absolute, without what `query` adds.
        label: What an error calls it: method, path and the parameters that tell pages and windows
            apart. Never a secret, never a row's value.
        query: Parameters, in order.
        body: JSON value, or fields of a form; None: no body.
        is_form: The body is sent as a form.
    """

    method: str
    url: str
    label: str
    query: Query = ()
    body: Any = None
    is_form: bool = False


@dataclass(kw_only=True)
class Draft:
    """A request on its way out: who asks is written into it."""

    request: Request
    headers: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)
    body: Any = None
    basic: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it will leave: what a signature is made over."""

    method: str
    url: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, in full. `headers` are lower case, `url` is where it came from at last."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    notes: tuple[str, ...] = ()


def text_of(value: object) -> str:
    """A value of the YAML as a parameter is written."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def at_path(value: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """What a dotted path leads to in a JSON value; None where it leads nowhere.

    A key that holds the whole path comes first; numbers are places in lists.
    """
    if isinstance(value, dict) and path in value:
        return value[path]
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def with_value(body: Any, path: str, value: object) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a body with one more value, at a dotted path; objects on the way are made."""
    copy = dict(body) if isinstance(body, dict) else {}
    first, _, rest = path.partition(".")
    copy[first] = with_value(copy.get(first), rest, value) if rest else value
    return copy
