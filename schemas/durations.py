"""Lengths of time as people write them: `2 days`, `90 minutes`, `1 week`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_DURATION = re.compile(r"^\s*([0-9]+)\s*(second|minute|hour|day|week)s?\s*$")
_DURATION_TEXT = "a length of time such as '2 days', '90 minutes', '1 week'"
DURATION_SCHEMA = {"type": "string", "pattern": _DURATION.pattern, "examples": ["2 days"]}


def duration(value: object) -> object:
    """A text as a `timedelta`; anything else as it is.

    Raises:
        ValueError: The text is no length of time.
    """
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            message = f"this is not {_DURATION_TEXT}"
            raise ValueError(message)
        return timedelta(seconds=int(match.group(1)) * _UNITS[match.group(2)])
    return value


Duration = Annotated[timedelta, BeforeValidator(duration), WithJsonSchema(DURATION_SCHEMA)]
