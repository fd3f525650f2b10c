"""A register of synthetic dossiers with their events and fees, and every trap a desk sets.

No letter in it is one that an old Vietnamese encoding can't write, but for `tiêu_đề`: its capitals
carry tones, which TCVN3 has no letters for.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
PROCEDURES = (
    "Đăng ký khai sinh",
    'Cấp bản sao "trích lục" khai tử',
    "Cấp phép xây dựng; sửa chữa, cải tạo",
    "Đăng ký đất đai\nlần đầu",
    unicodedata.normalize("NFD", "Chuyển mục đích sử dụng đất"),
    "=1+2 chứng thực | bản sao",
    "Hộ kinh doanh\tcá thể & <nhóm>",
    "'Xác nhận' 100 %",
    '"',
    "NULL",
)
UNITS = ("Bộ phận một cửa", "Phòng Tư pháp, hộ tịch", unicodedata.normalize("NFD", "Tổ địa chính"))
STEPS = ("Tiếp nhận", "Thẩm định", 'Chờ "bổ sung"', "Trình ký\nlần hai", "Trả kết quả")
STATUSES = ("Được tiếp nhận", "Đang xử lý", "Đã trả kết quả", "returned")
_START = datetime.fromisoformat("2026-03-01")  # without a zone, as desks write it
_HERE = timezone(timedelta(hours=7))


@dataclass(frozen=True)
class Register:
    """The rows of an office's two tables, good and bad ones.

    Attributes:
        dossiers: One row a dossier, its fees a list in it.
        events: One row a step.
        good: The dossiers that break no rule.
        rejected: (entity, rule) to the rows that break it.
    """

    dossiers: list[Row]
    events: list[Row]
    good: list[Row]
    rejected: dict[tuple[str, str], int]

    @property
    def tables(self) -> dict[str, list[Row]]:
        """Stream to rows."""
        return {"ho_so": self.dossiers, "su_kien": self.events}


def register(*, dossiers: int = 60, seed: int = 7) -> Register:
    """The same register for the same arguments."""
    chance = random.Random(seed)
    made = [_dossier(chance, number) for number in range(1, dossiers + 1)]
    events = [event for row in made for event in _events(chance, row)]
    bad = [_dossier(chance, number) for number in range(dossiers + 1, dossiers + 6)]
    bad[0]["trạng_thái"] = "Chưa rõ lắm"
    bad[1]["ngày_nhận"] = "30 tháng 2"
    bad[2]["số_hồ_sơ"] = None
    bad[3]["trạng_thái"], bad[3]["ngày_nhận"] = "đi lạc", "hôm qua"
    bad[4]["danh_sách_phí"] = [{"mã": "P1", "tên": "Lệ phí", "tiền": "mười đồng"}]
    late = [{**events[0], "thứ_tự": 98, "lúc": None}, {**events[1], "thứ_tự": 99, "lúc": None}]
    rows = [*made[:20], *bad, *made[20:]]
    return Register(rows, [*late[:1], *events, *late[1:]], [*made, bad[4]], REJECTED)


REJECTED = {
    ("dossier", "unknown_code:status"): 2,
    ("dossier", "unparseable:received_at"): 2,
    ("dossier", "key_missing"): 1,
    ("dossier", "missing:dossier_code"): 1,
    ("dossier_event", "missing:occurred_at"): 2,
    ("payment", "unparseable:amount"): 1,
}


def _dossier(chance: random.Random, number: int) -> Row:
    received = _START + timedelta(days=number % 40, seconds=chance.randrange(80_000))
    if number % 9 == 0:
        received = received.replace(hour=0, minute=0, second=0)
    text = received.isoformat(sep=" ") if number % 3 else received.strftime("%d/%m/%Y %H:%M:%S")
    fees = [
        {"mã": f"P{n}", "tên": f"Phí, lệ phí {n}", "tiền": f"{chance.randrange(1, 900)}000.5"}
        for n in range(1, chance.randrange(0, 4))
    ]
    return {
        "số_hồ_sơ": f"{number:06}",
        "mã_thủ_tục": f"00{number % 7}.0{number % 10}",
        "thủ_tục": PROCEDURES[number % len(PROCEDURES)],
        "phòng": (None, "", *UNITS)[number % (2 + len(UNITS))],
        "tiêu_đề": "HỒ SƠ GỐC" if number % 5 else None,
        "người_nộp": f"04009{number % 17:07}" if number % 4 else None,
        "trạng_thái": STATUSES[number % len(STATUSES)],
        "ngày_nộp": (received - timedelta(hours=5)).replace(tzinfo=_HERE) if number % 6 else None,
        "ngày_nhận": text,
        "hẹn_trả": date(2026, 4, 1) + timedelta(days=number % 50) if number % 8 else None,
        "xong": received + timedelta(days=number % 13) if number % 2 else None,
        "lệ_phí": Decimal(f"{chance.randrange(0, 9_000_000)}.{number % 100:02}")
        if number % 7 else None,
        "chuyển_đổi": (True, False, None)[number % 3],
        "danh_sách_phí": fees or None,
    }  # fmt: skip


def _events(chance: random.Random, dossier: Row) -> Iterator[Row]:
    at = _START
    for number in range(1, chance.randrange(2, 5)):
        yield {
            "số_hồ_sơ": dossier["số_hồ_sơ"],
            "thứ_tự": number,
            "bước": STEPS[chance.randrange(len(STEPS))],
            "lúc": at,
            "phòng": UNITS[number % len(UNITS)] if number % 3 else None,
            "cán_bộ": f"CB-{chance.randrange(9):03}",
        }
        at += timedelta(hours=chance.randrange(1, 48))
