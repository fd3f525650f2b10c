"""The two pipelines that a history is played through: a night each, and what stands there then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, sync
from tests.differential.history import TABLE, WINDOW

# Read when dlt is imported: nothing that the project starts reports home.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"

Values = dict[str, str]
"""Key to value."""

YAML = f"""\
source: so-thu
connector: {{{{type: sql, url: "{{url}}"}}}}
streams:
  ho_so:
    table: {TABLE}
    key: so
    cursor: {{{{column: thay_doi, late_window: {WINDOW}}}}}
    into:
      - entity: dossier
        columns: {{{{dossier_code: so, procedure_name: ten}}}}
"""


class Ours:
    """`lienthong sync`, night by night."""

    def __init__(self, root: Path, url: str) -> None:
        self._warehouse, self._sources = str(root / "warehouse"), root / "sources"
        self._sources.mkdir(parents=True)
        (self._sources / "so-thu.yaml").write_text(YAML.format(url=url), "utf-8")

    def night(self, *, full: bool = False) -> Receipt:
        """Syncs once. Of a handful of rows each deletion is more than 5 %: they are believed."""
        context = open_context(warehouse_uri=self._warehouse, sources_dir=self._sources)
        (receipt,) = sync(context, ["so-thu"], SyncOptions(accept_deletes=True, full=full))
        assert receipt.status == "done", receipt.error or receipt.note
        assert audit(context, []).findings == ()
        return receipt

    def rows(self) -> Values:
        """What an analyst sees."""
        sql = "SELECT _key, procedure_name FROM dossier"
        rows = query(self._warehouse, sql).to_pylist()
        found = {row["_key"]: row["procedure_name"] for row in rows}
        assert len(found) == len(rows)
        return found


class Dlt:
    """`dlt` into DuckDB, night by night, under settings that its documentation recommends."""

    def __init__(self, root: Path, url: str, **settings: Any) -> None:
        import dlt

        self._engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
        self._settings = settings
        self._pipeline = dlt.pipeline(
            "so_thu",
            destination=dlt.destinations.duckdb(str(root / "dlt.duckdb")),
            dataset_name="kho",
            pipelines_dir=str(root / "pipelines"),
        )

    def night(self) -> None:
        """Runs the pipeline once."""
        from dlt.sources.sql_database import sql_table

        made = {name: make() if callable(make) else make for name, make in self._settings.items()}
        self._pipeline.run(
            sql_table(credentials=self._engine, table=TABLE, primary_key="so", **made)
        )

    def rows(self) -> Values:
        """What stands in its table now; it makes none before the first row."""
        with self._pipeline.sql_client() as client:
            columns = client.execute_sql(
                "SELECT column_name FROM information_schema.columns "
                f"WHERE table_schema = 'kho' AND table_name = '{TABLE}'"
            )
            if not columns:
                return {}
            is_dated = ("_dlt_valid_to",) in columns
            where = "WHERE _dlt_valid_to IS NULL" if is_dated else ""
            rows = client.execute_sql(f"SELECT so, ten FROM {TABLE} {where}") or ()
        assert len(dict(rows)) == len(rows)
        return dict(rows)

    def close(self) -> None:
        """Gives the source's connections back."""
        self._engine.dispose()


def merged(root: Path, url: str) -> Dlt:
    """Reads by cursor with a lag, and merges: what suits a table of a million rows."""
    return Dlt(root, url, write_disposition="merge", incremental=lambda: _incremental(lag=WINDOW))


def merged_without_lag(root: Path, url: str) -> Dlt:
    """The same as its documentation shows it first, without a lag."""
    return Dlt(root, url, write_disposition="merge", incremental=_incremental)


def replaced(root: Path, url: str) -> Dlt:
    """Reads everything every night, and replaces the table."""
    return Dlt(root, url, write_disposition="replace")


def dated(root: Path, url: str) -> Dlt:
    """Reads everything every night, and keeps history as slowly changing dimensions (scd2)."""
    return Dlt(root, url, write_disposition={"disposition": "merge", "strategy": "scd2"})


def _incremental(**how: Any) -> Any:
    import dlt

    return dlt.sources.incremental("thay_doi", on_cursor_value_missing="include", **how)
