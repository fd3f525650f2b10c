"""An interval as somebody types it, in the words of the cursor."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from connectors.protocol import Cursor, CursorValue
from flows.asked import asked_interval
from schemas.errors import ConfigError

ZONE = "Asia/Ho_Chi_Minh"
NIGHT = datetime(2026, 6, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "high", "bounds"),
    [
        (("2026-01-31", "2026-02-01"), date(2026, 6, 1), (date(2026, 1, 31), date(2026, 2, 1))),
        (
            ("2026-01-31", "2026-01-31T18:00"),
            NIGHT,
            (datetime(2026, 1, 30, 17, tzinfo=UTC), datetime(2026, 1, 31, 11, tzinfo=UTC)),
        ),
        (("3", "99"), 50, (3, 50)),
    ],
)
def test_days_times_and_numbers_are_those_of_the_source_and_end_where_it_does(
    typed: tuple[str, str], high: CursorValue, bounds: tuple[CursorValue, CursorValue]
) -> None:
    assert asked_interval(typed, Cursor(column="c"), high=high, zone=ZONE).bounds == bounds


def test_an_hour_of_a_cursor_of_days_is_refused_and_not_cut_off() -> None:
    typed = ("2026-01-01", "2026-01-31T18:00")  # the 31st was left out in silence
    with pytest.raises(ConfigError, match="'c' is a day"):
        asked_interval(typed, Cursor(column="c"), high=date(2026, 6, 1), zone=ZONE)
