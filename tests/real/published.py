"""What the publishers of the real records state of them, and what our rules say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Published:
    """One source of real records.

    Attributes:
        office: Whose records they are.
        read_from: How they are read.
        rows: Rows of its tables and files.
        totals: Entity to the number of them that the publisher states.
        warned: Rule to the rows of core that it marks, exactly.
        rejected: (entity, rule) to the rows in quarantine, exactly.
    """

    office: str
    read_from: str
    rows: int
    totals: Mapping[str, int]
    warned: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[tuple[str, str], int] = field(default_factory=dict)


MOST_REJECTED = 0.005
"""Of a source's rows."""

_BOSTON, _PERMITS, _INTAKE = "Boston, 311", "Dutch municipality {}, permits", "Dutch intake"


def _permits(
    number: int, read_from: str, *, dossiers: int, events: int, warned: Mapping[str, int]
) -> Published:
    return Published(
        office=_PERMITS.format(number),
        read_from=read_from,
        rows=dossiers + events,
        totals={"dossier": dossiers, "dossier_event": events},
        warned=warned,
    )


def _second(read_from: str) -> Published:
    warned = {
        "fee_negative": 2,
        "status_says_finished_but_no_end": 46,
        "status_says_open_but_has_end": 4,
    }
    return _permits(2, read_from, dossiers=832, events=44_354, warned=warned)


def _third(read_from: str) -> Published:
    warned = {
        "fee_negative": 2,
        "status_says_finished_but_no_end": 82,
        "status_says_open_but_has_end": 14,
    }
    return _permits(3, read_from, dossiers=1_409, events=59_681, warned=warned)


def _intake(read_from: str) -> Published:
    return Published(
        office=_INTAKE,
        read_from=read_from,
        rows=8_577,
        totals={"dossier": 1_434, "dossier_event": 8_577},
        warned={"finished_before_received": 2, "unknown_code:channel": 1},
    )


def _tickets(read_from: str) -> Published:
    return Published(
        office="Hoboken, tickets",
        read_from=read_from,
        rows=91,
        totals={"dossier": 46},
        warned={"status_says_finished_but_no_end": 44},
    )


PUBLISHED: Mapping[str, Published] = {
    "boston311": Published(
        office=_BOSTON,
        read_from="CSV, a file a year",
        rows=3_095 + 5_268,
        totals={"dossier": 3_095 + 5_268},
    ),
    "bpic15-1": _permits(
        1, "PostgreSQL", dossiers=1_199, events=52_217,
        warned={
            "due_before_received": 1,
            "fee_negative": 5,
            "status_says_finished_but_no_end": 104,
            "status_says_open_but_has_end": 364,
            "unknown_code:status": 1,
        },
    ),
    "bpic15-2": _second("PostgreSQL"),
    "bpic15-2-sqlite": _second("SQLite"),
    "bpic15-3": _third("PostgreSQL"),
    "bpic15-3-mariadb": _third("MariaDB"),
    "bpic15-3-xml": _third("XES (XML), gzip"),
    "hoboken-csv": _tickets("CSV"),
    "hoboken-xlsx": _tickets("XLSX"),
    "open311": Published(
        office="Köln, Open311",
        read_from="JSON",
        rows=50,
        totals={"dossier": 50},
        warned={"status_says_finished_but_no_end": 15},
    ),
    "procedures": Published(
        office="Four Vietnamese ministries, lists of procedures",
        read_from="XLSX, a workbook a ministry",
        rows=271 + 339 + 706 + 537,
        totals={"procedure": 271 + 339 + 706 + 537},
    ),
    "receipt": _intake("CSV"),
    "receipt-xes": _intake("XES (XML), gzip"),
}  # fmt: skip
TWINS = (
    ("receipt", "receipt-xes"),
    ("hoboken-csv", "hoboken-xlsx"),
    ("bpic15-2", "bpic15-2-sqlite"),
    ("bpic15-3", "bpic15-3-mariadb"),
    ("bpic15-3", "bpic15-3-xml"),
)
"""Sources that hold the same records."""
