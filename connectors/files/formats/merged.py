"""Merged cells of a sheet: which value counts where."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

_Corner = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Span:
    """One merged cell: rows from 1, columns from 0, the last ones included."""

    row: int
    column: int
    last_row: int
    last_column: int


def spans(ranges: Iterable[tuple[_Corner, _Corner]]) -> tuple[Span, ...]:
    """Calamine's ranges (rows from 0) as spans, from the top down."""
    return tuple(
        Span(row=top + 1, column=left, last_row=bottom + 1, last_column=right)
        for (top, left), (bottom, right) in sorted(ranges)
    )


def header_names(
    rows: Mapping[int, Sequence[str]], number: int, merged: Sequence[Span]
) -> tuple[int, tuple[str, ...]]:
    """The names of the header that begins in a row, and the number of its last row.

    A cell of the row that is merged downwards makes the rows it spans part of the header. A name
    is the lowest cell of its column; where that isn't the only one of its kind, the cells above
    it stand before it: "Thời gian / Nhận".
    """
    own = [span for span in merged if span.row == number and span.last_row in rows]
    last = max((span.last_row for span in own), default=number)
    if last - number > 3:  # a title beside the table, or a table of merged cells: no header
        last = number
    width = max(len(rows.get(n, ())) for n in range(number, last + 1))
    block = [[*rows.get(n, ()), *[""] * width][:width] for n in range(number, last + 1)]
    for span in merged:  # a group's name counts for every column below it
        if number <= span.row < last:
            text = block[span.row - number][span.column]
            for column in range(span.column + 1, min(span.last_column + 1, width)):
                block[span.row - number][column] = text
    paths = [[text for text in column if text] for column in zip(*block, strict=True)]
    lowest = [path[-1] if path else "" for path in paths]
    names = (
        " / ".join(path) if lowest.count(low) > 1 and len(path) > 1 else low
        for path, low in zip(paths, lowest, strict=True)
    )
    return last, tuple(unicodedata.normalize("NFC", name) for name in names)


def filled(merged: Sequence[Span], columns: Set[int], *, first: int) -> dict[int, Filler]:
    """For each wanted column with cells merged downwards: what fills its values.

    Args:
        merged: The merged cells of the sheet.
        columns: The wanted columns.
        first: First row of data: what is merged above it fills nothing.
    """
    found: dict[int, dict[int, int]] = {}
    for span in merged:
        if span.column in columns and span.row >= first and span.last_row > span.row:
            begins = found.setdefault(span.column, {})
            begins.update(dict.fromkeys(range(span.row + 1, span.last_row + 1), span.row))
    return {column: Filler(begins) for column, begins in found.items()}


class Filler:
    """Fills a column whose rows come in several goes.

    Args:
        begins: Row: the row that holds its value.
    """

    def __init__(self, begins: Mapping[int, int]) -> None:
        self._begins = begins
        self._origins = set(begins.values())
        self._values: dict[int, Any] = {}

    def __call__(self, numbers: Sequence[int], values: Sequence[Any]) -> Sequence[Any]:
        """The values with those of merged cells filled in."""
        whole = list(values)
        for at, number in enumerate(numbers):
            if number in self._origins:
                self._values[number] = whole[at]
            elif number in self._begins:
                whole[at] = self._values.get(self._begins[number], "")
        return whole
