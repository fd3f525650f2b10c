"""Short ways to read a table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from connectors.protocol import Connector, Cursor, ReadRequest, ReadSummary, StreamSpec
from connectors.registry import SqlOptions, SqlStream, connect


def connector(url: str, *, timezone: str | None = None, **options: Any) -> Connector:
    return connect("sql", SqlOptions(url=url, **options), timezone=timezone)  # type: ignore[arg-type]


def spec(
    *columns: str, table: str | None = "t", query: str | None = None, cursor: Cursor | None = None
) -> StreamSpec:
    options = SqlStream(table=None if query else table, query=query)
    return StreamSpec(
        name="ho_so", columns=columns, key=columns[:1], cursor=cursor, options=options
    )


def read(url: str, wanted: StreamSpec, **request: Any) -> tuple[pa.Table, ReadSummary]:
    timezone = request.pop("timezone", None)
    with connector(url, timezone=timezone).read(wanted, ReadRequest(**request)) as reading:
        table = pa.Table.from_batches(list(reading.batches()), schema=reading.schema)
        return table, reading.summary
