"""100,000 records of an API in 100 pages, into validated core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.api_server import served
from benchmarks.bench import Bench
from benchmarks.measuring import Measure, Row, Timer, as_expected, beside, run
from benchmarks.warming import warm_up

RECORDS = 100_000
_PAGE = 1_000

YAML = """\
source: office
name: An office with an API
connector:
  type: rest
  url: "{url}"
  budget: {{per_second: 1000, concurrent: 4}}
streams:
  ho_so:
    path: /ho-so
    rows: data
    paging: {{page: {{size: 1000, size_parameter: size, total: total, stable: true}}}}
    mode: increment
    key: id
    version: ngayCapNhat
    into:
      - entity: dossier
        columns:
          dossier_code: maHoSo
          procedure_code: thuTuc.ma
          procedure_name: thuTuc.ten
          agency_code: donVi
          channel: {{from: kenh, codes: national_channel}}
          status: {{from: trangThai, codes: national_status}}
          received_at: {{from: ngayTiepNhan, format: "%Y%m%d%H%M%S"}}
          due_at: {{from: ngayHenTra, format: "%Y%m%d%H%M%S"}}
          fee: lePhi
          applicant_id: soDinhDanh
"""


def ours(timer: Timer, *, url: str, folder: str) -> dict[str, Any]:
    """Reads, lands, maps, validates and merges; people become pseudonyms."""
    from flows.query import query
    from flows.receipts import SyncOptions
    from flows.steps import open_context, sync

    warm_up(f"{folder}/warm")
    sources = Path(folder) / "sources"
    sources.mkdir()
    (sources / "office.yaml").write_text(YAML.format(url=url), "utf-8")
    warehouse = f"{folder}/warehouse"
    context = open_context(warehouse_uri=warehouse, sources_dir=sources)
    with timer.running():
        (receipt,) = sync(context, [], SyncOptions())
    question = "SELECT count(*) AS n, sum(fee)::text AS fee FROM dossier"
    (row,) = query(warehouse, question, core=True).to_pylist()
    return {"rows": row["n"], "fee": float(row["fee"]), "quarantined": receipt.quarantined}


def plain(timer: Timer, *, url: str, folder: str, pages: int) -> dict[str, Any]:
    """One session, page after page, orjson, Arrow from Python objects, one Parquet file."""
    import orjson
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    import requests

    path = Path(folder) / "plain.parquet"
    with timer.running(), requests.Session() as session:
        writer: pq.ParquetWriter | None = None
        for number in range(1, pages + 1):
            answer = session.get(f"{url}/ho-so?page={number}&size=1000", timeout=30)
            table = pa.Table.from_pylist(orjson.loads(answer.content)["data"])
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()
    table = pq.read_table(path)
    return {"rows": table.num_rows, "fee": pc.sum(table["lePhi"]).as_py()}


def dlt(timer: Timer, *, url: str, folder: str) -> dict[str, Any]:
    """The `rest_api` of dlt, merged into Delta."""
    import dlt as library
    import polars as pl
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source({
        "client": {
            "base_url": url,
            "paginator": {
                "type": "page_number", "base_page": 1, "page_param": "page",
                "total_path": None, "stop_after_empty_page": True,
            },
        },
        "resources": [{
            "name": "ho_so",
            "endpoint": {"path": "/ho-so", "params": {"size": 1000}, "data_selector": "data"},
            "primary_key": "id",
            "write_disposition": {"disposition": "merge", "strategy": "upsert"},
            "table_format": "delta",
        }],
    })  # fmt: skip

    def pipeline_of(name: str) -> library.Pipeline:
        return library.pipeline(
            pipeline_name=name, pipelines_dir=f"{folder}/pipelines", dataset_name=name,
            destination=library.destinations.filesystem(bucket_url=f"file://{folder}/bucket"),
        )  # fmt: skip

    pipeline_of("warm").run([{"id": 1}], table_name="warm", table_format="delta")
    pipeline = pipeline_of("bench")
    with timer.running():
        pipeline.run(source)
    rows = pl.scan_delta(f"{folder}/bucket/bench/ho_so").select("le_phi").collect()
    return {"rows": rows.height, "fee": rows["le_phi"].sum()}


def rows(bench: Bench) -> Iterator[Row]:
    """The lines of this benchmark."""
    pages = max(bench.rows(RECORDS) // _PAGE, 1)
    records = pages * _PAGE
    expected = {"rows": records, "fee": sum(n % 50 * 1_000 + 0.5 for n in range(records))}
    taken: dict[str, list[Measure]] = {"ours": [], "plain": [], "dlt": []}
    with served(records, pages) as url:
        while bench.again(taken["ours"]):
            for name, measures in taken.items():
                if not bench.again(measures):
                    continue
                given = {"pages": pages} if name == "plain" else {}
                with bench.scratch() as folder:
                    done = run(f"benchmarks.rest:{name}", url=url, folder=str(folder), **given)
                no_broken = {"quarantined": 0} if name == "ours" else {}
                measures.append(as_expected(name, done, expected | no_broken))
    title = f"{records:,} records of an API in {pages} pages, to validated core"
    yield beside(
        title, ours=taken["ours"], peer="requests + orjson + from_pylist + Parquet",
        theirs=taken["plain"], bound=3.0,
    )  # fmt: skip
    yield beside(
        title, ours=taken["ours"], peer="dlt rest_api, merged into Delta", theirs=taken["dlt"],
        bound=0.35,
    )  # fmt: skip
