"""A commune's register of dossiers with synthetic people, and the real command over it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from flows.cli import main

PERSON, OTHER_PERSON = "040099012345", "040099054321"
HEADER = "so,nguoi_nop,thu_tuc,ngay,trang_thai,le_phi"
ROWS = (
    f"HS-1,{PERSON},Đăng ký khai sinh,2026-03-02,received,10000",
    f"HS-2,{PERSON},Đăng ký kết hôn,2026-03-03,received,20000",
    f"HS-3,{OTHER_PERSON},Đăng ký khai tử,2026-03-04,completed,30000",
)
YAML = """\
source: xa-thu
name: {vi: Xã Thử, en: Test commune}
agency: H41.999
connector: {type: files, path: ../desk}
streams:
  ho_so:
    files: "*.csv"
    mode: snapshot
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

    def csv(self, *rows: str) -> None:
        """The register as the desk's one file."""
        (self.root / "desk").mkdir(exist_ok=True)
        (self.root / "desk" / "so.csv").write_text("\n".join([HEADER, *rows, ""]), "utf-8")

    def run(self, *words: str) -> Result:
        """The command, in this process."""
        return CliRunner().invoke(main, [*self.options, *words])

    def answer(self, *words: str) -> Any:
        """The JSON document that the command prints."""
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def desk(root: Path) -> Home:
    """A commune with one CSV file of three dossiers; nothing has been synced."""
    home = Home(root)
    home.sources.mkdir()
    (home.sources / "xa-thu.yaml").write_text(YAML, "utf-8")
    home.csv(*ROWS)
    return home
