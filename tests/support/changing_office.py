"""An office whose rows change between the runs, with the truth kept beside it."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from flows.context import Context
from flows.steps import open_context
from tests.support.nursery import Order

YAML = """\
source: so-thu
connector: {{type: sql, url: "sqlite:///../office.db"}}
streams:
  ho_so:
    table: ho_so
    key: so
    {versions}version: phien_ban
    into:
      - entity: dossier
        columns:
          dossier_code: so
          procedure_name: ten
          applicant_id: nguoi
          status: {{from: trang_thai, codes: {codes}, on_bad: reject}}
          received_at: {{from: ngay, format: "%Y-%m-%d"}}
      - entity: payment
        explode: le_phi
        key: [so, le_phi.ma]
        columns:
          {{dossier_key: so, dossier_code: so, payment_code: le_phi.ma, amount: le_phi.tien}}
  su_kien:
    table: su_kien
    key: id
    {versions}version: thu_tu
    cursor: {{column: thu_tu, late_window: 3}}
    into:
      - entity: dossier_event
        columns:
          dossier_key: so
          dossier_code: so
          event_name: ten
          occurred_at: {{from: luc, format: "%Y-%m-%d"}}
"""
PLAIN = {"open": "in_progress", "closed": "completed"}
MENDED = {"open": "in_progress", "strange": "stopped"}
"""Under the plain code list a strange row is rejected; under the mended one it is accepted."""


@dataclass
class ChangingOffice:
    """A SQLite file, its YAML, a warehouse; and how often the office has changed.

    The warehouse lies in the office's folder if it isn't put elsewhere. `forgotten` are dossiers of
    people who were forgotten: the office has them, the warehouse must not.
    """

    root: Path
    chance: random.Random
    warehouse: Path = Path()
    counter: int = 0
    keys: int = 50  # as many as a change may be about: of many, nearly every one is new
    tells_versions: bool = True  # else copies are ordered by the start of their read
    forgotten: set[str] = field(default_factory=set)
    codes: dict[str, str] = field(default_factory=lambda: dict(PLAIN))

    def __post_init__(self) -> None:
        if self.warehouse == Path():
            self.warehouse = self.root / "warehouse"

    def open(self, rows: int) -> None:
        """Makes the office with some rows in each table."""
        (self.root / "sources").mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(
                "CREATE TABLE ho_so (so TEXT PRIMARY KEY, ten TEXT, trang_thai TEXT, ngay TEXT, "
                "le_phi TEXT, phien_ban INTEGER, nguoi TEXT)"
            )
            connection.execute(
                "CREATE TABLE su_kien (id TEXT PRIMARY KEY, so TEXT, ten TEXT, luc TEXT, "
                "thu_tu INTEGER)"
            )
        self.write_yaml(self.codes)
        for _ in range(rows):
            self.change()

    @property
    def database(self) -> Path:
        return self.root / "office.db"

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def context(self) -> Context:
        return open_context(warehouse_uri=str(self.warehouse), sources_dir=self.sources)

    def order(self, **how: Any) -> Order:
        """A run for a process of `tests.support.nursery`."""
        return Order(warehouse=str(self.warehouse), sources=str(self.sources), **how)

    def write_yaml(self, codes: dict[str, str]) -> None:
        """The mapping of today."""
        self.codes = codes
        versions = "" if self.tells_versions else "# "
        text = YAML.format(codes=json.dumps(codes), versions=versions)
        (self.sources / "so-thu.yaml").write_text(text, encoding="utf-8")

    def change(self) -> None:
        """Adds, changes or removes one row of each table."""
        self.counter += 1
        chance, number = self.chance, self.counter
        so, ident = f"HS-{chance.randrange(self.keys)}", f"SK-{chance.randrange(self.keys)}"
        fees = [
            {"ma": str(i), "tien": f"{chance.randrange(1, 900)}000"}
            for i in range(chance.randrange(3))
        ]
        with closing(sqlite3.connect(self.database)) as connection, connection:
            if chance.random() < 0.15:
                connection.execute("DELETE FROM ho_so WHERE so = ?", (so,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO ho_so VALUES (?, ?, ?, ?, ?, ?, NULL)",
                    (
                        so, f"thủ tục {number}", chance.choice(["open", "closed", "strange"]),
                        f"2024-{chance.randrange(1, 13):02}-01", json.dumps(fees), number,
                    ),
                )  # fmt: skip
            if chance.random() < 0.1:
                connection.execute("DELETE FROM su_kien WHERE id = ?", (ident,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO su_kien VALUES (?, ?, ?, ?, ?)",
                    (ident, so, f"bước {number}", f"2024-{chance.randrange(1, 13):02}-02", number),
                )

    def receive(self, number: str) -> str:
        """Adds a dossier of a person, with a fee and an event; it never changes. Its code."""
        self.counter += 1
        so = f"QN-{number[-6:]}"
        fee = json.dumps([{"ma": "1", "tien": "12000"}])
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(
                "INSERT INTO ho_so VALUES (?, 'trích lục', 'open', '2024-05-01', ?, ?, ?)",
                (so, fee, self.counter, number),
            )
            connection.execute(
                "INSERT INTO su_kien VALUES (?, ?, 'tiếp nhận', '2024-05-01', ?)",
                (f"SK-{so}", so, self.counter),
            )
        return so

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What the office has, without those who were forgotten."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
        return [row for row in found if row["so"] not in self.forgotten]

    def dossiers(self) -> dict[str, tuple[str, str]]:
        """Code to (procedure, status) of every dossier that today's mapping accepts."""
        return {
            r["so"]: (r["ten"], self.codes[r["trang_thai"]])
            for r in self.rows("ho_so")
            if r["trang_thai"] in self.codes
        }

    def payments(self) -> dict[tuple[str, str], Decimal]:
        """(dossier, payment) to amount of every fee."""
        return {
            (r["so"], fee["ma"]): Decimal(fee["tien"])
            for r in self.rows("ho_so")
            for fee in json.loads(r["le_phi"])
        }

    def events(self) -> dict[str, str]:
        """Event key to name."""
        return {r["id"]: r["ten"] for r in self.rows("su_kien")}
