"""The hash of a row is the MD5 of the canonical form that the module promises."""

from __future__ import annotations

import hashlib

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from warehouse.hashing import row_hashes

TEXTS = st.text("aé'ệ:", max_size=3)
ROWS = st.lists(st.tuples(*[st.none() | TEXTS] * 3, st.none() | st.integers(-11, 11)), max_size=8)
NAMES = ("b", "tên", "a'", "n")


def canonical(row: tuple[str | int | None, ...]) -> bytes:
    cells = sorted(
        (name, value) for name, value in zip(NAMES, row, strict=True) if value is not None
    )
    return b"".join(
        b"%d:%s%d:%s" % (len(name.encode()), name.encode(), len(text), text)
        for name, text in ((name, str(value).encode()) for name, value in cells)
    )


@given(rows=ROWS)
def test_a_hash_is_the_md5_of_the_form_that_is_written_down(
    rows: list[tuple[str | int | None, ...]],
) -> None:
    types = [pa.string(), pa.large_string(), pa.string(), pa.int64()]
    columns = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(types)]
    found = row_hashes(pa.table(columns, names=NAMES), NAMES)
    assert found.to_pylist() == [hashlib.md5(canonical(row)).hexdigest() for row in rows]
