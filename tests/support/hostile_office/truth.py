"""What the office really knows: dossiers that are added, changed and removed."""

from __future__ import annotations

import json
import random
import re
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

BEGINNING = datetime(2025, 3, 1, 1, 0, tzinfo=UTC)
STEP = timedelta(seconds=601)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
STATUSES = {2: "received", 4: "in_progress", 5: "supplement_requested", 9: "completed"}
_NAMES = (
    "Đăng ký khai sinh",
    'Cấp bản sao "trích lục" hộ tịch',
    "Xác nhận tình trạng hôn nhân\nlần 2",
    "Cấp phép xây dựng nhà ở <riêng lẻ> & công trình 🏛",
    "Đăng ký biến động \\ đất đai — kỳ 3",
)
_EXACT = re.compile(r'"\\u0000(-?[0-9.]+)"')


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """One dossier of an invented person."""

    code: str
    number: int  # past 2**53: a reader that takes it for a float gets its neighbour
    version: int
    updated_at: datetime
    received_at: datetime
    procedure: str
    status: int
    applicant: str
    fee: Decimal | None  # eighteen digits: a float has less
    fees: tuple[tuple[str, Decimal], ...]

    def as_json(self) -> dict[str, Any]:
        """The dossier as the API shows it; `to_json` makes text of it."""
        return {
            "id": self.number,
            "code": self.code,
            "version": self.version,
            "updatedAt": iso(self.updated_at),
            "receivedAt": self.received_at.astimezone(ZONE).isoformat(),
            "procedure": {"code": "1.001193", "name": self.procedure},
            "dossierStatus": {"id": self.status, "name": STATUSES[self.status]},
            "applicant": {"data": {"identity": self.applicant}},
            "fee": self.fee,
            "fees": [{"code": code, "amount": amount} for code, amount in self.fees],
        }

    def core(self) -> tuple[Any, ...]:
        """Its values as core has to hold them: the big number, name, status, fee, day received."""
        day = self.received_at.astimezone(ZONE).date()
        return (str(self.number), self.procedure, STATUSES[self.status], self.fee, day)


@dataclass
class Truth:
    """The dossiers, a clock of their own, and the way they change. Safe between threads."""

    seed: int = 0
    moment: datetime = BEGINNING
    counter: int = 0
    dossiers: dict[str, Dossier] = field(default_factory=dict)
    is_kept: bool = False  # nothing is removed; what should be changes instead
    was: set[tuple[Any, ...]] = field(default_factory=set)  # every row that was true once
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def add(self, count: int = 1, *, prefix: str = "H41.15") -> list[str]:
        """New dossiers; `prefix` decides where they stand in the order of codes."""
        with self.lock:
            return [self._write(f"{prefix}-250301-{self.counter + 1:05}") for _ in range(count)]

    def change(self, code: str) -> None:
        """A new version of one dossier, other values and another child list."""
        with self.lock:
            self._write(code)

    def remove(self, code: str) -> None:
        """A dossier vanishes without a trace."""
        if self.is_kept:
            self.change(code)
            return
        with self.lock:
            del self.dossiers[code]

    def touch_any(self) -> None:
        """One thing happens: mostly a change, now and then a new dossier."""
        with self.lock:
            codes = sorted(self.dossiers)
            if not codes or self._chance.random() < 0.3:
                self.add(prefix=self._chance.choice(["H41.05", "H41.15", "H41.95"]))
            else:
                self.change(self._chance.choice(codes))

    def rows(self, *, sort: str = "code") -> list[Dossier]:
        """All dossiers, by code, or by the time they were changed (`-updatedAt`: newest first)."""
        with self.lock:
            by_code = sorted(self.dossiers.values(), key=lambda d: d.code)
        if sort == "code":
            return by_code
        return sorted(by_code, key=lambda d: d.updated_at, reverse=sort.startswith("-"))

    def core(self) -> dict[str, tuple[Any, ...]]:
        """Key to values of every row that core has to hold of `dossier`."""
        return {dossier.code: dossier.core() for dossier in self.rows()}

    def payments(self) -> dict[str, Decimal]:
        """Key to amount of every row that core has to hold of `payment`."""
        return {f"{d.code}/{code}": amount for d in self.rows() for code, amount in d.fees}

    def _write(self, code: str) -> str:
        self.counter += 1
        self.moment += STEP
        chance, number = self._chance, self.counter
        before = self.dossiers.get(code)
        fresh = Dossier(
            code=code,
            number=2**53 + 2 * number + 1,
            version=number,
            updated_at=self.moment,
            received_at=BEGINNING + timedelta(hours=chance.randrange(-900, 0)),
            procedure=f"{chance.choice(_NAMES)} {number}",
            status=chance.choice(sorted(STATUSES)),
            applicant=f"0400990{number:05}",
            fee=chance.choice([None, _money(chance, 16), _money(chance, 5), Decimal("0.10")]),
            fees=tuple(
                (letter, _money(chance, 15)) for letter in "ABC"[: chance.choice([0, 1, 1, 2, 3])]
            ),
        )
        if before is not None:
            fresh = replace(
                fresh, received_at=before.received_at, number=before.number,
                applicant=before.applicant,
            )  # fmt: skip
        self.dossiers[code] = fresh
        self.was.add((code, *fresh.core()))
        self.was |= {(f"{code}/{letter}", amount) for letter, amount in fresh.fees}
        return code


def iso(moment: datetime) -> str:
    """UTC, to the second, as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_json(value: Any) -> bytes:
    """JSON in UTF-8; a Decimal becomes a number of all its digits."""
    text = json.dumps(value, ensure_ascii=False, default=lambda exact: f"\0{exact}")
    return _EXACT.sub(r"\1", text).encode()


def _money(chance: random.Random, digits: int) -> Decimal:
    whole = chance.randrange(10 ** (digits - 1), 10**digits)
    return Decimal(whole) + Decimal(chance.randrange(100)) / 100
