"""A tiny real office for the command and the flows: a folder with a CSV file, and its YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PERSON = "040099012345"  # an applicant's identity number; must be seen nowhere but in the file
FORMULA = "=HYPERLINK(0)"

CSV = f"""\
Số hồ sơ,Tên thủ tục,Người nộp,Ngày nhận,Trạng thái
XA-001,Đăng ký khai sinh,{PERSON},02/03/2026,received
XA-002,{FORMULA},{PERSON},03/03/2026,received
XA-003,Đăng ký kết hôn,040099054321,04/03/2026,một trạng thái lạ
"""

YAML = """\
source: xa-thu
name: {vi: Xã Thử, en: Test commune}
agency: H41.999
connector: {type: files, path: ../desk}
streams:
  so_theo_doi:
    files: "*.csv"
    mode: snapshot
    key: Số hồ sơ
    into:
      - entity: dossier
        columns:
          dossier_code: Số hồ sơ
          procedure_name: Tên thủ tục
          applicant_id: Người nộp
          status: {from: Trạng thái, codes: status, on_bad: reject}
          received_at: {from: Ngày nhận, format: "%d/%m/%Y"}
"""

BROKEN_YAML = "source: xa-hong\nname: {vi: Xã Hỏng, en: Broken}\nconnectr: {type: files}\n"


@dataclass(frozen=True)
class Office:
    """Where the office, its YAML and its warehouse are."""

    root: Path

    @property
    def warehouse(self) -> str:
        return str(self.root / "warehouse")

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def options(self) -> list[str]:
        """Global options of the command."""
        return ["--warehouse", self.warehouse, "--sources", str(self.sources)]

    def write_csv(self, text: str) -> None:
        (self.root / "desk").mkdir(exist_ok=True)
        (self.root / "desk" / "2026-03.csv").write_text(text, "utf-8")

    def add_source(self, name: str, text: str) -> None:
        (self.sources / f"{name}.yaml").write_text(text, "utf-8")


def open_office(root: Path) -> Office:
    """Three dossiers, one of them with a status that nobody knows."""
    office = Office(root)
    office.sources.mkdir()
    office.add_source("xa-thu", YAML)
    office.write_csv(CSV)
    return office
