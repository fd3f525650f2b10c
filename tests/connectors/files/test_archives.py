"""Archives: each member is a file of its own; what is no honest archive is refused, cheaply."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.files import archives
from connectors.protocol import ReadRequest
from connectors.registry import FilesOptions, connect
from schemas.errors import SourceError
from tests.connectors.files.support import read, rows, spec, unchanged
from tests.support.processes import python
from tests.support.tables import FILES

ONE = "a,b\n1,x\n"
TWO = "a,b\n2,y\n3,z\n"
Members = dict[str, str | bytes]


def zip_of(path: Path, members: Members) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def tar_of(path: Path, members: Members, mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            raw = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))


ARCHIVES: dict[str, Callable[[Path, Members], None]] = {
    "x.zip": zip_of,
    "x.tar": tar_of,
    "x.tar.gz": lambda path, members: tar_of(path, members, "w:gz"),
    "x.tgz": lambda path, members: tar_of(path, members, "w:gz"),
    "x.tar.bz2": lambda path, members: tar_of(path, members, "w:bz2"),
    "x.tar.xz": lambda path, members: tar_of(path, members, "w:xz"),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "x.csv.gz": gzip.compress,
    "x.csv.bz2": bz2.compress,
    "x.csv.xz": lzma.compress,
}


def wanted(**options: Any) -> Any:
    return spec("a", "b", files="x.*", **options)


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read(folder, wanted(**options))
    assert "'x." in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_member_is_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    ARCHIVES[name](tmp_path / name, {"nam/2024.csv": ONE, "2025.csv": TWO, "readme.pdf": b"%PDF\0"})
    table, summary = read(tmp_path, wanted())
    assert [(r["_file"], r["_line"], r["a"]) for r in table.to_pylist()] == [
        (f"{name}!nam/2024.csv", 2, "1"),
        (f"{name}!2025.csv", 2, "2"),
        (f"{name}!2025.csv", 3, "3"),
    ]
    assert [(f.path, f.size, f.rows) for f in summary.files] == [
        (f"{name}!nam/2024.csv", len(ONE), 1),
        (f"{name}!2025.csv", len(TWO), 2),
    ]


@pytest.mark.parametrize("name", PACKED)
def test_a_compressed_file_is_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name](TWO.encode()))
    assert rows(tmp_path, wanted()) == [(2, "2", "y"), (3, "3", "z")]


@pytest.mark.parametrize("name", PACKED)
def test_compressed_pieces_behind_each_other_are_one_text(tmp_path: Path, name: str) -> None:
    pack = PACKED[name]
    (tmp_path / name).write_bytes(pack(b"a,b\n") + pack(b"1,x\n") + b"\0" * 512)
    assert rows(tmp_path, wanted()) == [(2, "1", "x")]


def test_packed_or_not_one_content_has_one_hash(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(ONE)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(ONE.encode()))
    zip_of(tmp_path / "x.zip", {"y.csv": ONE})
    table, summary = read(tmp_path, wanted())
    assert table.num_rows == 1
    assert len({file.hash for file in summary.files}) == 1
    assert unchanged(summary.files) == ["x.csv.gz", "x.zip!y.csv"]


def test_only_the_corrected_member_is_read_again(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"a.csv": ONE, "b.csv": TWO})
    _, first = read(tmp_path, wanted())
    zip_of(tmp_path / "x.zip", {"a.csv": ONE, "b.csv": TWO.replace("z", "corrected")})
    known = frozenset(file.hash for file in first.files)
    table, second = read(tmp_path, wanted(), known_files=known)
    assert table["b"].to_pylist() == ["y", "corrected"]
    assert unchanged(second.files) == ["x.zip!a.csv"]


def test_members_are_chosen_by_name_or_by_path(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"nam/a.csv": ONE, "b.csv": TWO, "c.dat": ONE})
    assert len(rows(tmp_path, wanted(members="*.csv"))) == 3
    assert len(rows(tmp_path, wanted(members="nam/*.csv"))) == 1
    assert len(rows(tmp_path, wanted(members=["B.CSV", "c.*"]))) == 3
    assert "none of the 3 names in it is a file *.xml" in refused(tmp_path, members="*.xml")


def test_hidden_members_and_those_of_other_programs_are_passed_over(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {
        "a.csv": ONE, "__MACOSX/._a.csv": "junk", ".b.csv": "junk", "~$c.csv": "junk", "d/": "",
    })  # fmt: skip
    assert len(rows(tmp_path, wanted(members="*"))) == 1


def test_check_names_what_is_passed_over(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"a.csv": ONE, "b.pdf": "", "c.PDF": "", "readme": "", "d/": ""})
    found = connect("files", FilesOptions(path=str(tmp_path))).check(wanted())
    assert "x.zip: 3 of the files in it are passed over (.pdf, no ending): `members`" in found.notes
    assert any(note.startswith("x.zip!a.csv: utf-8") for note in found.notes)


@pytest.mark.parametrize("kind", ["json", "xlsx", "parquet", "xml", "jsonl"])
def test_every_format_is_read_out_of_an_archive(tmp_path: Path, kind: str) -> None:
    from tests.connectors.files.test_formats import OPTIONS

    plain = tmp_path / f"y.{kind}"
    FILES[kind](plain, [{"a": "1", "b": "à"}])
    zip_of(tmp_path / "x.zip", {plain.name: plain.read_bytes()})
    (tmp_path / f"x.{kind}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    for name in ("x.zip", "x.*.gz"):
        found, _ = read(tmp_path, spec("a", "b", files=name, **OPTIONS.get(kind, {})))
        assert [(row["a"], row["b"]) for row in found.to_pylist()] == [("1", "à")]


OUTSIDE = ["../a.csv", "/etc/a.csv", "b/../../a.csv", "C:\\a.csv", "..\\a.csv", "\\\\host\\a.csv"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("archive", ["x.zip", "x.tar"])
def test_a_path_outside_is_refused(tmp_path: Path, archive: str, name: str) -> None:
    ARCHIVES[archive](tmp_path / archive, {"good.csv": ONE, name: TWO})
    # ZIP's own library may turn the backslashes of Windows, not the rest.
    assert "a path outside of it; it isn't read" in refused(tmp_path, members="good.csv")


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        (tarfile.SYMTYPE, "/etc/passwd", "a link that leads out"),
        (tarfile.SYMTYPE, "../../secret.csv", "a link that leads out"),
        (tarfile.LNKTYPE, "../secret.csv", "a link that leads out"),
        (tarfile.SYMTYPE, "good.csv", "is a link; pack the file itself"),
        (tarfile.CHRTYPE, "", "a device or pipe"),
        (tarfile.BLKTYPE, "", "a device or pipe"),
        (tarfile.FIFOTYPE, "", "a device or pipe"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(
    tmp_path: Path, kind: bytes, target: str, said: str
) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("odd.csv")
        info.type, info.linkname = kind, target
        archive.addfile(info)
    assert said in refused(tmp_path)


def test_a_link_inside_that_nobody_asks_for_is_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("latest.csv")
        info.type, info.linkname = tarfile.SYMTYPE, "2025.csv"
        archive.addfile(info)
        real = tarfile.TarInfo("2025.csv")
        real.size = len(ONE)
        archive.addfile(real, io.BytesIO(ONE.encode()))
    assert rows(tmp_path, wanted(members="2025.csv")) == [(2, "1", "x")]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a.csv")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "is a link or a device" in refused(tmp_path)


def test_a_member_that_stands_twice_is_refused(tmp_path: Path) -> None:
    tar_of(tmp_path / "x.tar", {"a.csv": ONE, "./a.csv": TWO})
    assert "holds 'a.csv' twice" in refused(tmp_path)


@pytest.mark.parametrize("inner", ["y.zip", "y.csv.gz", "y.tar", "y.tgz", "y.7z"])
@pytest.mark.parametrize("archive", ["x.zip", "x.tar.gz"])
def test_an_archive_in_an_archive_is_refused(tmp_path: Path, archive: str, inner: str) -> None:
    ARCHIVES[archive](tmp_path / archive, {"a.csv": ONE, inner: b"PK"})
    said = refused(tmp_path)
    assert f"{inner!r}" in said
    assert len(rows(tmp_path, wanted(members="*.csv"))) == 1  # said not to be meant


def test_other_archives_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("x.7z", "x.rar", "x.csv.zst", "x.zip.gz", "x.csv.gz.gz"):
        (tmp_path / name).write_bytes(b"anything")
        with pytest.raises(SourceError, match=r"aren't read|an archive in an archive"):
            read(tmp_path, spec("a", files=name))


def test_a_member_with_a_password_is_refused(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"a.csv": ONE})
    raw = bytearray((tmp_path / "x.zip").read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    assert "needs a password" in refused(tmp_path)


def test_an_empty_member_is_refused_by_name(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"a.csv": "", "b.csv": ONE})
    assert "'x.zip!a.csv' is empty" in refused(tmp_path)


def test_a_cut_archive_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    big = "a,b\n" + "".join(f"{n},{n * 7919 % 1000}\n" for n in range(3000))
    for name, make in ARCHIVES.items():
        make(tmp_path / name, {"a.csv": big, "b.csv": ONE, "c.csv": TWO})
        whole = (tmp_path / name).read_bytes()
        for part in range(1, 8):
            cut = len(whole) * part // 8 // 512 * 512 + (0 if part % 2 else 100)
            (tmp_path / name).write_bytes(whole[: max(1, cut)])
            with pytest.raises(SourceError, match=f"'{name}"):
                read(tmp_path, spec("a", "b", files=name))
        (tmp_path / name).unlink()
    for name, pack in PACKED.items():
        whole = pack(big.encode())
        for part in range(1, 8):
            (tmp_path / name).write_bytes(whole[: len(whole) * part // 8])
            with pytest.raises(SourceError, match=f"'{name}'"):
                read(tmp_path, spec("a", "b", files=name))


@pytest.mark.parametrize("name", ARCHIVES)
def test_flipped_bits_lose_no_member_in_silence(tmp_path: Path, name: str) -> None:
    ARCHIVES[name](tmp_path / name, {"a.csv": ONE * 200, "b.csv": TWO})
    whole = (tmp_path / name).read_bytes()
    has_sum = name != "x.tar"  # nothing protects the content of a plain one
    chance, errors = random.Random(7), 0
    for at in range(0, len(whole), max(1, len(whole) // 120)):
        raw = bytearray(whole)
        raw[at] ^= 1 << chance.randrange(8)
        (tmp_path / name).write_bytes(raw)
        try:
            found, summary = read(tmp_path, wanted())
        except SourceError as error:
            errors += 1
            assert name in str(error)
        else:  # a bit of a date, of a permission, of padding
            assert len(summary.files) == 2
            assert found.num_rows == 202 or not has_sum
    assert errors > 5


def test_a_list_of_members_that_swallows_one_is_refused(tmp_path: Path) -> None:
    zip_of(tmp_path / "x.zip", {"a.csv": ONE, "b.csv": TWO})
    raw = bytearray((tmp_path / "x.zip").read_bytes())
    raw[raw.index(b"PK\1\2") + 33] = 0x40  # a comment of 16,384 bytes
    (tmp_path / "x.zip").write_bytes(raw)
    assert "its list of members is cut" in refused(tmp_path)


def big_zeros(path: Path, size: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w") as member,
    ):
        for _ in range(size // 2**20):
            member.write(b"0" * 2**20)


def test_a_bomb_is_refused_before_it_fills_anything(tmp_path: Path) -> None:
    size = 80 * 2**20
    big_zeros(tmp_path / "x.zip", size)
    assert "as an archive bomb does" in refused(tmp_path)
    (tmp_path / "x.zip").unlink()
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"0" * size, 9))
    assert "as an archive bomb does" in refused(tmp_path)
    (tmp_path / "x.csv.gz").unlink()
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        for name in ("skipped.bin", "a.csv"):  # what is passed over is unpacked all the same
            info = tarfile.TarInfo(name)
            info.size = size // 2
            archive.addfile(info, io.BytesIO(b"0" * (size // 2)))
    (tmp_path / "x.tar.xz").write_bytes(lzma.compress(inner.getvalue(), preset=0))
    assert "as an archive bomb does" in refused(tmp_path)


def test_a_size_that_the_archive_denies_is_refused(tmp_path: Path) -> None:
    big_zeros(tmp_path / "x.zip", 2**20)
    raw = (tmp_path / "x.zip").read_bytes()
    for place in (raw.index(b"PK\1\2") + 24, raw.index(b"PK\3\4") + 22):
        raw = raw[:place] + struct.pack("<L", 10) + raw[place + 4 :]
    (tmp_path / "x.zip").write_bytes(raw)
    assert "'x.zip" in refused(tmp_path)


def test_more_than_the_room_for_temporary_files_is_refused(tmp_path: Path) -> None:
    content = "a,b\n" + "".join(f"{n},{os.urandom(8).hex()}\n" for n in range(60_000))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(content.encode()))
    options = FilesOptions(path=str(tmp_path), max_temp_bytes=1024**2)
    connector = connect("files", options)
    with pytest.raises(SourceError, match=r"more than the 1 MiB that `max_temp_bytes`"):
        connector.read(wanted(), ReadRequest())
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(ONE.encode()))
    with connector.read(wanted(), ReadRequest()) as read_again:
        assert sum(batch.num_rows for batch in read_again.batches()) == 1


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 20_000)
    for name in ("x.zip", "x.tar"):
        ARCHIVES[name](tmp_path / name, {f"{n}.csv": ONE for n in range(51)})
        assert "holds more than 50 files" in refused(tmp_path)
        (tmp_path / name).unlink()
    # A list of contents so long that reading it would fill the memory isn't read at all.
    zip_of(tmp_path / "x.zip", {"n" * 10_000 + f"{n}": "" for n in range(3)})
    assert "holds more than 50 files" in refused(tmp_path)


HEADS = """
import io, tarfile, gzip
from pathlib import Path
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import FilesOptions, FilesStream, connect
from schemas.errors import SourceError
spec = StreamSpec(name="s", columns=("a",), key=("a",), options=FilesStream(files="x.*"))
start = peak_mib()
try:
    connect("files", FilesOptions(path=sys.argv[1])).read(spec, ReadRequest())
except SourceError as error:
    print(peak_mib() - start < 150, error)
"""


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_head_of_hundreds_of_megabytes_is_not_read_into_memory(
    tmp_path: Path, kind: bytes
) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, 300 * 2**20
    head = info.tobuf(tarfile.GNU_FORMAT)
    with gzip.open(tmp_path / "x.tar.gz", "wb", compresslevel=1) as packed:
        packed.write(head)
        for _ in range(300):
            packed.write(b"7" * 2**20)
    said = python(HEADS, str(tmp_path))
    assert said.startswith("True ")
    assert "is no TAR archive, or a broken or cut one" in said


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.csv")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10240)
    assert "broken" in refused(tmp_path)


def test_nothing_is_ever_written_under_a_name(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    zip_of(tmp_path / "drop" / "x.zip", {"a.csv": ONE, "b.csv": TWO})
    connector = connect("files", FilesOptions(path=str(tmp_path / "drop")))
    with connector.read(wanted(), ReadRequest()) as reading:
        assert list((tmp_path / "temp").iterdir()) == []
        assert sum(batch.num_rows for batch in reading.batches()) == 3
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["drop", "temp", "x.zip"]
