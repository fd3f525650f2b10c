"""What several ask for and is made a single time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

Made = TypeVar("Made")


class Once:
    """Things by their names, each made when it is first asked for.

    Threads may ask at once: who comes second waits. What failed is tried again.
    """

    def __init__(self) -> None:
        self._made: dict[str, object] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def __call__(self, name: str, make: Callable[[], Made]) -> Made:
        """What has this name; a name has one maker, which doesn't ask for the same name."""
        with self._lock:
            lock = self._locks[name]
        with lock:
            if name not in self._made:
                self._made[name] = make()
            found: Made = self._made[name]  # type: ignore[assignment]  # a name has one maker
            return found

    def has(self, name: str) -> bool:
        """Whether it is made already."""
        return name in self._made

    def forget(self, name: str) -> None:
        """It isn't there any more; it is made again when it is asked for."""
        self._made.pop(name, None)
