"""Whether the rows of an interval lie in it: an API may pass over what it doesn't know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from connectors.protocol import CursorValue

_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ZONES = timedelta(days=1)  # a local day may be the one before or after in UTC


class Bounds:
    """Counts the rows whose cursor, where it begins with an ISO 8601 day, lies outside.

    Args:
        low: First moment of the interval.
        high: The moment behind its last one.
        names: The parameters that it was asked for by.
    """

    def __init__(
        self, low: CursorValue | None, high: CursorValue | None, names: Iterable[str]
    ) -> None:
        self._low = _day(low, -_ZONES)
        self._high = _day(high, _ZONES)
        self._names = tuple(names)
        self._rows = 0
        self._outside = 0

    def saw(self, cursor: pa.Array) -> None:
        """Takes the texts of the cursor into account."""
        if not self._names:
            return
        days = cursor.filter(pc.fill_null(pc.match_substring_regex(cursor, _DAY), fill_value=False))
        days = pc.utf8_slice_codeunits(days, 0, 10)
        self._rows += len(days)
        if self._low is not None:
            self._outside += pc.sum(pc.less(days, self._low)).as_py() or 0
        if self._high is not None:
            self._outside += pc.sum(pc.greater(days, self._high)).as_py() or 0

    def notes(self) -> list[str]:
        """One sentence where rows lay outside; none otherwise."""
        if not self._outside:
            return []
        named = " and ".join(map(repr, self._names))
        return [
            f"{self._outside:,} of {self._rows:,} rows lie outside of the interval that was asked "
            f"for: does the API know {named}? Every window may read the whole list"
        ]


def _day(bound: CursorValue | None, tolerance: timedelta) -> str | None:
    if isinstance(bound, datetime | date):
        return (bound + tolerance).strftime("%Y-%m-%d")
    return None
