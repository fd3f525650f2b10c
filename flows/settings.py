"""Where things are unless somebody says otherwise: one place for variables and defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path

from schemas.errors import ConfigError

WAREHOUSE_VARIABLE = "LIENTHONG_WAREHOUSE"
SOURCES_VARIABLE = "LIENTHONG_SOURCES"
DEFAULT_WAREHOUSE = "./data/warehouse"
DEFAULT_SOURCES = "./sources"


def warehouse_uri(given: str | None) -> str:
    """The warehouse asked for, else the environment's, else `DEFAULT_WAREHOUSE`.

    Raises:
        ConfigError: The URI holds a name or password. A URI is written into logs and kept by the
            Prefect server; credentials of an object store come from its own variables.
    """
    uri = given or os.environ.get(WAREHOUSE_VARIABLE) or DEFAULT_WAREHOUSE
    if re.match(r"[a-z][a-z0-9+.-]*://[^/]*@", uri, re.IGNORECASE):
        message = (
            "the warehouse's URI holds a user name or password: leave it out and set the object "
            "store's own variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...)"
        )
        raise ConfigError(message)
    return uri


def sources_folder(given: str | None) -> Path:
    """The folder asked for, else the environment's, else `DEFAULT_SOURCES`."""
    return Path(given or os.environ.get(SOURCES_VARIABLE) or DEFAULT_SOURCES)
