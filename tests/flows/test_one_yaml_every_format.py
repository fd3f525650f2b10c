"""One register, one mapping, every format: the command makes one core of it."""

from __future__ import annotations

import copy
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import polars as pl
import pytest

from flows.query import query
from flows.steps import open_context
from tests.support.mariadb import MariaServer, fresh_maria
from tests.support.offices import Home
from tests.support.postgres import Server, fresh_database
from tests.support.register import Register, register
from tests.support.tables import FILES, to_csv, to_database

pytestmark = [pytest.mark.xdist_group("one-yaml"), pytest.mark.slow]

# What every source has in common: all but how its rows are reached.
MAPPING = """\
level: commune
timezone: Asia/Ho_Chi_Minh
currency: VND
streams:
  ho_so:
    key: số_hồ_sơ
    into:
      - entity: dossier
        columns:
          dossier_code: số_hồ_sơ
          procedure_code: mã_thủ_tục
          procedure_name: thủ_tục
          unit_name: phòng
          phase: tiêu_đề
          applicant_id: người_nộp
          status: trạng_thái
          submitted_at: ngày_nộp
          received_at:
            from: ngày_nhận
            format: [iso, "%d/%m/%Y %H:%M:%S"]
            on_bad: reject
          due_at: hẹn_trả
          finished_at: xong
          fee: lệ_phí
          is_migrated: chuyển_đổi
      - entity: payment
        explode: danh_sách_phí
        key: [số_hồ_sơ, danh_sách_phí.mã]
        columns:
          dossier_code: số_hồ_sơ
          payment_code: danh_sách_phí.mã
          fee_name: danh_sách_phí.tên
          amount: {from: danh_sách_phí.tiền, on_bad: reject}
  su_kien:
    key: [số_hồ_sơ, thứ_tự]
    into:
      - entity: dossier_event
        columns:
          dossier_code: số_hồ_sơ
          dossier_key: {key: số_hồ_sơ}
          sequence: thứ_tự
          event_name: bước
          occurred_at: {from: lúc, date_only: never}
          unit_name: phòng
          actor_id: cán_bộ
"""
ENTITIES = ("dossier", "payment", "dossier_event")
ENCODINGS = {"utf-8": None, "utf-8-sig": None, "utf-16": None, "cp1258": "cp1258",
             "tcvn3": "tcvn3", "viscii": "viscii", "vni": "vni"}  # fmt: skip
ENDS = {"lf": ("\n", ","), "crlf": ("\r\n", ";"), "cr": ("\r", "\t")}
DATABASES = ("sqlite", "postgresql", "mariadb")
REFERENCE = "csv-utf-8-lf"
# Looked at by themselves, for the formats that can't say them.
GAPS = {("dossier", "phase"), ("dossier", "finished_is_date_only")}
CASES = [
    *(f"csv-{encoding}-{end}" for encoding in ENCODINGS for end in ENDS),
    *(kind for kind in FILES if kind != "csv"),
    *DATABASES,
]
CHANGED, EMPTIED = "changed-cell", "emptied-cell"
TONED_CAPITALS = {
    case: pytest.mark.xfail(reason="TCVN3 has no capitals with a tone: they arrive small")
    for case in CASES
    if "tcvn3" in case
}


BARE_MIDNIGHT = {
    "xlsx": pytest.mark.xfail(
        reason="a workbook keeps a day and its midnight as one number: it arrives as a date, "
        "unless the column says `date_only: never`"
    )
}
Row = tuple[tuple[str, Any], ...]


@dataclass
class Province:
    """One warehouse with the register once per format, after one `lienthong sync`."""

    home: Home
    register: Register
    receipts: list[dict[str, Any]] = field(repr=False)

    @cached_property
    def core(self) -> dict[str, dict[str, Counter[Row]]]:
        """Entity to source to its rows in core, each with how often it stands there.

        Of the columns, all but the warehouse's own and the two that a format has a gap in.
        """
        warehouse = str(self.home.warehouse)
        found: dict[str, dict[str, Counter[Row]]] = {}
        for entity in ENTITIES:
            table = query(warehouse, f"SELECT * FROM {entity}").to_pylist()
            sources = found.setdefault(entity, {})
            for row in table:
                counted = sources.setdefault(row["_source"], Counter())
                shown = (n for n in row if n[0] != "_" and (entity, n) not in GAPS)
                counted[tuple((name, row[name]) for name in shown)] += 1
        return found

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in query(str(self.home.warehouse), sql).to_pylist()]

    def differing(self, one: str, other: str, entity: str) -> list[Row]:
        """Rows of core that either source has and the other hasn't: EXCEPT ALL, both ways."""
        a, b = (self.core[entity][source] for source in (one, other))
        return [*(a - b).elements(), *(b - a).elements()]

    def quarantined(self, source: str) -> list[tuple[Any, ...]]:
        """Entity, key and rules of what was rejected."""
        context = open_context(
            warehouse_uri=str(self.home.warehouse), sources_dir=self.home.sources
        )
        rows = context.warehouse.quarantine.scan().filter(pl.col("source") == source)
        held = rows.select("entity", "_key", pl.col("rules").list.sort()).collect()
        return sorted((e, k or "", tuple(rules)) for e, k, rules in held.iter_rows())


def name_of(case: str) -> str:
    return f"nguon-{case.replace('_', '-')}"


def connected(home: Home, case: str, connector: str, streams: dict[str, str]) -> None:
    """Writes a source of the same kind as all others, and how its rows are reached."""
    lines = [f"source: {name_of(case)}", "extends: so-chung", f"connector: {connector}", "streams:"]
    lines += [f"  {stream}: {{{options}}}" for stream, options in streams.items()]
    (home.sources / f"{name_of(case)}.yaml").write_text("\n".join([*lines, ""]), "utf-8")


def connect_csv(home: Home, case: str, tables: dict[str, list[Any]]) -> None:
    _, encoding, end = case.replace("utf-", "utf").split("-", 2)
    encoding = encoding.replace("utf", "utf-")
    if end.startswith("sig-"):
        encoding, end = f"{encoding}-sig", end.removeprefix("sig-")
    folder = home.root / case
    folder.mkdir()
    line_end, delimiter = ENDS[end]
    for stream, rows in tables.items():
        to_csv(folder / f"{stream}.csv", rows, encoding=encoding, end=line_end, delimiter=delimiter)
    stated = f", encoding: {ENCODINGS[encoding]}" if ENCODINGS[encoding] else ""
    connected(
        home, case, f"{{type: files, path: ../{case}}}",
        {stream: f"files: {stream}.csv, mode: snapshot{stated}" for stream in tables},
    )  # fmt: skip


def connect_files(home: Home, kind: str, tables: dict[str, list[Any]]) -> None:
    folder = home.root / kind
    folder.mkdir()
    for stream, rows in tables.items():
        FILES[kind](folder / f"{stream}.{kind}", rows)
    path = ", rows: /r/d" if kind == "xml" else ""
    connected(
        home, kind, f"{{type: files, path: ../{kind}}}",
        {stream: f"files: {stream}.{kind}, mode: snapshot{path}" for stream in tables},
    )  # fmt: skip


def connect_database(
    home: Home, kind: str, url: str, tables: dict[str, list[Any]], patch: pytest.MonkeyPatch
) -> None:
    drivers = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}
    scheme, _, rest = url.partition("://")
    for stream, rows in tables.items():
        to_database(f"{drivers.get(kind, scheme)}://{rest}", stream, rows)
    patch.setenv(f"URL_{kind.upper()}", url)
    connected(
        home, kind, f'{{type: sql, url: "${{URL_{kind.upper()}}}"}}',
        {stream: f"table: {stream}" for stream in tables},
    )  # fmt: skip


def one_cell_changed(tables: dict[str, list[Any]], value: str | None) -> dict[str, list[Any]]:
    changed = copy.deepcopy(tables)
    changed["ho_so"][0]["thủ_tục"] = value
    return changed


@pytest.fixture(scope="module")
def province(
    postgres_server: Server, maria_server: MariaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Province]:
    made = register()
    home = Home(tmp_path_factory.mktemp("province"))
    (home.sources / "vendors").mkdir(parents=True)
    (home.sources / "vendors" / "so-chung.yaml").write_text(MAPPING, "utf-8")
    for case in CASES:
        if case.startswith("csv"):
            connect_csv(home, case, made.tables)
        elif case in FILES:
            connect_files(home, case, made.tables)
    for case, value in ((CHANGED, "Đăng ký khai sịnh"), (EMPTIED, None)):
        folder = home.root / case
        folder.mkdir()
        for stream, rows in one_cell_changed(made.tables, value).items():
            to_csv(folder / f"{stream}.csv", rows)
        connected(
            home, case, f"{{type: files, path: ../{case}}}",
            {stream: f"files: {stream}.csv, mode: snapshot" for stream in made.tables},
        )  # fmt: skip
    with (
        fresh_database(postgres_server) as postgres,
        fresh_maria(maria_server) as maria,
        pytest.MonkeyPatch.context() as patch,
    ):
        urls = (f"sqlite:///{home.root / 'so.db'}", postgres, maria_server.url(maria))
        for kind, url in zip(DATABASES, urls, strict=True):
            connect_database(home, kind, url, made.tables, patch)
        yield Province(home, made, home.answer("sync"))


def test_every_source_was_read_to_its_end(province: Province) -> None:
    assert {r["source"] for r in province.receipts if r["status"] != "done"} == set()
    rows = {stream: len(rows) for stream, rows in province.register.tables.items()}
    for case in CASES:
        mine = [r for r in province.receipts if r["source"] == name_of(case)]
        assert {r["stream"]: (r["read"], r["unreadable"]) for r in mine} == {
            stream: (count, 0) for stream, count in rows.items()
        }


def test_the_reference_says_what_the_register_says(province: Province) -> None:
    def text(value: str | None) -> str | None:
        return (unicodedata.normalize("NFC", value).strip() or None) if value else None

    columns = "dossier_code, procedure_code, procedure_name, unit_name, due_date, fee, is_migrated"
    source = name_of(REFERENCE)
    found = province.ask(f"SELECT {columns} FROM dossier WHERE _source = '{source}' ORDER BY 1")
    assert found == [
        (
            d["số_hồ_sơ"], d["mã_thủ_tục"], text(d["thủ_tục"]), text(d["phòng"]), d["hẹn_trả"],
            d["lệ_phí"], d["chuyển_đổi"],
        )
        for d in sorted(province.register.good, key=lambda d: str(d["số_hồ_sơ"]))
    ]  # fmt: skip
    lists = (d["danh_sách_phí"] or [] for d in province.register.dossiers if d["số_hồ_sơ"])
    fees = [Decimal(fee["tiền"]) for fees in lists for fee in fees if "đồng" not in fee["tiền"]]
    found = province.ask(f"SELECT count(*), sum(amount) FROM payment WHERE _source = '{source}'")
    assert found == [(len(fees), sum(fees))]
    found = province.ask(f"SELECT count(*) FROM dossier_event WHERE _source = '{source}'")
    assert found == [(len(province.register.events) - 2,)]


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("case", CASES)
def test_every_format_gives_the_same_core(province: Province, case: str, entity: str) -> None:
    assert province.core[entity][name_of(case)].total() > 40
    assert province.differing(name_of(REFERENCE), name_of(case), entity) == []


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=TONED_CAPITALS.get(case, ())) for case in CASES]
)
def test_capitals_with_tones_arrive(province: Province, case: str) -> None:
    found = province.ask(
        f"SELECT phase, count(*) FROM dossier WHERE _source = '{name_of(case)}' GROUP BY 1"
    )
    assert dict(found) == Counter(d["tiêu_đề"] for d in province.register.good)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=BARE_MIDNIGHT.get(case, ())) for case in CASES]
)
def test_a_moment_at_midnight_is_no_bare_date(province: Province, case: str) -> None:
    found = province.ask(
        "SELECT finished_is_date_only, count(*) FROM dossier "
        f"WHERE _source = '{name_of(case)}' GROUP BY 1"
    )
    at_midnight = [d for d in province.register.good if d["xong"] and not d["xong"].hour]
    ends = [d for d in province.register.good if d["xong"]]
    assert len(at_midnight) > 2
    assert dict(found) == {False: len(ends), None: len(province.register.good) - len(ends)}


@pytest.mark.parametrize("case", CASES)
def test_every_format_rejects_the_same_rows(province: Province, case: str) -> None:
    held = province.quarantined(name_of(case))
    assert held == province.quarantined(name_of(REFERENCE))
    counted = Counter((entity, rule) for entity, _, rules in held for rule in rules)
    assert dict(counted) == province.register.rejected


def test_every_format_marks_the_same_rows(province: Province) -> None:
    for entity in ENTITIES:
        marks = province.ask(
            f"SELECT _source, list(_warnings ORDER BY _key) FROM {entity} GROUP BY 1"
        )
        by_source = {source: marked for source, marked in marks if source in map(name_of, CASES)}
        assert len(by_source) == len(CASES)
        assert [s for s, m in by_source.items() if m != by_source[name_of(REFERENCE)]] == []


@pytest.mark.parametrize("case", [CHANGED, EMPTIED])
def test_a_single_cell_that_differs_is_seen(province: Province, case: str) -> None:
    differing = [len(province.differing(name_of(REFERENCE), name_of(case), e)) for e in ENTITIES]
    assert differing == [2, 0, 0]


def test_a_second_sync_finds_nothing_new_in_any_format(province: Province) -> None:
    again = province.home.answer("sync")
    assert [r for r in again if r["landed"] or r["updated"] or r["status"] != "done"] == []
    assert {r["source"] for r in again} == {r["source"] for r in province.receipts}
