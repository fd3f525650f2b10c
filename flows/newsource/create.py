"""`sources new` as one step: look, write the YAML, check it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.catalog import load_catalog
from flows.checking import check_source
from flows.context import Context
from flows.newsource.api import api_target, is_api
from flows.newsource.document import Facts, document
from flows.newsource.survey import Looked, Survey, folder_of, stream_name, survey
from flows.newsource.target import Target, target_of
from flows.placing import placed
from flows.receipts import StreamCheck
from schemas.errors import ConfigError
from schemas.names import unknown

_NAME = "small letters, digits, - and _, beginning with a letter or digit"


@dataclass(frozen=True, kw_only=True)
class ProposedStream:
    """One stream as it was proposed: counts, for a person and for `--json`."""

    stream: str
    found: str  # name of the table or files
    entities: tuple[str, ...]
    columns: int  # of the source
    mapped: int  # core columns proposed
    key: tuple[str, ...]
    is_key_declared: bool
    unread: tuple[str, ...]
    withheld: tuple[str, ...]  # of them, those that look personal or like free text


@dataclass(frozen=True, kw_only=True)
class NewSource:
    """What `sources new` wrote.

    Attributes:
        source: Name of the source.
        path: Its YAML.
        variable: Environment variable that has to be set before it can be reached again.
        streams: What it proposes.
        trouble: Name of a table or set of files to why nothing is proposed for it.
        checks: What `check` says of it, as of every other source.
        error: Why it could not be checked.
        vendor: Vendor file that it extends.
        text: The YAML.
    """

    source: str
    path: str
    variable: str | None
    streams: tuple[ProposedStream, ...]
    trouble: Mapping[str, str]
    checks: tuple[StreamCheck, ...]
    error: str | None = None
    vendor: str | None = None
    text: str = field(repr=False, default="")


def new_source(
    facts: Facts,
    place: str,
    *,
    sources: Path,
    only: str | None = None,
    force: bool = False,
    env: Mapping[str, str] = os.environ,
    told_of: Callable[[str], None] = lambda _: None,
) -> NewSource:
    """Looks at a system, writes its first YAML and checks it.

    Args:
        facts: What is known of the office.
        place: Database URL, `${VARIABLE}`, file, folder, pattern, URL of a place of files, or of a
            web API.
        sources: The sources folder; made where it isn't there.
        only: Pattern that tables or files have to match.
        force: Write over a YAML that is there.
        env: The environment's variables.
        told_of: Called with what is looked at next.

    Raises:
        ConfigError: The name is taken or none, the place is none, the vendor unknown.
        SourceError: The system could not be reached.
    """
    path = sources / f"{facts.source}.yaml"
    _demand_free(facts.source, path, sources, force=force)
    folder = folder_of(sources)
    target = _target(place, facts, folder, env=env)
    found = None
    if facts.vendor is None:
        found = survey(target, timezone=facts.timezone, base=folder, only=only, told_of=told_of)
    else:
        _demand_vendor(facts.vendor, folder)
    text = document(facts, target, found)
    _write(path, text)
    checks: tuple[StreamCheck, ...] = ()
    error = None
    if found is None or any(one.proposal is not None for one in found.looked):
        told_of(f"checking {facts.source}")
        checks, error = _checked(facts.source, folder, target.environment(env))
    return NewSource(
        source=facts.source,
        path=str(path),
        variable=None if target.is_set else target.variable,
        streams=_proposed(found) if found else (),
        trouble=_trouble(found) if found else {},
        checks=checks,
        error=error,
        vendor=facts.vendor,
        text=text,
    )


def _target(place: str, facts: Facts, folder: Path, *, env: Mapping[str, str]) -> Target:
    if is_api(place):
        return api_target(
            place, source=facts.source, token=facts.token, header=facts.header, env=env
        )
    if facts.token is not None or facts.header is not None:
        raise ConfigError("--token and --header say who asks an API: its URL begins with https://")
    return target_of(place, source=facts.source, folder=folder, env=env)


def _demand_free(name: str, path: Path, sources: Path, *, force: bool) -> None:
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    if not name or len(name) > 63 or not set(name) <= letters or name[0] in "-_":
        raise ConfigError(f"{name!r} is no name of a source: it has {_NAME}")
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already: --force writes over it")
    if sources.is_dir():
        known = load_catalog(sources).sources.get(name)
        if known is not None and known.path.name != path.name:
            raise ConfigError(f"there is a source '{name}' already, in {known.path}")


def _demand_vendor(vendor: str, folder: Path) -> None:
    known = sorted(path.stem for path in (folder / "vendors").glob("*.yaml"))
    if vendor not in known:
        hint = unknown("vendor file", vendor, valid=known) if known else (
            f"there is no vendor file {folder / 'vendors' / vendor}.yaml"
        )  # fmt: skip
        raise ConfigError(hint)


def _write(path: Path, text: str) -> None:
    try:
        with placed(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _checked(
    name: str, folder: Path, env: Mapping[str, str]
) -> tuple[tuple[StreamCheck, ...], str | None]:
    context = Context(catalog=load_catalog(folder, env=env), store=None)
    try:
        return tuple(check_source(context, name)), None
    except ConfigError as error:
        return (), str(error)


def _proposed(found: Survey) -> tuple[ProposedStream, ...]:
    taken: set[str] = set()
    return tuple(
        _proposed_stream(one, stream_name(one.candidate, taken))
        for one in found.looked
        if one.proposal is not None
    )


def _proposed_stream(one: Looked, name: str) -> ProposedStream:
    proposal = one.proposal
    assert proposal is not None  # noqa: S101 - the caller looked
    return ProposedStream(
        stream=name,
        found=one.candidate.name,
        entities=tuple(into.entity.entity for into in proposal.into),
        columns=len(one.columns),
        mapped=sum(len(into.entity.columns) for into in proposal.into),
        key=proposal.key.columns,
        is_key_declared=proposal.key.is_sure,
        unread=tuple(left.profile.name for left in proposal.unread),
        withheld=tuple(left.profile.name for left in proposal.unread if left.withheld),
    )


def _trouble(found: Survey) -> dict[str, str]:
    return {
        one.candidate.name: one.trouble or "it looks like none of our tables"
        for one in found.looked
        if one.proposal is None
    }
