"""pydantic's errors as problems of a YAML file: with line, without values of `connector:`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flows.catalog_errors import Problem, dotted
from flows.yaml_lines import Node
from schemas.names import nearest

_SHOWN = 60  # characters of a found text

_EXPECTED = {
    "string_type": "a text", "int_type": "a whole number", "int_parsing": "a whole number",
    "int_from_float": "a whole number", "float_type": "a number", "float_parsing": "a number",
    "bool_type": "true or false", "bool_parsing": "true or false", "tuple_type": "a list",
    "list_type": "a list", "dict_type": "keys and values", "model_type": "keys and values",
    "model_attributes_type": "keys and values", "time_delta_type": "a length of time (2 days)",
    "none_required": "nothing", "too_short": "at least one", "string_too_short": "a text",
    "mapping_type": "keys and values",
}  # fmt: skip


def problems_of(
    error: ValidationError,
    *,
    model: type[BaseModel],
    root: Node,
    path: tuple[str | int, ...],
    also: Sequence[str] = (),
) -> Iterator[Problem]:
    """What pydantic refused, each with its place; several refusals of one value are one problem.

    Args:
        error: pydantic's error. Its inputs aren't looked at.
        model: The model that refused.
        root: The document.
        path: Where the validated part stands in it.
        also: Further keys that are right at the top of that part.
    """
    by_value: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for detail in error.errors(include_input=False, include_url=False):
        where = (*path, *detail["loc"])
        _, known = root.known(where)
        is_about_key = detail["type"] in {"extra_forbidden", "missing"}
        by_value.setdefault(where if is_about_key else known, []).append(detail)
    document = _Document(model=model, root=root, path=path, also=also)
    told = {where: _problem(where, details, document) for where, details in by_value.items()}
    # A key that is missing because it is misspelt is told once.
    misspelt = {(*where[:-1], problem.nearest) for where, problem in told.items()}
    yield from (problem for where, problem in told.items() if where not in misspelt)


class _Document:
    """A document under validation."""

    def __init__(
        self, *, model: type[BaseModel], root: Node, path: tuple[str | int, ...],
        also: Sequence[str],
    ) -> None:  # fmt: skip
        self.root = root
        self._model = model
        self._path = path
        self._also = also

    def keys_at(self, where: tuple[str | int, ...]) -> list[str]:
        """The keys that are right beside the one at `where`."""
        inner = where[len(self._path) : -1]
        found = [*self._also] if not inner else []
        for annotation in _annotations_at(self._model, inner):
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                found += [f.alias or name for name, f in annotation.model_fields.items()]
        return list(dict.fromkeys(found))

    def found_at(self, where: tuple[str | int, ...]) -> str:
        """What stands at a place; under `connector:` only of which kind it is."""
        node, known = self.root.known(where)
        if known != where:
            return "nothing"
        value = node.value
        match value:
            case dict():
                return "keys and values"
            case tuple():
                return "a list" if value else "an empty list"
            case None:
                return "nothing"
        if where and where[0] == "connector":
            return "a text" if isinstance(value, str) else "a number or truth value"
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}...'"


def _problem(
    where: tuple[str | int, ...], details: list[ErrorDetails], document: _Document
) -> Problem:
    first = details[0]
    place = document.root.place_of(where)
    if first["type"] == "extra_forbidden":
        keys = document.keys_at(where)
        name = str(where[-1])
        return Problem(
            place=place, what=f"unknown key ({dotted(where)})", found=f"'{name}'",
            expected=f"one of {', '.join(keys)}", nearest=nearest(name, keys),
        )  # fmt: skip
    if first["type"] == "missing":
        beside, _ = document.root.known(where[:-1])
        keys = list(beside.value) if isinstance(beside.value, dict) else []
        return Problem(
            place=place, what=f"'{where[-1]}' is missing ({dotted(where[:-1]) or 'the source'})",
            found=", ".join(keys) or "nothing", expected=f"{where[-1]}: ...",
            nearest=None,
        )  # fmt: skip
    expected = list(dict.fromkeys(_expected(detail) for detail in details))
    found = document.found_at(where)
    return Problem(
        place=place, what=dotted(where) or "the source", found=found,
        expected=" or ".join(expected), nearest=_nearest_choice(found, first),
    )  # fmt: skip


def _expected(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "literal_error":
        return str(detail.get("ctx", {}).get("expected", "another word")).replace("'", "")
    if kind == "string_pattern_mismatch":
        return f"a text of the form {detail.get('ctx', {}).get('pattern', '')}"
    return detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")


def _nearest_choice(found: str, detail: ErrorDetails) -> str | None:
    if detail["type"] != "literal_error":
        return None
    expected = str(detail.get("ctx", {}).get("expected", ""))
    choices = [c.strip().strip("'") for c in expected.replace(" or ", ", ").split(",")]
    return nearest(found.strip("'"), choices)


def _annotations_at(model: type[BaseModel], path: Sequence[str | int]) -> list[object]:
    """The annotations that a path leads to from a model; several where they are a union."""
    found: list[object] = [model]
    for part in path:
        found = [inner for one in found for inner in _inner(one, part)]
    return found


def _inner(annotation: object, part: str | int) -> Iterator[object]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in {name, field.alias}:
                yield from _flat(field.annotation)
    elif get_origin(annotation) is dict or get_origin(annotation) is Mapping:
        yield from _flat(get_args(annotation)[1])
    elif get_origin(annotation) in {tuple, list}:
        yield from _flat(get_args(annotation)[0])


def _flat(annotation: object) -> Iterator[object]:
    """An annotation's alternatives, `Annotated` and unions taken apart."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin in {dict, tuple, list, Mapping} or not arguments:
        if annotation is not NoneType:
            yield annotation
        return
    for argument in arguments:
        if isinstance(argument, type) or get_origin(argument) is not None:
            yield from _flat(argument)
