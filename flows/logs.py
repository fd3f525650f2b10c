"""Structured log lines on stderr: what happened to which source, stream and interval.

A line never carries the value of a row. Lines of libraries are shown without their arguments,
because a library's argument may be one.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any, Literal

from flows.faults import frames, told
from flows.receipts import Receipt

LOGGER = "lienthong"
LogFormat = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error", "off"]

_FIELDS = "lienthong_fields"
_EVENT = "lienthong_event"


def event(name: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Writes one structured line.

    Args:
        name: What happened ("landed", "merged", "sync failed").
        level: A level of `logging`.
        **fields: What it is about: `source`, `stream`, `interval`, `rows` and whatever else
            counts. Fields that are None are left out. Never the value of a row.
    """
    known = {key: value for key, value in fields.items() if value is not None}
    text = " ".join([name, *(f"{key}={_quoted(value)}" for key, value in known.items())])
    logging.getLogger(LOGGER).log(
        level, "%s", text, extra={_EVENT: name, _FIELDS: known}, stacklevel=2
    )


def defect_event(error: BaseException) -> None:
    """Writes the way of an error that stops nobody, where it is a defect of the program."""
    fault = told(error)
    if fault.is_defect:
        way = " | ".join(line.strip() for line in frames(error))
        event("defect", level=logging.ERROR, error=fault.what, way=way)


def receipt_event(receipt: Receipt) -> None:
    """Writes the line that sums up one receipt."""
    level = {"done": logging.INFO, "degraded": logging.WARNING, "failed": logging.ERROR}
    event(
        f"sync {receipt.status}",
        level=level[receipt.status],
        source=receipt.source,
        stream=receipt.stream,
        entity=receipt.entity,
        interval=interval_text(receipt.interval),
        rows=receipt.read,
        landed=receipt.landed,
        inserted=receipt.inserted,
        updated=receipt.updated,
        quarantined=receipt.quarantined,
        tombstoned=receipt.tombstoned,
        seconds=round(receipt.seconds, 2),
        sync_id=receipt.sync_id,
        error=receipt.error,
        note=receipt.note,
    )


def interval_text(interval: tuple[str | None, str | None] | None) -> str | None:
    """`[low, high)` for a reader, or None for a whole read."""
    if interval is None:
        return None
    low, high = interval
    return f"[{low or '-inf'}, {high or '+inf'})"


def configure(*, level: Level, form: LogFormat) -> None:
    """Sends the log to stderr. Calling it again replaces what was there.

    Args:
        level: The least serious line of ours that is shown; `off` shows none.
        form: `text` for people, `json` for one JSON object a line.
    """
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    ours = logging.getLogger(LOGGER)
    _replace_handler(ours, handler)
    ours.setLevel(logging.CRITICAL + 1 if level == "off" else level.upper())
    ours.propagate = False
    root = logging.getLogger()
    _replace_handler(root, handler)
    root.setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """`2026-11-24T18:00:00Z INFO landed source=so-tu-phap stream=ho_so rows=1200`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for one record."""
        return f"{_time(record)} {record.levelname} {_message(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `event` and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for one record."""
        line: dict[str, Any] = {"time": _time(record), "level": record.levelname.lower()}
        fields: Mapping[str, object] | None = getattr(record, _FIELDS, None)
        if fields is None:
            line["event"] = _message(record)
        else:
            line["event"] = getattr(record, _EVENT)
            line.update(fields)
        return json.dumps(line, ensure_ascii=False, default=str)


class _StderrHandler(logging.StreamHandler[IO[str]]):
    """Writes to whatever `sys.stderr` is now: a progress display puts itself in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> IO[str]:  # type: ignore[override]
        return sys.stderr


def _replace_handler(logger: logging.Logger, handler: logging.Handler) -> None:
    for old in [h for h in logger.handlers if isinstance(h, _StderrHandler)]:
        logger.removeHandler(old)
    logger.addHandler(handler)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _message(record: logging.LogRecord) -> str:
    """Our text; of a library's record only its template, never arguments or traceback."""
    if hasattr(record, _FIELDS):
        return record.getMessage()
    return f"{record.name}: {record.msg}"


def _quoted(value: object) -> str:
    text = str(value)
    if text and not any(c.isspace() or c in '"=' or not c.isprintable() for c in text):
        return text
    return json.dumps(text, ensure_ascii=False)
