"""A cursor of numbers that land as text is compared as numbers, one of texts by its database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from flows.backfilling import plan_backfill
from flows.checking import check_source
from flows.history import runs_of
from flows.query import query
from flows.receipts import SyncOptions
from flows.reconciliation import ReconcileOptions
from flows.steps import new_sync_id, open_context, reconcile, status, sync
from schemas.errors import ConfigError
from tests.connectors.conftest import Maria
from tests.support.mariadb import MariaServer, fresh_maria
from tests.support.nights import Nights
from tests.support.postgres import execute

YAML = """\
source: so-mot
connector: {{type: sql, url: "{url}"}}
streams:
  ho_so:
    table: t
    key: id
    cursor: {{column: seq, late_window: 5}}
    into: [{{entity: dossier, columns: {{dossier_code: id, phase: seq}}}}]
"""


def test_a_numeric_without_digits_can_be_a_cursor(postgres_url: str, tmp_path: Path) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id int, seq numeric)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 100) i",
    )
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "so-mot.yaml").write_text(YAML.format(url=postgres_url), "utf-8")
    context = open_context(
        warehouse_uri=str(tmp_path / "warehouse"), sources_dir=tmp_path / "sources"
    )
    (first,) = sync(context, ["so-mot"], SyncOptions())
    assert (first.error, first.read, first.inserted) == (None, 100, 100)
    execute(postgres_url, "INSERT INTO t VALUES (101, 101.5)", "DELETE FROM t WHERE id = 7")
    (second,) = sync(context, ["so-mot"], SyncOptions())
    # 96 to 100 once more, and the new one; 9 isn't taken to be greater than 100.
    assert (second.error, second.read, second.same, second.inserted) == (None, 6, 5, 1)
    assert second.tombstoned == 1


def test_a_text_among_the_numbers_of_sqlite_stops_no_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write("so-mot", YAML.format(url="sqlite:///../o.db"))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source:
        source.execute("CREATE TABLE t (id INTEGER, seq INTEGER)")
        rows = [(1, 1), (2, 12.5), (3, "chưa có"), (4, None), (5, b"x")]
        source.executemany("INSERT INTO t VALUES (?, ?)", rows)
        source.commit()
        _first_and_next_night(nights, inserted=2)  # of the others no phase can be told
        source.execute("INSERT INTO t VALUES (6, 13), (7, 'mai')")
        source.commit()
        _later_night_and_repair(nights)


def test_how_fresh_a_cursor_of_milliseconds_is_is_told_as_a_time(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    text = YAML.format(url="sqlite:///../o.db")
    nights.write("so-mot", text.replace("late_window: 5", "unit: epoch_ms"))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source:
        source.execute("CREATE TABLE t (id INTEGER, seq INTEGER)")
        source.execute("INSERT INTO t VALUES (1, 1704067200000)")
        source.commit()
    nights.sync("so-mot")
    (line,) = status(nights.context)
    (seen,) = query(nights.warehouse, "SELECT fresh_to FROM freshness").to_pylist()
    (run,) = runs_of(nights.context).scan().collect()["high"]
    assert line.fresh_to is not None
    assert datetime.fromisoformat(line.fresh_to).tzinfo is not None
    assert seen["fresh_to"] == run == line.fresh_to
    assert line.coverage == ((None, line.fresh_to),)
    asked = SyncOptions(interval=("2024-01-01", "2024-01-02"))
    (plan,) = plan_backfill(nights.context, "so-mot", asked)
    assert plan.interval == ("2023-12-31T17:00:00+00:00", "2024-01-01T17:00:00+00:00")


def test_a_gap_of_a_cursor_of_seconds_is_told_in_time(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    text = YAML.format(url="sqlite:///../o.db")
    nights.write("so-mot", text.replace("late_window: 5", "unit: epoch_s"))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
        source.execute("CREATE TABLE t (id INTEGER, seq INTEGER)")
        source.execute("INSERT INTO t VALUES (1, 1704067200)")
    early = SyncOptions(interval=("2024-01-01", "2024-01-02"), reason="thử")
    (receipt,) = sync(nights.context, ["so-mot"], early)
    assert receipt.error is None
    (line,) = status(nights.context)
    assert line.gaps == ((None, "2023-12-31T17:00:00+00:00"),)
    assert line.coverage == (("2023-12-31T17:00:00+00:00", "2024-01-01T17:00:00+00:00"),)


@pytest.mark.parametrize("odd", ["NaN", "Infinity"])
def test_what_is_no_number_in_a_numeric_of_postgresql_stops_no_night(
    postgres_url: str, tmp_path: Path, odd: str
) -> None:
    nights = Nights(tmp_path)
    nights.write("so-mot", YAML.format(url=postgres_url))
    values = f"(1, 1), (2, 12.5), (3, '{odd}'), (4, NULL), (5, '-Infinity')"
    execute(postgres_url, "CREATE TABLE t (id int, seq numeric)", f"INSERT INTO t VALUES {values}")
    _first_and_next_night(nights, inserted=5)
    execute(postgres_url, f"INSERT INTO t VALUES (6, 13), (7, '{odd}')")
    _later_night_and_repair(nights)


def _later_night_and_repair(nights: Nights) -> None:
    """Row 7, whose cursor is no number, lies in no interval: counted, and found by reconcile."""
    before = nights.dossier("so-mot")
    assert (before.inserted, before.future_cursor) == (1, nights.dossier("so-mot").future_cursor)
    assert before.future_cursor >= 2
    for missing, options in ((1, ReconcileOptions(repair=True)), (0, ReconcileOptions())):
        (found,) = reconcile(nights.context, ["so-mot"], options, sync_id=new_sync_id())
        assert (found.error, found.missing, found.extra, found.differing) == (None, missing, 0, 0)
        assert found.due == 0


def _first_and_next_night(nights: Nights, *, inserted: int) -> None:
    first = nights.dossier("so-mot")
    assert (first.read, first.landed, first.interval) == (5, 5, (None, "13"))
    assert (first.inserted, first.quarantined) == (inserted, 5 - inserted)
    second = nights.dossier("so-mot")  # 12.5 once more; the others lie in no interval
    assert (second.read, second.same) == (1, 1)


@pytest.mark.parametrize(
    ("column", "chunk", "said"),
    [("seq", "30 days", "is a number"), ("ten", "30 days", "is a text"), ("ten", "5", "is a text")],
)
def test_a_chunk_that_cannot_cut_the_cursor_is_said_and_not_passed_over(
    tmp_path: Path, column: str, chunk: str, said: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
        source.execute("CREATE TABLE t (id INTEGER, seq INTEGER, ten TEXT)")
        source.execute("INSERT INTO t VALUES (1, 1, 'a')")
    nights = Nights(tmp_path)
    cursor = f"column: {column}, chunk: {chunk}"
    text = YAML.format(url="sqlite:///../o.db").replace("column: seq, late_window: 5", cursor)
    nights.write("so-mot", text)
    (receipt,) = sync(nights.context, ["so-mot"], SyncOptions())
    assert receipt.status == "failed"
    assert said in (receipt.error or "")
    asked = SyncOptions(interval=("1", "2"), reason="thử")
    for early in (check_source, lambda context, name: plan_backfill(context, name, asked)):
        with pytest.raises(ConfigError, match=f"so-mot, stream 'ho_so': .*{said}"):
            early(nights.context, "so-mot")
    nights.write("so-mot", text.replace(cursor, "column: seq, chunk: 5"))
    assert check_source(nights.context, "so-mot")[0].status == "done"
    assert nights.dossier("so-mot").inserted == 1


def test_the_newest_row_and_then_all_are_missed_the_night_they_are_gone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
        source.execute("CREATE TABLE t (id INTEGER, seq INTEGER)")
        source.executemany("INSERT INTO t VALUES (?, ?)", [(i, i) for i in range(1, 101)])
    nights = Nights(tmp_path)
    nights.write("so-mot", YAML.format(url="sqlite:///../o.db"))
    assert nights.dossier("so-mot").inserted == 100
    for gone, tombstones in (("seq = 100", 1), ("true", 99)):
        with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
            source.execute(f"DELETE FROM t WHERE {gone}")
        assert nights.dossier("so-mot", accept_deletes=True).tombstoned == tombstones


def test_texts_are_read_on_in_the_order_that_the_database_has_them_in(
    maria_server: MariaServer, tmp_path: Path
) -> None:
    nights = Nights(tmp_path)
    with fresh_maria(maria_server) as name:
        maria = Maria(maria_server, name)
        maria.execute("CREATE TABLE t (id int, seq varchar(9))")
        nights.write("so-mot", YAML.format(url=maria.url).replace(", late_window: 5", ""))
        alive: set[str] = set()
        # For the server 'a2' lies before 'B2'; as bytes it is the other way round.
        for number, texts in enumerate((["a1", "a2"], ["b1", "B2"], ["b3", "C1"], ["c2"])):
            for place, text in enumerate(texts):
                maria.execute(f"INSERT INTO t VALUES ({10 * number + place}, '{text}')")
                alive.add(str(10 * number + place))
            night = nights.dossier("so-mot")
            assert (night.read, night.inserted) == (len(texts), len(texts))
        assert set(nights.alive("so-mot", "1")) == alive
        backfill = SyncOptions(interval=("a1", "a9"), reason="thử")
        (again,) = sync(nights.context, ["so-mot"], backfill)
        assert (again.error, again.same) == (None, again.read)
        maria.execute("INSERT INTO t VALUES (99, 'd1')")
        assert nights.dossier("so-mot").inserted == 1
        assert nights.dossier("so-mot").read == 0


@pytest.mark.parametrize(
    "collation",
    ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_nopad_ci", "uca1400_ai_ci"],
)
def test_texts_that_lie_just_behind_the_last_one_read_are_read(
    maria_server: MariaServer, tmp_path: Path, collation: str
) -> None:
    nights = Nights(tmp_path)
    with fresh_maria(maria_server) as name:
        maria = Maria(maria_server, name)
        text = f"varchar(40) CHARACTER SET utf8mb4 COLLATE {collation}"
        maria.execute(f"CREATE TABLE t (id int, seq {text})")
        maria.execute("INSERT INTO t VALUES (1, 'B2'), (2, 'b1'), (3, '2026-01-31'), (4, 'b2')")
        nights.write("so-mot", YAML.format(url=maria.url).replace(", late_window: 5", ""))
        first = nights.dossier("so-mot")
        assert (first.inserted, first.future_cursor) == (4, 0)  # 'b2' is the same as 'B2' there
        assert (first.interval or ("", ""))[1] in {"B2", "b2"}
        behind = ["B2-1", "B2 10:00", "B2_1", "B2/1", "B2.1"]
        rows = ", ".join(f"({number}, '{text}')" for number, text in enumerate(behind, 5))
        maria.execute(f"INSERT INTO t VALUES {rows}")
        second = nights.dossier("so-mot")
        assert (second.read, second.inserted, second.future_cursor) == (5, 5, 0)
        assert nights.dossier("so-mot").read == 0


def test_a_row_that_a_cursor_of_texts_hides_is_counted_and_told(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    text = YAML.format(url="sqlite:///../o.db").replace("seq, late_window: 5", "luc")
    nights.write("so-mot", text.replace("phase: seq", "procedure_name: luc"))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source:
        source.execute("CREATE TABLE t (id INTEGER, luc TEXT)")
        source.executemany("INSERT INTO t VALUES (?, ?)", [(1, "2026-11-01"), (2, "2099-01-01")])
        source.commit()
        first = nights.dossier("so-mot")
        assert (first.inserted, first.interval, first.note) == (2, (None, "2099-01-01"), None)
        source.execute("INSERT INTO t VALUES (3, '2026-11-02')")
        source.commit()
    second = nights.dossier("so-mot")
    assert second.read == 0
    assert "the source counts 1 rows more than there are landed keys" in (second.note or "")
    assert "lienthong reconcile so-mot --stream ho_so" in (second.note or "")


def test_a_row_that_is_gone_is_missed_also_where_texts_are_not_in_the_order_of_bytes(
    tmp_path: Path,
) -> None:
    nights = Nights(tmp_path)
    text = YAML.format(url="sqlite:///../o.db").replace(", late_window: 5", "")
    nights.write("so-mot", text.replace("phase: seq", "procedure_name: seq"))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source:
        source.execute("CREATE TABLE t (id INTEGER, seq TEXT COLLATE NOCASE)")
        texts = ["a1", "a2", "a3", "B1", "B2"] * 5
        source.executemany("INSERT INTO t VALUES (?, ?)", enumerate(texts))
        source.commit()
        for _ in range(3):
            assert nights.dossier("so-mot").note is None  # 'a3' isn't behind 'B2'
        source.execute("DELETE FROM t WHERE id = 0")
        source.commit()
        assert nights.dossier("so-mot").tombstoned == 1
        source.execute("INSERT INTO t VALUES (30, 'c1')")
        source.commit()
        night = nights.dossier("so-mot")
        assert (night.inserted, night.note) == (1, None)
        source.execute("DELETE FROM t WHERE seq = 'C1'")  # the greatest
        source.commit()
        assert nights.dossier("so-mot").tombstoned == 1


def test_a_backfill_of_texts_reads_what_lies_between_them_for_the_database(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.write("so-mot", YAML.format(url="sqlite:///../o.db").replace(", late_window: 5", ""))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
        source.execute("CREATE TABLE t (id INTEGER, seq TEXT COLLATE NOCASE)")
        texts = ["a1", "a2", "a3", "B1", "B2"]
        source.executemany("INSERT INTO t VALUES (?, ?)", enumerate(texts))
    (early,) = sync(nights.context, ["so-mot"], SyncOptions(interval=("a3", "B2"), reason="thử"))
    assert (early.error, early.read) == (None, 2)
    assert nights.dossier("so-mot").read == len(texts)
    for low, high, rows in (("a2", "B2", 3), ("a3", "B9", 3), ("B2", "a2", 0)):
        asked = SyncOptions(interval=(low, high), reason="thử")
        (plan,) = plan_backfill(nights.context, "so-mot", asked)
        (again,) = sync(nights.context, ["so-mot"], asked)
        assert (again.error, plan.rows, again.read, again.same) == (None, rows, rows, rows)
    with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
        source.execute("INSERT INTO t VALUES (9, 'B8')")
    assert nights.dossier("so-mot").read == 1  # a night goes on behind the last one


def test_a_row_that_came_too_late_is_counted_and_told_also_where_keys_are_summed(
    postgres_url: str, tmp_path: Path
) -> None:
    nights = Nights(tmp_path)
    nights.write("so-mot", YAML.format(url=postgres_url))
    execute(
        postgres_url,
        "CREATE TABLE t (id int, seq int)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 40) i",
    )
    for _ in range(3):
        assert nights.dossier("so-mot").note is None
    execute(postgres_url, "INSERT INTO t VALUES (90, 3), (41, 41)")
    for _ in range(2):
        assert "the source counts 1 rows more" in (nights.dossier("so-mot").note or "")
    execute(postgres_url, "DELETE FROM t WHERE id = 7", "INSERT INTO t VALUES (42, 42)")
    night = nights.dossier("so-mot")
    assert night.tombstoned == 1
    assert "the source counts 1 rows more" in (night.note or "")
    reconcile(nights.context, ["so-mot"], ReconcileOptions(repair=True), sync_id=new_sync_id())
    for _ in range(2):
        assert nights.dossier("so-mot").note is None


def test_a_backfill_before_the_first_night_says_nothing_of_rows_that_nobody_read_yet(
    tmp_path: Path,
) -> None:
    nights = Nights(tmp_path)
    nights.write("so-mot", YAML.format(url="sqlite:///../o.db"))
    with closing(sqlite3.connect(tmp_path / "o.db")) as source, source:
        source.execute("CREATE TABLE t (id INTEGER, seq INTEGER)")
        source.executemany("INSERT INTO t VALUES (?, ?)", [(i, i) for i in range(1, 31)])
    backfill = SyncOptions(interval=("20", "25"), reason="thử")
    (receipt,) = sync(nights.context, ["so-mot"], backfill)
    assert (receipt.inserted, receipt.future_cursor, receipt.note) == (5, 0, None)
    assert nights.dossier("so-mot").inserted == 25
    assert nights.dossier("so-mot").note is None
