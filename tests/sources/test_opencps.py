"""An OpenCPS office, by its MariaDB: connected by the vendor's file and a few lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.receipts import SyncOptions
from flows.steps import audit, check_source, open_context, sync
from tests.sources.support import office_of
from tests.support.mariadb import MariaServer, fresh_maria

OFFICE = """\
source: huyen-mot
extends: opencps
agency: H41.419
level: district
connector: {{type: sql, url: "{url}"}}
streams:
  dossier: {{deleted: isDelete}}
"""
TABLE = """CREATE TABLE opencps_dossier (dossierId bigint PRIMARY KEY, dossierNo varchar(40),
    serviceCode varchar(40), serviceName varchar(200), govAgencyCode varchar(40),
    govAgencyName varchar(200), viaPostal int, online bit(1), dossierStatus varchar(40),
    dossierSubStatus varchar(40), applicantIdNo varchar(20), applicantName varchar(100),
    submitDate bigint, receiveDate bigint, dueDate bigint, extendDate bigint, releaseDate bigint,
    finishDate bigint, cancellingDate bigint, modifiedDate bigint, isDelete bit(1))"""
STATUSES = (
    "receiving", "new", "denied", "processing", "waiting", "paying", "cancelled", "unresolved",
    "releasing", "done", "interoperating", "posting",
)  # fmt: skip


def test_an_opencps_office_is_a_few_lines(maria_server: MariaServer, tmp_path: Path) -> None:
    received = datetime(2026, 1, 5, 1, tzinfo=UTC)
    due = received + timedelta(days=3)

    def ticks(moment: datetime) -> int:
        return int(moment.timestamp() * 1000)

    with fresh_maria(maria_server) as name:
        maria_server.execute(TABLE, database=name)
        for number, status in enumerate(STATUSES):
            maria_server.execute(
                f"INSERT INTO opencps_dossier VALUES ({number}, 'H-{number}', '1.001193',"
                f" 'Khai sinh', '000.00.15.H41', 'Sở Tư pháp', {number % 3 == 2:d},"
                f" b'{number % 2}', '{status}',"
                f" 'xử lý', '040099012345', 'Nguyễn Văn Thử', 0, {ticks(received)}, {ticks(due)},"
                f" {ticks(due) + 60_000 if number == 3 else 0}, 0, 0, 0, {ticks(received)},"
                f" b'{number == 4:d}')",
                database=name,
            )
        sources = office_of(tmp_path, "huyen-mot", OFFICE.format(url=maria_server.url(name)))
        context = open_context(warehouse_uri=str(tmp_path / "warehouse"), sources_dir=sources)
        (checked,) = check_source(context, "huyen-mot")
        assert (checked.status, checked.error, checked.reasons) == ("done", None, {})
        (receipt,) = sync(context, [], SyncOptions())
        assert (receipt.status, receipt.read, receipt.quarantined) == ("done", 12, 0)
        assert audit(context, []).findings == ()
    table = context.warehouse.core("dossier")
    assert table is not None
    rows = table.scan().collect().sort("received_at", "dossier_code").to_dicts()
    by_code = {row["dossier_code"]: row for row in rows}
    assert by_code["H-9"]["status"] == "returned"
    assert {row["agency_code"] for row in rows} == {"H41.15"}
    assert [by_code[f"H-{n}"]["channel"] for n in range(3)] == ["direct", "online", "post"]
    assert by_code["H-0"]["due_at"] == due
    assert by_code["H-3"]["due_at"] == due + timedelta(minutes=1)  # extended
    assert by_code["H-0"]["submitted_at"] is None  # a zero is no time
    assert by_code["H-4"]["_deleted_at"] is not None
