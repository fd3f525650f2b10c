"""The national messages (DongBoHoSoMC, CapNhatTienDoHoSoMC), as an office's files hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.query import query
from flows.receipts import SyncOptions
from flows.steps import audit, open_context, sync
from tests.sources.support import office_of

OFFICE = """\
source: mot-cua-tinh
extends: dvcqg-message
agency: H41
level: province
connector: {type: files, path: ../drop}
streams:
  ho_so: {files: "DongBoHoSoMC-*.json"}
  ket_qua: {files: "DongBoHoSoMC-*.json"}
  tien_do: {files: "CapNhatTienDoHoSoMC-*.json"}
"""
PERSON = "040099012345"
NONE = "00000000000000"


def message(number: int, **changed: Any) -> dict[str, Any]:
    """A dossier's whole state, as it is sent."""
    return {
        "MaHoSo": f"H41.15-260105-{number:04d}", "MaTTHC": "1.001193", "TenTTHC": "Khai sinh",
        "MaLinhVuc": "G15-TP03", "KenhThucHien": "2", "ChuHoSo": "Nguyễn Văn Thử",
        "DinhDanhCHS": {"LoaiDinhDanh": "1", "SoDinhDanh": PERSON}, "LoaiDoiTuong": "1",
        "NgayNopHoSo": "20260105070000", "NgayTiepNhan": "20260105080000",
        "NgayHenTra": "20260106170000", "NgayTra": NONE, "NgayKetThucXuLy": NONE,
        "TrangThaiHoSo": "4", "DonViXuLy": "Sở Tư pháp", "DuocThanhToanTrucTuyen": "1",
        "TaiLieuNop": [
            {"MaThanhPhanHoSo": "TP1", "TenTepDinhKem": "to-khai.pdf", "DuocSoHoa": "1",
             "DuocTaiSuDung": "0"},
            {"MaThanhPhanHoSo": "TP2", "TenTepDinhKem": "giay-chung-sinh.pdf", "DuocSoHoa": "0",
             "DuocTaiSuDung": "1"},
        ],
        "DanhSachLePhi": [{"MaPhiLePhi": "LP1", "TenPhiLePhi": "Lệ phí hộ tịch", "Gia": "8000"}],
        "DanhSachGiayToKetQua": [], **changed,
    }  # fmt: skip


def progress(number: int, status: str, at: str) -> dict[str, str]:
    return {
        "MaHoSo": f"H41.15-260105-{number:04d}", "NguoiXuLy": "Trần Thị Mẫu", "ThoiDiemXuLy": at,
        "PhongBanXuLy": "Phòng Hộ tịch", "NoiDungXuLy": "Chuyển xử lý", "TrangThai": status,
        "NgayBatDau": at, "NgayKetThucTheoQuyDinh": "",
    }  # fmt: skip


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    office_of(tmp_path, "mot-cua-tinh", OFFICE)
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


def write(drop: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (drop / name).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")


def test_a_dossier_its_fees_papers_result_and_progress_arrive(drop: Path) -> None:
    write(drop, "DongBoHoSoMC-1.json", [message(1), message(2, KenhThucHien="")])
    write(drop, "CapNhatTienDoHoSoMC-1.json", [progress(1, "2", "20260105080000")])
    warehouse = str(drop.parent / "warehouse")
    context = open_context(warehouse_uri=warehouse, sources_dir=drop.parent / "sources")
    receipts = sync(context, [], SyncOptions())
    assert {(r.stream, r.status, r.error) for r in receipts} == {
        (name, "done", None) for name in ("ho_so", "ket_qua", "tien_do")
    }
    assert sum(r.quarantined for r in receipts) == 0

    # The dossier is finished; its whole state comes again, with a result.
    result = {"MaGiayToKetQua": "KQ1", "TenGiayTo": "Giấy khai sinh"}
    done = message(
        1, TrangThaiHoSo="10", NgayKetThucXuLy="20260106090000", NgayTra="20260106100000",
        DanhSachGiayToKetQua=[result],
    )  # fmt: skip
    write(drop, "DongBoHoSoMC-2.json", [done])
    write(drop, "CapNhatTienDoHoSoMC-2.json", [progress(1, "10", "20260106100000")])
    sync(context, [], SyncOptions())

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in query(warehouse, sql, core=True).to_pylist()]

    assert ask(
        "SELECT dossier_code, status, channel, agency_name, finished_date::text, "
        "returned_date::text FROM dossier ORDER BY ALL"
    ) == [
        ("H41.15-260105-0001", "returned", "online", "Sở Tư pháp", "2026-01-06", "2026-01-06"),
        ("H41.15-260105-0002", "in_progress", "direct", "Sở Tư pháp", None, None),
    ]
    assert ask(
        "SELECT kind, count(*), count(*) FILTER (is_reused) FROM document GROUP BY 1 ORDER BY 1"
    ) == [("component", 4, 2), ("result", 1, 0)]
    assert ask("SELECT DISTINCT fee_name, amount::text, currency, method FROM payment") == [
        ("Lệ phí hộ tịch", "8000.00", "VND", "national_portal")
    ]
    assert ask(
        "SELECT e.status, e.due_at FROM dossier_event e JOIN dossier d ON d._key = e.dossier_key "
        "ORDER BY e.occurred_at"
    ) == [("received", None), ("returned", None)]
    assert ask("SELECT count(*) FROM dossier WHERE applicant_id LIKE '%040099%'") == [(0,)]
    assert audit(context, []).findings == ()
