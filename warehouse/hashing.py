r"""The hash of a row: 128 bits over a canonical form that no library version changes.

Canonical form, as UTF-8 text: for every column with a value, in the order of its name (code
points), ``<length of name>:<name><length of value>:<value>``, lengths in bytes. A null column isn't
there, so a column added later leaves the hashes of rows without it as they were. The value:

- text: itself;
- integer: decimal digits;
- decimal: digits with as many decimals as its scale;
- boolean: ``t`` or ``f``;
- timestamp: microseconds since 1970-01-01T00:00Z (a naive one as if it were UTC);
- date: days since 1970-01-01;
- float: its IEEE 754 bits as a signed integer (64 bits; a 32-bit float is widened first);
- binary: hexadecimal, lower case;
- list of text: its items, each as ``<length>:<item>``.

The hash is the MD5 of that text, in lower-case hexadecimal. MD5 serves as a checksum here, not
against an adversary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.duck import md5_of

_EMPTY_HASH = "d41d8cd98f00b204e9800998ecf8427e"


def row_hashes(rows: pa.Table, columns: Sequence[str]) -> pa.Array:
    """The hash of every row over the named columns.

    Args:
        rows: Any Arrow table.
        columns: Columns that count; order doesn't matter.

    Returns:
        A string array as long as `rows`.
    """
    # A null isn't there, so a column of nulls alone needn't be looked at.
    names = sorted(n for n in columns if rows.column(n).null_count < rows.num_rows)
    if not names:
        return pa.array([_EMPTY_HASH] * rows.num_rows, pa.string())
    parts, arrays = [], []
    for position, name in enumerate(names):
        column = _canonical(rows.column(name))
        arrays.append(column)
        parts.append(_part(f"c{position}", name, column))
    table = pa.table(arrays, names=[f"c{i}" for i in range(len(names))])
    # One `concat` of all is written in one go; it passes over nulls. A chain of `||` copies the
    # text at every step: 1.7 times the work.
    return md5_of(f"concat({', '.join(parts)})", table)


def _part(cell: str, name: str, column: pa.ChunkedArray) -> str:
    """The arguments of `concat` that write a column."""
    label = f"{len(name.encode())}:{name}".replace("'", "''")
    lengths = pc.min_max(pc.binary_length(column)).as_py()
    if lengths["min"] == lengths["max"]:  # as of dates and codes: it needn't be computed and joined
        part = f"'{label}{lengths['min']}:', {cell}"
    else:
        part = f"'{label}', strlen({cell}), ':', {cell}"
    return f"CASE WHEN {cell} IS NOT NULL THEN concat({part}) END" if column.null_count else part


def _canonical(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for is_kind, text_of in _TEXT_OF:
        if is_kind(column.type):
            return text_of(column)
    return column.cast(pa.string())


def _bits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    wide = column.cast(pa.float64())
    bits = pa.chunked_array([chunk.view(pa.int64()) for chunk in wide.chunks], pa.int64())
    return bits.cast(pa.string())


def _microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    same_zone = pa.timestamp("us", tz=column.type.tz)
    return column.cast(same_zone).cast(pa.int64()).cast(pa.string())


def _per_value(column: pa.ChunkedArray, text_of: Callable[[Any], str]) -> pa.ChunkedArray:
    texts = [None if value is None else text_of(value) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _items(items: list[Any]) -> str:
    return "".join(f"{len(str(item).encode())}:{item}" for item in items)


_TEXT_OF: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], pa.ChunkedArray]], ...
] = (
    (pa.types.is_boolean, lambda c: pc.if_else(c, pa.scalar("t"), pa.scalar("f"))),
    (pa.types.is_timestamp, _microseconds),
    (pa.types.is_date, lambda c: c.cast(pa.date32()).cast(pa.int32()).cast(pa.string())),
    (pa.types.is_floating, _bits),
    (pa.types.is_binary, lambda c: _per_value(c, bytes.hex)),
    (pa.types.is_large_binary, lambda c: _per_value(c, bytes.hex)),
    (pa.types.is_list, lambda c: _per_value(c, _items)),
)
