"""Buckets and servers: the same files as in a folder, fetched once, and no secret in any error."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from connectors.files.remote import remote_error
from connectors.protocol import Connector, ReadRequest, ReadSummary, StreamSpec
from connectors.registry import FilesOptions, connect, is_secret_option
from schemas.errors import ConfigError, SourceError, TransientSourceError
from tests.connectors.files.support import spec, unchanged
from tests.support.s3 import S3Server
from tests.support.sftp import PASSWORD, USER, SftpServer
from tests.support.tables import FILES

ONE = "a,b\n1,x\n"
SECRET = "s3cr3t-of-the-desk"
NOW = {"settle": "0 seconds"}


@contextmanager
def connected(path: str, storage: dict[str, Any], **options: Any) -> Iterator[Connector]:
    model = FilesOptions(path=path, storage_options=storage, **{**NOW, **options})
    with closing(connect("files", model)) as connector:
        yield connector


def taken(connector: Connector, wanted: StreamSpec, **request: Any) -> tuple[pa.Table, ReadSummary]:
    with connector.read(wanted, ReadRequest(**request)) as reading:
        table = pa.Table.from_batches(list(reading.batches()), schema=reading.schema)
        return table, reading.summary


def keys_of(s3: S3Server, **more: Any) -> dict[str, Any]:
    return {"endpoint": s3.endpoint, "region": "us-east-1", "access_key": "desk",
            "secret_key": SECRET, **more}  # fmt: skip


def login(sftp: SftpServer, **more: Any) -> dict[str, Any]:
    return {"password": PASSWORD, "host_key": sftp.host_key, **more}


def fails(kind: type[Exception], path: str, storage: dict[str, Any], **options: Any) -> str:
    """The message of a read that fails; it holds no secret."""
    with pytest.raises(kind) as caught, connected(path, storage, **options) as connector:
        taken(connector, spec("a"))
    said = str(caught.value)
    assert SECRET not in said
    assert PASSWORD not in said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


def zipped(**members: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.csv", content)
    return raw.getvalue()


# What holds of both, over the same files.


@pytest.fixture(params=["s3", "sftp"])
def place(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any], Any]:
    """A new place: its URI, its options, and what puts a file there."""
    if request.param == "s3":
        s3: S3Server = request.getfixturevalue("s3")
        bucket = s3.bucket()
        return (
            f"s3://{bucket}/xa/desk",
            keys_of(s3),
            lambda name, content: s3.put(bucket, f"xa/desk/{name}", content),
        )
    sftp: SftpServer = request.getfixturevalue("sftp")
    drop: Path = request.getfixturevalue("drop")

    def put(name: str, content: bytes) -> None:
        (drop / name).parent.mkdir(parents=True, exist_ok=True)
        (drop / name).write_bytes(content)

    return sftp.url(drop.name), login(sftp), put


def test_files_are_found_by_glob_and_read(place: Any) -> None:
    path, storage, put = place
    put("2024/one.csv", ONE.encode())
    put("2025/two.csv.gz", gzip.compress(b"a,b\n2,y\n"))
    put("2025/three.zip", zipped(a="a,b\n3,z\n", b="a,b\n4,\xe0\n"))
    put("2025/.hidden.csv", b"junk")
    put("note.txt", b"junk")
    with connected(path, storage) as connector:
        wanted = spec("a", "b", files=["2*/*.csv", "2*/*.csv.gz", "**/*.zip"])
        table, summary = taken(connector, wanted)
    assert [(r["_file"], r["a"], r["b"]) for r in table.to_pylist()] == [
        ("2024/one.csv", "1", "x"),
        ("2025/three.zip!a.csv", "3", "z"),
        ("2025/three.zip!b.csv", "4", "à"),
        ("2025/two.csv.gz", "2", "y"),
    ]
    assert summary.is_complete


def test_only_what_changed_is_read_again(place: Any) -> None:
    path, storage, put = place
    put("x.csv", ONE.encode())
    put("y.csv", b"a,b\n2,y\n")
    with connected(path, storage) as connector:
        _, first = taken(connector, spec("a", "b"))
        put("x.csv", b"a,b\n1,corrected\n")
        put("copy-of-y.csv", b"a,b\n2,y\n")
        known = frozenset(file.hash for file in first.files)
        table, second = taken(connector, spec("a", "b"), known_files=known)
    assert table["b"].to_pylist() == ["corrected"]
    assert unchanged(second.files) == ["copy-of-y.csv", "y.csv"]


def test_a_workbook_and_parquet_come_from_far_away(place: Any, tmp_path: Path) -> None:
    path, storage, put = place
    for kind in ("xlsx", "parquet"):
        FILES[kind](tmp_path / f"x.{kind}", [{"a": kind, "b": "à"}])
        put(f"x.{kind}", (tmp_path / f"x.{kind}").read_bytes())
    with connected(path, storage) as connector:
        table, _ = taken(connector, spec("a", "b", files="x.*"))
    assert table["a"].to_pylist() == ["parquet", "xlsx"]


def test_a_file_of_many_pieces_arrives_whole_and_leaves_nothing_behind(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, storage, put = place
    rows = "".join(f"{n},{os.urandom(16).hex()}\n" for n in range(120_000))
    put("x.csv", ("a,b\n" + rows).encode())  # 4.6 MB
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (
        connected(path, storage) as connector,
        connector.read(spec("a", "b"), ReadRequest()) as reading,
    ):
        assert list(tmp_path.iterdir()) == []  # it has no name
        table = pa.Table.from_batches(list(reading.batches()))
    found = zip(table["a"].to_pylist(), table["b"].to_pylist(), strict=True)
    assert "".join(f"{a},{b}\n" for a, b in found) == rows


def test_what_is_larger_than_the_room_for_it_is_refused(place: Any) -> None:
    path, storage, put = place
    put("x.csv", ONE.encode() + b"2,y\n" * 300_000)
    said = fails(SourceError, path, storage, max_temp_bytes=1024**2)
    assert "more than the 1 MiB of temporary files" in said


def test_a_file_younger_than_settle_is_left_for_later_far_away_too(place: Any) -> None:
    path, storage, put = place
    put("x.csv", ONE.encode())
    said = fails(TransientSourceError, path, storage, settle="1 day")
    assert "was changed less than 1 day, 0:00:00 ago" in said


def test_a_folder_that_isnt_there_is_said_to_be_so(place: Any) -> None:
    path, storage, _ = place
    assert "isn't there; check `path`" in fails(SourceError, f"{path}/nowhere", storage)


def test_a_misspelt_option_names_the_nearest(place: Any) -> None:
    path, storage, _ = place
    for wrong, right in (("acces_key", "access_key"), ("pasword", "password")):
        if right in storage:
            with pytest.raises(ConfigError, match=f"did you mean '{right}'"):
                connect("files", FilesOptions(path=path, storage_options={wrong: "x"}))


# Buckets.


def test_a_bucket_that_isnt_there_or_refuses_is_told_without_the_key(s3: S3Server) -> None:
    said = fails(SourceError, "s3://no-such-bucket/x", keys_of(s3))
    assert "'s3://no-such-bucket/x'" in said
    bucket = s3.bucket()
    s3.put(bucket, "x.csv", ONE.encode())
    with s3.demanding_keys():
        said = fails(SourceError, f"s3://{bucket}", keys_of(s3))
    assert "is refused" in said
    assert "check `path` and `storage_options`" in said


def test_a_storage_that_cant_be_reached_is_tried_again_later(s3: S3Server) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    storage = keys_of(s3, endpoint=f"http://127.0.0.1:{port}", connect_timeout=1)
    assert "can't be reached" in fails(TransientSourceError, "s3://desk", storage)


def test_an_object_changed_while_it_is_fetched_is_left_for_later(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Same size, same second: only its tag tells.
    bucket = s3.bucket()
    s3.put(bucket, "x.csv", ONE.encode())
    from connectors.files.spool import Spool

    keep = Spool.keep

    def late(self: Spool, pieces: Iterator[bytes], *, place: str) -> Any:
        kept = keep(self, pieces, place=place)
        s3.put(bucket, "x.csv", ONE.replace("x", "z").encode())
        return kept

    monkeypatch.setattr(Spool, "keep", late)
    said = fails(TransientSourceError, f"s3://{bucket}", keys_of(s3))
    assert "'x.csv' changed while it was read" in said


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://x", "http://user:pw@host"])
def test_an_endpoint_is_a_url_without_a_login(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="`endpoint` is a URL such as") as caught:
        connect("files", FilesOptions(path="s3://x", storage_options={"endpoint": endpoint}))
    assert "pw" not in str(caught.value)


# Servers.


def test_a_key_opens_a_server_as_well(sftp: SftpServer, drop: Path) -> None:
    (drop / "x.csv").write_text(ONE)
    storage = {"host_key": sftp.host_key, "key_filename": str(sftp.user_key)}
    with connected(sftp.url(drop.name), storage) as connector:
        assert taken(connector, spec("a"))[0].num_rows == 1


def test_a_wrong_password_is_refused_and_not_repeated(sftp: SftpServer, drop: Path) -> None:
    said = fails(SourceError, sftp.url(drop.name), login(sftp, password=SECRET))
    assert "is refused (AuthenticationException)" in said


def test_a_server_that_nobody_knows_is_refused_with_its_key(
    sftp: SftpServer, drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncssh

    monkeypatch.setenv("HOME", str(tmp_path))
    said = fails(SourceError, sftp.url(drop.name), {"password": PASSWORD})
    assert asyncssh.import_public_key(sftp.host_key).get_fingerprint() in said
    (drop / "x.csv").write_text(ONE)
    (tmp_path / "known").write_text(f"[127.0.0.1]:{sftp.port} {sftp.host_key}\n")
    storage = {"password": PASSWORD, "known_hosts": str(tmp_path / "known")}
    with connected(sftp.url(drop.name), storage) as connector:
        assert taken(connector, spec("a"))[0].num_rows == 1
    assert sftp.opened  # and before the key was known, nothing was asked for


def test_a_server_with_another_key_than_the_known_one_is_refused(
    sftp: SftpServer, drop: Path
) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    said = fails(SourceError, sftp.url(drop.name), login(sftp, host_key=other))
    assert "shows another key than the one that is known" in said


def test_a_link_on_a_server_is_refused(sftp: SftpServer, drop: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(ONE)
    (drop / "x.csv").symlink_to(tmp_path / "secret.csv")
    assert "'x.csv' is a link" in fails(SourceError, sftp.url(drop.name), login(sftp))
    (drop / "x.csv").unlink()
    os.mkfifo(drop / "x.csv")
    assert "'x.csv' is no file" in fails(SourceError, sftp.url(drop.name), login(sftp))


def test_nothing_beside_the_folder_is_opened_on_a_server(sftp: SftpServer, drop: Path) -> None:
    (sftp.folder / "beside.csv").write_text(ONE)
    (drop / "x.csv").write_text(ONE)
    sftp.opened.clear()
    with connected(sftp.url(drop.name), login(sftp)) as connector:
        taken(connector, spec("a", files="**/*.csv"))
    assert sftp.opened == [f"/{drop.name}/x.csv"]


def test_a_server_that_cant_be_reached_is_tried_again_later(sftp: SftpServer) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    said = fails(TransientSourceError, f"sftp://{USER}@127.0.0.1:{port}/x", login(sftp))
    assert "can't be reached" in said
    assert f"'sftp://127.0.0.1:{port}/x'" in said


# Any other protocol, and what a path may not hold.


def test_any_protocol_of_fsspec_is_read() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/desk/2025/x.csv", ONE.encode())
    with connected("memory://desk", {}) as connector:
        assert taken(connector, spec("a", files="*/*.csv"))[0].num_rows == 1


def test_a_file_uri_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sổ desk").mkdir()
    (tmp_path / "sổ desk" / "x.csv").write_text(ONE)
    with connected(f"file://{tmp_path}/s%E1%BB%95%20desk", {}) as connector:
        assert taken(connector, spec("a"))[0].num_rows == 1


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match="no protocol s4://"):
        connect("files", FilesOptions(path="s4://x"))
    with pytest.raises(ConfigError, match="not a folder"):
        connect("files", FilesOptions(path="x", storage_options={"password": SECRET}))


@pytest.mark.parametrize(
    "path",
    ["sftp://desk:hunter2@host/x", "zip::s3://bucket/hunter2", "s3://bucket/x?hunter2=1"],
)
def test_a_path_that_holds_a_password_or_options_is_refused_and_not_shown(path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FilesOptions(path=path)
    assert "hunter2" not in str(caught.value)


def test_options_show_no_secret() -> None:
    options = FilesOptions(path="s3://x", storage_options={"secret_key": SECRET, "anonymous": True})
    assert SECRET not in f"{options!r} {options} {options.model_dump()}"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("password", True), ("secret_key", True), ("access_key", True), ("session_token", True),
     ("passphrase", True), ("account_key", True), ("sas_token", True), ("connection_string", True),
     ("host_key", False), ("endpoint", False), ("region", False), ("key_filename", False)],
)  # fmt: skip
def test_options_that_are_secrets_are_known_by_their_names(name: str, is_secret: bool) -> None:
    assert is_secret_option(name) is is_secret


def test_an_error_of_a_library_is_not_repeated() -> None:
    class HTTPError(Exception):
        pass

    said = str(remote_error("stream 's'", "x.csv", HTTPError(f"https://u:{SECRET}@host/x")))
    assert SECRET not in said
    assert "HTTPError" in said
