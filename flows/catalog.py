"""The catalog: what is connected, read from the YAML files of the sources folder.

A file that can't be read stops its own source only: the others load, and the broken one is named
with its error. No secret is read here: a source's references are turned into values when it is
connected, and not kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from connectors import registry
from connectors.protocol import StreamSpec
from flows.catalog_errors import CatalogError, Place, Problem
from flows.catalog_reading import SourceDocument, read_source
from flows.catalog_secrets import Resolver, references
from schemas.errors import ConfigError
from schemas.mapping import StreamMapping
from schemas.names import unknown

if TYPE_CHECKING:
    from connectors.protocol import Connector

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One stream of a source: what to read of it, and how its rows are mapped."""

    name: str
    spec: StreamSpec
    mapping: StreamMapping

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities it feeds, in the order of the YAML."""
        return tuple(into.entity for into in self.mapping.into)

    @property
    def adds_only(self) -> bool:
        """What was read of it once goes on to count, repeated or not: files added to others."""
        return self.spec.mode == "increment" and self.spec.cursor is None


@dataclass(frozen=True, kw_only=True)
class Source:
    """One office's system, as its YAML describes it.

    Attributes:
        name: Its name, part of every row.
        label: What people call it, by language (`vi`, `en`).
        agency: Code of its agency, or None.
        level: Administrative level, or None.
        timezone: IANA zone of its times.
        retired: Nothing is expected of it any more.
        path: Its YAML file.
        connector_type: Key of `connectors.registry.CONNECTORS`.
        connector_options: The type's options model; secrets are references still.
        streams: Its streams by name, in the order of the YAML.
    """

    name: str
    label: Mapping[str, str]
    agency: str | None
    level: str | None
    timezone: str
    retired: bool
    path: Path
    connector_type: str
    connector_options: BaseModel
    streams: Mapping[str, Stream]
    _raw_options: Mapping[str, object] = field(repr=False)
    _place: Place = field(repr=False)
    _resolver: Resolver = field(repr=False)

    def stream(self, name: str) -> Stream:
        """The stream of that name.

        Raises:
            ConfigError: There is none; the message names the nearest right one.
        """
        if name not in self.streams:
            raise ConfigError(unknown(f"stream of '{self.name}'", name, valid=self.streams))
        return self.streams[name]

    def demand_active(self) -> None:
        """Refuses a retired source.

        Raises:
            ConfigError: It is retired.
        """
        if self.retired:
            message = f"{self.name} is retired: its rows stay, nothing is read of it"
            raise ConfigError(message)

    def demand_references(self) -> None:
        """Refuses a source whose references can't be filled in; nothing is reached.

        Raises:
            ConfigError: See `connect`.
        """
        self.connect().close()

    def connect(self) -> Connector:
        """A connector to the source, its secrets read now; nothing is reached before first use.

        Raises:
            ConfigError: A variable, file or block that the YAML names isn't there, or the options
                with their values can't be used. No message holds a value.
        """
        values = self._resolver.resolved(dict(self._raw_options))
        model = registry.connector_type(self.connector_type).options_model
        try:
            options = model.model_validate(values)
        except ValidationError as error:
            keys = sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]})
            problem = Problem(
                place=self._place, what="connector, its references filled in",
                found=f"a value of {', '.join(keys) or 'it'} that can't be used",
                expected="; ".join(sorted({e["msg"] for e in error.errors(include_input=False)})),
            )  # fmt: skip
            raise CatalogError([problem]) from None
        return registry.connect(
            self.connector_type, options, timezone=self.timezone, base=self.path.parent
        )


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All sources of a folder.

    Attributes:
        folder: The folder.
        sources: The sources that could be read, by name, in the order of their names.
        broken: The others: name (of the file where the source has none) to what is wrong.
    """

    folder: Path
    sources: Mapping[str, Source]
    broken: Mapping[str, ConfigError]

    @property
    def errors(self) -> tuple[ConfigError, ...]:
        """What is wrong with the broken sources."""
        return tuple(self.broken.values())

    def source(self, name: str) -> Source:
        """The source of that name.

        Raises:
            ConfigError: There is none (the message names the nearest right one), or its YAML is
                wrong.
        """
        if name in self.broken:
            raise self.broken[name]
        if name not in self.sources:
            names = [*self.sources, *self.broken]
            if not names:
                message = f"there is no source '{name}': {self.folder} holds no YAML file"
                raise ConfigError(message)
            raise ConfigError(unknown("source", name, valid=names))
        return self.sources[name]

    def demand(self, names: Sequence[str] = ()) -> None:
        """Refuses a catalog that lacks what a command is about, before anything is made for it.

        Args:
            names: The sources; none means whatever there is, but not nothing.

        Raises:
            ConfigError: There is no source at all, or not the named one, or its YAML is wrong.
        """
        for name in names:
            self.source(name)
        if not self.sources and not self.broken:
            message = (
                f"there is no source in {self.folder}: `lienthong sources new` writes a first one, "
                "--sources or LIENTHONG_SOURCES names another folder"
            )
            raise ConfigError(message)

    def places(self, names: Sequence[str], *, only: str | None) -> list[tuple[str, str]]:
        """The (source, stream) pairs that a command is about, each once.

        Args:
            names: Sources; none means every one that isn't retired.
            only: Only the stream of this name.

        Raises:
            ConfigError: A named source or stream doesn't exist, is retired, or its YAML is wrong or
                has a reference that can't be filled in; or there is no source at all.
        """
        chosen = [self.source(name) for name in dict.fromkeys(names)]
        for source in chosen:
            source.demand_active()
            source.demand_references()
        if not names:
            self.demand()
            chosen = [source for source in self.sources.values() if not source.retired]
        if only is not None:
            return [(source.name, source.stream(only).name) for source in chosen]
        return [(source.name, stream) for source in chosen for stream in source.streams]


def load_catalog(folder: Path, *, env: Mapping[str, str] = os.environ) -> Catalog:
    """Reads every source of a folder.

    Args:
        folder: Holds one YAML file for each source, and vendor files in `vendors/`.
        env: The variables that `${...}` references name; looked up when a source is connected.

    Raises:
        ConfigError: There is no such folder.
    """
    if not folder.is_dir():
        message = (
            f"there is no folder {folder} with sources: "
            "name it by --sources or LIENTHONG_SOURCES, or make it"
        )
        raise ConfigError(message)
    sources: dict[str, Source] = {}
    broken: dict[str, ConfigError] = {}
    for path in _files(folder):
        try:
            source = load_source(path, env=env)
        except CatalogError as error:
            broken[_name_of(path)] = error
            continue
        if source.name in sources or source.name in broken:
            other = sources.pop(source.name, None)
            broken[source.name] = _same_name(source, other.path if other else None)
        else:
            sources[source.name] = source
    return Catalog(
        folder=folder,
        sources=dict(sorted(sources.items())),
        broken=dict(sorted(broken.items())),
    )


def load_source(path: Path, *, env: Mapping[str, str] = os.environ) -> Source:
    """Reads one source.

    Args:
        path: Its YAML file.
        env: The variables that its references name.

    Raises:
        CatalogError: The YAML is wrong; every problem is told with file and line.
    """
    document = read_source(path)
    return _source(document, path, env)


def _source(document: SourceDocument, path: Path, env: Mapping[str, str]) -> Source:
    yaml = document.yaml
    places = {reference.name: reference.place for reference in references(document.connector)}
    streams = {
        name: Stream(name=name, spec=part.spec, mapping=part.mapping)
        for name, part in document.streams.items()
    }
    return Source(
        name=yaml.source,
        label=yaml.label.model_dump(),
        agency=yaml.agency,
        level=yaml.level,
        timezone=yaml.timezone,
        retired=yaml.retired,
        path=path,
        connector_type=document.connector_type,
        connector_options=document.connector_options,
        streams=streams,
        _raw_options=document.raw_options,
        _place=document.connector.place,
        _resolver=Resolver(env=env, folder=path.parent, places=places),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in _SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _name_of(path: Path) -> str:
    """The name of a source whose YAML is wrong: what it says of itself, else its file's."""
    from flows.yaml_lines import read_yaml

    try:
        node = read_yaml(path).child("source")
    except CatalogError:
        return path.stem
    return node.value if node is not None and isinstance(node.value, str) else path.stem


def _same_name(source: Source, other: Path | None) -> CatalogError:
    first = f", which {other} has too" if other is not None else ", which another file has too"
    problem = Problem(
        place=Place(file=source.path, line=1), what="two sources with one name",
        found=f"'{source.name}'{first}", expected="every source under a name of its own",
    )  # fmt: skip
    return CatalogError([problem])
