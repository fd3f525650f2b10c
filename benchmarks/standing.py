"""Five million dossiers that stand in landing and core, and the office that has them.

To sync them all would take minutes; they are written (see `writing`), in pieces as large as a sync
commits, and what a read of everything knows of their keys is left behind. A night finds the office
to have those keys, and a checksum over all values proves them right.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks import dossiers, ours, postgres, truth
from benchmarks.bench import Bench, linked
from benchmarks.measuring import Timer, as_expected, run
from benchmarks.writing import ZONE, Written, pseudonymous, same

ROWS: Final = 5_000_000
_PIECE: Final = 100_000
_STATUS: Final = {"2": "received", "4": "in_progress", "5": "supplement_requested",
                  "9": "completed", "10": "returned"}  # fmt: skip
_CHANNEL: Final = {"1": "direct", "2": "online", "3": "post"}
_MOMENTS: Final = {"received": "ngay_tiep_nhan", "due": "ngay_hen_tra", "finished": "ngay_xong"}


def warehouse(bench: Bench) -> Path:
    """A folder with the warehouse of the office's dossiers, and `sources/` of the newest one."""

    def make(folder: Path) -> None:
        ours.connect(folder, bench.office.url(bench.office.dossiers(1, scale=bench.scale)))
        done = run("benchmarks.standing:found", folder=str(folder), rows=bench.rows(ROWS),
                   scale=bench.scale)  # fmt: skip
        as_expected("the dossiers", done, {"rows": bench.rows(ROWS)})

    return bench.kept("standing", make)


def office(bench: Bench) -> str:
    """Name of the database that has them all, beside which there is one that changed."""
    return postgres.with_changed(bench, bench.rows(ROWS))


def proved(bench: Bench) -> Path:
    """`warehouse` behind a night of its office, which finds its keys and nothing new."""

    def make() -> Path:
        folder = linked(warehouse(bench), bench.folder / "proved")
        database = office(bench)
        told = truth.of_database(bench, database)
        night = ours.synced(bench, folder, bench.office.url(database))
        as_expected("a night", night, {**told, "landed": 0, "evidence": told["rows"]})
        return folder

    return bench.once("standing, proved", make)


def found(timer: Timer, *, folder: str, rows: int, scale: float) -> dict[str, Any]:
    """Syncs the newest dossier, then writes the others behind it, the oldest first."""
    del timer
    seeded = Written.seeded(folder, stream="office/ho_so", entity="dossier")
    sizes = [seeded.core.rows, *seeded.goes_on(_pieces(rows, scale), _core_dossiers)]
    seeded.knows_its_keys()
    return {"rows": sizes[-1]}


def _pieces(rows: int, scale: float) -> Iterator[pl.DataFrame]:
    for frame in dossiers.frames(rows, before=1, scale=scale):
        keyed = frame.with_columns(pl.col("so_ho_so").alias("_key"))
        yield from keyed.iter_slices(_PIECE)


def _core_dossiers(system: pl.DataFrame) -> pl.DataFrame:
    stamps: dict[str, pl.Expr] = {}
    for name, column in _MOMENTS.items():
        at = pl.col(column)
        stamps[f"{name}_at"] = at - ZONE
        stamps[f"{name}_date"] = at.dt.date()
        stamps[f"{name}_is_date_only"] = pl.when(at.is_not_null()).then(pl.lit(value=False))
    people = {"applicant_id": "so_dinh_danh", "responsible_id": "can_bo"}
    return system.select(
        *pseudonymous(system, people),
        *same(),
        dossier_code=pl.col("so_ho_so"),
        procedure_code=pl.col("ma_thu_tuc"),
        procedure_name=pl.col("ten_thu_tuc"),
        agency_code=pl.col("don_vi"),
        channel=pl.col("kenh").replace_strict(_CHANNEL),
        status=pl.col("trang_thai").replace_strict(_STATUS),
        fee=pl.col("le_phi"),
        currency=pl.lit("VND"),
        _source=pl.lit("office"),
        _stream=pl.lit("ho_so"),
        _version=(pl.col("ngay_cap_nhat") - ZONE).dt.epoch("us"),
        _month=pl.col("ngay_tiep_nhan").dt.strftime("%Y-%m"),
        **stamps,
    )
