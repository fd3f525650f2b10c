"""One more call for every row, within the budget and each address once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

import pyarrow as pa

from connectors.rest.auth.tokens import below
from connectors.rest.decoding import decoded
from connectors.rest.errors import broken_answer
from connectors.rest.office import Asking
from connectors.rest.options import Details, filled
from connectors.rest.request import Answer, Request, at_path, text_of
from connectors.rest.rows import Shape

_GONE = (404, 410)

Place = tuple[str, ...]  # the values that a call is made of


@dataclass(frozen=True, kw_only=True)
class DetailCalls:
    """The calls of one stream.

    Attributes:
        details: What the YAML says of them.
        shape: Columns that they give.
        encoding: Codec of the answers, where it is stated.
        asking: Makes the requests.
        pool: Does so at the same time.
    """

    details: Details
    shape: Shape
    encoding: str | None
    asking: Asking
    pool: ThreadPoolExecutor

    def columns(self, rows: pa.RecordBatch, present: set[str]) -> pa.RecordBatch:
        """The columns for each row; where a record is gone they are named as bad values.

        Args:
            rows: Rows of the list, with the columns that the calls are made of.
            present: Takes the columns that some record has.
        """
        needs = self.details.needs
        values = [rows.column(name).to_pylist() for name in needs]
        places: list[Place | None] = [
            None if None in place else place for place in zip(*values, strict=True)
        ]
        if not needs:
            places = [()] * rows.num_rows
        wanted = list(dict.fromkeys(place for place in places if place is not None))
        found = dict(zip(wanted, self.pool.map(self._one, wanted), strict=True))
        for batch, there in filter(None, found.values()):
            present |= there
            del batch
        nothing = self._nothing()
        parts = []
        for place in places:
            record = None if place is None else found[place]
            parts.append(nothing if record is None else record[0])
        table = pa.Table.from_batches(parts, schema=self.shape.schema).combine_chunks()
        return table.to_batches()[0] if table.num_rows else nothing.slice(0, 0)

    def _one(self, place: Place) -> tuple[pa.RecordBatch, set[str]] | None:
        values = dict(zip(self.details.needs, place, strict=True))
        path = filled(self.details.path, {n: quote(v, safe="") for n, v in values.items()})
        query = tuple(
            (name, filled(text_of(value), values)) for name, value in self.details.query.items()
        )
        request = Request(
            method="GET", url=below(self.asking.office.options.url, path), query=query,
            label=f"GET {self.details.path}",
        )  # fmt: skip

        def read(answer: Answer) -> tuple[pa.RecordBatch, set[str]] | None:
            if answer.status in _GONE:
                return None
            value = decoded(answer, encoding=self.encoding)
            record = value.value
            if self.details.at is not None:
                record = at_path(record, self.details.at)
            if not isinstance(record, dict):
                where = f"at `details.at: {self.details.at}`" if self.details.at else "in it"
                raise broken_answer(
                    f"no record {where}", shown="", advice="compare `details:` with the answer"
                )
            rows = self.shape.rows([record], value)
            return rows.batch, rows.present

        result = self.asking.ask(request, read, accepted=_GONE)
        if result is None:
            self.asking.note("a row's detail isn't there (status 404): the row is in quarantine")
        return result

    def _nothing(self) -> pa.RecordBatch:
        """A row without values, each of them named as one that couldn't be carried over."""
        schema = self.shape.schema
        arrays = [pa.nulls(1, field.type) for field in schema]
        arrays[-1] = pa.array([list(self.shape.columns)], schema.field(-1).type)
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
