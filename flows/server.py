"""What a Prefect server is shown of a run: log lines, progress, and the receipts as a table.

Everything here is counts, names and sentences of ours; the server has no business with values.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.logging.handlers import APILogHandler

from flows.logs import LOGGER, interval_text
from flows.receipts import Receipt
from schemas.errors import LienThongError

if TYPE_CHECKING:
    from uuid import UUID

_COUNTS = (
    "read", "landed", "same", "unreadable", "inserted", "updated", "unchanged", "superseded",
    "folded", "quarantined", "tombstoned", "null_cursor", "future_cursor",
)  # fmt: skip


def require_server() -> None:
    """Makes sure that the server named by `PREFECT_API_URL` answers.

    Raises:
        LienThongError: It does not: a run that nobody would see is not started instead.
    """
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        url = _without_password(os.environ.get("PREFECT_API_URL", ""))
        message = (
            f"the Prefect server at {url} does not answer ({type(problem).__name__}); start it, "
            "or unset PREFECT_API_URL to run without one"
        )
        raise LienThongError(message)


@contextmanager
def logs_to_run() -> Iterator[None]:
    """Sends our own log lines to the run under way, and nobody else's."""
    logger = logging.getLogger(LOGGER)
    handler = APILogHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class ReadProgress:
    """The share of streams read so far, as a progress artifact."""

    def __init__(self, name: str, *, streams: int) -> None:
        self._streams = streams
        self._read = 0
        self._artifact = cast(
            "UUID",  # the other thing it may be is for callers in a coroutine
            create_progress_artifact(
                0.0 if streams else 100.0,
                key=artifact_key("progress", name),
                description=f"Streams read, of {streams}.",
            ),
        )

    def one_more(self) -> None:
        """One stream has been read, or has failed."""
        self._read += 1
        update_progress_artifact(self._artifact, progress=100.0 * self._read / self._streams)


def publish_receipts(name: str, receipts: Sequence[Receipt], *, sentence: str) -> None:
    """Stores the receipts as a table artifact.

    Args:
        name: `nightly`, or the source.
        receipts: One row each.
        sentence: How the run ended.
    """
    create_table_artifact(
        key=artifact_key("receipts", name),
        table=[_row(receipt) for receipt in receipts],
        description=sentence,
    )


def artifact_key(kind: str, name: str) -> str:
    """A key of the letters that Prefect allows in one: `receipts-so-tu-phap`."""
    return f"{kind}-{re.sub(r'[^a-z0-9-]+', '-', name.lower()).strip('-') or 'source'}"


def _row(receipt: Receipt) -> dict[str, object]:
    record = receipt.as_record()
    return {
        "source": receipt.source,
        "stream": receipt.stream,
        "entity": receipt.entity or "",
        "status": receipt.status,
        "interval": interval_text(receipt.interval) or "",
        **{name: record[name] for name in _COUNTS},
        "warned": sum(receipt.warnings.values()),
        "seconds": round(receipt.seconds, 2),
        "remark": receipt.error or receipt.note or "",
    }


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)
