"""A commune's desk: one CSV a month, kept by hand, in whatever form that month's computer saved.

Title rows stand above the header, headings drift from month to month, some months are UTF-8 with a
BOM, some are cp1258, and a few lines are broken.
"""

from __future__ import annotations

import csv
import io
import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from pathlib import Path

from demo.dossiers import COMMUNE, ZONE, Dossier, generate

DOSSIERS = 700
SEED = 4101

_HEADINGS = (
    ("Số hồ sơ", "Tên thủ tục", "Ngày tiếp nhận", "Ngày hẹn trả", "Ngày xong", "Trạng thái"),
    ("Mã hồ sơ", "Thủ tục hành chính", "Ngày nhận", "Ngày hẹn trả KQ", "Ngày có KQ", "Tình trạng"),
)
_WORDS = {
    "2": "Được tiếp nhận",
    "3": "Không được tiếp nhận",
    "4": "Đang xử lý",
    "5": "Yêu cầu bổ sung giấy tờ",
    "9": "Đã xử lý xong",
    "10": "Đã trả kết quả",
}
_CORRECTED = "Đã trả kết quả"


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """How many lines of the first night are spoiled in which way."""

    unknown_status: int = 3  # "Hẹn quay lại", which no list knows: quarantined
    unreadable_reception: int = 2  # "hôm qua" where a date belongs: quarantined
    without_end: int = 8  # done, and nobody wrote down when: accepted, with a warning
    broken_line: int = 4  # more cells than headings: quarantined with file and line


DIRT = Dirt()


def fill(folder: Path, *, today: date) -> None:
    """Writes the desk's months as of `today` into `folder`, which is emptied first."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.csv"):
        old.unlink()
    dossiers = generate(COMMUNE, count=DOSSIERS, today=today, seed=SEED)
    lines = [_line(dossier) for dossier in dossiers]
    _spoil(lines, dice=random.Random(SEED + 1))
    months = groupby(
        zip(dossiers, lines, strict=True), key=lambda pair: f"{pair[0].received:%Y-%m}"
    )
    for number, (month, pairs) in enumerate(months):
        _write(folder / f"so-theo-doi-{month}.csv", [line for _, line in pairs], style=number)


def one_more_day(folder: Path, *, today: date) -> int:
    """Lets the desk correct its newest month: open dossiers were answered. Returns how many."""
    newest = max(folder.glob("*.csv"))
    dossiers = generate(COMMUNE, count=DOSSIERS, today=today, seed=SEED)
    month = newest.stem.removeprefix("so-theo-doi-")
    lines, answered = [], 0
    for dossier in dossiers:
        if f"{dossier.received:%Y-%m}" != month:
            continue
        line = _line(dossier)
        if dossier.status in ("2", "4"):
            line[-2:] = [_day(datetime.combine(today, time(8), ZONE)), _CORRECTED]
            answered += 1
        lines.append(line)
    _write(newest, lines, style=0)
    return answered


def _line(dossier: Dossier) -> list[str]:
    return [
        dossier.code,
        dossier.procedure.name,
        _day(dossier.received),
        _day(dossier.due),
        _day(dossier.finished) if dossier.finished else "",
        _WORDS[dossier.status],
    ]


def _day(moment: datetime) -> str:
    return f"{moment:%d/%m/%Y}"


def _spoil(lines: list[list[str]], *, dice: random.Random) -> None:
    """Spoils lines of the older half, each in one way, as often as `DIRT` says."""
    done = [line for line in lines[: len(lines) // 2] if line[4]]
    victims = iter(dice.sample(done, 20))
    for _ in range(DIRT.unknown_status):
        next(victims)[-1] = "Hẹn quay lại"
    for _ in range(DIRT.unreadable_reception):
        next(victims)[2] = "hôm qua"
    for _ in range(DIRT.without_end):
        next(victims)[4] = ""
    for _ in range(DIRT.broken_line):
        next(victims).extend(["", "xem sổ giấy", "trang 12"])


def _write(path: Path, lines: Sequence[Sequence[str]], *, style: int) -> None:
    """One month: the style number picks headings, delimiter and encoding."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if style % 3 == 2 else ",", lineterminator="\r\n")
    writer.writerow(["UBND XÃ ĐÔ LƯƠNG"])
    writer.writerow(["SỔ THEO DÕI HỒ SƠ " + path.stem[-7:]])
    writer.writerow(_HEADINGS[style % 2])
    writer.writerows(lines)
    if style % 3 == 1:
        path.write_bytes(as_cp1258(text.getvalue()))
    else:
        path.write_bytes(text.getvalue().encode("utf-8-sig"))


def as_cp1258(text: str) -> bytes:
    """The text as an old Vietnamese Windows wrote it: tone marks follow their letter."""
    encoded = bytearray()
    for letter in unicodedata.normalize("NFC", text):
        try:
            encoded += letter.encode("cp1258")
        except UnicodeEncodeError:
            base, *marks = list(unicodedata.normalize("NFD", letter))
            tones = [mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323"]
            shape = "".join([base, *(mark for mark in marks if mark not in tones)])
            encoded += (unicodedata.normalize("NFC", shape) + "".join(tones)).encode("cp1258")
    return bytes(encoded)
