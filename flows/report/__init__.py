"""The report of a check, for the staff of the office that runs the system.

It is one HTML page: nothing is fetched, nothing runs in it, and it prints on A4. Vietnamese stands
first, English beside it. Everything that came from the source is text; markup in it is shown, not
obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from flows.catalog import Source
from flows.findings import FoundColumn, Place, StreamFindings
from flows.output import safe
from flows.report.wording import advice, asked, finding, reached, stated, verdict

_NARROW_SPACE: Final = "\u202f"
_IDENTITY: Final = re.compile(r"(?<!\d)(?:\d{12}|\d{9})(?!\d)")  # CCCD and CMND numbers


def render(source: Source, findings: Sequence[StreamFindings], *, rows: int, now: datetime) -> str:
    """The page as text.

    Args:
        source: The source that was checked.
        findings: What was found, one a stream.
        rows: Most rows that were looked at in a stream.
        now: The time of the check.
    """
    template = _environment().get_template("report.html")
    return template.render(
        source=source,
        findings=findings,
        verdict=verdict(findings),
        tasks=asked(findings),
        rows=rows,
        at=now.astimezone(ZoneInfo(source.timezone)),
        version=metadata.version("lienthong"),
        style=_part("report.css"),
    )


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"text": _text, "column": _column, "count": _count, "share": _share}
    made.filters |= {"sentence": _sentence, "stated": stated, "alike": _alike}
    made.globals |= {"advice": advice, "finding": finding, "reached": reached, "grouped": _grouped}
    return made


def _part(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")


def _text(value: object) -> str:
    """Text that came from a source or a YAML, its control characters made visible."""
    return safe(str(value))


def _column(name: str) -> str:
    """A column's name; a number as long as an identity number in it is no name."""
    return _IDENTITY.sub(lambda match: "9" * len(match[0]), safe(name))


def _sentence(text: str) -> Markup:
    """A sentence of ours; names between backticks are set apart."""
    parts = safe(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    )


def _alike(columns: Sequence[FoundColumn]) -> list[list[FoundColumn]]:
    """Columns that become the same thing together: mostly spellings of one heading."""
    groups: dict[object, list[FoundColumn]] = {}
    for column in columns:
        groups.setdefault((column.uses, column.roles, column.type), []).append(column)
    return list(groups.values())


def _count(number: int) -> str:
    """`1 234`: neither Vietnamese nor English readers take it for a decimal."""
    return f"{number:,}".replace(",", _NARROW_SPACE)


def _share(part: int, whole: int) -> str:
    """Whole per cent, without hiding the few or the last ones."""
    if not whole or not part:
        return "0%"
    percent = 100 * part / whole
    if percent < 1:
        return "<1%"
    return ">99%" if 99 < percent < 100 else f"{percent:.0f}%"


def _grouped(places: Sequence[Place]) -> list[tuple[str | None, list[Place]]]:
    """The places of each file together, in the order given; None is no file."""
    files: dict[str | None, list[Place]] = {}
    for place in places:
        files.setdefault(place.file, []).append(place)
    return list(files.items())
