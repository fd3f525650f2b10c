"""No secret and no person leaves the restricted part: planted ones are searched for everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.leaks import Heard
from warehouse.delta import Table

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "mat-khau-cua-so-7391"
PERSON_KEY = "5e" * 32
ACCEPTED, REJECTED, BROKEN, CAST, BACKWARDS = (
    "040099000111", "040099000222", "040099000333", "040099000444 đồng", "040099000555",
)  # fmt: skip
NAME, PHONE = "Nguyễn Thị Thử", "0912.345.678"  # typed where they don't belong
PLANTED = (PASSWORD, PERSON_KEY, ACCEPTED, REJECTED, BROKEN, CAST, BACKWARDS, NAME, PHONE)

CSV = f"""\
so,nguoi,trang_thai,ngay_nhan,ngay_tra,le_phi
HS-1,{ACCEPTED},received,02/03/2026,03/03/2026,1000
HS-2,{REJECTED},một trạng thái lạ,02/03/2026,03/03/2026,1000
HS-3,{BROKEN},received,02/03/2026,one cell too many,03/03/2026,1000
HS-4,{ACCEPTED},received,02/03/2026,03/03/2026,{CAST}
HS-5,{BACKWARDS},received,không phải ngày,03/03/2026,-5
HS-6,{ACCEPTED},{NAME},02/03/2026,03/03/2026,1000
{PHONE},{ACCEPTED},một trạng thái lạ,02/03/2026,03/03/2026,1000
"""
YAML = """\
source: xa-thu
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
          applicant_id: nguoi
          status: {from: trang_thai, codes: status, on_bad: reject}
          received_at: {from: ngay_nhan, format: "%d/%m/%Y", on_bad: reject}
          finished_at: {from: ngay_tra, format: "%d/%m/%Y"}
          fee: {sql: "cast(le_phi as decimal)", on_bad: reject}
"""
UNREACHABLE = """\
source: so-xa
connector: {type: sql, url: "${SO_XA_URL}"}
streams:
  ho_so:
    table: v_ho_so
    key: so
    into: [{entity: dossier, columns: {dossier_code: so}}]
"""


@dataclass(frozen=True)
class House:
    """An office with planted values, and a database that can't be reached."""

    root: Path

    def run(self, heard: Heard, *words: str) -> int:
        """One command with its whole output."""
        done = subprocess.run(
            [
                sys.executable, "-m", "flows.cli", "--debug", "--log-level", "debug",
                "--warehouse", str(self.root / "warehouse"),
                "--sources", str(self.root / "sources"), *words,
            ],
            cwd=ROOT,
            env={
                **os.environ, "LIENTHONG_PERSON_KEY": PERSON_KEY,
                "SO_XA_URL": f"postgresql://reader:{PASSWORD}@127.0.0.1:1/office",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        heard.texts[" ".join(words)] = done.stdout + done.stderr
        return done.returncode


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("leaks")
    for folder in ("sources", "desk"):
        (root / folder).mkdir()
    (root / "desk" / "thang-3.csv").write_text(CSV, "utf-8")
    (root / "sources" / "xa-thu.yaml").write_text(YAML, "utf-8")
    (root / "sources" / "so-xa.yaml").write_text(UNREACHABLE, "utf-8")
    return House(root)


@pytest.fixture(scope="module")
def heard(house: House) -> Heard:
    """Every command, those that fail included."""
    said = Heard()
    assert house.run(said, "check") == 3
    for source, status in (("xa-thu", 3), ("so-xa", 1)):
        page = house.root / f"{source}.html"
        assert house.run(said, "check", source, "--report", str(page)) == status
        said.texts[f"report {source}"] = page.read_text("utf-8")
    assert house.run(said, "sync") == 3
    assert house.run(said, "sync", "so-xa") == 1
    assert house.run(said, "nightly", "--json") in {1, 3}
    assert house.run(said, "status") == 3
    assert house.run(said, "quarantine", "list") == 0
    assert house.run(said, "quarantine", "show") == 0
    assert house.run(said, "quarantine", "show", "--json") == 0
    assert house.run(said, "quarantine", "replay", "--dry-run") == 0
    assert house.run(said, "quarantine", "replay", "--json") == 0
    discarding = ("quarantine", "discard", "xa-thu", "--reason", "đã hỏi lại")
    assert house.run(said, *discarding, "--key", "HS-6") == 0
    assert house.run(said, "quarantine", "list", "--closed") == 0
    assert house.run(said, "quarantine", "show", "--closed") == 0
    assert house.run(said, "trace", "HS-1") == 0
    assert house.run(said, "trace", "HS-4", "--json") == 0
    assert house.run(said, "trace", "HS-6") == 0
    assert house.run(said, "trace", "0912345678") == 2
    assert house.run(said, "audit") == 0
    assert house.run(said, "rebuild", "xa-thu") == 0
    assert house.run(said, "sql", "SELECT * FROM dossier") == 0
    assert house.run(said, "sql", "SELECT nguoi FROM dossier") == 2
    return said


def test_the_search_finds_what_is_there(house: House, heard: Heard) -> None:
    restricted = Heard()
    restricted.read_parquet(house.root, "restricted")
    restricted.read_logs(house.root, "restricted")
    for person in (ACCEPTED, REJECTED, BROKEN, CAST, BACKWARDS):
        assert "parquet warehouse/restricted/landing/xa-thu/ho_so" in restricted.found(person)
    assert any(place.startswith("commit") for place in restricted.found(ACCEPTED))
    assert "sql SELECT * FROM dossier" in heard.found("HS-1")
    assert "quarantine show" in heard.found("HS-2")
    assert "quarantine show --closed" in heard.found("HS-6")
    assert "trace HS-4 --json" in heard.found("HS-4")
    core = Heard()
    core.read_parquet(house.root, "analysts")
    assert core.found("HS-1") == ["parquet warehouse/analysts/core/dossier"]


@pytest.mark.parametrize("secret", PLANTED)
def test_no_command_tells_a_secret_or_a_person(heard: Heard, secret: str) -> None:
    assert heard.found(secret) == []


@pytest.mark.parametrize("secret", PLANTED)
def test_analysts_see_no_secret_and_no_person(house: House, heard: Heard, secret: str) -> None:
    assert heard.texts
    seen = Heard()
    seen.read_parquet(house.root, "analysts")
    seen.read_logs(house.root, "analysts")
    assert len(seen.texts) > 4
    assert seen.found(secret) == []


@pytest.mark.parametrize("secret", [PASSWORD, PERSON_KEY])
def test_no_secret_is_stored_anywhere(house: House, heard: Heard, secret: str) -> None:
    assert heard.texts
    kept = Heard()
    kept.read_parquet(house.root, "restricted")
    kept.read_logs(house.root, "")
    kept.read_bytes(house.root)
    assert kept.found(secret) == []


def test_quarantine_holds_places_not_values(house: House, heard: Heard) -> None:
    assert heard.texts
    table = Table.open(str(house.root / "warehouse" / "restricted" / "quarantine"))
    assert table is not None
    rows = table.scan().collect()
    assert rows.height == 6
    cells = "\n".join(map(str, rows.rows()))
    assert not any(person in cells for person in (REJECTED, BROKEN, CAST, BACKWARDS, NAME))
