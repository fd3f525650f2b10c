"""The fast path: blocks of clean text cut by Arrow, proved clean before.

A block is taken only when its quotes are where RFC 4180 has them and every record has the header's
number of cells; anything else goes to the careful path (`connectors.files.formats.records`). Both
give the same rows for a clean text, which a test holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from connectors.files.formats.records import Dialect

_LINE_ENDS = (0x0A, 0x0D)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Whole records at the beginning of a buffer.

    Attributes:
        size: Their length in bytes, the last line end included.
        has_quotes: There are quotes among them, all where they belong.
    """

    size: int
    has_quotes: bool


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """The cells of a block.

    Attributes:
        cells: The wanted columns as text, named by their position.
        lines: How many lines the block takes.
        starts: First line of each record, from 0; None where each takes one line.
    """

    cells: pa.RecordBatch
    lines: int
    starts: pa.Array | None


def cut(buffer: bytes, dialect: Dialect, *, final: bool) -> Block | None:
    """The longest block of whole records; None when the quotes aren't clean or none is whole."""
    if b"\0" in buffer:
        return None
    # A CR at the end stays out of it: its LF may be in the next piece.
    end = len(buffer) - (not final and buffer.endswith(b"\r"))
    if not dialect.quote or dialect.quote not in buffer:
        size = _last_line_end(buffer, end)
        return Block(size=size, has_quotes=False) if size else None
    is_quote = _equal(_bytes_array(buffer), dialect.quote[0])
    if not _quotes_are_clean(buffer, is_quote, dialect):
        return None
    size = _last_line_end(buffer, end)
    while size and is_quote.slice(0, size).true_count % 2:  # it is inside a quoted cell
        size = _last_line_end(buffer, buffer.rfind(dialect.quote, 0, size))
    return Block(size=size, has_quotes=True) if size else None


def _last_line_end(buffer: bytes, end: int) -> int:
    """Length of the buffer up to and with the last line end before `end`; 0: there is none."""
    lf = buffer.rfind(b"\n", 0, end)
    return max(lf, buffer.rfind(b"\r", lf + 1, end)) + 1


def _quotes_are_clean(buffer: bytes, is_quote: pa.Array, dialect: Dialect) -> bool:
    """Every opening quote follows an edge of a cell or a quote, every closing one precedes one.

    The first, third, fifth ... quote of a clean text opens a cell (or is the second of a doubled
    one), the others close one (or are the first of a doubled one). A quote that is still open at
    the end of the buffer is left to the next look.
    """
    text = _bytes_array(buffer)
    places = pc.indices_nonzero(is_quote)
    pairs = pa.FixedSizeListArray.from_arrays(places.slice(0, len(places) // 2 * 2), 2)
    one = pa.scalar(1, pa.uint64())
    opening, closing = pc.list_element(pairs, 0), pc.list_element(pairs, 1)
    if len(places) % 2:
        opening = pa.concat_arrays([opening, places.slice(len(places) - 1)])
    if opening[0].as_py() == 0:
        opening = opening.slice(1)
    if len(closing) and closing[len(closing) - 1].as_py() == len(buffer) - 1:
        closing = closing.slice(0, len(closing) - 1)
    edges = (dialect.delimiter[0], dialect.quote[0], *_LINE_ENDS)
    return _all_among(text.take(pc.subtract(opening, one)), edges) and _all_among(
        text.take(pc.add(closing, one)), edges
    )


def _all_among(values: pa.Array, allowed: Sequence[int]) -> bool:
    left = values
    for value in allowed:
        left = left.filter(pc.invert(_equal(left, value)))
    return not len(left)


def _bytes_array(buffer: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.uint8(), len(buffer), [None, pa.py_buffer(buffer)])


def _equal(values: pa.Array, byte: int) -> pa.Array:
    return pc.equal(values, pa.scalar(byte, pa.uint8()))


def _starts(buffer: bytes, size: int, quote: bytes) -> tuple[int, pa.Array]:
    """Lines of a block with multi-line cells, and the first line of each of its records."""
    text = _bytes_array(buffer).slice(0, size)
    lf, cr = _equal(text, 0x0A), _equal(text, 0x0D)
    last = size - 1
    alone = pc.and_not(cr.slice(0, last), lf.slice(1))  # a CR without LF ends a line too
    line_end = pc.or_(lf, pa.concat_arrays([alone, cr.slice(last)]))
    places = pc.indices_nonzero(line_end)
    # Parity of the quotes up to each byte; the sum wraps at 256, which keeps its last bit.
    quotes = pc.cumulative_sum(_equal(text, quote[0]).cast(pa.uint8()))
    ends_record = _equal(pc.bit_wise_and(quotes.take(places), pa.scalar(1, pa.uint8())), 0)
    records = pc.indices_nonzero(ends_record).cast(pa.int64())
    follows = pc.add(records.slice(0, len(records) - 1), 1)
    return len(places), pa.concat_arrays([pa.array([0], pa.int64()), follows])


def _line_ends(buffer: bytes, size: int) -> int:
    text = _bytes_array(buffer).slice(0, size)
    lf = _equal(text, 0x0A)
    if b"\r" not in buffer:
        return int(lf.true_count)
    cr = _equal(text, 0x0D)
    both = pc.and_(cr.slice(0, size - 1), lf.slice(1))
    return int(lf.true_count + cr.true_count - both.true_count)


def parse(
    buffer: bytes, block: Block, dialect: Dialect, *, cells: int, wanted: Sequence[int]
) -> Parsed | None:
    """The wanted cells of a block.

    Returns:
        None when a record has another number of cells or bytes that are no UTF-8, or when a line
        is blank.
    """
    names = [str(i) for i in range(cells)]
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(buffer).slice(0, block.size)),
            # Not in threads: measured no faster on such blocks, and with pyarrow 26 a process that
            # ends soon afterwards aborts now and then (exit 134 in 10 of 180 runs, else in none).
            read_options=csv.ReadOptions(
                column_names=names, block_size=block.size + 1, use_threads=False
            ),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter.decode(),
                quote_char=dialect.quote.decode() or False,
                double_quote=True,
                escape_char=False,
                newlines_in_values=block.has_quotes,
                ignore_empty_lines=True,  # which the count of lines then shows
            ),
            convert_options=csv.ConvertOptions(
                include_columns=[str(i) for i in wanted],
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if not table.num_rows:
        return None
    batch = table.combine_chunks().to_batches()[0]
    lines, starts = _line_ends(buffer, block.size), None
    if lines != batch.num_rows:
        if not block.has_quotes:
            return None
        lines, starts = _starts(buffer, block.size, dialect.quote)
        if len(starts) != batch.num_rows:
            return None
    return Parsed(cells=batch, lines=lines, starts=starts)
