"""What a file of a warehouse holds, to be searched for what must not be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

_CUT_AT = 60  # bytes: the writer shortens greater bounds of a column to 64, or to whole letters


def decoded(path: Path) -> str:
    """The rows and the metadata of a Parquet file, the bytes of any other, as one text."""
    if path.suffix != ".parquet":
        return path.read_bytes().decode("latin-1")
    file = pq.ParquetFile(path)
    told = file.metadata.to_dict()
    for group in told["row_groups"]:
        for column in group["columns"]:
            if (bounds := column["statistics"]) is not None:
                bounds["max"] = _of_values(bounds["max"])
    return str(file.read().to_pylist()) + str(told)


def _of_values(greatest: Any) -> Any:
    """A greatest value without what no value has.

    Where one is shortened its last letter is made one greater, to bound the values still: the log
    of a table that holds `... "dossier_key":"HS-01` up to there says `HS-02`, a key of nobody's.
    """
    is_cut = isinstance(greatest, str) and len(greatest.encode()) >= _CUT_AT
    return greatest[:-1] if is_cut else greatest
