"""Whom this warehouse has forgotten: what tells their rows again, without telling who they were.

A mark is an HMAC, with the person key, of a pseudonym or of the key of one of the person's rows of
core. Whoever lacks the person key learns nothing from it; whoever has it can test a guess, as
with any pseudonym. A row that comes in and bears a mark doesn't land.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa

from warehouse.delta import Table, as_table
from warehouse.races import retried

Kind = Literal["person", "row"]

SCHEMA: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("source", pa.string()),  # of a row; '' for a person
        ("mark", pa.string()),
        ("forget_id", pa.string()),
        ("marked_at", pa.timestamp("us", tz="UTC")),
    ]
)
RECEIPTS: Final = pa.schema(
    [
        ("forget_id", pa.string()),
        ("ended_at", pa.timestamp("us", tz="UTC")),
        ("reason", pa.string()),
        ("counts", pa.string()),  # JSON: table to rows
    ]
)
_DIGITS: Final = 32
_LATER: Final = ""  # in the place of a run: the row came after its person was forgotten


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is forgotten, as far as one source needs to know it.

    Attributes:
        key: The person key.
        source: The source.
        persons: Marks of pseudonyms.
        rows: Marks of keys of core rows of the source.
    """

    key: bytes
    source: str
    persons: frozenset[str]
    rows: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.persons or self.rows)

    def with_person(self, pseudonym: str) -> Marks:
        """These, and one person more."""
        mark = mark_of(self.key, "person", "", pseudonym)
        return replace(self, persons=self.persons | {mark})

    def with_rows(self, rows: Iterable[str]) -> Marks:
        """These, and rows (`entity/key`) more."""
        marks = {mark_of(self.key, "row", self.source, one) for one in rows}
        return replace(self, rows=self.rows | marks)

    def are_persons(self, pseudonyms: pl.Series) -> pl.Series:
        """For each pseudonym whether it is of somebody forgotten."""
        return self._are("person", "", "", pseudonyms, self.persons)

    def are_rows(self, entity: str, keys: pl.Series) -> pl.Series:
        """For each key of an entity of the source whether its row is forgotten."""
        return self._are("row", self.source, f"{entity}/", keys, self.rows)

    def _are(
        self, kind: Kind, source: str, prefix: str, values: pl.Series, marks: frozenset[str]
    ) -> pl.Series:
        if not marks:
            return pl.repeat(value=False, n=len(values), dtype=pl.Boolean, eager=True)
        known = [
            value
            for value in values.drop_nulls().unique().to_list()
            if mark_of(self.key, kind, source, prefix + value) in marks
        ]
        return values.is_in(known).fill_null(value=False)


def mark_of(key: bytes, kind: Kind, source: str, value: str) -> str:
    """The mark of a pseudonym, or of `entity/key` of a source."""
    text = "\0".join(("lienthong forgotten v1", kind, source, value))
    return hmac.digest(key, text.encode(), "sha256").hex()[:_DIGITS]


def _swept(source: str) -> str:
    """The app whose version is the number of marks that a source was swept for."""
    return f"swept/{source}"


class Forgotten:
    """The tables of marks and of receipts."""

    def __init__(self, warehouse_uri: str, key: bytes) -> None:
        self.uri = f"{warehouse_uri.rstrip('/')}/restricted/forgotten"
        self.receipts_uri = f"{warehouse_uri.rstrip('/')}/restricted/forget_receipts"
        self._key = key

    def marks(self, source: str) -> Marks:
        """What a source's rows are compared with."""
        table = Table.open(self.uri)
        if table is None:
            return Marks(key=self._key, source=source, persons=frozenset(), rows=frozenset())
        rows = table.scan().collect()
        persons = rows.filter(pl.col("kind") == "person")["mark"]
        keys = rows.filter(pl.col("kind") == "row", pl.col("source") == source)["mark"]
        return Marks(key=self._key, source=source, persons=frozenset(persons), rows=frozenset(keys))

    def only(self, pseudonym: str) -> Marks:
        """One person's mark, without those of anybody else and of any row."""
        nobody = Marks(key=self._key, source="", persons=frozenset(), rows=frozenset())
        return nobody.with_person(pseudonym)

    def unfinished(self) -> frozenset[str]:
        """The runs that marked somebody and left no receipt: cut short, or still at work."""
        table = Table.open(self.receipts_uri)
        ended = set[str]() if table is None else set(table.scan().collect()["forget_id"])
        return frozenset(self._rows()["forget_id"]) - ended - {_LATER}

    def add(
        self,
        pseudonyms: Iterable[str],
        rows: Mapping[str, Iterable[str]],
        *,
        now: datetime,
        forget_id: str = _LATER,
    ) -> None:
        """Marks persons, and rows (`entity/key`) by source, in one commit; what is marked stays."""
        wanted: list[dict[str, Any]] = [
            {"kind": "person", "source": "", "mark": mark_of(self._key, "person", "", one)}
            for one in pseudonyms
        ]
        wanted += [
            {"kind": "row", "source": s, "mark": mark_of(self._key, "row", s, one)}
            for s, keys in rows.items()
            for one in keys
        ]

        def once() -> None:
            table = Table.open_or_create(self.uri, SCHEMA)
            shape = {"kind": pl.String, "source": pl.String, "mark": pl.String}
            fresh = (
                pl.DataFrame(wanted, schema=shape)
                .unique()
                .join(self._rows(), on=list(shape), how="anti")
                .with_columns(
                    pl.lit(forget_id).alias("forget_id"),
                    pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("marked_at"),
                )
            )
            if fresh.height:
                table.append(as_table(fresh, SCHEMA), txns={"forget": table.version + 1})

        retried(once)

    def unswept(self) -> dict[str, int]:
        """Where rows of people forgotten before were marked, and nobody has swept since.

        Returns:
            Source to how many such marks it has, those included that were swept for.
        """
        table = Table.open(self.uri)
        if table is None:
            return {}
        later = (pl.col("kind") == "row") & (pl.col("forget_id") == _LATER)
        counts = table.scan().filter(later).group_by("source").len().collect()
        return {name: n for name, n in counts.iter_rows() if n > table.txn(_swept(name))}

    def swept(self, counts: Mapping[str, int]) -> None:
        """Keeps for how many of its marks, as `unswept` told them, a source was swept."""

        def once() -> None:
            table = Table.open_or_create(self.uri, SCHEMA)
            txns = {_swept(name): n for name, n in counts.items() if n > table.txn(_swept(name))}
            if txns:
                table.append(SCHEMA.empty_table(), txns=txns)

        retried(once)

    def end(
        self, *, forget_id: str, before: Iterable[str], reason: str, counts: str, now: datetime
    ) -> None:
        """Writes the receipt, also for runs `before` that were cut short."""
        begun = {*before, forget_id}

        def once() -> None:
            table = Table.open_or_create(self.receipts_uri, RECEIPTS)
            ended = set(table.scan().collect()["forget_id"])
            rows = [
                {
                    "forget_id": one, "ended_at": now, "reason": reason,
                    "counts": counts if one == forget_id else "{}",
                }
                for one in sorted(begun - ended)
            ]  # fmt: skip
            table.append(pa.Table.from_pylist(rows, RECEIPTS))

        retried(once)

    def _rows(self) -> pl.DataFrame:
        table = Table.open(self.uri)
        return pl.DataFrame(SCHEMA.empty_table()) if table is None else table.scan().collect()
