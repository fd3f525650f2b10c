"""Servers that files come from: one of each for the session."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.s3 import S3Server, s3_server
from tests.support.sftp import SftpServer, sftp_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One S3 server (for each worker of xdist its own)."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """One SFTP server (for each worker of xdist its own)."""
    folder, keys = tmp_path_factory.mktemp("sftp"), tmp_path_factory.mktemp("keys")
    with sftp_server(folder, keys) as server:
        yield server


@pytest.fixture
def drop(sftp: SftpServer) -> Path:
    """A new folder on the SFTP server."""
    folder = sftp.folder / f"drop-{next(_numbers)}"
    folder.mkdir()
    return folder
