"""The real run: records of real offices, from PostgreSQL and CSV into a warehouse.

Used by the tests, and by `python -m tests.real.report`, which writes docs/real-data.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.query import query
from flows.receipts import AuditReport, QuarantineLine, Receipt, SyncOptions
from flows.steps import Context, audit, open_context, quarantine_list, sync
from tests.support import bpic15
from tests.support.postgres import Server, fresh_database

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).parent / "sources"
MUNICIPALITIES = (1, 2, 3)
DATA_VARIABLE = "LIENTHONG_REAL_DATA"


def data_folder() -> Path:
    """Where the real records lie: `LIENTHONG_REAL_DATA`, else beside the project's root."""
    given = os.environ.get(DATA_VARIABLE)
    return Path(given) if given else ROOT.parent / "shared" / "data"


@dataclass(frozen=True, kw_only=True)
class RealRun:
    """A warehouse that holds the real records, and what its first night reported."""

    context: Context
    warehouse: str
    loaded: Mapping[str, bpic15.Loaded]
    receipts: tuple[Receipt, ...] = field(repr=False)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one SELECT over core."""
        return [tuple(row.values()) for row in query(self.warehouse, sql, core=True).to_pylist()]

    def one(self, sql: str) -> Any:
        """The single value of one SELECT over core."""
        ((value,),) = self.ask(sql)
        return value

    def again(self) -> list[Receipt]:
        """One more night."""
        return sync(self.context, [], SyncOptions())

    def quarantined(self) -> list[QuarantineLine]:
        """What `lienthong quarantine list` says."""
        return quarantine_list(self.context)

    def audited(self) -> AuditReport:
        """What `lienthong audit` says."""
        return audit(self.context, [])

    def warnings(self, source: str, entity: str) -> dict[str, int]:
        """Rule name to core rows that carry it."""
        rows = self.ask(
            f"SELECT rule, count(*) FROM (SELECT unnest(_warnings) AS rule FROM {entity} "
            f"WHERE _source = '{source}') GROUP BY rule ORDER BY rule"
        )
        return dict(rows)


@contextmanager
def real_run(server: Server, *, folder: Path, data: Path) -> Iterator[RealRun]:
    """Loads the municipalities into databases of `server` and syncs them and the CSV file."""
    variables = {DATA_VARIABLE: str(data)}
    loaded = {}
    with ExitStack() as stack:
        for number in MUNICIPALITIES:
            url = stack.enter_context(fresh_database(server))
            loaded[f"bpic15-{number}"] = bpic15.load(
                data / "bpic15" / f"BPIC15_{number}.xes.gz", url=url
            )
            variables[f"BPIC15_{number}_URL"] = url
        stack.enter_context(environment(variables))
        warehouse = str(folder / "warehouse")
        context = open_context(warehouse_uri=warehouse, sources_dir=SOURCES)
        receipts = tuple(sync(context, [], SyncOptions()))
        yield RealRun(context=context, warehouse=warehouse, loaded=loaded, receipts=receipts)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables, and puts back what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
