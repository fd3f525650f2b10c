"""The key that pseudonymises people, and the warehouse's memory of which key it was.

The key comes from outside the data. It is created only together with a new, empty warehouse; the
warehouse keeps its fingerprint from the first commit, so another key stops a run before any write.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import ConfigError
from schemas.personal import fingerprint

KEY_VARIABLE: Final = "LIENTHONG_PERSON_KEY"
FILE_VARIABLE: Final = "LIENTHONG_PERSON_KEY_FILE"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, repr=False)
class PersonKey:
    """The secret key; it never shows itself."""

    value: bytes

    @property
    def fingerprint(self) -> str:
        """What tells two keys apart without giving either away."""
        return fingerprint(self.value)

    def __repr__(self) -> str:
        return "PersonKey(***)"


def key_file(warehouse_uri: str, env: Mapping[str, str]) -> Path | None:
    """Where the key lies: the configured file, else beside a local warehouse (never in it)."""
    if FILE_VARIABLE in env:
        return Path(env[FILE_VARIABLE]).expanduser()
    if "://" in warehouse_uri:
        return None
    folder = Path(warehouse_uri).resolve()
    return folder.with_name(folder.name + ".person.key")


def find_key(warehouse_uri: str, env: Mapping[str, str]) -> PersonKey | None:
    """The key that is configured, or None where there is none yet.

    Raises:
        ConfigError: What is configured isn't a key.
    """
    if KEY_VARIABLE in env:
        return PersonKey(_decoded(env[KEY_VARIABLE], KEY_VARIABLE))
    path = key_file(warehouse_uri, env)
    if path is None or not path.exists():
        return None
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: the person key can't be read from this file") from None
    return PersonKey(_decoded(text, str(path)))


def create_key(warehouse_uri: str, env: Mapping[str, str]) -> PersonKey:
    """Makes a new key in its file, readable by its owner only.

    The file appears whole or not at all: a run that dies here leaves no half of a key, and of two
    runs that found a warehouse at once both get the one key.

    Raises:
        ConfigError: There is no place for it.
    """
    path = key_file(warehouse_uri, env)
    if path is None:
        raise ConfigError(
            f"a warehouse at {warehouse_uri} needs its person key from outside: set "
            f"{KEY_VARIABLE} (64 hexadecimal digits) or {FILE_VARIABLE}"
        )
    value = secrets.token_bytes(_KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, value.hex() + "\n")
    except FileExistsError:
        if (other := find_key(warehouse_uri, env)) is not None:
            return other
        raise ConfigError(f"{path}: the person key can't be written here") from None
    except OSError:
        raise ConfigError(f"{path}: the person key can't be written here") from None
    return PersonKey(value)


def _write_whole(path: Path, text: str) -> None:
    """Writes a new file that is never seen half written. Raises FileExistsError, OSError."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.link(file.name, path)


def _decoded(text: str, where: str) -> bytes:
    try:
        value = bytes.fromhex(text.strip())
    except ValueError:
        value = b""
    if len(value) < _KEY_BYTES:
        raise ConfigError(
            f"{where}: a person key is {_KEY_BYTES * 2} hexadecimal digits or more; "
            "this one is shorter or isn't hexadecimal"
        )
    return value
