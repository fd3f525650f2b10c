"""What is true of a set of dossiers, told by the source itself: a count and a checksum.

The checksum adds up the first 32 bits of an MD5 of every row's values: PostgreSQL and DuckDB
compute it alike, so a result is compared with its source without anything of ours in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmarks.bench import Bench

PG: Final = (
    "so_ho_so, ma_thu_tuc, ten_thu_tuc, don_vi, kenh, trang_thai, "
    "(extract(epoch FROM ngay_tiep_nhan) * 1000000)::bigint, "
    "(extract(epoch FROM ngay_hen_tra) * 1000000)::bigint, "
    "(extract(epoch FROM ngay_xong) * 1000000)::bigint, le_phi::text"
)
RAW: Final = (
    "so_ho_so, ma_thu_tuc, ten_thu_tuc, don_vi, kenh, trang_thai, "
    "epoch_us(ngay_tiep_nhan::TIMESTAMP), epoch_us(ngay_hen_tra::TIMESTAMP), "
    "epoch_us(ngay_xong::TIMESTAMP), le_phi::DECIMAL(18,2)::VARCHAR"
)
_ZONE_US: Final = 7 * 3_600 * 1_000_000  # core keeps UTC, the office writes its own time
_STATUS: Final = {"received": "2", "in_progress": "4", "supplement_requested": "5",
                  "completed": "9", "returned": "10"}  # fmt: skip
_CHANNEL: Final = {"direct": "1", "online": "2", "post": "3"}


def _back(column: str, words: dict[str, str]) -> str:
    cases = " ".join(f"WHEN '{ours}' THEN '{theirs}'" for ours, theirs in words.items())
    return f"CASE {column} {cases} ELSE 'unknown: ' || {column} END"


CORE: Final = (
    f"dossier_code, procedure_code, procedure_name, agency_code, {_back('channel', _CHANNEL)}, "
    f"{_back('status', _STATUS)}, "
    + ", ".join(f"epoch_us({c}) + {_ZONE_US}" for c in ("received_at", "due_at", "finished_at"))
    + ", fee::VARCHAR"
)


def of_office(url: str, *, where: str = "true") -> dict[str, Any]:
    """Rows and checksum of the office's table itself."""
    sql = (
        f"SELECT count(*), sum(('x' || substr(md5(concat_ws('|', {PG})), 1, 8))::bit(32)::bigint)"
        f"::text FROM ho_so WHERE {where}"
    )
    rows, checksum = _told(url, sql)
    return {"rows": rows, "checksum": checksum}


def of_database(bench: Bench, database: str) -> dict[str, Any]:
    """`of_office` of a database that nobody writes to any more, asked once in a run."""
    url = bench.office.url(database)
    return bench.once(f"truth of {database}", lambda: of_office(url))


def people_of_office(url: str) -> int:
    """How many people the office's table has.

    A question of its own: with a distinct count in it the checksum is computed by one core.
    """
    return int(_told(url, "SELECT count(*) FROM (SELECT DISTINCT so_dinh_danh FROM ho_so)")[0])


def _told(url: str, sql: str) -> tuple[Any, ...]:
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row


def of_files(files: Sequence[str], values: str, *, where: str = "true") -> dict[str, Any]:
    """Rows and checksum of Parquet files, by one of the lists of values above."""
    import duckdb

    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    sql = (
        f"SELECT count(*), sum(('0x' || substr(md5(concat_ws('|', {values})), 1, 8))::BIGINT)"
        f"::VARCHAR FROM read_parquet([{listed}], hive_partitioning = true, union_by_name = true) "
        f"WHERE {where}"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        row = connection.execute(sql).fetchone()
    assert row is not None
    return {"rows": row[0], "checksum": row[1]}


def of_people(files: Sequence[str], url: str, *, key: bytes) -> dict[str, Any]:
    """How many people core tells apart, and how many of a sample have their right pseudonym."""
    import hmac

    import duckdb
    import psycopg

    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    with psycopg.connect(url) as connection:
        sample = connection.execute(
            "SELECT so_ho_so, so_dinh_danh FROM ho_so ORDER BY so_ho_so LIMIT 500"
        ).fetchall()
    with duckdb.connect() as core:
        core.execute(
            "CREATE VIEW core AS SELECT dossier_code, applicant_id "
            f"FROM read_parquet([{listed}], union_by_name = true)"
        )
        people = core.execute("SELECT count(DISTINCT applicant_id) FROM core").fetchone()
        codes = ", ".join(f"'{code}'" for code, _ in sample)
        held = dict(core.execute(f"SELECT * FROM core WHERE dossier_code IN ({codes})").fetchall())
    wrong = sum(
        held.get(code) != hmac.digest(key, number.encode(), "sha256").hex()[:32]
        for code, number in sample
    )
    assert people is not None
    return {"people": people[0], "wrong_pseudonyms": wrong}
