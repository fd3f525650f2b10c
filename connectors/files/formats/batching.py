"""Rows that a format gives one at a time, on their way into a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from connectors.composed import text_column
from connectors.files.formats.protocol import BAD_VALUES, TRAIL
from connectors.files.text import RAW_BYTES
from schemas.errors import ContractError

TOO_LONG = "line_too_long"
_ROWS_AT_ONCE = 20_000
_LETTERS_AT_ONCE = 32 * 1024 * 1024

Cells = Sequence["str | None"]


def row_schema(columns: Iterable[str]) -> pa.Schema:
    """The schema of a reader whose format can hold values that can't be carried over."""
    return pa.schema([*(pa.field(name, pa.string()) for name in columns), *TRAIL, BAD_VALUES])


class Rows:
    """Gathers rows until they are a batch.

    Args:
        columns: Names of the cells.
        longest: A row with more letters than this is unreadable: `line_too_long`.
    """

    def __init__(self, columns: Sequence[str], *, longest: int) -> None:
        self.schema = row_schema(columns)
        self._columns = tuple(columns)
        self._nothing: Cells = (None,) * len(self._columns)
        self._longest = longest
        self._clear()

    def _clear(self) -> None:
        self._cells: list[Cells] = []
        self._lines: list[int] = []
        self._rules: dict[int, tuple[str, str]] = {}
        self._bad: dict[int, list[str]] = {}
        self._letters = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def is_full(self) -> bool:
        """It is time to take the batch."""
        return len(self._lines) >= _ROWS_AT_ONCE or self._letters >= _LETTERS_AT_ONCE

    def add(self, line: int, cells: Cells, *, bad: Sequence[str] = ()) -> None:
        """Takes a row. `bad` names the columns whose value couldn't be carried over."""
        letters = sum(map(len, filter(None, cells)))
        if letters > self._longest:
            self.add_unreadable(line, TOO_LONG, " ".join(c[:200] for c in cells if c))
            return
        self._letters += letters
        if bad:
            self._bad[len(self._lines)] = list(bad)
        self._cells.append(cells)
        self._lines.append(line)

    def add_unreadable(self, line: int, rule: str, raw: str) -> None:
        """Takes what stands where a row should."""
        shown = raw[:RAW_BYTES].encode("utf-8", "backslashreplace")[:RAW_BYTES]
        self._rules[len(self._lines)] = rule, shown.decode("utf-8", "ignore")
        self._cells.append(self._nothing)
        self._lines.append(line)

    def take(self) -> pa.RecordBatch:
        """The rows so far as a batch; it begins anew."""
        rows = len(self._lines)
        columns = [
            self._column(name, values)
            for name, values in zip(self._columns, zip(*self._cells, strict=True), strict=True)
        ]
        rules, raws = (
            pa.array([self._rules.get(row, (None, None))[i] for row in range(rows)], pa.string())
            if self._rules
            else pa.nulls(rows, pa.string())
            for i in (0, 1)
        )
        bad = pa.nulls(rows, BAD_VALUES.type)
        if self._bad:
            bad = pa.array([self._bad.get(row) for row in range(rows)], BAD_VALUES.type)
        arrays = [*columns, pa.array(self._lines, pa.int64()), rules, raws, bad]
        self._clear()
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _column(self, name: str, values: Cells) -> pa.Array:
        column, bad = text_column(values)
        for row in bad:
            self._bad.setdefault(row, []).append(name)
        return column


def without_long(batch: pa.RecordBatch, width: int, *, longest: int) -> pa.RecordBatch:
    """The batch with its too long rows made unreadable.

    Args:
        batch: Its first columns are the cells; then come `_line`, `_unreadable`, `_raw`.
        width: How many cells a row has.
        longest: Most bytes of a row.
    """
    if not width:
        return batch
    columns = batch.columns
    letters = reduce(pc.add, (pc.binary_length(c).cast(pa.int64()) for c in columns[:width]))
    if (pc.max(letters).as_py() or 0) <= longest:
        return batch
    is_long = pc.greater(letters, longest)
    raw = reduce(
        lambda left, right: pc.binary_join_element_wise(left, right, " "),
        (pc.utf8_slice_codeunits(column, 0, 200) for column in columns[:width]),
    )
    nothing = pa.scalar(None, pa.string())
    columns[:width] = [pc.if_else(is_long, nothing, column) for column in columns[:width]]
    columns[width + 1] = pc.if_else(is_long, TOO_LONG, nothing)
    columns[width + 2] = pc.if_else(is_long, pc.utf8_slice_codeunits(raw, 0, 500), nothing)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def raise_if_absent(
    absent: Iterable[str], optional: Sequence[str], *, what: str, place: str
) -> None:
    """Raises ContractError for the columns that no record had and that aren't optional."""
    missing = [column for column in absent if column not in optional]
    if missing:
        message = (
            f"{place}: no record has {', '.join(map(repr, missing))}; {what}, or name it in "
            "`optional:` where it may be missing from a whole file"
        )
        raise ContractError(message, missing=missing)
