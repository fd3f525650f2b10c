"""What could be a stream of a database: its tables and views."""

from __future__ import annotations

import fnmatch
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel

from connectors.protocol import Candidate
from connectors.sql import connect


def survey(
    options: BaseModel, *, timezone: str | None, base: Path | None, only: str | None = None
) -> tuple[Candidate, ...]:
    """See `connectors.registry.survey`: the tables and views that the role may read."""
    with closing(connect(options, timezone=timezone, base=base)) as connector:
        tables = connector.tables()
    if only is None:
        return tables
    return tuple(one for one in tables if fnmatch.fnmatchcase(one.name.casefold(), only.casefold()))
