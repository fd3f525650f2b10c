"""A query's answer as CSV, JSON, Parquet or (by `flows.export_xlsx`) an Excel workbook.

CSV is opened in spreadsheets, and a spreadsheet runs a cell that starts like a formula. So a text
cell that starts with one of `FORMULA_STARTS` gets an apostrophe in front: the spreadsheet shows it
as text, and a program that reads the file back takes the apostrophe off (OWASP, "CSV Injection").
Where the computer's list separator is a semicolon or a tab, a spreadsheet cuts the file at these,
whatever is quoted: behind one inside a text (or behind a line break) such a sign gets an apostrophe
too. Numbers, dates and money stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula, full-width forms included."""

_INNER_START = re.compile(r"(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")

BATCH_ROWS = 10_000


def write_csv(table: pa.Table, target: IO[bytes]) -> None:
    r"""Writes UTF-8 CSV with a header (RFC 4180 quoting, `\n` line ends, null is empty)."""
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([guarded(name) for name in table.column_names])
    for rows in batches(table):
        writer.writerows([_csv_cell(value) for value in row] for row in rows)
    text.detach()


def write_json(table: pa.Table, target: IO[bytes]) -> None:
    """Writes one JSON list with an object per row.

    Times are ISO 8601, UTC ones with `Z`; money is text, because JSON numbers lose cents; NaN and
    infinities are null; bytes are hex.
    """
    names = table.column_names
    separator = b"["
    for rows in batches(table):
        for row in rows:
            record = {name: json_value(value) for name, value in zip(names, row, strict=True)}
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
            target.write(separator + b"\n" + line.encode("utf-8", "backslashreplace"))
            separator = b","
    target.write(b"[]\n" if separator == b"[" else b"\n]\n")


def write_parquet(table: pa.Table, target: IO[bytes]) -> None:
    """Writes one Parquet file, zstd-compressed, with the answer's own types."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()  # Parquet's writer seeks, a pipe can't
    pq.write_table(table, buffer, compression="zstd")
    target.write(buffer.getvalue())


def write_xlsx(table: pa.Table, target: IO[bytes]) -> None:
    """Writes one Excel workbook.

    Raises:
        ConfigError: See `flows.export_xlsx.write_xlsx`.
    """
    from flows import export_xlsx

    export_xlsx.write_xlsx(table, target)


WRITERS: dict[str, Callable[[pa.Table, IO[bytes]], None]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
    "xlsx": write_xlsx,
}
"""Format name to what writes it."""


def guarded(text: str) -> str:
    """The text so that no spreadsheet executes it."""
    if _INNER_START.search(text):
        text = _INNER_START.sub("'", text)
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def json_value(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """One value as JSON holds it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [json_value(item) for item in value]
        case dict():
            return {str(key): json_value(item) for key, item in value.items()}
        case _:
            return scalar_text(value)


def scalar_text(value: object) -> str:
    """A value that is neither text nor a JSON number, as text."""
    match value:
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():  # after datetime, which is a date too
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case timedelta():
            return f"PT{value.total_seconds():g}S"
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _csv_cell(value: object) -> object:
    match value:
        case None:
            return ""
        case str():
            return guarded(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case list() | tuple() | dict():
            return guarded(json.dumps(json_value(value), ensure_ascii=False))
        case _:
            return scalar_text(value)


def batches(table: pa.Table) -> Iterator[list[tuple[object, ...]]]:
    """The rows as Python values, a bounded number at a time."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        columns = [column.to_pylist() for column in batch.columns]
        yield list(zip(*columns, strict=True))
