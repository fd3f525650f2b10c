"""A night in which no office has anything new: 150 of them, two streams each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks import dossiers
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, Timer, as_expected, beside, run

SOURCES: Final = 150
_ROWS: Final = 20
_INTO: Final = {
    "ho_so": """\
    into:
      - entity: dossier
        columns:
          dossier_code: so_ho_so
          received_at: ngay_tiep_nhan
          status: {from: trang_thai, codes: national_status}
""",
    "qua_trinh": """\
    into:
      - entity: dossier_event
        columns: {dossier_code: so_ho_so, event_code: trang_thai, occurred_at: ngay_cap_nhat}
""",
}
_COLUMNS: Final = ("so_ho_so", "ngay_tiep_nhan", "trang_thai", "ngay_cap_nhat")


def rows(bench: Bench) -> Iterator[Row]:
    """The line of this benchmark."""
    count, folder = how_many(bench), str(province(bench))
    mine: list[Measure] = []
    bare: list[Measure] = []
    expected = {"broken": [], "landed": 0, "read": 0, "rows": count * _ROWS, "blocked": []}
    while bench.again(mine):
        done = run("benchmarks.silent:night", folder=folder)
        mine.append(as_expected("a silent night", done, expected))
        read = run("benchmarks.silent:logs", folder=folder)
        bare.append(as_expected("the logs", read, {"tables": 2 * count}))
    yield beside(
        f"a silent night of {count} sources x 2 streams: a third each PostgreSQL, SQLite, CSV",
        ours=mine, peer="the same count of bare Delta log reads", theirs=bare, bound=4.0,
    )  # fmt: skip


def how_many(bench: Bench) -> int:
    """Sources of the province."""
    return max(bench.rows(SOURCES), 3)


def province(bench: Bench) -> Path:
    """A folder with the sources, behind two nights."""

    def make() -> Path:
        folder = bench.room("silent")
        offices(bench, folder, how_many(bench))
        for _ in range(2):  # one loads everything, the next one learns which keys there are
            run("benchmarks.silent:night", folder=str(folder))
        return folder

    return bench.once("silent province", make)


def offices(bench: Bench, folder: Path, count: int) -> None:
    """Writes the sources, and what they read."""
    described = folder / "sources"
    described.mkdir()
    frame = next(dossiers.frames(_ROWS, scale=1)).select(_COLUMNS)
    for number in range(count):
        name = f"xa-{number:03d}"
        connector, streams = (_postgres, _sqlite, _csv)[number % 3](bench, folder, name, frame)
        text = f"source: {name}\nname: {name}\nconnector: {connector}\nstreams:\n"
        for stream, read in zip(_INTO, streams, strict=True):
            text += f"  {stream}:\n    key: so_ho_so\n    {read}\n{_INTO[stream]}"
        (described / f"{name}.yaml").write_text(text, "utf-8")


def change(bench: Bench, folder: Path) -> None:
    """One row of every stream changes, as in small offices on an ordinary day.

    The night behind it finds them, and the one behind that isn't silent yet.
    """
    newest = "WHERE so_ho_so = (SELECT max(so_ho_so) FROM {stream})"
    for number in range(how_many(bench)):
        name = f"xa-{number:03d}"
        for stream in _INTO:
            row, update = newest.format(stream=stream), f"UPDATE {stream} SET trang_thai = '9'"
            if number % 3 == 0:
                moved = f"{update}, ngay_cap_nhat = date_trunc('second', localtimestamp) {row}"
                bench.office.execute(name.replace("-", "_"), moved)
            elif number % 3 == 1:
                with closing(sqlite3.connect(folder / f"{name}.db")) as connection, connection:
                    connection.execute(f"{update}, ngay_cap_nhat = datetime('now') {row}")
            else:
                path = folder / name / f"{stream}.csv"
                rows = pl.read_csv(path, infer_schema=False)
                is_newest = pl.col("so_ho_so") == pl.col("so_ho_so").max()
                status = pl.when(is_newest).then(pl.lit("9")).otherwise("trang_thai")
                rows.with_columns(status.alias("trang_thai")).write_csv(path)


_READ = "table: {table}\n    version: ngay_cap_nhat\n    cursor: ngay_cap_nhat"


def _postgres(bench: Bench, folder: Path, name: str, frame: pl.DataFrame) -> tuple[str, list[str]]:
    del folder
    database = name.replace("-", "_")
    bench.office.execute("postgres", f"CREATE DATABASE {database}")
    for table in _INTO:
        bench.office.execute(
            database,
            f"CREATE TABLE {table} (so_ho_so text PRIMARY KEY, ngay_tiep_nhan timestamp, "
            "trang_thai text, ngay_cap_nhat timestamp)",
        )
        bench.office.fill(database, table, [frame])
    return f'{{type: sql, url: "{bench.office.url(database)}"}}', [
        _READ.format(table=table) for table in _INTO
    ]


def _sqlite(bench: Bench, folder: Path, name: str, frame: pl.DataFrame) -> tuple[str, list[str]]:
    del bench
    path = folder / f"{name}.db"
    stamps = ("ngay_tiep_nhan", "ngay_cap_nhat")
    rows = frame.with_columns(pl.col(stamps).dt.strftime("%Y-%m-%d %H:%M:%S")).rows()
    with sqlite3.connect(path) as connection:
        for stream in _INTO:
            connection.execute(
                f"CREATE TABLE {stream} (so_ho_so TEXT PRIMARY KEY, ngay_tiep_nhan TIMESTAMP, "
                "trang_thai TEXT, ngay_cap_nhat TIMESTAMP)"
            )
            connection.executemany(f"INSERT INTO {stream} VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return f'{{type: sql, url: "sqlite:///{path}"}}', [_READ.format(table=s) for s in _INTO]


def _csv(bench: Bench, folder: Path, name: str, frame: pl.DataFrame) -> tuple[str, list[str]]:
    del bench
    path = folder / name
    path.mkdir()
    for stream in _INTO:
        frame.write_csv(path / f"{stream}.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    return f"{{type: files, path: {path}}}", [
        f"files: {stream}.csv\n    mode: snapshot" for stream in _INTO
    ]


def night(timer: Timer, *, folder: str) -> dict[str, Any]:
    """A whole night in-process: every stream, one merge an entity, the release."""
    from flows.query import query
    from flows.steps import nightly, open_context

    warehouse = f"{folder}/warehouse"
    context = open_context(warehouse_uri=warehouse, sources_dir=Path(folder, "sources"))
    _warm(context)
    with timer.running():
        report = nightly(context)
    (row,) = query(warehouse, "SELECT count(*) AS n FROM dossier").to_pylist()
    receipts = report.receipts
    return {
        "broken": [r.error for r in receipts if r.status != "done"][:3],
        "read": sum(r.read - r.same for r in receipts),
        "landed": sum(r.landed for r in receipts),
        "rows": row["n"],
        "blocked": list(report.blocked),
    }


def _warm(context: Any) -> None:  # noqa: ANN401 - a Context
    """Three streams once, so that every import is done."""
    from flows.receipts import SyncOptions
    from flows.steps import sync

    sync(context, list(context.catalog.sources)[:3], SyncOptions())


def logs(timer: Timer, *, folder: str) -> dict[str, Any]:
    """The log of every landing table, read by nothing but the Delta library."""
    from deltalake import DeltaTable

    root = Path(folder, "warehouse", "restricted", "landing")
    tables = sorted(str(log.parent) for log in root.glob("*/*/_delta_log"))
    DeltaTable(tables[0])
    with timer.running():
        versions = [DeltaTable(table).version() for table in tables]
    return {"tables": len(versions)}
