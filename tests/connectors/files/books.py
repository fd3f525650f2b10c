"""Workbooks as desks and programs write them, and as nobody should."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def book(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], **formats: str) -> Path:
    """A workbook of rows; a value may be (value, format's name)."""
    made = xlsxwriter.Workbook(str(path), {"default_date_format": "dd/mm/yyyy"})
    known = {name: made.add_format({"num_format": text}) for name, text in formats.items()}
    for name, rows in sheets.items():
        sheet = made.add_worksheet(name)
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, tuple):
                    sheet.write(at, column, value[0], known[value[1]])
                elif value is not None:
                    sheet.write(at, column, value)
    made.close()
    return path


def with_part(path: Path, part: str, change: Any) -> None:
    """Rewrites one part of a workbook; `change` takes and gives its text."""
    held = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(held) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, change(text.decode()).encode() if name == part else text)
