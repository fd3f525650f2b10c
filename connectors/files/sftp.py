"""Servers that speak SFTP: paramiko behind the face of fsspec.

A server is believed only when its key is known: fsspec's own class takes any key on the first
connection, so that whoever sits between the two could deliver the files.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from connectors.files.options import raise_if_unknown
from schemas.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Values = Mapping[str, str | bool | int]

_KNOWN = ("username", "password", "port", "key_filename", "passphrase", "host_key", "known_hosts")
_PATHS = ("key_filename", "known_hosts")
_SECONDS = {"timeout": 10, "banner_timeout": 15, "auth_timeout": 15, "channel_timeout": 15}
_SILENCE = 60.0  # seconds without a byte after which a transfer is given up
_WINDOW = 32 * 1024  # bytes of one request; paramiko sends many at once
_PIECE = 1024 * 1024


def checked(values: Values, *, base: Path) -> Values:
    """The options of a server, its paths made absolute.

    Raises:
        ConfigError: One isn't known, or the host's key is none.
    """
    raise_if_unknown(values, _KNOWN, protocol="sftp")
    if "host_key" in values:
        _host_key(str(values["host_key"]))
    return {
        key: str(base / Path(str(value)).expanduser()) if key in _PATHS else value
        for key, value in values.items()
    }


def opened(uri: str, values: Values) -> tuple[AbstractFileSystem, str]:
    """A connection, and the path of the top on the server."""
    parts = urlsplit(uri)
    if not parts.hostname:
        message = "connector files: sftp:// needs a host: sftp://user@host/folder"
        raise ConfigError(message)
    user = values.get("username") or (unquote(parts.username) if parts.username else None)
    options = {key: value for key, value in values.items() if key not in {"username", "port"}}
    system = Server(
        parts.hostname,
        port=int(values.get("port") or parts.port or 22),
        username=user,
        **options,
        skip_instance_cache=True,
    )
    return system, unquote(parts.path) or "/"


class Server(SFTPFileSystem):  # type: ignore[misc]
    """fsspec's SFTP, which asks who the server is, and reads ahead in bounded steps."""

    def _connect(self) -> None:
        options: dict[str, Any] = dict(self.ssh_kwargs)
        host_key = options.pop("host_key", None)
        known_hosts = options.pop("known_hosts", None)
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(_Unknown())
        port = options["port"]
        name = self.host if port == 22 else f"[{self.host}]:{port}"
        if host_key is not None:
            key = _host_key(host_key)
            self.client.get_host_keys().add(name, key.get_name(), key)
        elif known_hosts is not None:
            self._load(known_hosts)
        else:
            self.client.load_system_host_keys()
        is_stated = "password" in options or "key_filename" in options
        try:
            self.client.connect(
                self.host, **options, **_SECONDS,
                allow_agent=not is_stated, look_for_keys=not is_stated,
            )  # fmt: skip
        except paramiko.BadHostKeyException as error:
            raise _wrong_key(self.host, error.key) from None
        self.ftp = self.client.open_sftp()
        self.ftp.get_channel().settimeout(_SILENCE)

    def _load(self, path: str) -> None:
        try:
            self.client.load_host_keys(path)
        except OSError as error:
            message = f"connector files: `known_hosts` can't be read ({error.strerror})"
            raise ConfigError(message) from None

    @staticmethod
    def _decode_stat(stat: paramiko.SFTPAttributes, parent_path: str | None = None) -> Any:  # noqa: ANN401 - fsspec's
        info = SFTPFileSystem._decode_stat(stat, parent_path)
        return {**info, "mode": stat.st_mode}

    def _open(self, path: str, mode: str = "rb", **_: object) -> Any:  # noqa: ANN401 - fsspec's
        return _Download(self.ftp.open(path, mode))

    def close(self) -> None:
        """Ends the connection."""
        self.client.close()


class _Download(io.RawIOBase):
    """A file read from its beginning, a mebibyte of requests at a time."""

    def __init__(self, file: paramiko.SFTPFile) -> None:
        self._file = file
        self._at = 0
        self._size = file.stat().st_size or 0

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at
        wanted = min(left if size < 0 else size, left, _PIECE)
        ranges = [
            (self._at + start, min(_WINDOW, wanted - start)) for start in range(0, wanted, _WINDOW)
        ]
        piece = b"".join(self._file.readv(ranges)) if ranges else b""
        self._at += len(piece)
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()


class _Unknown(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Refuses a server that nobody knows."""

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        del client
        message = (
            f"the server {hostname} isn't known; it shows the key {_fingerprint(key)}. Ask the "
            "office whether this is its own, then add it to known_hosts, or state `host_key` in "
            "`storage_options`"
        )
        raise SourceError(message)


def _wrong_key(host: str, key: paramiko.PKey) -> SourceError:
    return SourceError(
        f"the server {host} shows another key than the one that is known, {_fingerprint(key)}: "
        "somebody may sit in between. Nothing was read; ask the office"
    )


def _fingerprint(key: paramiko.PKey) -> str:
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _host_key(text: str) -> paramiko.PKey:
    kind, _, rest = text.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(rest.split(" ")[0]))
    except (paramiko.SSHException, ValueError, KeyError):
        message = "connector files: `host_key` is a line such as 'ssh-ed25519 AAAA...'"
        raise ConfigError(message) from None
