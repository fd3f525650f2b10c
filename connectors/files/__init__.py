"""Files: folders, buckets and servers of them, archives in these, one reader a format."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from connectors.files.connector import FilesConnector
from connectors.files.places import store_of
from connectors.registry import FilesOptions
from schemas.errors import ConfigError


def connect(options: BaseModel, *, timezone: str | None, base: Path | None) -> FilesConnector:
    """Builds the connector for a place of files; see `connectors.registry.connect`."""
    del timezone  # files land as text
    if not isinstance(options, FilesOptions):
        message = f"connector files: its options are {type(options).__name__}, not FilesOptions"
        raise ConfigError(message)
    store = store_of(options, base=base or Path.cwd())
    return FilesConnector(store, max_temp_bytes=options.max_temp_bytes)
