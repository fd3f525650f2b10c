"""A million dossiers of a PostgreSQL into validated core, then a night in which 1 % changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ours, truth
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, Timer, as_expected, beside, run

ROWS = 1_000_000
_TITLE = "{rows:,} dossiers of PostgreSQL, to validated core"


def adbc(timer: Timer, *, url: str, folder: str) -> dict[str, Any]:
    """The same SELECT by ADBC into one Parquet file: about what a machine can do at best."""
    import pyarrow.parquet as pq
    from adbc_driver_postgresql import dbapi

    path = f"{folder}/dossiers.parquet"
    select = f"SELECT {', '.join(ours.COLUMNS)} FROM ho_so"
    with timer.running(), dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(select)
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(
            path, reader.schema, compression="zstd", compression_level=3
        ) as writer:
            for batch in reader:
                writer.write_batch(batch)
    return truth.of_files([path], truth.RAW)


def dlt(timer: Timer, *, url: str, folder: str) -> dict[str, Any]:
    """The `sql_table` of dlt with its pyarrow backend, read by a cursor, merged into Delta."""
    import dlt as library
    from deltalake import DeltaTable
    from dlt.sources.sql_database import sql_table

    def pipeline_of(name: str) -> library.Pipeline:
        return library.pipeline(
            pipeline_name=name, pipelines_dir=f"{folder}/pipelines", dataset_name=name,
            destination=library.destinations.filesystem(bucket_url=f"file://{folder}/bucket"),
        )  # fmt: skip

    def table_of(table: str) -> Any:  # noqa: ANN401 - dlt's own class
        resource = sql_table(
            credentials=url.replace("postgresql://", "postgresql+psycopg://"), table=table,
            backend="pyarrow", included_columns=list(ours.COLUMNS), primary_key="so_ho_so",
            incremental=library.sources.incremental("ngay_cap_nhat"),
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )  # fmt: skip
        return resource.apply_hints(table_format="delta")

    pipeline_of("warm").run(table_of("ho_so").add_limit(1), table_name="warm")
    pipeline = pipeline_of("bench")
    with timer.running():
        pipeline.run(table_of("ho_so"))
    return truth.of_files(DeltaTable(f"{folder}/bucket/bench/ho_so").file_uris(), truth.RAW)


def database(bench: Bench) -> str:
    """Name of the database of a million, beside which there is one that changed."""
    return with_changed(bench, bench.rows(ROWS))


def with_changed(bench: Bench, rows: int) -> str:
    """Name of a database of so many dossiers, beside which there is one that changed.

    What is true of both is asked after the copy: nobody may look into what is copied.
    """
    database = bench.office.dossiers(rows, scale=bench.scale)
    changed = bench.office.changed(database, scale=bench.scale)
    for name in (database, changed):
        truth.of_database(bench, name)
    return database


def unchanged(bench: Bench, rows: int) -> str:
    """Name of a database of so many dossiers."""
    database = bench.office.dossiers(rows, scale=bench.scale)
    truth.of_database(bench, database)
    return database


def rows(bench: Bench) -> Iterator[Row]:
    """The lines of this benchmark."""
    count, office = bench.rows(ROWS), database(bench)
    url = bench.office.url(office)
    expected = truth.of_database(bench, office)
    first, limit = _first(bench, office, expected)
    title = _TITLE.format(rows=count)
    yield beside(
        title, ours=first, peer="the same SELECT by ADBC into one Parquet file (zstd 3)",
        theirs=limit, bound=3.0,
    )  # fmt: skip
    made = bench.room("dlt")
    done = run("benchmarks.postgres:dlt", url=url, folder=str(made))
    loading = as_expected("dlt", done, whole(expected))
    yield beside(
        title, ours=first, peer="dlt sql_table, pyarrow backend, merged into Delta (no validation)",
        theirs=[loading], bound=0.6,
    )  # fmt: skip
    yield _night(bench, office, made)


@dataclass(frozen=True, kw_only=True)
class Load:
    """A first load.

    Attributes:
        folder: Has the warehouse, which goes on to be used.
        measure: Of the load.
    """

    folder: Path
    measure: Measure


def first_load(bench: Bench, database: str) -> Load:
    """Ours of a database's dossiers; every group that needs one looks at the same."""

    def make() -> Load:
        url, folder = bench.office.url(database), bench.room(f"warehouse-{database}")
        expected = truth.of_database(bench, database)
        bench.office.look_through(database)
        done = ours.synced(bench, folder, url)
        as_expected("ours", done, whole(expected) | {"evidence": expected["rows"]})
        return Load(folder=folder, measure=done)

    return bench.once(f"first load of {database}", make)


def changed_nights(bench: Bench, database: str, holding: Path) -> list[Measure]:
    """Nights of ours, each on a copy of a database's warehouse: 1 % of a million changed."""

    def take() -> list[Measure]:
        newer = bench.office.changed(database, scale=bench.scale)
        url = bench.office.url(newer)
        changed = truth.of_office(url, where="ngay_cap_nhat > now() - interval '1 day'")["rows"]
        expected = whole(truth.of_database(bench, newer)) | {"updated": changed}
        bench.office.look_through(newer)
        nights: list[Measure] = []
        while bench.again(nights):
            nights.append(night(url, expected))
        return nights

    def night(url: str, expected: dict[str, Any]) -> Measure:
        with bench.copy(holding) as folder:
            return as_expected("the second sync", ours.synced(bench, folder, url), expected)

    return bench.once(f"changed nights of {database}", take)


def _first(
    bench: Bench, database: str, expected: dict[str, Any]
) -> tuple[list[Measure], list[Measure]]:
    """Ours and the limit, alternately; the people of ours are looked at too."""
    url = bench.office.url(database)

    def limit() -> Measure:
        with bench.scratch() as folder:
            done = run("benchmarks.postgres:adbc", url=url, folder=str(folder))
            return as_expected("ADBC", done, whole(expected))

    load = first_load(bench, database)
    mine, limits = [load.measure], [limit()]
    people = run("benchmarks.ours:pseudonyms", folder=str(load.folder), url=url)
    right = {"people": truth.people_of_office(url), "wrong_pseudonyms": 0}
    as_expected("ours (people)", people, right)
    while bench.again(mine):
        with bench.scratch() as folder:
            mine.append(as_expected("ours", ours.synced(bench, folder, url), whole(expected)))
        limits.append(limit())
    return mine, limits


def _night(bench: Bench, database: str, first: Path) -> Row:
    newer = bench.office.changed(database, scale=bench.scale)
    url, expected = bench.office.url(newer), truth.of_database(bench, newer)
    mine = changed_nights(bench, database, first_load(bench, database).folder)
    theirs = []
    for _ in mine:
        with bench.copy(first) as folder:
            done = run("benchmarks.postgres:dlt", url=url, folder=str(folder))
            theirs.append(as_expected("dlt", done, whole(expected)))
    return beside(
        f"then 1 % of {expected['rows']:,} changed", ours=mine, peer="dlt's second run",
        theirs=theirs, bound=0.6,
    )  # fmt: skip


def whole(expected: dict[str, Any]) -> dict[str, Any]:
    """The facts that a result has to have to hold the source's rows."""
    return {"rows": expected["rows"], "checksum": expected["checksum"]}
