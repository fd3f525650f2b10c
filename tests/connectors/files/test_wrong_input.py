"""Files that aren't what they should be: each has a clear answer."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from connectors.protocol import Cursor, ReadRequest
from connectors.registry import FilesOptions, connect
from connectors.sql.types_page import as_markdown
from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError
from tests.connectors.files.support import both, read, rows, spec
from tests.support.processes import ROOT, python

SECRET = "079203001234"  # stands for an identity number: no error may hold it

MEASURED = """
from pathlib import Path
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import FilesOptions, FilesStream, connect
folder = sys.argv[1]
spec = StreamSpec(name="s", columns=("a", "b"), key=("a",), options=FilesStream(files="*.csv"))
connector = connect("files", FilesOptions(path=folder))
def run():
    with connector.read(spec, ReadRequest()) as read:
        for batch in read.batches():
            for row in batch.to_pylist()[:3]:
                yield row["_line"], row["_unreadable"], len(row["_raw"] or ""), row["a"]
"""


def refused(folder: Path, *columns: str, **options: Any) -> str:
    """The message of the refusal; it names the file and holds no value."""
    with pytest.raises(SourceError) as caught:
        read(folder, spec(*(columns or ("a", "b")), **options))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_an_empty_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "thang-1.csv").write_bytes(b"")
    assert "'thang-1.csv' is empty" in refused(tmp_path)


def test_a_file_with_only_a_header_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b")
    table, summary = read(tmp_path, spec("b", "a"))
    assert (table.num_rows, summary.is_complete, summary.files[0].rows) == (0, True, 0)


@pytest.mark.parametrize("seed", range(5))
def test_binary_junk_named_csv_is_refused_by_name(tmp_path: Path, seed: int) -> None:
    (tmp_path / "junk.csv").write_bytes(random.Random(seed).randbytes(100_000))
    assert "'junk.csv'" in refused(tmp_path)


def test_binary_junk_under_a_stated_encoding_has_no_header(tmp_path: Path) -> None:
    junk = bytes(b for b in random.Random(1).randbytes(50_000) if b)
    (tmp_path / "junk.csv").write_bytes(junk)
    assert "'junk.csv'" in refused(tmp_path, encoding="latin-1")


def test_an_undetected_encoding_must_be_stated(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f"a,b\n{SECRET},Sở\n".encode("utf-16-le")[:-1] + b"\xff")
    (tmp_path / "b.csv").write_bytes(f"a,b\n{SECRET},café\n".encode("latin-1"))
    assert "'b.csv' isn't UTF-8; state its `encoding:`" in refused(tmp_path, files="b.csv")
    refused(tmp_path, files="a.csv")
    assert rows(tmp_path, spec("b", files="b.csv", encoding="latin-1")) == [(2, "café")]


@pytest.mark.parametrize("cut", [b"\xe1", b"\xe1\xbb", b"\xf0\x9f\x98", b"\xc3"])
def test_a_character_cut_by_the_end_of_the_file_is_no_utf8(tmp_path: Path, cut: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1," + cut)
    assert "isn't UTF-8" in refused(tmp_path)


def test_lines_with_broken_bytes_are_named_where_utf8_is_stated(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        "a,b\n1,Sở\n2,x\xff\n3,y\n".encode().replace(b"\xc3\xbf", b"\xff")
    )
    found, wrong = both(tmp_path, spec("a", "b", encoding="utf-8"))
    assert found == [(2, "1", "Sở"), (4, "3", "y")]
    assert wrong == [("a.csv", 3, "bad_encoding", "2,x\\xff")]


def test_bytes_outside_a_stated_code_page_are_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,\xd2\n2,\x8a\n3,z\n")  # cp1258 has no 0x8a
    found, wrong = both(tmp_path, spec("a", "b", encoding="cp1258"))
    assert [line for line, *_ in found] == [2, 4]
    assert wrong == [("a.csv", 3, "bad_encoding", "2,\\x8a")]
    # In a column that nobody maps they cost nothing.
    assert rows(tmp_path, spec("a", encoding="cp1258")) == [(2, "1"), (3, "2"), (4, "3")]


def test_a_zero_byte_far_into_a_text_costs_its_line_only(tmp_path: Path) -> None:
    many = b"".join(b"%d,x\n" % n for n in range(300_000))
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + many + b"7,\0\n8,y\n")
    found, wrong = both(tmp_path, spec("a", "b"))
    assert len(found) == 300_001
    assert [(line, rule) for _, line, rule, _ in wrong] == [(300_002, "zero_byte")]


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"so_hs,ngay\n{SECRET},1\n")
    with pytest.raises(
        ContractError, match=r"'a.csv', line 1: no column 'so_ho_so' \(there is 'so_hs'\)"
    ):
        read(tmp_path, spec("so_ho_so", "ngay"))


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,A ,b\n1,2,3\n")
    assert rows(tmp_path, spec("a")) == [(2, "1")]  # spelled exactly: no doubt
    (tmp_path / "a.csv").write_text("a,b,a\n1,2,3\n")
    assert "column 'a' stands there twice" in refused(tmp_path, "a")
    assert rows(tmp_path, spec("b")) == [(2, "2")]


def test_nothing_is_read_when_a_later_file_lacks_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("a,c\n1,2\n")
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    with pytest.raises(ContractError, match=r"'b\.csv'"):
        connector.read(spec("a", "b"), ReadRequest())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "'gone' isn't there" in refused(tmp_path / "gone")
    (tmp_path / "file").write_text("a\n")
    assert "'file' is no folder" in refused(tmp_path / "file")


def test_a_snapshot_without_files_is_refused_and_an_increment_is_not(tmp_path: Path) -> None:
    assert "no file *.csv" in refused(tmp_path)
    table, summary = read(tmp_path, spec("a", mode="increment"))
    assert (table.num_rows, summary.is_complete, summary.files) == (0, True, [])


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    (inside / "a.csv").symlink_to(tmp_path / "secret.csv")
    assert "leads out of the folder" in refused(inside)


@pytest.mark.parametrize("locked", ["folder", "file"])
def test_what_may_not_be_read_is_named(tmp_path: Path, locked: str) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.csv").write_text(f"a,b\n{SECRET},2\n")
    become = ""
    if os.geteuid() == 0:  # root reads everything, so the reading is done by nobody
        open_way(folder)
        become = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    (folder / "a.csv").chmod(0o600 if locked == "file" and become else 0o000)
    if locked == "folder":
        folder.chmod(0o700 if become else 0o000)
    try:
        code = MEASURED + (
            "from schemas.errors import SourceError, TransientSourceError\n"
            "try: print(list(run()))\n"
            "except SourceError as error: print(type(error).__name__, error)\n"
        )
        # After the imports: nobody may not be able to read the interpreter's own folders.
        said = python(code.replace("def run", become + "def run", 1), str(folder))
    finally:
        folder.chmod(0o700)
    assert said.startswith("SourceError")
    assert f"{'drop' if locked == 'folder' else 'a.csv'!r} may not be read" in said
    assert SECRET not in said


def open_way(folder: Path) -> None:
    """Lets other users through to a folder below the temporary one."""
    for parent in [folder, *folder.parents]:
        if parent == Path(parent.anchor) or parent.stat().st_uid != os.geteuid():
            break
        parent.chmod(parent.stat().st_mode | 0o055)


def test_a_file_that_grows_while_it_is_read_is_read_again_later(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 10)
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    with connector.read(spec("a", "b"), ReadRequest(batch_rows=4)) as reading:
        batches = reading.batches()
        assert next(batches).num_rows == 4
        with path.open("ab") as file:
            file.write(b"3,4\n")
        with pytest.raises(TransientSourceError, match=r"'a\.csv' changed while it was read"):
            list(batches)
        assert not reading.summary.is_complete


def test_a_file_that_vanishes_before_it_is_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    with connector.read(spec("a"), ReadRequest()) as reading:
        (tmp_path / "a.csv").unlink()
        with pytest.raises(SourceError, match="isn't there"):
            list(reading.batches())


@pytest.mark.parametrize("text", [b"x", b'"x', b"x,"], ids=["plain", "quoted", "cells"])
@pytest.mark.parametrize("where", ["header", "row"])
def test_one_line_of_200_mb_is_answered_in_bounded_memory(
    tmp_path: Path, text: bytes, where: str
) -> None:
    with (tmp_path / "long.csv").open("wb") as file:
        if where == "row":
            file.write(b"a,b\n1,2\n")
        for _ in range(200):
            file.write((text + b"y" * 998 + b"z,")[: 1000 - len(text)] * 1000)
        if where == "row":
            file.write(b"\n3,4\n")
    code = MEASURED + (
        "base = peak_mib()\n"
        "from schemas.errors import SourceError\n"
        "try: said = list(run())\n"
        "except SourceError as error: said = str(error)\n"
        "print(peak_mib() - base, said, sep=';')\n"
    )
    grown, said = python(code, str(tmp_path)).split(";", 1)
    assert int(grown) < 120, f"{grown} MiB for one line"
    if where == "header":
        assert "'long.csv'" in said
    else:
        assert said == "[(2, None, 0, '1'), (3, 'line_too_long', 2048, None), (4, None, 0, '3')]"


def test_a_sparse_file_of_zeros_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "zeros.csv").open("wb") as file:
        file.truncate(200_000_000)
    assert "holds no text" in refused(tmp_path)


def test_a_big_clean_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    line = ("x" * 60 + ',"Nguyễn ""An"""\n').encode()
    with (tmp_path / "big.csv").open("wb") as file:
        file.write(b"a,b\n")
        for _ in range(1000):
            file.write(line * 1000)
    code = MEASURED + "base = peak_mib()\nlast = list(run())[-1]\nprint(peak_mib() - base)"
    assert int(python(code, str(tmp_path))) < 300


def test_a_cursor_makes_no_sense_for_files(tmp_path: Path) -> None:
    wanted = spec("a")
    from dataclasses import replace

    connector = connect("files", FilesOptions(path=str(tmp_path)))
    with pytest.raises(ConfigError, match="files have no cursor"):
        connector.high(replace(wanted, cursor=Cursor(column="a")))
    assert connector.high(wanted) is None


def test_the_published_types_are_the_code_s() -> None:
    assert (ROOT / "docs/types.md").read_text("utf-8") == as_markdown()
