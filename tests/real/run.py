"""The real run: records of real offices, out of every database and format, into a warehouse.

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
from tests.support.mariadb import MariaServer, fresh_maria
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

    def of(self, source: str) -> list[Receipt]:
        """The receipts of one source."""
        return [receipt for receipt in self.receipts if receipt.source == source]

    def counted(self, source: str, name: str) -> int:
        """A count of a source's reads (`read`, `unreadable`), each stream once."""
        streams = {receipt.stream: receipt for receipt in self.of(source)}
        return sum(getattr(receipt, name) for receipt in streams.values())

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

    def rows(self, source: str, entity: str) -> int:
        """Rows of a source in core."""
        count = self.one(f"SELECT count(*) FROM {entity} WHERE _source = '{source}'")
        return int(count)

    def warnings(self, source: str, entity: str) -> dict[str, int]:
        """Rule name to core rows that carry it."""
        rows = self.ask(
            f"SELECT rule, count(*) FROM (SELECT unnest(_warnings) AS rule FROM {entity} "
            f"WHERE _source = '{source}') GROUP BY rule ORDER BY rule"
        )
        return dict(rows)

    def differing(self, one: str, other: str, entity: str) -> int:
        """Rows of either source that the other hasn't, whatever is the warehouse's own aside."""
        shown = f"SELECT COLUMNS('^[^_]') FROM {entity} WHERE _source = "
        a, b = f"({shown}'{one}')", f"({shown}'{other}')"
        both = f"({a} EXCEPT ALL {b}) UNION ALL ({b} EXCEPT ALL {a})"
        return int(self.one(f"SELECT count(*) FROM ({both})"))


@contextmanager
def real_run(
    postgres: Server, maria: MariaServer, *, folder: Path, data: Path
) -> Iterator[RealRun]:
    """Loads the municipalities into databases and syncs them and the files of the others."""
    variables = {DATA_VARIABLE: str(data), "BPIC15_2_FILE": str(folder / "bpic15.db")}
    loaded = {}

    logs = {number: data / "bpic15" / f"BPIC15_{number}.xes.gz" for number in MUNICIPALITIES}
    with ExitStack() as stack:
        for number in MUNICIPALITIES:
            url = stack.enter_context(fresh_database(postgres))
            loaded[f"bpic15-{number}"] = bpic15.load(logs[number], url=url)
            variables[f"BPIC15_{number}_URL"] = url
        loaded["bpic15-2-sqlite"] = bpic15.load_elsewhere(
            logs[2], url=f"sqlite:///{folder / 'bpic15.db'}"
        )
        database = stack.enter_context(fresh_maria(maria))
        loaded["bpic15-3-mariadb"] = bpic15.load_elsewhere(
            logs[3], url=maria.url(database, scheme="mysql+pymysql")
        )
        variables["BPIC15_3_MARIA"] = maria.url(database)
        stack.enter_context(environment(variables))
        warehouse = str(folder / "warehouse")
        context = open_context(warehouse_uri=warehouse, sources_dir=SOURCES)
        if context.catalog.broken:
            message = f"broken sources: {dict(context.catalog.broken)}"
            raise ValueError(message)
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
