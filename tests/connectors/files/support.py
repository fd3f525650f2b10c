"""Short ways to write a folder and to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.protocol import FileRead, ReadRequest, ReadSummary, StreamSpec
from connectors.registry import FilesOptions, FilesStream, connect


def spec(*columns: str, mode: str = "snapshot", **options: Any) -> StreamSpec:
    options.setdefault("files", "*.csv")
    return StreamSpec(
        name="ho_so",
        columns=columns,
        key=columns[:1],
        mode=mode,  # type: ignore[arg-type]
        options=FilesStream(**options),
    )


def read(folder: Path, wanted: StreamSpec, **request: Any) -> tuple[pa.Table, ReadSummary]:
    connector = connect("files", FilesOptions(path=str(folder)))
    with connector.read(wanted, ReadRequest(**request)) as reading:
        table = pa.Table.from_batches(list(reading.batches()), schema=reading.schema)
        return table, reading.summary


def both(
    folder: Path, wanted: StreamSpec
) -> tuple[list[tuple[Any, ...]], list[tuple[str, int, str, str]]]:
    """(line, cells...) of the readable rows; (file, line, rule, raw) of the others."""
    table, _ = read(folder, wanted)
    found, broken = [], []
    for row in table.to_pylist():
        if row["_unreadable"] is None:
            found.append((row["_line"], *(row[c] for c in wanted.columns)))
        else:
            broken.append((row["_file"], row["_line"], row["_unreadable"], row["_raw"]))
    return found, broken


def rows(folder: Path, wanted: StreamSpec) -> list[tuple[Any, ...]]:
    """(line, cells...) of a folder whose rows are all readable."""
    found, broken = both(folder, wanted)
    assert broken == []
    return found


def unchanged(files: list[FileRead]) -> list[str]:
    return [file.path for file in files if file.unchanged]
