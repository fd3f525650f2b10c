"""Every real record, in every format it comes in: the published totals, and twins that agree."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.context import Context
from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, quarantine_list, sync
from tests.conftest import needs_service
from tests.real.run import DATA_VARIABLE, data_folder
from tests.support import bpic15
from tests.support.mariadb import MariaServer, fresh_maria

pytestmark = [pytest.mark.xdist_group("real-formats"), pytest.mark.slow]

SOURCES = Path(__file__).parent / "formats"
UNPACKED = {"Receipt.xes": "receipt/Receipt.xes.gz", "BPIC15_3.xes": "bpic15/BPIC15_3.xes.gz"}
TOTALS = {
    # source: entity to rows, as stated by the publishers
    "boston311": {"dossier": 3_095 + 5_268},
    "bpic15-2-sqlite": {"dossier": 832, "dossier_event": 44_354},
    "bpic15-3-mariadb": {"dossier": 1_409, "dossier_event": 59_681},
    "bpic15-3-xml": {"dossier": 1_409, "dossier_event": 59_681},
    "hoboken-csv": {"dossier": 46},
    "hoboken-xlsx": {"dossier": 46},
    "open311": {"dossier": 50},
    "procedures": {"procedure": 271 + 339 + 706 + 537},
    "receipt-csv": {"dossier": 1_434, "dossier_event": 8_577},
    "receipt-xes": {"dossier": 1_434, "dossier_event": 8_577},
}
WARNED = {
    "bpic15-2-sqlite": {
        "fee_negative": 2,
        "status_says_finished_but_no_end": 46,
        "status_says_open_but_has_end": 4,
    },
    "bpic15-3-mariadb": {
        "fee_negative": 2,
        "status_says_finished_but_no_end": 82,
        "status_says_open_but_has_end": 14,
    },
    "hoboken-csv": {"status_says_finished_but_no_end": 44},
    "open311": {"status_says_finished_but_no_end": 15},
    "receipt-xes": {"finished_before_received": 2, "unknown_code:channel": 1},
}
WARNED |= {
    "bpic15-3-xml": WARNED["bpic15-3-mariadb"],
    "hoboken-xlsx": WARNED["hoboken-csv"],
    "receipt-csv": WARNED["receipt-xes"],
}
QUARANTINED: dict[tuple[str, str, str], int] = {}
TWINS = [
    ("receipt-csv", "receipt-xes"),
    ("hoboken-csv", "hoboken-xlsx"),
    ("bpic15-3-xml", "bpic15-3-mariadb"),
]


@dataclass(frozen=True)
class Formats:
    """The warehouse with every format's records, after its first night."""

    context: Context
    warehouse: str
    receipts: tuple[Receipt, ...]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in query(self.warehouse, sql).to_pylist()]


@pytest.fixture(scope="module")
def formats(
    maria_server: MariaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Formats]:
    data = data_folder()
    if not (data / "bpic15").is_dir():
        needs_service(
            f"the real records are not in {data.name}/ beside the project: set "
            f"{DATA_VARIABLE} to their folder"
        )
    folder = tmp_path_factory.mktemp("formats")
    for name, packed in UNPACKED.items():
        with gzip.open(data / packed) as file, (folder / name).open("wb") as plain:
            shutil.copyfileobj(file, plain)
    with fresh_maria(maria_server) as database, pytest.MonkeyPatch.context() as patch:
        bpic15.load_elsewhere(
            data / "bpic15" / "BPIC15_2.xes.gz", url=f"sqlite:///{folder / 'bpic15.db'}"
        )
        bpic15.load_elsewhere(
            data / "bpic15" / "BPIC15_3.xes.gz",
            url=maria_server.url(database, scheme="mysql+pymysql"),
        )
        patch.setenv(DATA_VARIABLE, str(data))
        patch.setenv("XES_FOLDER", str(folder))
        patch.setenv("BPIC15_2_FILE", str(folder / "bpic15.db"))
        patch.setenv("BPIC15_3_MARIA", maria_server.url(database))
        warehouse = str(folder / "warehouse")
        context = open_context(warehouse_uri=warehouse, sources_dir=SOURCES)
        assert dict(context.catalog.broken) == {}
        yield Formats(context, warehouse, tuple(sync(context, [], SyncOptions())))


def test_every_source_is_read_to_its_end(formats: Formats) -> None:
    assert {r.source: r.error for r in formats.receipts if r.status != "done"} == {}
    assert {r.source for r in formats.receipts} == set(TOTALS)
    for one in formats.receipts:
        assert one.read == one.landed + one.same + one.unreadable
        fates = (one.inserted, one.updated, one.unchanged, one.superseded, one.folded)
        assert one.derived == sum(fates) + one.quarantined


@pytest.mark.parametrize("source", TOTALS)
def test_core_holds_exactly_the_published_totals(formats: Formats, source: str) -> None:
    for entity, rows in TOTALS[source].items():
        counted = formats.ask(f"SELECT count(*) FROM {entity} WHERE _source = '{source}'")
        assert counted == [(rows,)]


def test_no_row_is_rejected_that_is_not_listed(formats: Formats) -> None:
    lines = quarantine_list(formats.context)
    assert {(q.source, q.entity, q.rule): q.rows for q in lines} == QUARANTINED


@pytest.mark.parametrize("source", TOTALS)
def test_every_suspicious_row_carries_the_name_of_its_rule(formats: Formats, source: str) -> None:
    marked: dict[str, int] = {}
    for entity in TOTALS[source]:
        rows = formats.ask(
            f"SELECT rule, count(*) FROM (SELECT unnest(_warnings) AS rule FROM {entity} "
            f"WHERE _source = '{source}') GROUP BY rule"
        )
        marked |= dict(rows)
    assert marked == WARNED.get(source, {})


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_twins_give_the_same_core(formats: Formats, one: str, other: str) -> None:
    for entity, rows in TOTALS[one].items():
        shown = f"SELECT COLUMNS('^[^_]') FROM {entity} WHERE _source = "
        for a, b in ((one, other), (other, one)):
            only = formats.ask(f"({shown}'{a}') EXCEPT ALL ({shown}'{b}')")
            assert only == []
        assert formats.ask(f"SELECT count(*) FROM ({shown}'{one}')") == [(rows,)]


def test_a_ticket_that_comes_twice_stands_once(formats: Formats) -> None:
    (receipt,) = [r for r in formats.receipts if r.source == "hoboken-xlsx"]
    assert (receipt.read, receipt.inserted, receipt.superseded) == (91, 46, 45)


def test_several_agencies_of_one_cell_stay_together(formats: Formats) -> None:
    (several,) = formats.ask(
        "SELECT count(*) FROM procedure WHERE contains(handling_agency, chr(10))"
    )
    assert several[0] > 100


def test_free_text_is_not_pulled(formats: Formats) -> None:
    landing = formats.context.warehouse.landing("boston311", "requests").table()
    assert landing is not None
    assert not {"closure_reason", "case_title", "location"} & set(landing.schema.names)


def test_the_audit_finds_landing_and_core_agreed(formats: Formats) -> None:
    assert audit(formats.context, []).findings == ()


def test_a_second_night_is_silent(formats: Formats) -> None:
    for one in sync(formats.context, [], SyncOptions()):
        changed = one.inserted + one.updated + one.quarantined + one.tombstoned
        assert (one.status, one.landed, changed) == ("done", 0, 0), one

