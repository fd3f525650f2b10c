"""The fast path: blocks of clean text cut by Arrow, proved clean before.

A block is taken only when its quotes are where RFC 4180 has them and every record has the header's
number of cells; anything else goes to the careful path (`connectors.files.records`). Both give the
same rows for a clean text, which a test holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from connectors.files.records import Dialect

_CR, _LF = 0x0D, 0x0A


@dataclass(frozen=True, kw_only=True)
class Block:
    """Whole records at the beginning of a buffer.

    Attributes:
        size: Their length in bytes, the last line end included.
        rows: How many they are.
        lines: How many lines they take.
        starts: Line of each record, from 0; None where each takes one line.
    """

    size: int
    rows: int
    lines: int
    starts: pa.Array | None


def cut(buffer: bytes, dialect: Dialect, *, final: bool) -> Block | None:
    """The longest block of whole records; None when the quotes aren't clean or none is whole."""
    if b"\0" in buffer:
        return None
    if not dialect.quote or dialect.quote not in buffer:
        return _cut_plain(buffer, final=final)
    return _cut_quoted(buffer, dialect, final=final)


def _cut_plain(buffer: bytes, *, final: bool) -> Block | None:
    end = len(buffer) if final else _before_open_end(buffer)
    size = max(buffer.rfind(b"\n", 0, end), buffer.rfind(b"\r", 0, end)) + 1
    if size == 0:
        return None
    lines = buffer.count(b"\n", 0, size)
    if b"\r" in buffer:
        lines += buffer.count(b"\r", 0, size) - buffer.count(b"\r\n", 0, size)
    return Block(size=size, rows=lines, lines=lines, starts=None)


def _before_open_end(buffer: bytes) -> int:
    """Without a CR at the end: its LF may be in the next piece."""
    return len(buffer) - 1 if buffer.endswith(b"\r") else len(buffer)


def _cut_quoted(buffer: bytes, dialect: Dialect, *, final: bool) -> Block | None:
    length = len(buffer) if final else _before_open_end(buffer)
    if length == 0:
        return None
    text = pa.Array.from_buffers(pa.uint8(), length, [None, pa.py_buffer(buffer)])
    quote = pc.equal(text, pa.scalar(dialect.quote[0], pa.uint8()))
    # Parity of the quotes up to and with each byte: odd = inside a quoted cell. The sum wraps
    # around at 256, which keeps its last bit.
    inside = pc.bit_wise_and(pc.cumulative_sum(quote.cast(pa.uint8())), pa.scalar(1, pa.uint8()))
    line_end = pc.equal(text, pa.scalar(_LF, pa.uint8()))
    if b"\r" in buffer:
        cr = pc.equal(text, pa.scalar(_CR, pa.uint8()))
        crlf = pc.and_(cr.slice(0, length - 1), line_end.slice(1))
        alone = pc.and_not(cr.slice(0, length - 1), crlf)
        ends = pa.concat_arrays([alone, cr.slice(length - 1)])
        edge_cr: pa.Array | None = cr
        line_end = pc.or_(line_end, ends)
    else:
        edge_cr = None
    if not _quotes_are_clean(text, quote, inside, line_end, edge_cr, dialect.delimiter[0]):
        return None
    places = pc.indices_nonzero(line_end)
    real = pc.equal(inside.take(places), pa.scalar(0, pa.uint8()))
    records = pc.indices_nonzero(real)  # ordinal, among all line ends, of those that end a record
    if len(records) == 0:
        return None
    last = records[len(records) - 1].as_py()
    lines = last + 1
    starts = None
    if lines != len(records):
        follows = pc.add(records.slice(0, len(records) - 1), pa.scalar(1, records.type))
        starts = pa.concat_arrays([pa.array([0], pa.int64()), follows.cast(pa.int64())])
    return Block(size=places[last].as_py() + 1, rows=len(records), lines=lines, starts=starts)


def _quotes_are_clean(
    text: pa.Array,
    quote: pa.Array,
    inside: pa.Array,
    line_end: pa.Array,
    cr: pa.Array | None,
    delimiter: int,
) -> bool:
    """Every opening quote follows an edge of a cell or a quote, every closing one precedes one."""
    edge = pc.or_(pc.or_(pc.equal(text, pa.scalar(delimiter, pa.uint8())), line_end), quote)
    if cr is not None:
        edge = pc.or_(edge, cr)
    is_inside = inside.cast(pa.bool_())
    last = len(text) - 1
    opening = pc.and_(quote.slice(1), is_inside.slice(1))
    if pc.any(pc.and_not(opening, edge.slice(0, last))).as_py():
        return False
    closing = pc.and_not(quote.slice(0, last), is_inside.slice(0, last))
    return not pc.any(pc.and_not(closing, edge.slice(1))).as_py()


def parse(
    buffer: bytes, block: Block, dialect: Dialect, *, cells: int, wanted: Sequence[int]
) -> pa.RecordBatch | None:
    """The wanted cells of a block as text columns named by their position.

    Returns:
        None when a record has another number of cells, or bytes that are no UTF-8.
    """
    names = [str(i) for i in range(cells)]
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(buffer).slice(0, block.size)),
            read_options=csv.ReadOptions(column_names=names, block_size=block.size + 1),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter.decode(),
                quote_char=dialect.quote.decode() or False,
                double_quote=True,
                escape_char=False,
                newlines_in_values=block.starts is not None,
                ignore_empty_lines=False,
            ),
            convert_options=csv.ConvertOptions(
                include_columns=[str(i) for i in wanted],
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != block.rows:
        return None
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else None
