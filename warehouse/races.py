"""What a run does that lost a race against another one: it looks, and tries, again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from schemas.errors import LostRaceError

T = TypeVar("T")

ATTEMPTS: Final = 8


def retried(action: Callable[[], T]) -> T:
    """Runs an action that reads its precondition anew, until it wins the race.

    Args:
        action: Opens its tables itself, so that a second try sees the other writer's commit.

    Raises:
        WarehouseError: It lost `ATTEMPTS` times.
    """
    for lost in range(1, ATTEMPTS):
        try:
            return action()
        except LostRaceError:
            # Runs that lose against each other in step would go on doing so.
            time.sleep(random.uniform(0, 0.02 * lost))  # noqa: S311 - no secret
    return action()
