"""Small offices with synthetic people in a temporary folder, and the real command over them.

Each is the same register of dossiers, kept in a CSV file, in SQLite or in PostgreSQL.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from flows.cli import main
from tests.support.postgres import execute

PERSON, OTHER_PERSON = "040099012345", "040099054321"
HEADER = "so,nguoi_nop,thu_tuc,ngay,trang_thai,le_phi"
ROWS = (
    f"HS-1,{PERSON},Đăng ký khai sinh,2026-03-02,received,10000",
    f"HS-2,{PERSON},Đăng ký kết hôn,2026-03-03,received,20000",
    f"HS-3,{OTHER_PERSON},Đăng ký khai tử,2026-03-04,completed,30000",
)

_YAML = """\
source: SOURCE
name: {vi: Xã Thử, en: Test commune}
agency: H41.999
connector: CONNECTOR
streams:
  ho_so:
    WHERE
    key: so
    into:
      - entity: dossier
        columns:
          dossier_code: so
          applicant_id: nguoi_nop
          procedure_name: thu_tuc
          received_at: {from: ngay, format: "%Y-%m-%d"}
          status: {from: trang_thai, codes: status, on_bad: reject}
          fee: le_phi
"""


def csv_yaml(source: str = "xa-thu", *, folder: str = "../desk") -> str:
    """A source that reads every CSV file of a folder, as a snapshot."""
    return _filled(source, f"{{type: files, path: {folder}}}", 'files: "*.csv"\n    mode: snapshot')


def sql_yaml(source: str = "so-thu", *, url: str = "${SO_THU_URL}", table: str = "ho_so") -> str:
    """A source that reads a table as a whole."""
    connector = f'{{type: sql, url: "{url}", connect_timeout: 2}}'
    return _filled(source, connector, f"table: {table}")


def _filled(source: str, connector: str, where: str) -> str:
    text = _YAML.replace("SOURCE", source).replace("CONNECTOR", connector)
    return text.replace("WHERE", where)


def fill_postgres(url: str) -> None:
    """The register as a table `ho_so`, with natural types."""
    values = ", ".join("('{}', '{}', '{}', '{}', '{}', {})".format(*row.split(",")) for row in ROWS)
    execute(
        url,
        "CREATE TABLE ho_so (so text PRIMARY KEY, nguoi_nop text, thu_tuc text, ngay text,"
        " trang_thai text, le_phi bigint)",
        f"INSERT INTO ho_so VALUES {values}",
    )


@dataclass(frozen=True)
class Home:
    """Where sources, files and the warehouse are; `run` is the command on them."""

    root: Path

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse"

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def options(self) -> list[str]:
        """Global options of the command."""
        return ["--warehouse", str(self.warehouse), "--sources", str(self.sources)]

    def source(self, text: str, *, name: str = "xa-thu") -> Path:
        """The YAML of a source."""
        self.sources.mkdir(exist_ok=True)
        path = self.sources / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def csv(self, *rows: str, name: str = "so.csv") -> Path:
        """A register as a CSV file."""
        return self.file("\n".join([HEADER, *rows, ""]).encode(), name=name)

    def file(self, content: bytes, *, name: str = "so.csv") -> Path:
        """A file of the desk."""
        (self.root / "desk").mkdir(exist_ok=True)
        path = self.root / "desk" / name
        path.write_bytes(content)
        return path

    def sqlite(self, *statements: str, name: str = "so.db") -> str:
        """Runs statements in a SQLite file; gives its URL."""
        path = self.root / name
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return f"sqlite:///{path}"

    def run(self, *words: str) -> Result:
        """The command, in this process."""
        return CliRunner().invoke(main, [*self.options, *words])

    def answer(self, *words: str, status: int = 0) -> Any:
        """The JSON document that the command prints."""
        done = self.run(*words, "--json")
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)


def desk(root: Path) -> Home:
    """A commune with one CSV file of three dossiers; nothing has been synced."""
    home = Home(root)
    home.source(csv_yaml())
    home.csv(*ROWS)
    return home
