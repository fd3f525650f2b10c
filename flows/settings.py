"""Where things are unless somebody says otherwise: one place for variables and defaults."""

from __future__ import annotations

import os
from pathlib import Path

WAREHOUSE_VARIABLE = "LIENTHONG_WAREHOUSE"
SOURCES_VARIABLE = "LIENTHONG_SOURCES"
DEFAULT_WAREHOUSE = "./data/warehouse"
DEFAULT_SOURCES = "./sources"


def warehouse_uri(given: str | None) -> str:
    """The warehouse asked for, else the environment's, else `DEFAULT_WAREHOUSE`."""
    return given or os.environ.get(WAREHOUSE_VARIABLE) or DEFAULT_WAREHOUSE


def sources_folder(given: str | None) -> Path:
    """The folder asked for, else the environment's, else `DEFAULT_SOURCES`."""
    return Path(given or os.environ.get(SOURCES_VARIABLE) or DEFAULT_SOURCES)
