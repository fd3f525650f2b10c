"""Files that are added to others, grow and are corrected: the newest word on every key counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings

from schemas.rows import LANDING
from warehouse import landing
from warehouse.landing import Landing
from warehouse.landing_read import LandingRead, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.state import LandedFile, StreamState

FEW = 25
EXAMPLES = int(os.environ.get("LIENTHONG_HISTORIES", FEW))
"""Histories of files; more than `FEW` are different ones each time."""
Line = tuple[str, str]
"""Key and value."""
SCHEMA = pa.schema(
    [
        ("so", pa.string()),
        ("ten", pa.string()),
        *((name, LANDING[name]) for name in ("_file", "_file_hash", "_line")),
    ]
)


@dataclass
class Folder:
    """Files of increments, what they have said, and what counts by it."""

    landing: Landing
    files: dict[str, list[Line]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    ever: dict[str, set[Line]] = field(default_factory=dict)
    words: dict[tuple[str, str], str] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    night: int = 0

    def write(self, name: str, lines: list[Line]) -> None:
        self.files[name] = lines
        self.changed.add(name)

    def sync(self, *, batch: int) -> None:
        """Lands what changed, and says by the words of the files what counts now."""
        self.night += 1
        state = self.landing.state()
        names = sorted(self.changed)

        def batches() -> Iterator[pa.RecordBatch]:
            for name in names:
                lines = self.files[name]
                columns = [
                    [key for key, _ in lines], [value for _, value in lines], [name] * len(lines),
                    [f"hash {self.night}"] * len(lines), list(range(1, len(lines) + 1)),
                ]  # fmt: skip
                table = pa.table(columns, schema=SCHEMA)
                yield from table.to_batches(max_chunksize=batch)

        landed = {
            name: LandedFile(hash=str(self.night), rows=len(self.files[name])) for name in names
        }
        end = ReadEnd(
            is_complete=True,
            advance=lambda state: replaced(state, landed),
            files=frozenset(names),
        )
        self.landing.land(
            LandingRead(
                stamp=ReadStamp(
                    key=("so",),
                    read_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.night),
                    sync_id=f"night {self.night}",
                ),
                schema=SCHEMA,
                batches=batches(),
                is_whole=False,
                finds_deletes=False,
                files={path: file.rows for path, file in state.files.items()},
                ended=lambda: end,
            )
        )
        for name in names:
            self._heard(name)
        self.changed.clear()

    def _heard(self, name: str) -> None:
        ever = self.ever.setdefault(name, set())
        for key in {key for key, _ in self.files[name]}:
            lines = [line for line in self.files[name] if line[0] == key]
            word = lines[-1][1]
            if word != self.words.get((name, key)) or not ever.issuperset(lines):
                self.truth[key] = word
            self.words[name, key] = word
        ever.update(self.files[name])

    def core(self) -> dict[str, str]:
        """The newest copy of each key, as a stream without a version is ordered."""
        rows = self.landing.rows(after=0, to=self.landing.version())
        newest = rows.group_by("_key").agg(pl.col("ten").last())
        return dict(newest.iter_rows())


def replaced(state: StreamState, files: dict[str, LandedFile]) -> StreamState:

    return replace(state, files={**state.files, **files})


@given(data=st.data())
@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == FEW,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_the_newest_word_counts_however_the_read_is_cut(data: st.DataObject) -> None:
    """Lines are added at the end, or one is corrected to what nobody has said before."""
    with TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patch:
        folder = Folder(Landing(f"{path}/landing"))
        serial = 0
        for _ in range(data.draw(st.integers(2, 5), "nights")):
            for name in data.draw(st.sets(st.sampled_from("abc"), min_size=1), "files"):
                lines = list(folder.files.get(name, ()))
                if lines and data.draw(st.booleans(), "corrected"):
                    place = data.draw(st.integers(0, len(lines) - 1), "line")
                    serial += 1
                    lines[place] = (lines[place][0], f"sửa {serial}")
                for key in data.draw(st.lists(st.sampled_from("123"), max_size=3), "keys"):
                    said = folder.ever.get(name, set()) | set(lines)
                    values = [value for value in "pqrstuvw" if (key, value) not in said]
                    if values:
                        lines.append((key, data.draw(st.sampled_from(values), "value")))
                folder.write(name, lines)
            patch.setattr(landing, "CHUNK_ROWS", data.draw(st.integers(1, 6), "chunk"))
            patch.setattr(landing, "PIECE_ROWS", data.draw(st.integers(1, 6), "piece"))
            folder.sync(batch=data.draw(st.integers(1, 4), "batch"))
            assert folder.core() == folder.truth


def folder_of(path: Path) -> Folder:
    return Folder(Landing(str(path / "landing")))


def test_a_file_that_repeats_what_another_one_said_brings_it_not_back(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    folder.write("1", [("HS-1", "nộp"), ("HS-2", "nộp")])
    folder.sync(batch=10)
    folder.write("2", [("HS-1", "nộp"), ("HS-3", "nộp")])
    folder.sync(batch=10)
    folder.write("3", [("HS-1", "trả")])
    folder.sync(batch=10)
    folder.write("2", [("HS-1", "nộp"), ("HS-3", "nộp"), ("HS-4", "nộp")])
    folder.sync(batch=10)
    assert folder.core() == {"HS-1": "trả", "HS-2": "nộp", "HS-3": "nộp", "HS-4": "nộp"}


def test_a_new_file_that_tells_everything_again_ends_with_its_last_line(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    lines = [("HS-1", "nộp")]
    for name, line in enumerate([("HS-1", "trả"), ("HS-2", "nộp"), ("HS-1", "xong")]):
        folder.write(f"{name}", list(lines))
        folder.sync(batch=10)
        lines.append(line)
    folder.write("9", list(lines))
    folder.sync(batch=10)
    assert folder.core() == folder.truth == {"HS-1": "xong", "HS-2": "nộp"}


def test_a_word_that_lands_again_stands_where_its_file_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "CHUNK_ROWS", 1)
    folder = folder_of(tmp_path)
    folder.write("1", [("HS-1", "trả")])
    folder.sync(batch=1)
    folder.write("2", [("HS-1", "nộp"), ("HS-1", "trả"), ("HS-2", "nộp")])
    folder.sync(batch=1)
    rows = folder.landing.rows(after=0, to=folder.landing.version())
    own = rows.filter(pl.col("_key") == "HS-1").select("ten", "_file", "_file_hash", "_line")
    assert own.rows() == [
        ("trả", "1", "hash 1", 1), ("nộp", "2", "hash 2", 1), ("trả", "2", "hash 2", 2),
    ]  # fmt: skip


def test_a_new_file_may_go_back_to_a_line_that_another_one_had_before_its_last(
    tmp_path: Path,
) -> None:
    folder = folder_of(tmp_path)
    folder.write("1", [("HS-1", "nộp"), ("HS-1", "trả"), ("HS-2", "nộp")])
    folder.sync(batch=10)
    folder.write("2", [("HS-1", "nộp"), ("HS-2", "nộp")])
    folder.sync(batch=10)
    assert folder.core() == folder.truth == {"HS-1": "nộp", "HS-2": "nộp"}
