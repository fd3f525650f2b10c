"""A query's answer as an Excel workbook: one sheet, typed cells, and no formula in it.

Text is written as text, whatever it starts with; where Excel would take it for a formula once a
person edits the cell, the cell carries Excel's own mark for text (`quotePrefix`). What a cell can't
hold exactly is written as text rather than rounded.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from flows.export import FORMULA_STARTS, batches, json_value, scalar_text
from schemas.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa
    from xlsxwriter.format import Format

SHEET_NAME = "lienthong"  # at most 31 characters
MOST_ROWS = 1_048_576  # the heading included
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767  # UTF-16 units in a cell
EXACT_DIGITS = 15  # a cell's number is a float

_FIRST_DAY = date(1900, 3, 1)  # Excel counts a 29 February 1900 that never was
_WIDTH = 16  # characters
_CONTROL = r"\x00-\x08\x0b-\x1f\ufffe\uffff"
_NOT_IN_XML = re.compile(f"[{_CONTROL}]")
_LIKE_AN_ESCAPE = re.compile(f"_(?=x[0-9a-fA-F]{{4}}[_{_CONTROL}])")


def write_xlsx(table: pa.Table, target: IO[bytes]) -> None:
    """Writes one workbook, in bounded memory; a null is an empty cell.

    Numbers stay numbers, dates dates, and times (UTC) times. Text are: whole numbers and decimals
    of more than 15 digits, NaN and infinities, days before March 1900, lists (JSON), bytes (hex).

    Raises:
        ConfigError: The answer has more rows, columns or characters in a cell than Excel can hold.
        OSError: It can't be written.
    """
    _demand_room(table)
    with tempfile.TemporaryDirectory() as folder:  # what waits there goes whatever happens
        path = Path(folder) / "answer.xlsx"
        try:
            _write(table, path)
        except FileCreateError as error:  # hides an OSError
            reason = error.args[0]
            raise reason if isinstance(reason, OSError) else OSError(str(error)) from None
        with path.open("rb") as made:
            shutil.copyfileobj(made, target)


def _write(table: pa.Table, path: Path) -> None:
    options = {"constant_memory": True, "tmpdir": str(path.parent), "use_zip64": True}
    book = Workbook(str(path), options)
    sheet = book.add_worksheet(SHEET_NAME, worksheet_class=_PlainSheet)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, max(table.num_columns - 1, 0), _WIDTH)
    heading = book.add_format({"bold": True, "quote_prefix": True})
    for column, name in enumerate(table.column_names):
        sheet.write_string(0, column, _fitting(name, where="a heading"), heading)
    writers = [_Cells(book, field) for field in table.schema]
    for number, row in enumerate(chain.from_iterable(batches(table)), 1):
        for column, (cells, value) in enumerate(zip(writers, row, strict=True)):
            cells.write(sheet, number, column, value)
    book.close()


class _PlainSheet(Worksheet):  # type: ignore[misc]  # the library has no types
    """A sheet without rich text.

    The library takes a text between `<r>` and `</r>` for rich text made by itself, and copies it
    into the sheet as it is: a record could bring cells of its own, formulas among them. And it
    takes the second of two overlapping escapes for one of its own.
    """

    @staticmethod
    def _escape_control_characters(data: object) -> object:
        """What XML can't hold as `_xHHHH_` (ISO/IEC 29500-1, 22.9.2.19, ST_Xstring)."""
        if not isinstance(data, str):  # the value of a boolean
            return data
        data = _LIKE_AN_ESCAPE.sub("_x005F_", data)
        return _NOT_IN_XML.sub(lambda match: f"_x{ord(match[0]):04X}_", data)

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[Any] = ()) -> None:
        self._xml_inline_string(string, True, attributes)


class _Cells:
    """Writes the cells of one column."""

    def __init__(self, book: Workbook, field: pa.Field) -> None:
        import pyarrow as pa

        scale = field.type.scale if pa.types.is_decimal(field.type) else 0
        whole = "0." + "0" * scale if scale > 0 else "0"
        self._name = field.name
        self._number: Format = book.add_format({"num_format": whole})
        self._day: Format = book.add_format({"num_format": "yyyy-mm-dd"})
        self._time: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._guarded: Format = book.add_format({"quote_prefix": True})

    def write(self, sheet: Worksheet, row: int, column: int, value: object) -> None:
        match value:
            case None:
                return
            case bool():
                sheet.write_boolean(row, column, value)
            case int() if abs(value) < 10**EXACT_DIGITS:
                sheet.write_number(row, column, value, self._number)
            case float() if math.isfinite(value):
                sheet.write_number(row, column, value)
            case Decimal() if _is_exact(value):
                sheet.write_number(row, column, value, self._number)
            case datetime() if value.date() >= _FIRST_DAY:
                in_utc = value if value.tzinfo is None else value.astimezone(UTC)
                sheet.write_datetime(row, column, in_utc.replace(tzinfo=None), self._time)
            case date() if not isinstance(value, datetime) and value >= _FIRST_DAY:
                sheet.write_datetime(row, column, value, self._day)
            case _:
                text = _fitting(_text(value), where=f"column {self._name}, row {row:,}")
                looks_run = text.startswith(FORMULA_STARTS)
                sheet.write_string(row, column, text, self._guarded if looks_run else None)


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case list() | tuple() | dict():
            return json.dumps(json_value(value), ensure_ascii=False)
        case _:
            return scalar_text(value)


def _is_exact(value: Decimal) -> bool:
    """Whether a cell holds it to the last digit, and shows it without an exponent."""
    if not value.is_finite() or abs(value) >= 10**EXACT_DIGITS:
        return False
    digits = "".join(map(str, value.as_tuple().digits))
    return len(digits.strip("0")) <= EXACT_DIGITS


def _fitting(text: str, *, where: str) -> str:
    length = len(text)
    if length > MOST_CHARACTERS // 2:
        length = len(text.encode("utf-16-le")) // 2
    if length > MOST_CHARACTERS:
        message = (
            f"{where}: a text of {length:,} characters, and a cell of Excel holds "
            f"{MOST_CHARACTERS:,}; shorten it in the query, or write csv or parquet"
        )
        raise ConfigError(message)
    return text


def _demand_room(table: pa.Table) -> None:
    for count, most, what in (
        (table.num_rows + 1, MOST_ROWS, "rows (the heading is one)"),
        (table.num_columns, MOST_COLUMNS, "columns"),
    ):
        if count > most:
            message = (
                f"the answer has {count:,} {what}, and a sheet of Excel holds {most:,}: ask for "
                "less, or write csv or parquet"
            )
            raise ConfigError(message)
