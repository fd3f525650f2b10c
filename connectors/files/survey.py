"""What could be a stream of a place of files: sets of files that look alike."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from connectors.encodings.proposing import proposals
from connectors.files import connect
from connectors.files.archives import packing
from connectors.files.connector import FilesConnector
from connectors.files.formats.protocol import ENDINGS
from connectors.files.formats.xml_rows import likely_rows
from connectors.files.gathering import Gathering
from connectors.files.places import store_of
from connectors.files.spool import Spool
from connectors.files.store import Store
from connectors.files.text import marked
from connectors.files.unpacking import COMPRESSED
from connectors.protocol import Candidate, ReadRequest, StreamSpec
from connectors.registry import FilesOptions, FilesStream
from schemas.errors import ConfigError, SourceError

WHERE = "the files"
MOST_SETS = 60
"""Sets of files that are looked into; a place with more needs a pattern."""

MOST_HEADERS = 24
"""Newest files of a set whose headers are compared: they drift from month to month."""

_SAMPLED = 6  # files of a set that a sample is read from
_TEXT_ENDINGS = (".csv", ".txt", ".tsv", ".tab")
_XML_ENDINGS = (".xml", ".xes")
_LOOKED_AT = 1 << 20  # bytes of a text, for its encoding
_MOST_READ = 32 << 20  # bytes of a JSON file that is searched for its list of rows
_PARTS = re.compile(r"[0-9]+|[^0-9]+")
_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, kw_only=True)
class _Set:
    """Files whose names differ in their digits only, or whose columns are the same."""

    pattern: str
    names: tuple[str, ...]
    options: dict[str, object]
    headers: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Of the newest file; empty where it can't be read."""
        return frozenset(self.headers[0]) if self.headers else frozenset()


def survey(
    options: BaseModel, *, timezone: str | None, base: Path | None, only: str | None = None
) -> tuple[Candidate, ...]:
    """See `connectors.registry.survey`: files whose names differ by digits, or with one header.

    Files of no format that is read (by their ending) are passed over.
    """
    if not isinstance(options, FilesOptions):
        message = f"connector files: its options are {type(options).__name__}, not FilesOptions"
        raise ConfigError(message)
    with (
        closing(store_of(options, base=base or Path.cwd())) as store,
        closing(connect(options, timezone=timezone, base=base)) as connector,
    ):
        names = [n for n in store.find([only or "**/*"], where=WHERE) if _is_read(n, only)]
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(_DIGITS.sub("*", _escaped(name)), []).append(name)
        if len(groups) > MOST_SETS:
            message = f"{len(groups)} kinds of files: name those of one kind, as in 'folder/*.csv'"
            raise ConfigError(message)
        sets = [_looked_at(store, connector, options, tuple(n)) for n in groups.values()]
    return tuple(_candidate(one, only) for one in _merged(sets))


def _is_read(name: str, only: str | None) -> bool:
    """Whether the ending says that a reader takes it; a pattern with an ending says so itself."""
    if only is not None and PurePosixPath(only).suffix not in {"", ".*"}:
        return True
    lowered = name.casefold()
    return lowered.endswith((*ENDINGS, *_TEXT_ENDINGS)) or packing(name, place=WHERE) is not None


def _looked_at(
    store: Store, connector: FilesConnector, place: FilesOptions, names: tuple[str, ...]
) -> _Set:
    """A set by its last file: the newest, where names hold dates."""
    newest = names[-1]
    options: dict[str, object] = {}
    notes: tuple[str, ...] = ()
    try:
        options, notes = _stated(store, newest, room=place.max_temp_bytes)
        header, said = _header(connector, newest, options)
        older = {_header(connector, name, options)[0] for name in names[-MOST_HEADERS:-1]}
        headers = (header, *sorted(older - {header}))
    except (SourceError, ConfigError, ValidationError) as error:
        is_ours = not isinstance(error, ValidationError)
        reason = str(error) if is_ours else "its options can't be used"
        headers, said = (), (f"can't be read: {reason}",)
    return _Set(
        pattern=_pattern(names), names=names, options=options, headers=headers,
        notes=(*notes, *said),
    )  # fmt: skip


def _header(
    connector: FilesConnector, name: str, options: dict[str, object]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of a file, in order, and what its readers say of it; no row is read."""
    stream = FilesStream.model_validate({"files": _escaped(name), **options})
    spec = StreamSpec(name="files", columns=(), key=(), options=stream)
    with connector.read(spec, ReadRequest(limit=1)) as read:
        columns = dict.fromkeys(name for reader in read.readers for name in reader.names)
        return tuple(columns), tuple(reader.described() for reader in read.readers)


def _pattern(names: Sequence[str]) -> str:
    """A glob of names that differ in their digits only; digits that all of them have stay."""
    cut = [_PARTS.findall(name) for name in names]
    parts = zip(*cut, strict=True)
    return "".join(_escaped(part[0]) if len(set(part)) == 1 else "*" for part in parts)


def _stated(store: Store, name: str, *, room: int) -> tuple[dict[str, object], tuple[str, ...]]:
    """What a stream has to state of a file: its encoding, or where its rows are."""
    inner, first = _beginning(store, name, room=room)
    lowered = inner.casefold()
    if lowered.endswith(_TEXT_ENDINGS):
        first = first[:_LOOKED_AT]
        if marked(first) is None and not _is_utf8(first) and (found := proposals(first)):
            best = found[0]
            said = f"{best.likely} of {best.words} words beyond ASCII read well as {best.encoding}"
            return {"encoding": best.encoding}, (said,)
    if lowered.endswith((".json", ".geojson")) and (rows := _json_rows(first)):
        return {"rows": rows}, (f"the list at {rows} is the longest list of objects",)
    if lowered.endswith(_XML_ENDINGS) and (likely := likely_rows(iter([first[:_LOOKED_AT]]))):
        return {"rows": likely}, (f"{likely} is the element that comes again and again",)
    return {}, ()


def _beginning(store: Store, name: str, *, room: int) -> tuple[str, bytes]:
    """The first bytes of a file, or of the first one in an archive, and what it is called there."""
    stream = FilesStream.model_validate({"files": _escaped(name)})
    with closing(Spool(room)) as spool:
        gathering = Gathering(store=store, spool=spool, stream=stream, where=WHERE, seen=set())
        for file in gathering.files([name]):
            with closing(file.open()) as opened:
                stem, ending = posixpath.splitext(file.name)
                inner = stem if ending.casefold() in COMPRESSED else file.name
                return inner, opened.read(_MOST_READ)
    return name, b""


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(text) - 3  # a letter that was cut at the end
    return True


def _json_rows(text: bytes) -> str | None:
    """The path of the longest list of objects; None where the file itself is the list."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    lists = dict(_lists(document, ()))
    return max(lists, key=lambda path: lists[path], default=None)


def _lists(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if isinstance(value, list) and path and any(isinstance(item, dict) for item in value):
        yield ".".join(path), len(value)
    if isinstance(value, dict) and len(path) < 4:
        for key, item in value.items():
            yield from _lists(item, (*path, str(key)))


def _merged(sets: Sequence[_Set]) -> list[_Set]:
    """Sets of one folder and ending with the same columns are one."""
    merged: dict[tuple[str, str, object], _Set] = {}
    for number, one in enumerate(sets):
        path = PurePosixPath(one.names[0])
        alike: object = (one.columns, repr(one.options)) if one.columns else number
        place = (str(path.parent), path.suffix.casefold(), alike)
        known = merged.get(place)
        merged[place] = one if known is None else _joined(known, one)
    return list(merged.values())


def _joined(one: _Set, other: _Set) -> _Set:
    names = (*one.names, *other.names)
    start = _common_start(names)
    end = _common_start([name[len(start) :][::-1] for name in names])[::-1]
    pattern = f"{_escaped(start)}*{_escaped(end)}"
    return replace(one, pattern=pattern, names=names, notes=(*one.notes, *other.notes))


def _common_start(texts: Sequence[str]) -> str:
    least, greatest = min(texts), max(texts)
    pairs = enumerate(zip(least, greatest, strict=False))
    size = next((at for at, (a, b) in pairs if a != b), len(least))
    return least[:size]


def _candidate(one: _Set, only: str | None) -> Candidate:
    """A set as a stream: files that differ by digits bring more every time."""
    pattern = only if only is not None and len(one.names) > 1 else one.pattern
    is_series = len({_DIGITS.sub("*", name) for name in one.names}) == 1 < len(one.names)
    files = f"{len(one.names)} files, told apart by " if len(one.names) > 1 else ""
    kind = "digits in their names" if is_series else "their names"
    notes = [f"{files}{kind}"] if files else []
    return Candidate(
        name=PurePosixPath(one.names[0] if len(one.names) == 1 else pattern).stem,
        kind="files",
        options={"files": pattern, **one.options},
        mode="increment" if is_series else "snapshot",
        sample={"files": [_escaped(name) for name in _spread(one.names)]},
        headers=one.headers,
        notes=(*notes, *one.notes),
    )


def _spread(names: Sequence[str]) -> list[str]:
    """Some of the names, from the first to the last: habits change over the months."""
    last = len(names) - 1
    steps = min(last, _SAMPLED - 1)
    return [names[round(step * last / steps)] for step in range(steps + 1)] if steps else [names[0]]


def _escaped(name: str) -> str:
    """A name as a glob that matches nothing else."""
    return re.sub(r"([*?[])", r"[\1]", name)
