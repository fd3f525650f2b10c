"""An office in PostgreSQL whose history is written down: what happens on each day, and its truth.

Every change is stamped with the next number of the office's own count, as a sequence or a clock
would. What makes histories hard is what offices do: a change that carries the number of an earlier
one, a transaction that is still open when the night comes, a row that is deleted and comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg

TABLE = "ho_so"
WINDOW = 3
"""Numbers that a nightly read goes back behind the newest one: `late_window`, and dlt's `lag`."""
HELD = ("T-1", "T-2")
"""Keys that long transactions write."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens to one key.

    Attributes:
        what: `put` writes the row, `open` writes it in a transaction that stays open, `end` commits
            that transaction, `undo` rolls it back, `delete` removes the row.
        key: The row's key.
        late: Numbers that the stamp of a `put` lies behind what the last night could have read; 0
            is the next number. 1 ties with the newest row of that night.
    """

    what: Literal["put", "open", "end", "undo", "delete"]
    key: str
    late: int = 0


Row = tuple[str, int | None]
"""A row's value and its stamp."""


@dataclass
class Ledger:
    """The office: plays steps, and knows what it holds.

    Attributes:
        url: Of an empty database.
        visible: Key to the number of the night in which its present row could first be read.
        read: The greatest stamp that could be read in each night.
    """

    url: str
    visible: dict[str, int] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    _stamp: int = 0
    _open: dict[str, psycopg.Connection[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._do(f"DROP TABLE IF EXISTS {TABLE}")
        self._do(f"CREATE TABLE {TABLE} (so text PRIMARY KEY, ten text, thay_doi bigint)")
        self.play(Step(what="put", key="A"))  # dlt makes no table of a source without rows

    def play(self, step: Step) -> None:
        """Does one step; one that the key's state doesn't allow does nothing."""
        held = self._open.get(step.key)
        match step.what:
            case "put" if held is None:
                stamp = self._next() if not step.late else self._behind(step.late)
                self._write(step.key, stamp)
            case "delete" if held is None:
                self._do(f"DELETE FROM {TABLE} WHERE so = %s", step.key)
                self.visible.pop(step.key, None)
            case "open" if held is None:
                connection = psycopg.connect(self.url)
                connection.execute(_UPSERT, self._values(step.key, self._next()))
                self._open[step.key] = connection
            case "end" | "undo" if held is not None:
                if step.what == "end":
                    held.commit()
                    self.visible[step.key] = len(self.read)
                self._open.pop(step.key).close()
            case _:
                pass

    def put_without_stamp(self, key: str) -> None:
        """Writes a row whose stamp is NULL."""
        self._write(key, None)

    def night_comes(self) -> dict[str, Row]:
        """What the office holds as a night reads it."""
        truth = self.truth()
        stamps = [stamp for _, stamp in truth.values() if stamp is not None]
        self.read.append(max([*stamps, *self.read[-1:]], default=0))
        return truth

    def truth(self) -> dict[str, Row]:
        """What is committed: key to value and stamp."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(f"SELECT so, ten, thay_doi FROM {TABLE}").fetchall()
        return {key: (value, stamp) for key, value, stamp in rows}

    def close(self) -> None:
        """Rolls back what is still open."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _write(self, key: str, stamp: int | None) -> None:
        self._do(_UPSERT, *self._values(key, stamp))
        self.visible[key] = len(self.read)

    def _next(self) -> int:
        self._stamp += 1
        return self._stamp

    def _behind(self, late: int) -> int:
        return max((self.read[-1] if self.read else self._stamp) + 1 - late, 0)

    def _values(self, key: str, stamp: int | None) -> tuple[str, str, int | None]:
        self._written = getattr(self, "_written", 0) + 1
        return key, f"thủ tục {self._written}", stamp

    def _do(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode(), values)


_UPSERT = (
    f"INSERT INTO {TABLE} VALUES (%s, %s, %s) "
    "ON CONFLICT (so) DO UPDATE SET ten = excluded.ten, thay_doi = excluded.thay_doi"
)
