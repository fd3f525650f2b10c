"""What a command prints: tables for people, one JSON document for programs.

Views print what they are given and fetch nothing. Text that came from a source is shown without
control characters, so that a value can neither move the cursor nor colour the terminal.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

Cell = str | int | float | None

_STATUS_STYLE = {"done": "green", "degraded": "yellow", "failed": "bold red"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its heading.
        is_optional: The column is left out where no row has anything but nothing or zero in it.
        is_number: Its cells stand to the right also where they are text already.
    """

    title: str
    is_optional: bool = False
    is_number: bool = False


def print_json(document: object) -> None:
    """Writes one JSON document to stdout: dataclasses become objects, tuples lists."""
    text = json.dumps(
        plain(document), ensure_ascii=False, indent=2, allow_nan=False, default=_moment
    )
    click.echo(text)


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """A JSON-ready form of results: frozen dataclasses, tuples and dicts of them."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Writes a table to stdout: ruled in a terminal, aligned and unwrapped anywhere else.

    Args:
        columns: The columns, in order.
        rows: One cell per column; numbers stand to the right, with thousands separated.
    """
    kept = [
        index
        for index, column in enumerate(columns)
        if not column.is_optional or any(row[index] not in (None, 0, "") for row in rows)
    ]
    titles = [columns[index].title for index in kept]
    texts = [[cell_text(row[index]) for index in kept] for row in rows]
    right = [
        columns[index].is_number or (bool(rows) and all(_is_number(row[index]) for row in rows))
        for index in kept
    ]
    if sys.stdout.isatty():
        _print_ruled(titles, texts, right=right)
    else:
        _print_aligned(titles, texts, right=right)


def say(text: str = "") -> None:
    """Writes a line of a table's surroundings to stdout, without control characters."""
    click.echo(safe(text))


def note(text: str) -> None:
    """Writes a remark to stderr, where it disturbs no program that reads stdout."""
    click.echo(safe(text), err=True)


def cell_text(value: Cell) -> str:
    """A cell as text."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case _:
            return safe(value)


def minute(time: str | None) -> str | None:
    """`2026-11-24T18:00:07.1+00:00` as `2026-11-24 18:00Z`; anything else as it is."""
    if time is None or len(time) < 16 or time[10] != "T":
        return time
    return f"{time[:10]} {time[11:16]}Z"


def safe(text: str) -> str:
    r"""The text with control and format characters made visible (`\n`, `\x1b`, `\u202e`)."""
    if text.isprintable():
        return text
    return "".join(
        char if unicodedata.category(char)[0] != "C" else repr(char)[1:-1] for char in text
    )


def _is_number(value: Cell) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _print_ruled(
    titles: Sequence[str], texts: Sequence[Sequence[str]], *, right: Sequence[bool]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table: Table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title, is_right in zip(titles, right, strict=True):
        table.add_column(Text(title), justify="right" if is_right else "left", overflow="fold")
    for row in texts:
        table.add_row(*(Text(text, style=_STATUS_STYLE.get(text, "")) for text in row))
    Console().print(table)


def _print_aligned(
    titles: Sequence[str], texts: Sequence[Sequence[str]], *, right: Sequence[bool]
) -> None:
    from rich.cells import cell_len

    widths = [
        max(cell_len(text) for text in column) for column in zip(titles, *texts, strict=True)
    ]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for text, width, is_right in zip(cells, widths, right, strict=True):
            fill = " " * (width - cell_len(text))
            padded.append(fill + text if is_right else text + fill)
        return "  ".join(padded).rstrip()

    click.echo(line(titles))
    for row in texts:
        click.echo(line(row))
