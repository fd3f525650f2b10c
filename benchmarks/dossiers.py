"""Invented dossiers of an office, a million a year: the same ones for everybody who asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import polars as pl

END: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - an office's local time
YEAR_US: Final = 365 * 86_400 * 1_000_000
A_YEAR: Final = 1_000_000
LAST: Final = 10 * A_YEAR
"""Number of the newest dossier; the newest million is the same, however many came before it."""

PROCEDURES: Final = (
    "Đăng ký khai sinh", "Đăng ký kết hôn", "Đăng ký khai tử", "Cấp giấy xác nhận tình trạng "
    "hôn nhân", "Chứng thực bản sao từ bản chính", "Cấp bản sao trích lục hộ tịch",
    "Cấp giấy phép xây dựng", "Đăng ký đất đai lần đầu", "Đổi giấy phép lái xe",
    "Cấp phiếu lý lịch tư pháp", "Đăng ký hộ kinh doanh", "Đăng ký thường trú",
)  # fmt: skip
STATUSES: Final = ("10", "10", "10", "9", "10", "4", "10", "2", "10", "5")
_PIECE: Final = 1_000_000


def columns(scale: float) -> dict[str, pl.Expr]:
    """The columns of dossiers as expressions over their `number`."""
    number = pl.col("number")
    step = max(round(YEAR_US / (A_YEAR * scale)), 1)
    last = round(LAST * scale)
    back = (last - number) * step
    received = pl.lit(END).cast(pl.Datetime("us")) - pl.duration(microseconds=back)
    mixed = _mixed(number, 1)
    days = mixed % 20 + 1
    status = _pick(STATUSES, _mixed(number, 2))
    is_done = status.is_in(["9", "10"])
    finished = received + pl.duration(hours=_mixed(number, 3) % (days * 26) + 1)
    procedure = mixed % 300
    return {
        "so_thu_tu": number,
        "so_ho_so": pl.concat_str(
            pl.lit("H41.15-"), received.dt.strftime("%y%m%d"), pl.lit("-"),
            number.cast(pl.String).str.zfill(8),
        ),
        "ma_thu_tuc": pl.concat_str(pl.lit("1."), procedure.cast(pl.String).str.zfill(6)),
        "ten_thu_tuc": _pick(PROCEDURES, procedure),
        "don_vi": pl.concat_str(pl.lit("H41."), (_mixed(number, 4) % 150).cast(pl.String)),
        "kenh": _pick(("1", "2", "2", "3"), _mixed(number, 5)),
        "trang_thai": status,
        "ngay_tiep_nhan": received.dt.truncate("1s"),
        "ngay_hen_tra": (received + pl.duration(days=days)).dt.truncate("1s"),
        "ngay_xong": pl.when(is_done).then(finished).dt.truncate("1s"),
        "le_phi": (_mixed(number, 6) % 400 * 500).cast(pl.Decimal(18, 2)),
        "so_dinh_danh": (40_000_000_000 + _mixed(number, 7) % max(round(600_000 * scale), 1))
        .cast(pl.String).str.zfill(12),
        "can_bo": pl.concat_str(pl.lit("CB"), (_mixed(number, 8) % 2_000).cast(pl.String)),
        "ngay_cap_nhat": pl.min_horizontal(
            received + pl.duration(days=days), pl.lit(END).cast(pl.Datetime("us"))
        ).dt.truncate("1s"),
    }  # fmt: skip


def frames(rows: int, *, scale: float, before: int = 0) -> Iterator[pl.DataFrame]:
    """The newest `rows` dossiers, without the newest `before`, in pieces, the oldest first.

    Args:
        rows: How many, those left out included.
        scale: A year has `A_YEAR` times this.
        before: How many of the newest aren't given.
    """
    last = round(LAST * scale)
    made = columns(scale)
    for start in range(last - rows, last - before, _PIECE):
        stop = min(start + _PIECE, last - before)
        numbers = pl.DataFrame({"number": pl.int_range(start, stop, eager=True)})
        yield numbers.select(**made)


def _mixed(number: pl.Expr, salt: int) -> pl.Expr:
    """A number that looks drawn by lot, from 0 to 2^20 - 1; always the same."""
    factor = (2_654_435_761, 40_503, 2_246_822_519, 3_266_489_917)[salt % 4]
    return ((number + salt * 7_919) * factor // 2**12) % 2**20


def _pick(words: tuple[str, ...], number: pl.Expr) -> pl.Expr:
    chosen = (number % len(words)).cast(pl.Int32)
    return chosen.replace_strict(dict(enumerate(words)), return_dtype=pl.String)
