"""Large files to Parquet, beside the fastest library for each; and all the way to core."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import file_making
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, Timer, as_expected, beside, run
from benchmarks.warming import warm_up

XLSX_ROWS: Final = 200_000
XML_ROWS: Final = 105_000  # 40 MB
CSV_ROWS: Final = 3_700_000  # 500 MB
_BOUND: Final = 2.5
_VALUES: Final = (
    "so_ho_so, ma_thu_tuc, ten_thu_tuc, don_vi, kenh::VARCHAR, trang_thai::VARCHAR, "
    "epoch(ngay_tiep_nhan::TIMESTAMP)::BIGINT, epoch(ngay_hen_tra::TIMESTAMP)::BIGINT, "
    "le_phi::DECIMAL(18,2)::VARCHAR, so_dinh_danh"
)
_SOURCE: Final = """\
source: desk
name: A desk that hands over files
connector: {{type: files, path: "{path}"}}
streams:
  ho_so:
    files: {name}
    mode: snapshot{options}
    key: so_ho_so
    into:
      - entity: dossier
        columns:
          dossier_code: so_ho_so
          procedure_code: ma_thu_tuc
          procedure_name: ten_thu_tuc
          agency_code: don_vi
          channel: {{from: kenh, codes: national_channel}}
          status: {{from: trang_thai, codes: national_status}}
          received_at: ngay_tiep_nhan
          due_at: ngay_hen_tra
          fee: le_phi
          applicant_id: so_dinh_danh
"""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One kind of file.

    Attributes:
        name: Of the file.
        rows: Its rows, at full size.
        what: What the row says of it.
        peer: Task, and what the row calls it.
        make: Writes it.
        options: What its stream has to say beside its name.
    """

    name: str
    rows: int
    what: str
    peer: tuple[str, str]
    make: Callable[[Path, int, float], None]
    options: str = ""


KINDS: Final = (
    _Kind(
        name="ho_so.xlsx", rows=XLSX_ROWS, what="XLSX",
        peer=("calamine", "fastexcel (calamine) to Parquet"),
        make=lambda path, count, scale: file_making.workbook(
            path, file_making.rows_of(count, scale)
        ),
    ),
    _Kind(
        name="ho_so.xml", rows=XML_ROWS, what="XML",
        peer=("iterparse", "lxml iterparse to Parquet"),
        make=lambda path, count, scale: file_making.xml(path, file_making.rows_of(count, scale)),
        options="\n    rows: /danhSach/hoSo",
    ),
    _Kind(
        name="ho_so.csv", rows=CSV_ROWS, what="CSV",
        peer=("polars_csv", "polars read_csv to Parquet"), make=file_making.csv,
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file.

    Attributes:
        folder: Has the file and `sources/`.
        size: Its rows, bytes and kind, for a person.
        expected: What is true of its rows.
    """

    folder: Path
    size: str
    expected: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """One file, and what was measured of reading it.

    Attributes:
        file: The file.
        mine: Runs of our reader.
        theirs: Runs of the peer, alternately.
    """

    file: _File
    mine: list[Measure]
    theirs: list[Measure]


def rows(bench: Bench) -> Iterator[Row]:
    """The lines of this benchmark."""
    for kind in KINDS:
        taken = _taken(bench, kind)
        yield beside(
            f"{taken.file.size}, to Parquet", ours=taken.mine, peer=kind.peer[1],
            theirs=taken.theirs, bound=_BOUND,
        )  # fmt: skip


def to_core(bench: Bench) -> Iterator[Row]:
    """The whole way beside the same peers, which stop at Parquet."""
    for kind in KINDS:
        taken = _taken(bench, kind)
        file = taken.file
        with bench.scratch() as scratch:
            done = run("benchmarks.files:synced", folder=str(file.folder), scratch=str(scratch))
        wanted = {name: file.expected[name] for name in ("rows", "people", "fees")}
        yield beside(
            f"{file.size}, to validated core, with raw evidence",
            ours=[as_expected("a sync", done, wanted | {"quarantined": 0})], peer=kind.peer[1],
            theirs=taken.theirs, bound=None,
        )  # fmt: skip


def made(bench: Bench) -> None:
    """All of the files."""
    for kind in KINDS:
        _file(bench, kind)


def _file(bench: Bench, kind: _Kind) -> _File:
    return bench.once(kind.name, lambda: _make(bench, kind))


def _taken(bench: Bench, kind: _Kind) -> _Taken:
    return bench.once(f"readings of {kind.name}", lambda: _take(bench, kind))


def _make(bench: Bench, kind: _Kind) -> _File:
    count, folder = bench.rows(kind.rows), bench.room(f"files-{kind.what}")
    path = folder / kind.name
    kind.make(path, count, bench.scale)
    expected = _truth(count, bench.scale)
    (folder / "sources").mkdir()
    yaml = _SOURCE.format(path=folder, name=kind.name, options=kind.options)
    (folder / "sources" / "desk.yaml").write_text(yaml, "utf-8")
    size = f"{count:,} rows, {path.stat().st_size / 1e6:.0f} MB of {kind.what}"
    return _File(folder=folder, size=size, expected=expected)


def _take(bench: Bench, kind: _Kind) -> _Taken:
    file = _file(bench, kind)
    taken = _Taken(file=file, mine=[], theirs=[])
    folder, (task, _) = str(file.folder), kind.peer
    with Path(folder, kind.name).open("rb") as again:  # ours comes first: both find it in memory
        while again.read(2**20):
            pass
    while bench.again(taken.mine):
        threads = task == "polars_csv"
        done = run("benchmarks.files:read", folder=folder, threads=threads)
        taken.mine.append(as_expected("our reader", done, file.expected))
        done = run(f"benchmarks.files:{task}", path=f"{folder}/{kind.name}",
                   output=f"{folder}/peer.parquet")  # fmt: skip
        taken.theirs.append(as_expected(task, done, file.expected))
    return taken


def _truth(count: int, scale: float) -> dict[str, Any]:
    """Count and checksum of what was written, from the generator itself."""
    import duckdb

    from benchmarks import dossiers

    total, checksum, fees, people = 0, 0, 0, []
    for frame in dossiers.frames(count, scale=max(scale, 1e-6)):
        with duckdb.connect() as connection:
            connection.register("made", frame.to_arrow())
            row = connection.execute(_sum("made")).fetchone()
        assert row is not None
        total, checksum, fees = total + row[0], checksum + int(row[1]), fees + int(row[2])
        people.append(frame["so_dinh_danh"].unique())
    import polars as pl

    return {
        "rows": total, "checksum": str(checksum), "fees": str(fees),
        "people": pl.concat(people).n_unique(),
    }  # fmt: skip


def _sum(relation: str) -> str:
    return (
        f"SELECT count(*), sum(('0x' || substr(md5(concat_ws('|', {_VALUES})), 1, 8))::BIGINT)"
        f"::VARCHAR, sum(le_phi::DECIMAL(18,2)::BIGINT)::VARCHAR, count(DISTINCT so_dinh_danh) "
        f"FROM {relation}"
    )


def _facts(path: str) -> dict[str, Any]:
    import duckdb

    with duckdb.connect() as connection:
        row = connection.execute(_sum(f"read_parquet('{path}')")).fetchone()
    assert row is not None
    return {"rows": row[0], "checksum": row[1], "fees": row[2], "people": row[3]}


def read(timer: Timer, *, folder: str, threads: bool) -> dict[str, Any]:
    """Our reader: every value as text, with file and line, and what can't be read told.

    Args:
        timer: Of the read.
        folder: Has the file and `sources/`.
        threads: Write by polars, in threads, as the peer does; else by Arrow, batch after batch.
    """
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    from connectors.protocol import ReadRequest
    from flows.steps import check_context

    warm_up(f"{folder}/warm")
    source = check_context(Path(folder, "sources")).catalog.source("desk")
    spec = source.stream("ho_so").spec
    connector = source.connect()
    path = f"{folder}/ours.parquet"
    zstd: dict[str, Any] = {"compression": "zstd", "compression_level": 3}
    with timer.running(), connector.read(spec, ReadRequest()) as reading:
        if threads:
            table = pa.Table.from_batches(list(reading.batches()), reading.schema)
            pl.DataFrame(table).write_parquet(path, **zstd)
        else:
            with pq.ParquetWriter(path, reading.schema, **zstd) as writer:
                for batch in reading.batches():
                    writer.write_batch(batch)
    shutil.rmtree(f"{folder}/warm")
    return _facts(path)


def synced(timer: Timer, *, folder: str, scratch: str) -> dict[str, Any]:
    """The whole way: read, landed as evidence, mapped, people made pseudonyms, merged."""
    from flows.query import query
    from flows.receipts import SyncOptions
    from flows.steps import open_context, sync

    warm_up(f"{scratch}/warm")
    warehouse = f"{scratch}/warehouse"
    context = open_context(warehouse_uri=warehouse, sources_dir=Path(folder, "sources"))
    with timer.running():
        (receipt,) = sync(context, [], SyncOptions())
    question = (
        "SELECT count(*) AS n, sum(fee::BIGINT)::VARCHAR AS fees, "
        "count(DISTINCT applicant_id) AS people FROM dossier"
    )
    (row,) = query(warehouse, question, core=True).to_pylist()
    return {
        "rows": row["n"], "fees": row["fees"], "people": row["people"],
        "quarantined": receipt.quarantined, "error": receipt.error,
    }  # fmt: skip


def calamine(timer: Timer, *, path: str, output: str) -> dict[str, Any]:
    """The fastest reader of workbooks that there is for Python."""
    import fastexcel
    import pyarrow as pa
    import pyarrow.parquet as pq

    with timer.running():
        sheet = fastexcel.read_excel(path).load_sheet(0)
        batch = sheet.to_arrow()
        pq.write_table(
            pa.Table.from_batches([batch]), output, compression="zstd", compression_level=3
        )
    return _facts(output)


def iterparse(timer: Timer, *, path: str, output: str) -> dict[str, Any]:
    """What a careful person writes with lxml: one row at a time, its memory given back."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from lxml import etree

    with timer.running():
        columns: dict[str, list[str | None]] = {name: [] for name in file_making.CELLS}
        for _, row in etree.iterparse(path, tag="hoSo"):
            for name, values in columns.items():
                values.append(row.findtext(name))
            row.clear()
            while row.getprevious() is not None:
                del row.getparent()[0]
        table = pa.table({name: pa.array(v, pa.string()) for name, v in columns.items()})
        pq.write_table(table, output, compression="zstd", compression_level=3)
    return _facts(output)


def polars_csv(timer: Timer, *, path: str, output: str) -> dict[str, Any]:
    """All of the file in memory, in threads, its types guessed but where a zero would be lost."""
    import polars as pl

    with timer.running():
        overrides = {"so_dinh_danh": pl.String, "ma_thu_tuc": pl.String}
        pl.read_csv(path, schema_overrides=overrides).write_parquet(
            output, compression="zstd", compression_level=3
        )
    return _facts(output)
