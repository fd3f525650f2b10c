"""One table of rows, written in every format that a source may have.

A row is a dict of Python values: text, numbers, dates, times, truth values, lists and None. Formats
with types of their own keep them; the others get the text that a desk would write.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
import xlsxwriter
from sqlalchemy.dialects import mysql

from tests.connectors.encodings.alphabet import encoded

Rows = Sequence[Mapping[str, Any]]


def as_text(value: object) -> str:
    """A value as a desk writes it into a cell; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, list):
        return _json(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def delimited(
    table: Sequence[Sequence[str]],
    header: Sequence[str],
    *,
    delimiter: str,
    end: str,
    quoting: str = "where needed",
) -> tuple[str, list[int]]:
    """The table as text by RFC 4180, and the first line of each row.

    Not by Python's `csv`: its writer leaves a CR bare where lines end by LF, and an LF where by
    CR.
    """
    text, lines = "", []
    for row in [header, *table]:
        lines.append(1 + text.count("\n") + text.count("\r") - text.count("\r\n"))
        must = set(delimiter + '"\r\n')
        cells = [
            '"' + value.replace('"', '""') + '"'
            if quoting == "all" or must & set(value) or (len(row) == 1 and not value.strip())
            else value
            for value in row
        ]
        text += delimiter.join(cells) + end
    return text, lines[1:]


def to_csv(
    path: Path, rows: Rows, *, encoding: str = "utf-8", end: str = "\r\n", delimiter: str = ","
) -> None:
    """CSV by RFC 4180, but for the line end and the delimiter."""
    cells = [[as_text(row[name]) for name in rows[0]] for row in rows]
    content, _ = delimited(cells, list(rows[0]), delimiter=delimiter, end=end)
    if not encoding.startswith("utf"):  # the old ones know no letter in pieces
        content = unicodedata.normalize("NFC", content)
    if encoding == "tcvn3":  # a desk's capital with a tone is the small letter, in a capital font
        content = "".join(c if c.isascii() or c in "ĂÂĐÊÔƠƯ" else c.lower() for c in content)
    path.write_bytes(encoded(content, encoding))


def to_xlsx(path: Path, rows: Rows) -> None:
    """A workbook with true dates, times, numbers and truth values."""
    made = xlsxwriter.Workbook(str(path))
    day, stamp = (made.add_format({"num_format": f}) for f in ("dd/mm/yyyy", "dd/mm/yyyy hh:mm:ss"))
    sheet = made.add_worksheet("Sổ")
    for at, cells in enumerate([list(rows[0]), *([row[name] for name in rows[0]] for row in rows)]):
        for column, value in enumerate(cells):
            if isinstance(value, datetime) and value.tzinfo is None:
                sheet.write_datetime(at, column, value, stamp)
            elif isinstance(value, date) and not isinstance(value, datetime):
                sheet.write_datetime(at, column, value, day)
            elif isinstance(value, bool):
                sheet.write_boolean(at, column, value)
            elif isinstance(value, int | Decimal):
                sheet.write_number(at, column, value)
            elif value is not None:
                sheet.write_string(at, column, as_text(value))
    made.close()


def to_json(path: Path, rows: Rows) -> None:
    """A list of objects; numbers, truth values, lists and null are those of JSON."""
    path.write_text(_json(rows), "utf-8")


def to_jsonl(path: Path, rows: Rows) -> None:
    """An object a line."""
    path.write_text("\n".join(_json(row) for row in rows), "utf-8")


def to_xml(path: Path, rows: Rows) -> None:
    """`/r/d`, an element a value; what is None has none."""

    def one(row: Mapping[str, Any]) -> str:
        return "".join(f"<{k}>{escape(as_text(v))}</{k}>" for k, v in row.items() if v is not None)

    path.write_text(f"<r>{''.join(f'<d>{one(row)}</d>' for row in rows)}</r>", "utf-8")


def to_parquet(path: Path, rows: Rows) -> None:
    """Typed columns, in small row groups."""
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=100)


def to_database(url: str, table: str, rows: Rows) -> None:
    """A new table with the types that such an office would use.

    SQLite keeps a zoned time as text; MariaDB as `timestamp(6)`, in UTC.
    """
    engine = sa.create_engine(url)
    kinds = {name: _kind([row[name] for row in rows], engine.dialect.name) for name in rows[0]}
    columns = [sa.Column(name, kind, nullable=True) for name, kind in kinds.items()]
    made = sa.Table(table, sa.MetaData(), *columns)
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.execute(sa.text("SET time_zone = '+00:00'"))
        made.create(connection)
        connection.execute(made.insert(), [_stored(row, engine.dialect.name) for row in rows])
    engine.dispose()


def _kind(values: Sequence[Any], dialect: str) -> sa.types.TypeEngine[Any]:
    value = next((value for value in values if value is not None), "")
    if isinstance(value, datetime) and value.tzinfo:
        zoned = {"sqlite": sa.Text(), "mysql": mysql.TIMESTAMP(fsp=6)}
        return zoned.get(dialect, sa.DateTime(timezone=True))
    kinds: dict[type, sa.types.TypeEngine[Any]] = {
        bool: sa.Boolean(), int: sa.Integer(), Decimal: sa.Numeric(18, 2),
        datetime: sa.DateTime(), date: sa.Date(), list: sa.JSON(none_as_null=True),
    }  # fmt: skip
    return kinds.get(type(value), sa.Text())


def _stored(row: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    def one(value: Any) -> Any:
        if not (isinstance(value, datetime) and value.tzinfo):
            return value
        zoned = {"sqlite": as_text(value), "mysql": value.astimezone(UTC).replace(tzinfo=None)}
        return zoned.get(dialect, value)

    return {name: one(value) for name, value in row.items()}


def _json(value: object) -> str:
    def other(value: object) -> object:
        if isinstance(value, Decimal):
            return float(value)
        assert isinstance(value, date)
        return value.isoformat()

    return json.dumps(value, ensure_ascii=False, default=other)


FILES: dict[str, Callable[[Path, Rows], None]] = {
    "csv": to_csv,
    "xlsx": to_xlsx,
    "json": to_json,
    "jsonl": to_jsonl,
    "xml": to_xml,
    "parquet": to_parquet,
}
