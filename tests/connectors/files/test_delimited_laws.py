"""What holds for every text: it comes back as it was written, on the line it was written on."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from connectors import composed
from connectors.files import text
from connectors.files.formats import blocks
from connectors.files.formats.records import Dialect, Splitter
from tests.connectors.files.support import both, read, spec
from tests.support.tables import delimited

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1258", "latin-1")

cell = st.one_of(
    st.text(max_size=8),
    st.text(alphabet='",;\t|\n\r aé', max_size=6),
    st.sampled_from(["", "Nguyễn Văn An", "Sở Tư pháp", "a\u0301", '"', '""', "\r\n", "x\ny", " "]),
).filter(lambda value: "\0" not in value)


@st.composite
def tables(draw: st.DrawFn, *, cells: st.SearchStrategy[str] = cell) -> list[list[str]]:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=0, max_size=12))


@settings(max_examples=200, deadline=None)
@given(
    table=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from(["all", "where needed"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(ENCODINGS),
    chunk=st.sampled_from([1, 2, 3, 7, 64, 8 * 1024 * 1024]),
    data=st.data(),
)
def test_any_table_is_read_back_exactly_with_its_lines(
    table: list[list[str]],
    delimiter: str,
    quoting: str,
    end: str,
    encoding: str,
    chunk: int,
    data: st.DataObject,
) -> None:
    if encoding in {"cp1258", "latin-1"}:
        table = [[v.encode(encoding, "ignore").decode(encoding) for v in row] for row in table]
    width = len(table[0]) if table else 2
    header = [f"cột {i}" if encoding != "latin-1" else f"cot {i}" for i in range(width)]
    if encoding == "cp1258":
        header = [f"cot {i}" for i in range(width)]
    content, lines = delimited(table, header, delimiter=delimiter, quoting=quoting, end=end)
    wanted = data.draw(st.permutations(header))[: data.draw(st.integers(1, width))]
    stated = None if encoding in {"utf-8", "utf-8-sig", "utf-16"} else encoding
    # Under one column there is nothing to see a delimiter by; what is drawn has to be stated.
    options: dict[str, Any] = {"encoding": stated} | ({} if width > 1 else {"delimiter": delimiter})
    event(f"{encoding}, {'quotes' if chr(34) in content else 'no quotes'}")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", chunk)
        Path(folder, "a.csv").write_bytes(content.encode(encoding))
        found, wrong = both(Path(folder), spec(*wanted, **options))
    assert wrong == []
    places = [header.index(name) for name in wanted]
    assert found == [
        (line, *(unicodedata.normalize("NFC", row[i]) for i in places))
        for line, row in zip(lines, table, strict=True)
    ]


plain_cell = st.text(alphabet="abcé ềx1", min_size=1, max_size=6)
BROKEN_LINES = ("only", "a,b,c,d,e,f,g", '"never closed', '"closed" early,b', 'a,"b"c,d', "")


@settings(max_examples=200, deadline=None)
@given(
    table=tables(cells=plain_cell).filter(lambda t: t and len(t[0]) > 1),
    breaks=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(BROKEN_LINES)), min_size=1, max_size=4
    ),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk=st.sampled_from([1, 5, 8 * 1024 * 1024]),
)
@example(table=[["a", "b"], ["c", "d"]], breaks=[(1, '"never closed')], end="\n", chunk=5)
def test_a_broken_line_is_named_and_costs_no_other(
    table: list[list[str]], breaks: list[tuple[int, str]], end: str, chunk: int
) -> None:
    header = [f"c{i}" for i in range(len(table[0]))]
    content = [",".join(row) for row in table]
    good = dict.fromkeys(range(len(content)))
    marked: list[tuple[str, bool]] = [(line, True) for line in content]
    for place, line in breaks:
        marked.insert(min(place, len(marked)), (line, False))
    raw = end.join([",".join(header), *(line for line, _ in marked)]) + end
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", chunk)
        Path(folder, "a.csv").write_bytes(raw.encode())
        wanted = spec(*header, delimiter=",")
        found, wrong = both(Path(folder), wanted)
    expected = [
        (number, *line.split(",")) for number, (line, is_good) in enumerate(marked, 2) if is_good
    ]
    assert found == expected
    assert len(found) == len(good)
    assert wrong == [
        ("a.csv", number, "broken_line", line)
        for number, (line, is_good) in enumerate(marked, 2)
        if not is_good and line
    ]


@settings(max_examples=200, deadline=None)
@given(
    content=st.text(alphabet='ab,"\n\r', max_size=60),
    chunks=st.lists(st.integers(1, 9), max_size=30),
)
def test_records_do_not_depend_on_where_the_text_is_cut(content: str, chunks: list[int]) -> None:
    def split(pieces: list[bytes]) -> list[tuple[Any, ...]]:
        splitter = Splitter(Dialect(delimiter=b",", quote=b'"', max_record_bytes=1024), cells=2)
        found: list[tuple[Any, ...]] = []
        for number, piece in enumerate([*pieces, b""]):
            is_last = number == len(pieces)
            splitter.add(piece, final=is_last)
            found += [(r.line, r.cells, r.raw, r.rule) for r in splitter.records(final=is_last)]
        return found

    data = content.encode()
    cut, position = [], 0
    for size in chunks:
        cut.append(data[position : position + size])
        position += size
    assert split([*cut, data[position:]]) == split([data])


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.text(alphabet='ab1,"\n\r', max_size=80),
        tables().map(lambda t: delimited(t, ["a", "b"], delimiter=",", quoting="all", end="\n")[0]),
    )
)
def test_the_fast_path_reads_what_the_careful_path_reads(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.csv").write_bytes(b"a,b\n" + content.encode())
        wanted = spec("a", "b", delimiter=",")
        fast, _ = read(Path(folder), wanted)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "cut", lambda *_, **__: None)
            careful, _ = read(Path(folder), wanted)
    event(f"unreadable: {careful['_unreadable'].null_count < careful.num_rows}")
    assert fast.to_pylist() == careful.to_pylist()


def test_letters_taken_for_composed_are_never_changed_by_nfc() -> None:
    sure = [*range(0x80, 0x1C0), *range(0x1E00, 0x1F00)]
    seconds = {
        unicodedata.normalize("NFD", chr(point))[1:]
        for point in range(0x110000)
        if len(unicodedata.normalize("NFD", chr(point))) > 1
    }
    for point in sure:
        assert unicodedata.is_normalized("NFC", chr(point)), hex(point)
        assert unicodedata.combining(chr(point)) == 0, hex(point)
        assert chr(point) not in seconds, hex(point)
        assert composed.is_surely_composed(chr(point).encode())
    assert not composed.is_surely_composed("e\u0302".encode())
    assert not composed.is_surely_composed("\u1f71".encode())
