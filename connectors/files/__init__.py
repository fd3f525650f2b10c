"""Folders of files; one reader a format (delimited text for now)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from connectors.files.connector import FilesConnector
from connectors.registry import FilesOptions
from schemas.errors import ConfigError


def connect(options: BaseModel, *, timezone: str | None, base: Path | None) -> FilesConnector:
    """Builds the connector for a folder; see `connectors.registry.connect`."""
    del timezone  # files land as text
    if not isinstance(options, FilesOptions):
        message = f"connector files: its options are {type(options).__name__}, not FilesOptions"
        raise ConfigError(message)
    return FilesConnector((base or Path.cwd()) / Path(options.path).expanduser())
