"""What every reader of a format promises, and which file gets which reader."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Protocol, cast

import pyarrow as pa

from connectors.files.source_file import SourceFile
from connectors.registry import FilesStream
from schemas.errors import SourceError

LINE = pa.field("_line", pa.int64())
TRAIL = (LINE, pa.field("_unreadable", pa.string()), pa.field("_raw", pa.string()))
BAD_VALUES = pa.field("_bad_values", pa.list_(pa.string()))

_MODULES = {
    "csv": "delimited",
    "tsv": "delimited",
    "xlsx": "xlsx",
    "json": "json_rows",
    "jsonl": "json_rows",
    "xml": "xml_rows",
    "parquet": "parquet",
}
ENDINGS = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".json": "json",
    ".geojson": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xml": "xml",
    ".xes": "xml",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_OTHER_SPREADSHEETS = (".xls", ".xlsb", ".ods")
_PACKED = (".gz", ".bz2", ".xz", ".zst")


class Reader(Protocol):
    """Reads the rows of one file, or of one sheet of it.

    Building one opens the file and looks at its beginning: what can be seen to be wrong there is
    raised before any row of any file is read.

    Attributes:
        part: Sheet, where the file has several that are read; else None.
        names: The columns the file has, as far as the beginning shows them.
        schema: The wanted columns that the file has (those named in `optional:` may be missing)
            as text in Unicode form NFC; `_line`, `_unreadable`, `_raw`; and `_bad_values` where
            the format can hold values that can't be carried over.
    """

    part: str | None
    names: tuple[str, ...]
    schema: pa.Schema

    def described(self) -> str:
        """One sentence on how the file is read, for `check`."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in bounded batches of `schema`; each call reads anew.

        Raises:
            SourceError: The file isn't what its format says, from some place on.
            ContractError: No record of the file has one of the wanted columns.
        """
        ...


OpenReaders = Callable[..., "Sequence[Reader]"]


def open_readers(
    file: SourceFile, stream: FilesStream, columns: Sequence[str], *, where: str, keep: bool
) -> Sequence[Reader]:
    """The readers of one file, in the order of its parts.

    Args:
        file: The file.
        stream: The stream's options.
        columns: The wanted columns.
        where: Beginning of every error.
        keep: What had to be parsed whole to find the header may stay in memory until it is read.

    Raises:
        SourceError: The file isn't what its format says, or has no header.
        ContractError: A wanted column isn't in it.
        ConfigError: A path of `rows:` or `fields:` can't be understood.
    """
    kind = stream.format or _by_ending(file.name, where=where)
    module = importlib.import_module(f"connectors.files.formats.{_MODULES[kind]}")
    opener = cast("OpenReaders", module.open_readers)
    return opener(file, stream, columns, kind=kind, where=where, keep=keep)


def _by_ending(name: str, *, where: str) -> str:
    path = PurePosixPath(name.casefold())
    if path.suffix in _PACKED:
        path = path.with_suffix("")
    if path.suffix in _OTHER_SPREADSHEETS:
        message = (
            f"{where}: {name!r} is a spreadsheet in another format than .xlsx; save it as .xlsx "
            "(Excel workbook), or as .csv"
        )
        raise SourceError(message)
    return ENDINGS.get(path.suffix, "csv")
