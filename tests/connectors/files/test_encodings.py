"""Files in the encodings that desks write, and what is said when nobody stated theirs."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from schemas.errors import SourceError
from tests.connectors.encodings.alphabet import ALPHABET, TEXT, encoded
from tests.connectors.files.support import both, read, rows, spec

PERSON = "Nguyễn Thị Hoà"
WANTED = ("Số hồ sơ", "Trạng thái", "Nơi tiếp nhận")
STATED = ["cp1258", "tcvn3", "tcvn5712", "vni", "viscii", "utf-16", "utf-16-le", "utf-16-be"]


def refused(folder: Path, *columns: str) -> str:
    with pytest.raises(SourceError) as caught:
        read(folder, spec(*(columns or WANTED)))
    assert PERSON not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("encoding", STATED)
def test_a_stated_encoding_gives_the_same_rows_as_utf8(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text(TEXT, "utf-8")
    expected = rows(tmp_path, spec(*WANTED))
    assert len(expected) == 3
    (tmp_path / "a.csv").write_bytes(encoded(TEXT, encoding))
    assert rows(tmp_path, spec(*WANTED, encoding=encoding)) == expected


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_needs_no_statement(tmp_path: Path, codec: str) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT.encode(codec))
    assert [row[1] for row in rows(tmp_path, spec(*WANTED))] == ["HS-1", "HS-2", "HS-3"]


def test_a_byte_order_mark_wins_over_a_statement(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT.encode("utf-8-sig"))
    assert rows(tmp_path, spec(*WANTED, encoding="tcvn3"))[0][2] == "Đã tiếp nhận"


@pytest.mark.parametrize("encoding", ["cp1258", "tcvn3", "vni", "viscii"])
def test_every_letter_arrives_composed_through_a_file_of_many_pieces(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.files.text.CHUNK_BYTES", 7)  # marks cut off from their letters
    text = "ma;chu\n" + "".join(f"{n};{char}\n" for n, char in enumerate(ALPHABET))
    (tmp_path / "a.csv").write_bytes(encoded(text, encoding))
    found = [row[2] for row in rows(tmp_path, spec("ma", "chu", encoding=encoding))]
    assert "".join(found) == ALPHABET
    assert all(unicodedata.is_normalized("NFC", char) for char in found)


def test_a_byte_that_tcvn3_has_no_letter_for_costs_its_line_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a;b\n1;\xb5\n2;\x81\n")
    found, wrong = both(tmp_path, spec("a", "b", encoding="tcvn3"))
    assert found == [(2, "1", "à")]
    assert wrong == [("a.csv", 3, "bad_encoding", "2;\\x81")]


@pytest.mark.parametrize("encoding", ["cp1258", "tcvn3", "vni", "viscii", "utf-16-le", "utf-16-be"])
def test_an_encoding_that_nobody_stated_is_proposed_with_the_header(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "a.csv").write_bytes(encoded(TEXT + f"HS-4;{PERSON};x\n", encoding))
    said = refused(tmp_path)
    assert f"'a.csv' isn't UTF-8; state its `encoding:`, {encoding} is right by all signs" in said
    assert "reads its header as 'Số hồ sơ', 'Trạng thái', 'Nơi tiếp nhận'" in said


def test_no_row_is_shown_as_evidence_where_no_header_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(encoded(f"HS-1;{PERSON};Đã trả kết quả\n", "tcvn3"))
    said = refused(tmp_path)
    assert "tcvn3" in said
    assert "HS-1" not in said
    assert "header" not in said


def test_utf8_with_broken_bytes_far_behind_is_told_from_other_encodings(tmp_path: Path) -> None:
    text = "Số hồ sơ;b\n" + "HS-1;Đã tiếp nhận\n" * 100_000
    (tmp_path / "a.csv").write_bytes(text.encode() + b"HS-2;x\xff\n")
    assert "it is utf-8 but for a few broken bytes" in refused(tmp_path, "Số hồ sơ")


def test_an_encoding_is_proposed_for_json_lines_without_any_value(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(encoded(f'{{"Họ tên": "{PERSON} ở Nghệ An"}}\n', "tcvn3"))
    with pytest.raises(SourceError, match="tcvn3 is right by all signs") as caught:
        read(tmp_path, spec("Họ tên", files="*.jsonl"))
    assert "Nghệ" not in str(caught.value)
