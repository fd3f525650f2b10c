"""What the tests of the REST connector have in common."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from connectors.protocol import Cursor, ReadRequest, StreamSpec
from connectors.rest.connector import RestConnector, connect
from connectors.rest.options import RestOptions, RestStream
from tests.support.api import Asked, Reply

FAST = {"per_second": 1000, "concurrent": 4}


@dataclass
class FakeClock:
    """Time that passes when somebody sleeps."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds - 1000)

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.slept.append(seconds)
            self.seconds += seconds


def connector(
    url: str, *, clock: FakeClock | None = None, zone: str = "Asia/Ho_Chi_Minh", **options: Any
) -> RestConnector:
    """A connector whose waits take no time."""
    stated = {"url": url, "budget": FAST, **options}
    return connect(
        RestOptions.model_validate(stated), timezone=zone, base=None, clock=clock or FakeClock()
    )


def stream(
    *, columns: tuple[str, ...] = ("id", "v"), cursor: Cursor | None = None, **options: Any
) -> StreamSpec:
    """A stream with the key `id`."""
    stated = {"path": "/rows", **options}
    return StreamSpec(
        name="ho_so", columns=columns, key=("id",), cursor=cursor,
        options=RestStream.model_validate(stated),
    )  # fmt: skip


def rows(one: RestConnector, spec: StreamSpec, request: ReadRequest | None = None) -> pa.Table:
    """Everything that a read gives."""
    with one.read(spec, request or ReadRequest()) as read:
        return pa.Table.from_batches(list(read.batches()), schema=read.schema)


def notes(one: RestConnector, spec: StreamSpec) -> list[str]:
    """What a read says beside its rows."""
    with one.read(spec, ReadRequest()) as read:
        for _ in read.batches():
            pass
        return read.summary.notes


def numbered(count: int) -> list[dict[str, Any]]:
    """So many records."""
    return [{"id": number, "v": f"giá trị {number}"} for number in range(count)]


def ids(table: pa.Table) -> list[str]:
    """The ids of a table, in its order."""
    found: list[str] = table.column("id").to_pylist()
    return found


class Script:
    """Answers one request after the other with what it is given, then the last one for ever."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Reply:
        with self._lock:
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
