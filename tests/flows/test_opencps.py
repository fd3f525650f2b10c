"""A municipal OpenCPS on MariaDB: epoch milliseconds, soft deletes, migrated rows, a view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.context import Context
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, check_source, open_context, rebuild, status, sync
from tests.support.mariadb import MariaServer, fresh_maria

YAML = """\
source: huyen-mot
connector: {{type: sql, url: "{url}"}}
streams:
  dossier:
    table: v_dossier
    key: dossierId
    version: {{from: modifiedDate, format: epoch_ms}}
    cursor: {{column: modifiedDate, unit: epoch_ms, late_window: 2 days, lag: 1 second}}
    deleted: isDelete
    into:
      - entity: dossier
        columns:
          dossier_code: dossierNo
          status: {{from: dossierStatus, codes: opencps_status}}
          received_at: {{from: receiveDate, format: epoch_ms}}
          due_at: {{from: dueDate, format: epoch_ms}}
          is_migrated: {{from: origin, true_words: [Convert], default: false}}
"""


@dataclass(frozen=True)
class OpenCps:
    """The office's database and the warehouse it is pulled into."""

    server: MariaServer
    name: str
    root: Path

    @property
    def context(self) -> Context:
        return open_context(
            warehouse_uri=str(self.root / "warehouse"), sources_dir=self.root / "sources"
        )

    def run(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.name)

    def add(self, number: int, *, modified: datetime, origin: str = "NULL") -> None:
        at = int(modified.timestamp() * 1000)
        self.run(
            f"INSERT INTO opencps_dossier VALUES ({number}, 'H-{number}', 'processing',"
            f" 1704931200123, 0, {at}, b'0', {origin})"
        )

    def sync(self) -> Receipt:
        (receipt,) = sync(self.context, ["huyen-mot"], SyncOptions())
        assert receipt.status == "done", receipt.error
        assert receipt.read == receipt.landed + receipt.same
        assert audit(self.context, ["huyen-mot"]).findings == ()
        return receipt

    def core(self) -> list[dict[str, Any]]:
        table = self.context.warehouse.core("dossier")
        assert table is not None
        return table.scan().collect().drop("_changed_at", "_sync_id").sort("_key").to_dicts()


@pytest.fixture
def office(maria_server: MariaServer, tmp_path: Path) -> Iterator[OpenCps]:
    with fresh_maria(maria_server) as name:
        made = OpenCps(maria_server, name, tmp_path)
        made.run(
            "CREATE TABLE opencps_dossier (dossierId bigint PRIMARY KEY, dossierNo varchar(40),"
            " dossierStatus varchar(40), receiveDate bigint, dueDate bigint, modifiedDate bigint,"
            " isDelete bit(1), origin varchar(20))",
            "CREATE VIEW v_dossier AS SELECT * FROM opencps_dossier",
        )
        (tmp_path / "sources").mkdir()
        url = maria_server.url(name)
        (tmp_path / "sources" / "huyen-mot.yaml").write_text(YAML.format(url=url), "utf-8")
        yield made


def test_nights_of_an_opencps(office: OpenCps) -> None:
    now = datetime.now(UTC)
    office.add(1, modified=now - timedelta(days=30), origin="'Convert'")
    office.add(2, modified=now - timedelta(hours=1))
    office.add(3, modified=now + timedelta(days=400))
    first = office.sync()
    assert (first.read, first.inserted, first.future_cursor) == (3, 3, 1)
    (line,) = status(office.context)
    assert line.fresh_to is not None
    assert abs(datetime.fromisoformat(line.fresh_to) - now) < timedelta(minutes=5)

    # Committed late, within the window; and changed long before it: nobody can see that.
    office.add(4, modified=now - timedelta(days=1))
    at = int((now - timedelta(minutes=1)).timestamp() * 1000)
    marked = f"isDelete = b'1', modifiedDate = {at}"
    office.run(f"UPDATE opencps_dossier SET {marked} WHERE dossierId = 2")
    second = office.sync()
    assert (second.read, second.landed, second.inserted) == (2, 2, 1)
    assert (second.updated, second.tombstoned) == (1, 1)

    rows = office.core()
    assert [row["_deleted_at"] is None for row in rows] == [True, False, True, True]
    assert [row["is_migrated"] for row in rows] == [True, False, False, False]
    assert rows[0]["status"] == "in_progress"
    assert rows[0]["received_at"] == datetime(2024, 1, 11, 0, 0, 0, 123000, tzinfo=UTC)
    assert rows[0]["_version"] == int((now - timedelta(days=30)).timestamp() * 1000) * 1000
    rebuild(office.context, "huyen-mot")
    assert office.core() == rows


def test_check_finds_the_view_s_columns_and_writes_nothing(office: OpenCps) -> None:
    office.add(1, modified=datetime.now(UTC))
    (line,) = check_source(office.context, "huyen-mot")
    assert line.error is None
    assert line.columns_found["modifiedDate"] == "bigint"
    assert (line.sample_rows, line.reasons) == (1, {})
