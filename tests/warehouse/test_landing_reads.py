"""What one read lands beside what happens meanwhile: in its source, or by another run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from schemas.errors import LostRaceError
from warehouse.landing import Landing
from warehouse.landing_read import LandingRead, LandOutcome, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.vanished import LandedKeys, Vanished

NOW = datetime(2024, 6, 1, tzinfo=UTC)
Rows = dict[str, int]
"""Key to the version that the source gives it."""


def land(
    landing: Landing, rows: Rows, *, night: int, gone: frozenset[str] = frozenset(), **how: Any
) -> LandOutcome:
    """Lands an interval at whose end the source doesn't have some keys any more."""
    schema = pa.schema([("so", pa.string()), ("lan", pa.int64())])
    table = pa.table([list(rows), list(rows.values())], schema=schema)

    def vanished(landed: LandedKeys) -> Vanished:
        assert set(landed.arrived()["_key"]) <= set(rows)
        return Vanished(gone=landed.alive().filter(pl.col("_key").is_in(gone)), keys=None)

    end = ReadEnd(is_complete=True, advance=lambda state: state, vanished=vanished)
    return landing.land(
        LandingRead(
            stamp=ReadStamp(
                key=("so",), read_at=NOW + timedelta(days=night), sync_id=f"night {night}"
            ),
            schema=table.schema,
            batches=table.to_batches(),
            is_whole=False,
            finds_deletes=True,
            ended=lambda: end,
            **how,
        )
    )


def copies(landing: Landing, key: str) -> list[tuple[int, bool]]:
    """Version, and whether it buries the key, of every copy in the order they came."""
    rows = landing.rows(after=0, to=landing.version()).filter(pl.col("_key") == key)
    return rows.select("lan", "_tombstone").rows()


def test_a_row_changed_and_then_deleted_during_one_read_is_buried_by_the_next(
    tmp_path: Path,
) -> None:
    landing = Landing(str(tmp_path / "landing"))
    land(landing, {str(n): 1 for n in range(40)}, night=0)
    first = land(landing, {"7": 2}, night=1, gone=frozenset("7"))
    assert (first.landed, first.tombstones) == (1, 0)
    second = land(landing, {}, night=2, gone=frozenset("7"))
    assert second.tombstones == 1
    # Copies are ordered by `lan` here: a grave of version 1 would not count.
    assert copies(landing, "7") == [(1, False), (2, False), (2, True)]


def test_who_is_forgotten_after_the_marks_were_asked_for_makes_the_read_begin_again(
    tmp_path: Path,
) -> None:
    landing = Landing(str(tmp_path / "landing"))

    def others_land_first() -> Callable[[pa.Table, pa.Table], pa.Table] | None:
        if not landing.version():
            land(landing, {"1": 1}, night=1)
        return None

    with pytest.raises(LostRaceError):
        land(landing, {"2": 1}, night=0, screen=others_land_first)
    assert copies(landing, "2") == []
    assert land(landing, {"2": 1}, night=2, screen=others_land_first).landed == 1
