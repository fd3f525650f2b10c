"""What the log of a local table says by its files: which commit is the newest, and what it tells.

The Delta library goes through the log for every question, which is most of what a stream costs in a
night that brings nothing. Where the file is elsewhere, gone or says nothing, the library is asked.
The form is that of the Delta protocol: one action a line, `txn` and `commitInfo` among them.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

_VERSION: Final = re.compile(r"(\d{20})\.[^#]+")  # with #: what a writer hasn't finished
_WANTED: Final = ('{"txn"', '{"commitInfo"')  # others may be long: the statistics of a file


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit.

    Attributes:
        version: The Delta version that it made.
        txns: App to the version that it commits.
        info: What it tells of itself, metadata of its writer included.
    """

    version: int
    txns: dict[str, int] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)


def commit_of(uri: str, version: int) -> Commit:
    """The commit that made a version; an empty one where it can't be read."""
    nothing = Commit(version=version)
    if "://" in uri:
        return nothing
    try:
        text = Path(uri, "_delta_log", f"{version:020}.json").read_text("utf-8")
        actions = [json.loads(line) for line in text.split("\n") if line.startswith(_WANTED)]
        told = [action["txn"] for action in actions if "txn" in action]
        infos = [dict(action["commitInfo"]) for action in actions if "commitInfo" in action]
        txns = {str(one["appId"]): int(one["version"]) for one in told}
    except (OSError, ValueError, LookupError, TypeError):
        return nothing  # the library says what is wrong, if anything is
    return Commit(version=version, txns=txns, info=infos[0] if infos else {})


def newest_version(uri: str) -> int | None:
    """The newest version that a local table has; None where that can't be told.

    The folder is listed: of commits that follow each other one may be purged, never the newest.
    """
    if "://" in uri:
        return None
    try:
        with os.scandir(Path(uri, "_delta_log")) as entries:
            found = [_VERSION.fullmatch(entry.name) for entry in entries]
    except OSError:
        return None
    return max((int(name[1]) for name in found if name), default=None)


def told(actions: pa.Table, *names: str) -> pl.DataFrame:
    """Some columns of what the library says of a version's files, one row a file.

    One that it doesn't tell is null, and one of a name that comes twice: of a column `a.b` and of
    the field `b` in a struct `a` it says alike.
    """
    columns = {}
    for name in names:
        places = actions.schema.get_all_field_indices(name)
        columns[name] = actions.column(places[0]) if len(places) == 1 else None
    nothing = pa.nulls(actions.num_rows, pa.int64())
    return pl.DataFrame({n: nothing if found is None else found for n, found in columns.items()})


def has_log(uri: str) -> bool:
    """Whether a local folder is a table's. Raises OSError where that can't be seen."""
    try:
        return stat.S_ISDIR(Path(uri, "_delta_log").stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
