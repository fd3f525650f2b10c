"""A database compared with what was read of it, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from connectors.comparing import DIGEST, SUMMED, Of
from connectors.sql import statements
from connectors.sql.checksums import (
    FORMS,
    Form,
    is_plain_key,
    key_hash,
    key_text,
    row_hash,
    unequal,
)
from connectors.sql.session import Session
from connectors.sql.types import SourceColumn
from connectors.sql.values import delivered_schema
from schemas.errors import SourceError

Condition = sa.ColumnElement[bool]

_BATCH_ROWS = 50_000
_WORK_MEM = "64MB"
_DIGEST_COLUMNS = tuple(
    SourceColumn(name=field.name, type=str(field.type), arrow=field.type) for field in DIGEST
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is compared.

    Attributes:
        source: Table, view or query.
        columns: The columns of the stream.
        key: Those of its key.
        scope: Which rows are compared.
        pending: Which rows changed since; None: none.
    """

    source: sa.FromClause
    columns: tuple[SourceColumn, ...]
    key: tuple[SourceColumn, ...]
    scope: tuple[Condition, ...]
    pending: Condition | None


def sums_keys(dialect: str, key: Sequence[SourceColumn]) -> bool:
    """Whether a dialect can compute checksums of such keys, so far as is known without a look."""
    form = FORMS.get(dialect)
    return form is not None and not _odd_keys(form, key)


class SqlComparison:
    """A `Comparison` by statements of one session."""

    def __init__(self, session: Session, compared: Compared) -> None:
        self.schema: pa.Schema = delivered_schema(compared.columns)
        self._session = session
        self._what = compared
        self._form: Form | None = FORMS.get(session.dialect)
        self._encoding = "UTF8"
        if session.dialect == "postgres":
            self._encoding = str(session.row(_encoding())[0])

    def cannot(self, of: Of) -> str | None:
        """See `Comparison.cannot`."""
        if self._form is None:
            return f"{self._session.dialect} can't compute checksums that equal ours"
        if self._encoding != "UTF8":
            return f"the database is kept in {self._encoding}, checksums are over UTF-8"
        if of == "rows":
            odd = unequal(self._form, self._what.columns)
        else:
            odd = _odd_keys(self._form, self._what.key)
        if odd:
            named = ", ".join(f"{column.name} ({column.type})" for column in odd)
            return f"{self._session.dialect} can't compute checksums that equal ours over {named}"
        return None

    def digest(self, of: Of, digits: int) -> Iterator[pa.RecordBatch]:
        """See `Comparison.digest`."""
        if of == "keys" and self._form is not None:
            what = self._what
            asked = (self._session.dialect, what.source, what.key)
            statement = _keys_digest(*asked, digits) if digits else _keys_sum(*asked)
        else:
            form, hashed = self._hashed(of)
            inner = statements.selected(hashed.label("h")).select_from(self._what.source)
            statement = _digest(form, inner.where(*self._where(of)), digits)
        for batch in self._stream(statement, _DIGEST_COLUMNS):
            yield batch.select(DIGEST.names)

    def rows(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """See `Comparison.rows`."""
        where = [*self._where("rows"), *self._in_slots("rows", slots)]
        columns = self._what.columns
        yield from self._stream(statements.rows(self._what.source, columns, where=where), columns)

    def keys(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """See `Comparison.keys`."""
        key = self._what.key
        where = self._in_slots("keys", slots)
        yield from self._stream(statements.rows(self._what.source, key, where=where), key)

    def pending(self) -> Iterator[pa.RecordBatch]:
        """See `Comparison.pending`."""
        if self._what.pending is not None:
            key, where = self._what.key, [self._what.pending]
            yield from self._stream(statements.rows(self._what.source, key, where=where), key)

    def _where(self, of: Of) -> tuple[Condition, ...]:
        return self._what.scope if of == "rows" else ()

    def _in_slots(self, of: Of, slots: Sequence[str] | None) -> list[Condition]:
        if slots is None:
            return []
        _, hashed = self._hashed(of)
        digits = len(slots[0]) if slots else 1
        return [sa.func.substr(hashed, 1, digits).in_(list(slots))]

    def _hashed(self, of: Of) -> tuple[Form, sa.ColumnElement[Any]]:
        if self._form is None:
            raise SourceError(f"{self.cannot(of)}: read the rows instead")
        if of == "rows":
            return self._form, row_hash(self._form, self._what.columns)
        return self._form, key_hash(self._form, self._what.key)

    def _stream(
        self, statement: statements.Statement, columns: Sequence[SourceColumn]
    ) -> Iterator[pa.RecordBatch]:
        return self._session.stream(statement, columns, batch_rows=_BATCH_ROWS)


def _odd_keys(form: Form, key: Sequence[SourceColumn]) -> list[SourceColumn]:
    odd = unequal(form, key)
    return [column for column in key if column in odd or not is_plain_key(column)]


@lru_cache(maxsize=1_024)
def _keys_digest(
    dialect: str, source: sa.FromClause, key: tuple[SourceColumn, ...], digits: int
) -> statements.Statement:
    """The slots of every key: asked every night of every stream that looks for deletes."""
    form = FORMS[dialect]
    hashed = key_hash(form, key).label("h")
    return _digest(form, statements.selected(hashed).select_from(source), digits)


@lru_cache(maxsize=1_024)
def _keys_sum(
    dialect: str, source: sa.FromClause, key: tuple[SourceColumn, ...]
) -> statements.Statement:
    """All keys as one slot, which is there without a key too.

    Each hash is used once, so nothing has to be fenced: PostgreSQL computes it on several cores.
    """
    form = FORMS[dialect]
    number = form.number(sa.func.substr(key_hash(form, key), *SUMMED))
    total = sa.func.coalesce(form.text(sa.func.sum(number)), sa.literal("0"))
    rows = sa.func.count(key_text(form, key))
    slot, *sums = DIGEST.names
    named = [each.label(name) for name, each in zip(sums, (rows, total), strict=True)]
    return statements.selected(sa.literal("").label(slot), *named).select_from(source)


def _digest(form: Form, hashes: statements.Statement, digits: int) -> statements.Statement:
    """The slots of some hashes (column `h`), as DIGEST."""
    h: sa.ColumnElement[Any] = sa.column("h")
    total = form.text(sa.func.sum(form.number(sa.func.substr(h, *SUMMED))))
    slot = sa.func.substr(h, 1, digits)
    named = zip(DIGEST.names, (slot, sa.func.count(), total), strict=True)
    outer = statements.selected(*[expression.label(name) for name, expression in named])
    fenced = form.fence(hashes).subquery("hashed")
    return outer.select_from(fenced).where(h.is_not(None)).group_by(slot)


@cache
def _encoding() -> statements.Statement:
    """PostgreSQL's encoding; and room for slots: those of 16 million rows would go to disk."""
    room = sa.func.set_config("work_mem", _WORK_MEM, True)
    return statements.selected(sa.func.current_setting("server_encoding"), room)
