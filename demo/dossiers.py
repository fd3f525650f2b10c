"""Invented dossiers that age like real ones: received, worked on, sometimes late, answered.

Everything is a pure function of a seed and a day, so that two runs on one day are equal and a test
can name exact numbers. Statuses are the ten national codes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

_SURNAMES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Võ", "Đặng", "Bùi", "Hồ", "Cao")
_MIDDLE = ("Thị", "Văn", "Đức", "Thanh", "Minh", "Ngọc", "Quốc", "Hồng", "Xuân", "Thu")
_GIVEN = ("An", "Bình", "Châu", "Dũng", "Giang", "Hà", "Khánh", "Lan", "Mạnh", "Nga", "Phúc")


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """An administrative procedure: its code, its name, its limit and its fee."""

    code: str
    name: str
    days: int  # working days
    fee: int  # đồng


BIRTH = Procedure(code="1.001193", name="Đăng ký khai sinh", days=1, fee=8_000)
MARRIAGE = Procedure(code="1.000894", name="Đăng ký kết hôn", days=2, fee=30_000)
DEATH = Procedure(code="1.000656", name="Đăng ký khai tử", days=1, fee=0)
MARITAL = Procedure(
    code="1.004873", name="Cấp Giấy xác nhận tình trạng hôn nhân", days=3, fee=15_000
)
COPIES = Procedure(code="2.000815", name="Chứng thực bản sao từ bản chính", days=1, fee=2_000)
EXTRACTS = Procedure(code="2.000635", name="Cấp bản sao trích lục hộ tịch", days=3, fee=8_000)


@dataclass(frozen=True, kw_only=True)
class Office:
    """An office that handles dossiers.

    Attributes:
        prefix: Agency code as it stands in the office's dossier codes.
        procedures: What it handles.
        units: Its groups, in the order in which a dossier passes them.
        slowness: Share of its dossiers that end after their due time.
    """

    prefix: str
    procedures: tuple[Procedure, ...]
    units: tuple[str, ...]
    slowness: float


JUSTICE = Office(
    prefix="000.00.15.H41",
    procedures=(EXTRACTS, COPIES, MARITAL),
    units=("Bộ phận Một cửa", "Phòng Hành chính tư pháp", "Lãnh đạo Sở"),
    slowness=0.11,
)
COMMUNE = Office(
    prefix="H41.901",
    procedures=(BIRTH, MARRIAGE, DEATH, MARITAL, COPIES),
    units=("Bộ phận Một cửa", "Công chức Tư pháp - Hộ tịch"),
    slowness=0.18,
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a dossier: the status it reached, where, by whom and when."""

    status: str
    unit: str
    officer: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """One dossier as it stands on the day of the generator; times are in `ZONE`."""

    code: str
    procedure: Procedure
    channel: str
    citizen_id: str
    citizen_name: str
    submitted: datetime
    received: datetime
    due: datetime
    steps: tuple[Step, ...]
    paid_at: datetime | None

    @property
    def status(self) -> str:
        """The national code of the newest step."""
        return self.steps[-1].status

    @property
    def finished(self) -> datetime | None:
        """When the work ended, or None while it is open."""
        return next((step.at for step in self.steps if step.status in ("8", "9")), None)

    @property
    def returned(self) -> datetime | None:
        """When the result was handed over, or None."""
        return next((step.at for step in self.steps if step.status == "10"), None)

    @property
    def touched(self) -> datetime:
        """When the office's system last wrote to it."""
        return self.steps[-1].at


def working_days_after(start: datetime, days: int) -> datetime:
    """The moment `days` working days (Monday to Friday) later, at 17:00."""
    day = start.date()
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return datetime.combine(day, time(17), ZONE)


def generate(office: Office, *, count: int, today: date, seed: int) -> list[Dossier]:
    """`count` dossiers that `office` received in the 180 days before `today`, oldest first."""
    dice = random.Random(seed)
    days = sorted(_working_day(dice, today) for _ in range(count))
    numbers: dict[date, int] = {}
    dossiers = []
    for day in days:
        numbers[day] = numbers.get(day, 0) + 1
        code = f"{office.prefix}-{day:%y%m%d}-{numbers[day]:04d}"
        dossiers.append(_dossier(office, code=code, day=day, today=today, dice=dice))
    return dossiers


def finish(dossier: Dossier, *, at: datetime) -> Dossier:
    """The dossier with its result ready and handed over at `at`."""
    last = dossier.steps[-1]
    done = replace(last, status="9", at=at)
    return replace(dossier, steps=(*dossier.steps, done, replace(last, status="10", at=at)))


def _working_day(dice: random.Random, today: date) -> date:
    while True:
        day = today - timedelta(days=dice.randint(1, 180))
        if day.weekday() < 5:
            return day


def _dossier(office: Office, *, code: str, day: date, today: date, dice: random.Random) -> Dossier:
    procedure = dice.choice(office.procedures)
    received = datetime.combine(day, time(7, 0), ZONE) + timedelta(minutes=dice.randint(0, 560))
    submitted = received - timedelta(hours=dice.choice((0, 0, 1, 16)))
    due = working_days_after(received, procedure.days)
    if dice.random() < office.slowness:
        end = due + timedelta(hours=dice.randint(2, 400))
    else:
        end = received + (due - received) * dice.uniform(0.1, 0.95)
    now = datetime.combine(today, time(0), ZONE)
    steps = tuple(s for s in _steps(office, received=received, end=end, dice=dice) if s.at < now)
    channel = dice.choices(("1", "2", "3"), (45, 50, 5))[0]
    return Dossier(
        code=code,
        procedure=procedure,
        channel=channel,
        citizen_id=f"040{dice.randint(0, 3)}{dice.randint(0, 99_999_999):08d}",
        citizen_name=" ".join(map(dice.choice, (_SURNAMES, _MIDDLE, _GIVEN))),
        submitted=submitted,
        received=received,
        due=due,
        steps=steps,
        paid_at=received + timedelta(minutes=7) if procedure.fee and channel != "3" else None,
    )


def _steps(
    office: Office, *, received: datetime, end: datetime, dice: random.Random
) -> Iterator[Step]:
    desk, *offices = office.units
    officer = f"CB-{dice.randint(1, 24):02d}"
    yield Step(status="2", unit=desk, officer=officer, at=received)
    if dice.random() < 0.02:
        yield Step(status="3", unit=desk, officer=officer, at=received + timedelta(minutes=30))
        return
    span = end - received
    for position, unit in enumerate(offices, start=1):
        at = received + span * (position / (len(offices) + 1))
        yield Step(status="4", unit=unit, officer=f"CB-{dice.randint(25, 60):02d}", at=at)
    if dice.random() < 0.06:
        at = received + span * 0.8
        yield Step(status="5", unit=offices[0], officer=officer, at=at)
        yield Step(status="4", unit=offices[0], officer=officer, at=received + span * 0.9)
    yield Step(status="9", unit=offices[-1], officer=officer, at=end)
    if dice.random() < 0.9:
        yield Step(status="10", unit=desk, officer=officer, at=end + timedelta(hours=1))
