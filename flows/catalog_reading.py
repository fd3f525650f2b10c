"""From a source's YAML to models: merged with its vendor's, validated, every problem with its line.

Nothing here resolves a secret or reaches a source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr, ValidationError

from connectors.protocol import Cursor, StreamSpec
from connectors.registry import CONNECTORS, ConnectorType, is_secret_option
from connectors.rest.options import RestStream
from flows.catalog_errors import CatalogError, Problem, dotted
from flows.catalog_models import SourceYaml, StreamYaml
from flows.catalog_secrets import FORMS, is_written_out, reference_problems
from flows.catalog_validation import problems_of
from flows.yaml_lines import Node, merged, read_yaml
from schemas.mapping import StreamMapping, source_columns
from schemas.mapping.checks import flaws
from schemas.names import nearest

VENDORS = "vendors"
_LONGEST_CHAIN = 5
_TYPE = "type"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class StreamDocument:
    """One stream, validated."""

    spec: StreamSpec
    mapping: StreamMapping


@dataclass(frozen=True, kw_only=True)
class SourceDocument:
    """One source, validated.

    Attributes:
        yaml: Its own keys.
        connector: The node under `connector:`.
        connector_type: Name of the connector type.
        connector_options: Its options model, references not resolved.
        raw_options: The same as plain values.
        streams: Its streams by name.
    """

    yaml: SourceYaml
    connector: Node
    connector_type: str
    connector_options: BaseModel
    raw_options: Mapping[str, object]
    streams: Mapping[str, StreamDocument]

    def __repr__(self) -> str:
        return f"SourceDocument({self.yaml.source!r})"


def read_source(path: Path) -> SourceDocument:
    """Reads a source's YAML and its vendor's.

    Raises:
        CatalogError: Something is wrong; all problems are told at once.
    """
    root = _with_vendor(read_yaml(path), path.parent)
    problems: list[Problem] = []
    yaml = _model(SourceYaml, root.plain(), root, (), problems)
    connector = root.child("connector")
    if yaml is None or connector is None:
        raise CatalogError(problems)
    kind = _connector_type(connector, problems)
    if kind is None:
        raise CatalogError(problems)
    options = _options(kind, root, problems)
    streams = {
        name: stream
        for name in yaml.streams
        if (stream := _stream(name, yaml, root, kind, problems)) is not None
    }
    if problems or options is None:
        raise CatalogError(problems)
    raw = {key: value for key, value in connector.mapping().items() if key != _TYPE}
    return SourceDocument(
        yaml=yaml, connector=connector, connector_type=kind.name, connector_options=options,
        raw_options=raw, streams=streams,
    )  # fmt: skip


def _with_vendor(root: Node, folder: Path, seen: tuple[str, ...] = ()) -> Node:
    extends = root.child("extends")
    if extends is None or not isinstance(extends.value, str):
        return root
    name = extends.value
    path = folder / VENDORS / f"{name}.yaml"
    if name in seen or len(seen) >= _LONGEST_CHAIN:
        raise CatalogError([
            Problem(
                place=extends.place, what="extends", found=" -> ".join([*seen, name]),
                expected="a chain of vendor files that ends",
            )
        ])  # fmt: skip
    if not path.is_file():
        vendors = sorted(p.stem for p in (folder / VENDORS).glob("*.yaml"))
        raise CatalogError([
            Problem(
                place=extends.place, what="unknown vendor", found=f"'{name}'",
                expected=f"one of {', '.join(vendors)}" if vendors else f"a file {path}",
                nearest=nearest(name, vendors),
            )
        ])  # fmt: skip
    base = _with_vendor(read_yaml(path), folder, (*seen, name))
    return merged(base, root)


def _connector_type(connector: Node, problems: list[Problem]) -> ConnectorType | None:
    node = connector.child(_TYPE)
    name = node.value if node is not None else None
    if isinstance(name, str) and name in CONNECTORS:
        return CONNECTORS[name]
    found = f"'{name}'" if isinstance(name, str) else "none" if name is None else "no text"
    problems.append(
        Problem(
            place=(node or connector).place, what="the connector's type", found=found,
            expected=f"one of {', '.join(CONNECTORS)}",
            nearest=nearest(name, CONNECTORS) if isinstance(name, str) else None,
        )
    )  # fmt: skip
    return None


def _options(kind: ConnectorType, root: Node, problems: list[Problem]) -> BaseModel | None:
    connector, _ = root.known(("connector",))
    problems.extend(reference_problems(connector))
    problems.extend(_written_out(kind, connector))
    values = {key: value for key, value in connector.mapping().items() if key != _TYPE}
    return _model(kind.options_model, values, root, ("connector",), problems, also=(_TYPE,))


def _written_out(kind: ConnectorType, connector: Node) -> Iterator[Problem]:
    yield from _secrets_of(kind.options_model, connector, "connector")


def _secrets_of(model: type[BaseModel], node: Node, path: str) -> Iterator[Problem]:
    """What is written out of the secrets that a model, or one within it, holds."""
    for name, field in model.model_fields.items():
        part = node.child(field.alias or name)
        if part is None:
            continue
        where = f"{path}.{field.alias or name}"
        for inner in _models(field.annotation):
            yield from _secrets_of(inner, part, where)
        if _is_secret(field.annotation):
            yield from _secret_problems(name, part, where)


def _secret_problems(name: str, node: Node, where: str) -> Iterator[Problem]:
    parts = {where: node}
    if isinstance(node.value, dict):
        parts = {f"{where}.{k}": part for k, part in node.value.items() if is_secret_option(k)}
    for key, part in parts.items():
        is_url = name.endswith("url")
        if isinstance(part.value, str) and is_written_out(part.value, is_url=is_url):
            yield Problem(
                place=part.place, what=f"{key}: a secret in the file",
                found="a password or token, written out", expected=f"a reference: {FORMS}",
            )  # fmt: skip


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models among a field's alternatives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def _is_secret(annotation: object) -> bool:
    """Whether a field holds a secret, alone or among others."""
    return annotation is SecretStr or any(map(_is_secret, getattr(annotation, "__args__", ())))


def _stream(
    name: str, yaml: SourceYaml, root: Node, kind: ConnectorType, problems: list[Problem]
) -> StreamDocument | None:
    path = ("streams", name)
    node, _ = root.known(path)
    values = node.mapping()
    own = {key: value for key, value in values.items() if key not in kind.stream_model.model_fields}
    rest = {key: value for key, value in values.items() if key in kind.stream_model.model_fields}
    found: list[Problem] = []
    theirs = tuple(kind.stream_model.model_fields)
    common = _model(StreamYaml, own, root, path, found, also=theirs)
    is_misspelt = any(problem.nearest in theirs for problem in found)
    # What a misspelt key of the connector leaves undone is no second mistake.
    options = _model(kind.stream_model, rest, root, path, [] if is_misspelt else found)
    problems.extend(found)
    if common is None or options is None:
        return None
    mapping = _mapping(name, yaml, common)
    found = [*_flaw_problems(mapping, root, path), *_mode_problems(common, kind, root, path)]
    problems.extend(found)
    if found:
        return None
    return StreamDocument(spec=_spec(name, common, options, mapping), mapping=mapping)


def _model(
    model: type[Model], values: object, root: Node, path: tuple[str | int, ...],
    problems: list[Problem], also: tuple[str, ...] = (),
) -> Model | None:  # fmt: skip
    """A part of the document (at `path`) as a model, or None and what is wrong with it."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems.extend(problems_of(error, model=model, root=root, path=path, also=also))
        return None


def _mapping(name: str, yaml: SourceYaml, stream: StreamYaml) -> StreamMapping:
    return StreamMapping(
        source=yaml.source, stream=name, agency=yaml.agency, timezone=yaml.timezone,
        currency=yaml.currency, key=stream.key, version=stream.version, deleted=stream.deleted,
        nulls=tuple(dict.fromkeys([*yaml.nulls, *stream.nulls])), into=stream.into,
    )  # fmt: skip


def _spec(name: str, stream: StreamYaml, options: BaseModel, mapping: StreamMapping) -> StreamSpec:
    columns = source_columns(mapping)
    cursor = _cursor(stream, options, mapping)
    if cursor is not None and cursor.column not in columns:
        columns = (*columns, cursor.column)
    # A list asked for by its changes doesn't tell what is gone.
    is_changes = isinstance(options, RestStream) and cursor is not None
    return StreamSpec(
        name=name,
        columns=columns,
        key=stream.key,
        cursor=cursor,
        mode=stream.mode or ("increment" if is_changes else "snapshot"),
        options=options,
    )


def _cursor(stream: StreamYaml, options: BaseModel, mapping: StreamMapping) -> Cursor | None:
    if stream.cursor is None:
        return None
    cursor = Cursor(**dict(stream.cursor))
    if not isinstance(options, RestStream):
        return cursor
    start = options.start
    zone = ZoneInfo(mapping.timezone)
    return replace(
        cursor,
        deletes=False,
        chunk=options.chunk,
        start=None if start is None else datetime.combine(start, time(), zone),
    )


def _flaw_problems(
    mapping: StreamMapping, root: Node, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    for flaw in flaws(mapping):
        # The currency is the source's key, everything else the stream's.
        where = flaw.path if flaw.path == ("currency",) else (*path, *flaw.path)
        yield Problem(
            place=root.place_of(where), what=f"{flaw.what} ({dotted(where)})", found=flaw.found,
            expected=flaw.expected, nearest=flaw.nearest,
        )  # fmt: skip


def _mode_problems(
    stream: StreamYaml, kind: ConnectorType, root: Node, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    if kind.name == "files":
        yield from _files_problems(stream, root, path)
    elif kind.name == "rest":
        yield from _rest_problems(stream, root, path)


def _files_problems(
    stream: StreamYaml, root: Node, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Files come and go: whether a missing one means that its rows are gone has to be said."""
    if stream.mode is None:
        yield Problem(
            place=root.place_of(path), what=f"'mode' is missing ({dotted(path)})", found="nothing",
            expected="mode: increment (a file that vanished deletes nothing) or mode: snapshot "
            "(the files are the whole truth)",
        )  # fmt: skip
    if stream.cursor is not None:
        yield Problem(
            place=root.place_of((*path, "cursor")), what="a cursor of files", found="cursor:",
            expected="no cursor: unchanged files aren't read again anyway",
        )  # fmt: skip


def _rest_problems(
    stream: StreamYaml, root: Node, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """An API is read in intervals if it can be asked for one, and a row says where it lies."""
    node, _ = root.known(path)
    interval = node.child("interval")
    has_interval = interval is not None and interval.value is not None
    if stream.cursor is not None and not has_interval:
        yield Problem(
            place=root.place_of((*path, "cursor")), what=f"'interval' is missing ({dotted(path)})",
            found="cursor:", expected="interval: {from: ..., to: ...}, the parameters by which an "
            "interval of the cursor is asked for",
        )  # fmt: skip
    if stream.cursor is None and has_interval:
        yield Problem(
            place=root.place_of((*path, "interval")), what=f"'cursor' is missing ({dotted(path)})",
            found="interval:", expected="cursor: the column that the interval is of",
        )  # fmt: skip
    if (
        stream.cursor is not None
        and stream.cursor.deletes
        and "deletes" in (stream.cursor.model_fields_set)
    ):
        yield Problem(
            place=root.place_of((*path, "cursor", "deletes")), what="deletes of an API's cursor",
            found="true", expected="no such key: an API can't list its keys. A list that is read "
            "whole (no cursor) finds what is gone, and `deleted:` what is marked",
        )  # fmt: skip
    if stream.cursor is not None and stream.cursor.unit is not None:
        yield Problem(
            place=root.place_of((*path, "cursor", "unit")), what="the unit of an API's cursor",
            found=f"'{stream.cursor.unit}'", expected="interval: {format: ...} instead",
        )  # fmt: skip
    if stream.cursor is not None and stream.cursor.chunk is not None:
        yield Problem(
            place=root.place_of((*path, "cursor", "chunk")), what="the chunk of an API's cursor",
            found=f"'{stream.cursor.chunk}'", expected="interval: {window: ...} instead",
        )  # fmt: skip
