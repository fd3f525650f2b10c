"""Offices with an API of a known vendor: a few lines each, against a server of its shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.context import Context
from flows.receipts import SyncOptions
from flows.steps import audit, check_source, open_context, sync
from tests.sources.support import office_of
from tests.support.api import Asked, Reply, serving

PERSON = "040099012345"
NOW = datetime.now(UTC).replace(microsecond=0)


def core(context: Context, entity: str) -> dict[str, dict[str, Any]]:
    table = context.warehouse.core(entity)
    assert table is not None
    rows = table.scan().collect().to_dicts()
    assert PERSON not in json.dumps(rows, default=str)
    return {row["dossier_code"]: row for row in rows}


def connected(tmp_path: Path, name: str, text: str) -> Context:
    sources = office_of(tmp_path, name, text)
    context = open_context(warehouse_uri=str(tmp_path / "warehouse"), sources_dir=sources)
    assert dict(context.catalog.broken) == {}
    return context


def synced(context: Context) -> None:
    receipts = sync(context, [], SyncOptions())
    assert [(r.status, r.error) for r in receipts] == [("done", None)] * len(receipts)
    assert audit(context, []).findings == ()


# --- iGate --------------------------------------------------------------------------------------

IGATE = """\
source: so-giao-thong
extends: igate
agency: H41.20
connector:
  url: "{url}/api"
  auth:
    oauth2: {{token_url: "{url}/token", client_id: "${{GT_ID}}", client_secret: "${{GT_SECRET}}"}}
streams: {{dossier: {{interval: {start}, into: [{{entity: dossier, columns: {{status: {{from:
  dossierStatus.id, on_bad: reject, codes: {{0: registered, 2: in_progress, 5: returned}}}}}}}}]}}}}
"""


def igate_row(number: int, accepted: datetime, *, status: int = 2) -> dict[str, Any]:
    return {
        "id": f"64ab{number:04x}", "code": f"000.00.20.H41-260105-{number:04d}", "nationCode": None,
        "agency": {"id": "1", "code": "000.00.20.H41", "name": "Sở GTVT", "parent": None},
        "procedure": {"code": "1.002809", "name": "Đổi giấy phép lái xe"},
        "applicant": {"data": {"fullname": "Nguyễn Văn Thử", "identityNumber": PERSON}},
        "dossierStatus": {"id": status, "name": "Đang xử lý"}, "task": [],
        "appliedDate": _utc(accepted - timedelta(hours=1)), "acceptedDate": _utc(accepted),
        "appointmentDate": None, "dueDate": "2026-03-10T17:00:00.000Z", "completedDate": None,
    }  # fmt: skip


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def igate(rows: list[dict[str, Any]], tokens: list[str]) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            assert asked.form["grant_type"] == "client_credentials"
            tokens.append(f"token-{len(tokens)}")
            return Reply({"access_token": tokens[-1], "expires_in": 300, "token_type": "bearer"})
        if asked.headers.get("authorization") != f"Bearer {tokens[-1]}":
            return Reply({"error": "invalid_token"}, status=401)
        assert asked.query["spec"] == "slice"
        low, high = asked.query.get("accepted-from", ""), asked.query.get("accepted-to", "9")
        found = sorted(
            (r for r in rows if low <= r["acceptedDate"] <= high), key=lambda r: r["acceptedDate"]
        )
        page, size = int(asked.query["page"]), int(asked.query["size"])
        return Reply({"content": found[page * size : (page + 1) * size]})

    return answer


def test_an_igate_office_is_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GT_ID", "lien-thong")
    monkeypatch.setenv("GT_SECRET", "b1-m4t-cua-so")
    tokens: list[str] = []
    rows = [igate_row(n, NOW - timedelta(hours=n + 2)) for n in range(130)]
    rows[3]["dossierStatus"]["id"] = 11  # nobody has said what it means
    with serving(igate(rows, tokens)) as api:
        start = (NOW - timedelta(days=20)).date().isoformat()
        text = IGATE.format(url=api.url, start=f'{{start: "{start}"}}')
        context = connected(tmp_path, "so-giao-thong", text)
        (checked,) = check_source(context, "so-giao-thong")
        assert checked.error is None
        assert checked.unknown_codes == {"status": ("11",)}
        synced(context)
        found = core(context, "dossier")
        assert len(found) == 129
        first = found["000.00.20.H41-260105-0000"]
        assert (first["status"], first["agency_code"]) == ("in_progress", "H41.20")
        # A local midnight shows as 17:00 of the day before in UTC: a day, and the next one.
        assert (first["due_date"].isoformat(), first["due_is_date_only"]) == ("2026-03-11", True)

        rows[0]["dossierStatus"]["id"] = 5  # changed later, found within the late window
        rows.append(igate_row(500, NOW - timedelta(minutes=5)))
        synced(context)
        assert core(context, "dossier")["000.00.20.H41-260105-0000"]["status"] == "returned"
        assert len(core(context, "dossier")) == 130
    assert tokens


# --- OpenCPS ------------------------------------------------------------------------------------

OPENCPS = """\
source: huyen-hai
extends: opencps-rest
agency: H41.427
level: district
connector:
  url: "{url}/o/rest/v2"
  headers: {{groupId: "${{HUYEN_HAI_GROUP}}"}}
  auth: {{basic: {{username: "${{HUYEN_HAI_USER}}", password: "${{HUYEN_HAI_PASSWORD}}"}}}}
"""


def opencps_row(number: int, status: str) -> dict[str, Any]:
    at = int(NOW.timestamp() * 1000)
    return {
        "dossierId": 1000 + number, "dossierNo": f"H-{number}", "serviceCode": "1.001193",
        "serviceName": "Khai sinh", "govAgencyCode": "000.00.27.H41", "govAgencyName": "UBND",
        "dossierStatus": status, "dossierSubStatus": "", "applicantIdNo": PERSON,
        "applicantName": "Nguyễn Văn Thử", "viaPostal": 0, "online": number % 2 == 1,
        "submitDate": 0, "receiveDate": at, "dueDate": at + 86_400_000, "extendDate": 0,
        "releaseDate": 0, "finishDate": 0, "cancellingDate": 0, "modifiedDate": at + number,
    }  # fmt: skip


def test_an_opencps_office_with_an_api_only_is_ten_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GROUP", "35417"), ("USER", "doc"), ("PASSWORD", "b1-m4t")):
        monkeypatch.setenv(f"HUYEN_HAI_{name}", value)
    rows = [opencps_row(n, "processing") for n in range(450)]

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("groupid") != "35417" or "authorization" not in asked.headers:
            return Reply({"code": 403}, status=403)
        start, end = int(asked.query["start"]), int(asked.query["end"])
        assert end - start == 200
        return Reply({"total": len(rows), "data": rows[start:end]})

    with serving(answer) as api:
        context = connected(tmp_path, "huyen-hai", OPENCPS.format(url=api.url))
        synced(context)
        found = core(context, "dossier")
        assert len(found) == 450
        assert (found["H-1"]["channel"], found["H-2"]["channel"]) == ("online", "direct")
        assert found["H-1"]["due_at"] == NOW + timedelta(days=1)
        rows[7]["dossierStatus"] = "done"
        rows[7]["modifiedDate"] += 5_000
        (receipt,) = sync(context, [], SyncOptions())
        assert (receipt.landed, receipt.updated) == (1, 1)
        assert core(context, "dossier")["H-7"]["status"] == "returned"


# --- the national messages, from an API -----------------------------------------------------------

MESSAGES = """\
source: mot-cua-tinh
extends: dvcqg-message
agency: H41
connector:
  type: rest
  url: "{url}"
  auth: {{login: {{path: /login, body: {{username: "${{LT_USER}}", password: "${{LT_PASS}}"}},
    token: session, body_field: session}}}}
streams: {{ket_qua: null, tien_do: null, ho_so: {{path: /DongBoHoSoMC, method: POST, rows: result,
  body: {{service: DongBoHoSoMC}}}}}}
"""


def test_national_messages_come_from_an_api_as_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.sources.test_messages import message

    monkeypatch.setenv("LT_USER", "h41")
    monkeypatch.setenv("LT_PASS", "b1-m4t")

    def answer(asked: Asked) -> Reply:
        if asked.path == "/login":
            return Reply({"session": "phien-1", "error_code": "0"})
        assert asked.json == {"service": "DongBoHoSoMC", "session": "phien-1"}
        return Reply({"error_code": "0", "result": [message(n) for n in range(3)]})

    with serving(answer) as api:
        context = connected(tmp_path, "mot-cua-tinh", MESSAGES.format(url=api.url))
        synced(context)
    found = core(context, "dossier")
    assert len(found) == 3
    assert found["H41.15-260105-0001"]["status"] == "in_progress"
    assert core(context, "payment")["H41.15-260105-0001"]["amount"] == 8000
