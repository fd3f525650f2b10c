"""From an archive in an old encoding on a server of SFTP to core, by YAML alone."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows import steps
from flows.catalog import load_source
from flows.catalog_errors import CatalogError
from flows.context import open_context
from flows.receipts import SyncOptions
from tests.support.sftp import PASSWORD, SftpServer, sftp_server

HEADER = "Số hồ sơ;Trạng thái;Thủ tục\n"
JANUARY = "XA-1;received;Đăng ký khai sinh\nXA-2;received;Đăng ký kết hôn\n"
FEBRUARY = "XA-3;received;Cấp bản sao trích lục\n"

YAML = """\
source: xa-thu
agency: H41.999
connector:
  type: files
  path: {path}
  settle: 0 seconds
  storage_options:
    password: {password}
    host_key: {host_key}
streams:
  so_theo_doi:
    files: "*.zip"
    members: "so-*.csv"
    encoding: {encoding}
    mode: increment
    key: Số hồ sơ
    into:
      - entity: dossier
        columns:
          dossier_code: Số hồ sơ
          procedure_name: Thủ tục
          status: {{from: Trạng thái, codes: status}}
"""


def write(folder: Path, server: SftpServer, **changed: str) -> None:
    values = {
        "path": server.url("drop"), "password": '"${DESK_PASSWORD}"', "host_key": server.host_key,
        "encoding": "tcvn3",
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "xa-thu.yaml").write_text(YAML.format(**{**values, **changed}), "utf-8")


def zipped(**members: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"so-{name}.csv", (HEADER + content).encode("tcvn3"))
        archive.writestr("huong-dan.txt", b"\xff\xfe\x00")
    return raw.getvalue()


@pytest.fixture
def server(tmp_path: Path) -> Any:
    (tmp_path / "served" / "drop").mkdir(parents=True)
    (tmp_path / "keys").mkdir()
    with sftp_server(tmp_path / "served", tmp_path / "keys") as running:
        yield running


def test_an_archive_on_a_server_lands_and_its_correction_too(
    tmp_path: Path, server: SftpServer, warehouse_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_PASSWORD", PASSWORD)
    drop, sources = server.folder / "drop", tmp_path / "sources"
    write(sources, server)
    context = open_context(warehouse_uri=warehouse_uri, sources_dir=sources)
    options = SyncOptions()

    (drop / "2026.zip").write_bytes(zipped(m01=JANUARY, m02=FEBRUARY))
    (receipt,) = steps.sync(context, ["xa-thu"], options)
    assert (receipt.error, receipt.read, receipt.landed, receipt.inserted) == (None, 3, 3, 3)

    (drop / "2026 (copy).zip").write_bytes(zipped(m01=JANUARY, m02=FEBRUARY))
    (receipt,) = steps.sync(context, ["xa-thu"], options)
    assert (receipt.error, receipt.landed, receipt.updated) == (None, 0, 0)

    (drop / "2026.zip").write_bytes(zipped(m01=JANUARY.replace("hôn", "hôn lại"), m02=FEBRUARY))
    (receipt,) = steps.sync(context, ["xa-thu"], options)
    assert (receipt.error, receipt.landed, receipt.updated) == (None, 1, 1)

    core = context.warehouse.core("dossier").scan().filter(pl.col("_deleted_at").is_null())
    names = core.sort("dossier_code").select("procedure_name").collect()
    assert names["procedure_name"].to_list() == [
        "Đăng ký khai sinh", "Đăng ký kết hôn lại", "Cấp bản sao trích lục",
    ]  # fmt: skip


def test_check_proposes_the_encoding_and_shows_no_secret(
    tmp_path: Path, server: SftpServer, warehouse_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_PASSWORD", PASSWORD)
    write(tmp_path / "sources", server, encoding="null")
    (server.folder / "drop" / "2026.zip").write_bytes(zipped(m01=JANUARY))
    context = open_context(warehouse_uri=warehouse_uri, sources_dir=tmp_path / "sources")
    (check,) = steps.check_source(context, "xa-thu")
    assert "tcvn3 is right by all signs" in str(check.error)
    assert "'Số hồ sơ', 'Trạng thái', 'Thủ tục'" in str(check.error)
    monkeypatch.setenv("DESK_PASSWORD", "planted-7391")
    (check,) = steps.check_source(context, "xa-thu")
    assert "is refused (AuthenticationException)" in str(check.error)
    assert "planted-7391" not in f"{check} {context.catalog.sources}"


def test_a_password_among_the_storage_options_is_a_reference(
    tmp_path: Path, server: SftpServer
) -> None:
    write(tmp_path, server, password="planted-7391")
    with pytest.raises(CatalogError) as caught:
        load_source(tmp_path / "xa-thu.yaml")
    (problem,) = caught.value.problems
    assert problem.what == "connector.storage_options.password: a secret in the file"
    assert problem.place.line == 8
    assert "planted" not in str(caught.value)
