"""Batches computed in a thread of their own: work that goes on beside its reader's.

Whoever reads from a source needn't wait until what has come is hashed and written. And delta-rs
drives its own runtime while it reads a stream of batches; whatever computes those batches
with the same library must not run on that thread (it aborts: a runtime within a runtime).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_DEPTH: Final = 1
_WAIT: Final = 0.1  # seconds between two looks at whether the reader has gone


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Computes items in another thread, at most `_DEPTH` ahead of their reader.

    Yields:
        The items, in order.

    Raises:
        Exception: What computing them raised. The reader sees it too; what the reader makes of it
            (delta-rs wraps it, with its text) is replaced by it.
    """
    pipe: queue.Queue[tuple[T] | None] = queue.Queue(maxsize=_DEPTH)
    gone = threading.Event()
    failures: list[Exception] = []

    def put(item: tuple[T] | None) -> bool:
        while not gone.is_set():
            try:
                pipe.put(item, timeout=_WAIT)
            except queue.Full:
                continue
            return True
        return False

    def compute() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for it
            failures.append(error)
        put(None)

    def read() -> Iterator[T]:
        while (item := pipe.get()) is not None:
            yield item[0]
        if failures:
            raise failures[0]

    thread = threading.Thread(target=compute, name="ahead", daemon=True)
    thread.start()
    try:
        yield read()
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    finally:
        gone.set()
        thread.join()
