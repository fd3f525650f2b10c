"""Where an ordered read is cut: never by a row that has no place in the order."""

from __future__ import annotations

import pyarrow as pa
import pytest

from connectors.protocol import Cursor
from flows import parts
from flows.parts import CutOff, Part, cut


def pieces(monkeypatch: pytest.MonkeyPatch, values: list[int | None], part: Part) -> list[object]:
    """Rows that come, and where they are cut, at two rows a part."""
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    batch = pa.RecordBatch.from_pydict({"n": pa.array(values, pa.int64())})
    return [
        piece if isinstance(piece, CutOff) else piece.column("n").to_pylist()
        for piece in cut(iter([batch]), Cursor(column="n"), part)
    ]


def test_rows_in_front_that_lie_in_no_interval_claim_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [None, 99, 2099, None, 2098, 1, 2, 3, 4]
    found = pieces(monkeypatch, rows, Part(high=9, top=9))
    cuts = [piece for piece in found if isinstance(piece, CutOff)]
    assert cuts == [CutOff(at=2), CutOff(at=4)]
    assert [value for piece in found if isinstance(piece, list) for value in piece] == rows


def test_a_cut_lies_behind_the_last_one_and_before_what_it_did_not_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = pieces(monkeypatch, [5, 5, 5, 5, 6, 7, 7], Part(low=5, high=9, top=9))
    assert found == [[5, 5], [5, 5], CutOff(at=6), [6, 7], CutOff(at=7), [7]]
