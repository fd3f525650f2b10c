"""Whether somebody of whom no row is left is still named in what tables keep of their past.

Upkeep may have taken a person's rows out of landing while releases and files of older versions
hold them yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from schemas.entities import ENTITIES
from schemas.personal import compact, pseudonyms_of
from warehouse.delta import Table
from warehouse.forgetting import CHUNK_ROWS, concerns, looked_at
from warehouse.forgotten import Marks
from warehouse.screening import Screen

_LOG: Final = "_delta_log"


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Looks for one person; a file that is gone meanwhile names nobody.

    Attributes:
        marks: The person's, without any row.
        pseudonym: As it stands in core.
        needle: See `Screen`.
    """

    marks: Marks
    pseudonym: str
    needle: str | None

    def __repr__(self) -> str:
        return "Traces(***)"

    def of_landing(self, uri: str, screen: Screen) -> bool:
        """Whether a landing table's old files or its log name the person."""
        table = Table.open(uri)
        if table is None:
            return False
        shape = pl.DataFrame(table.schema.empty_table())
        own = screen.with_marks(self.marks)
        old = (_shaped(rows, shape) for rows in _rows(_old_files(table)))
        return any(not own.judge(rows).is_idle for rows in old) or self.of_texts(f"{uri}/{_LOG}")

    def of_core(self, uri: str, entity: str, *, is_copy: bool = False) -> bool:
        """The same of a core table; of a copy made for a release all its files count."""
        table = Table.open(uri)
        if table is None:
            return False
        files = [Path(name) for name in table.files] if is_copy else _old_files(table)
        known = ENTITIES[entity]
        columns = looked_at(known, with_text=True)
        shape = pl.DataFrame(table.schema.empty_table()).select(columns)
        old = (_shaped(rows, shape) for rows in _rows(files))
        named = any(concerns(rows, known, self.marks, self.needle).any() for rows in old)
        return named or self.of_texts(f"{uri}/{_LOG}")

    def of_texts(self, uri: str) -> bool:
        """Whether any text in the files of a folder, or below it, names the person."""
        files = sorted(path for path in Path(uri).rglob("*") if path.is_file())
        return any(self._names(text) for path in files for text in _texts_of(path))

    def _names(self, texts: pl.Series) -> bool:
        # Bounds of columns stand in a log as JSON in JSON: a word isn't to be made of two values.
        parts = pl.col("t").str.replace_all("\\", "", literal=True).str.split('"').list.explode()
        words = pl.DataFrame({"t": texts.drop_nulls().unique()}).select(parts.unique())
        wanted = [w for w in (self.needle, self.pseudonym.upper()) if w is not None]
        if words.select(compact(pl.col("t")).str.contains_any(wanted))["t"].any():
            return True
        if self.needle is not None:
            return False
        hashed = pseudonyms_of(words["t"], self.marks.key)
        return bool(self.marks.are_persons(hashed).any())


def _old_files(table: Table) -> list[Path]:
    shown = {Path(name) for name in table.files}
    files = sorted(Path(table.uri).rglob("*.parquet"))
    return [path for path in files if path.parent.name != _LOG and path not in shown]


def _rows(files: Iterable[Path]) -> Iterator[pl.DataFrame]:
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                yield from map(pl.DataFrame, file.iter_batches(CHUNK_ROWS))
        except FileNotFoundError:
            continue


def _shaped(rows: pl.DataFrame, shape: pl.DataFrame) -> pl.DataFrame:
    """Rows as the table has them today: columns that came later are null."""
    own = [name for name in shape.columns if name in rows.columns]
    known = rows.select(own).cast({name: shape.schema[name] for name in own})
    return pl.concat([shape, known], how="diagonal")


def _texts_of(path: Path) -> Sequence[pl.Series]:
    if path.suffix == ".parquet":
        return [
            texts
            for rows in _rows([path])
            for column in rows.iter_columns()
            for texts in _texts(column)
        ]
    try:
        return [pl.Series([path.read_text("utf-8", errors="replace")])]
    except FileNotFoundError:
        return []


def _texts(values: pl.Series) -> Iterator[pl.Series]:
    """The texts of a column, of its lists and of its fields."""
    if values.dtype == pl.String:
        yield values
    elif values.dtype == pl.List:
        yield from _texts(values.explode())
    elif values.dtype == pl.Struct:
        for inner in values.struct.unnest().iter_columns():
            yield from _texts(inner)
