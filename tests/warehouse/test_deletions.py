"""What a state says of landed keys saves a look at them, and never changes what is found."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse import deletions, vanished
from warehouse.delta import Table
from warehouse.landing import Landing
from warehouse.landing_read import Checkpoint, LandingRead, LandOutcome, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.prior import Prior, alive_keys
from warehouse.state import KeyCount, KeySum, StreamState
from warehouse.vanished import LandedKeys, Vanished

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = pa.schema([("so", pa.string()), ("luc", pa.int64()), ("ten", pa.string())])
By = Literal["sum", "count"]


@dataclass
class Office:
    """A table of keys, each with the moment of its last change, or without one."""

    rows: dict[str, tuple[int | None, str]] = field(default_factory=dict)
    clock: int = 0
    hidden: frozenset[str] = frozenset()  # to the sums, not to a list: replaced between the two

    def write(self, key: str, *, at: int | None = 0) -> None:
        """A row is inserted or changed: now, so much later than now, or without a moment."""
        self.clock += 1
        self.rows[key] = (None if at is None else self.clock + at, f"bản {self.clock}")

    @property
    def high(self) -> int:
        return self.clock + 1

    def between(self, low: int | None, high: int) -> list[tuple[str, int | None, str]]:
        """What a read of an interval delivers; one from the first row everything."""
        return [
            (key, at, name)
            for key, (at, name) in self.rows.items()
            if low is None or (at is not None and low <= at < high)
        ]

    def counted(self, high: int) -> int:
        return sum(at is not None and at < high for at, _ in self.rows.values())

    def digest(self, of: Literal["keys"], digits: int) -> Iterator[pa.RecordBatch]:
        assert of == "keys"
        rows: Counter[str] = Counter()
        totals: Counter[str] = Counter()
        for key in self.rows.keys() - self.hidden:
            told = hashed(key)
            rows[told[:digits]] += 1
            totals[told[:digits]] += int(told[5:19], 16)
        yield pa.RecordBatch.from_pydict(
            {
                "slot": list(rows),
                "rows": pa.array(rows.values(), pa.int64()),
                "total": pa.array([str(totals[slot]) for slot in rows], pa.string()),
            }
        )

    def keys(self, slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        found = [key for key in self.rows if slots is None or hashed(key).startswith(tuple(slots))]
        yield pa.RecordBatch.from_pydict({"so": pa.array(found, pa.string())})


def hashed(key: str) -> str:
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Nights:
    """The landing of an office, by one of the two ways in which it tells of its keys."""

    office: Office
    uri: str
    by: By
    forgets: bool = False  # what the state says of the keys: everything is looked at every night
    number: int = 0

    @property
    def landing(self) -> Landing:
        return Landing(self.uri)

    @property
    def state(self) -> StreamState:
        return self.landing.state()

    def night(self, *, accept: bool = True, pieces: int = 0, full: bool = False) -> LandOutcome:
        """One read; in commits of at most so many rows, if that is said."""
        self.number += 1
        table = self.landing.table()
        state = Landing.state_of(table)
        if self.forgets and table is not None and state.keys is not None:
            state = replace(state, keys=None)
            nothing, version = table.schema.empty_table(), table.txn("landing")
            table.append(nothing, txns={"landing": version}, state=state.to_json())
        high = state.not_below(self.office.high, column="luc")
        assert isinstance(high, int)
        wanted = state.of_cursor("luc", high=high).to_read(high=high, late_window=2, full=full)
        (low, _), *_ = (one.bounds for one in wanted)
        assert low is None or isinstance(low, int)
        rows = self.office.between(low, high)

        def advance(now: StreamState) -> StreamState:
            return now.of_cursor("luc", high=high).after_read(
                low=low, high=high, read_at=NOW, snapshot=None, files=None
            )

        def find(landed: LandedKeys) -> Vanished:
            return vanished.vanished(landed, source=self.office, read=stamp)

        stamp = ReadStamp(key=("so",), read_at=NOW, sync_id=f"night {self.number}")
        end = ReadEnd(
            is_complete=True,
            advance=advance,
            source_rows=self.office.counted(high),
            keys=lambda: self.office.keys(None),
            below=("luc", high),
            vanished=find if self.by == "sum" else None,
        )
        return self.landing.land(
            LandingRead(
                stamp=stamp,
                schema=SCHEMA,
                batches=list(batches(rows, pieces)),
                is_whole=low is None,
                finds_deletes=True,
                sums_keys=self.by == "sum",
                cursor=None if low is None else ("luc", low),
                accept_deletes=accept,
                ended=lambda: end,
            ),
            at=None if table is None else (table, Landing.state_of(table)),
        )

    def alive(self) -> dict[str, int | None]:
        """The landed keys that aren't buried, with their moment, by a look at everything."""
        table = self.landing.table()
        assert table is not None
        prior = Prior.load(table, cursor=None, values=["luc"])
        assert sorted(alive_keys(table)["_key"]) == sorted(prior.alive_keys()["_key"])
        rows = prior.alive_rows()
        return dict(rows.select("_key", "luc").iter_rows())


def batches(
    rows: list[tuple[str, int | None, str]], pieces: int
) -> Iterator[pa.RecordBatch | Checkpoint]:
    for start in range(0, len(rows), pieces or len(rows) or 1):
        part = rows[start : start + (pieces or len(rows))]
        yield pa.RecordBatch.from_pylist(
            [dict(zip(SCHEMA.names, row, strict=True)) for row in part], SCHEMA
        )
        if pieces:
            yield Checkpoint(advance=lambda state: state, is_apart=True)


keys = st.sampled_from([f"HS-{n}" for n in range(12)])
writes = st.tuples(st.just("write"), keys, st.sampled_from([0, 0, 0, 3, 50, None]))
deletes = st.tuples(st.just("delete"), keys, st.none())
changes = st.lists(st.one_of(writes, deletes), max_size=5)
nights_of = st.tuples(
    changes, st.booleans(), st.integers(0, 2), st.sampled_from([False] * 3 + [True])
)
histories = st.lists(nights_of, min_size=2, max_size=5)


@pytest.mark.parametrize("by", ["sum", "count"])
@settings(max_examples=8, deadline=None)
@given(history=histories)
def test_what_the_state_says_changes_nothing_of_what_is_found(
    by: By, history: list[tuple[list[tuple[str, str, int | None]], bool, int, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        office = Office()
        office.write("HS-always")
        told = Nights(office, f"{folder}/told", by)
        looks = Nights(office, f"{folder}/looks", by, forgets=True)
        for changed, accept, pieces, full in history:
            for what, key, at in changed:
                if what == "delete":
                    office.rows.pop(key, None)
                else:
                    office.write(key, at=at)
            one = told.night(accept=accept, pieces=pieces, full=full)
            other = looks.night(accept=accept, pieces=pieces, full=full)
            assert (one.tombstones, one.waiting_deletes) == (
                other.tombstones, other.waiting_deletes,
            )  # fmt: skip
            assert told.alive() == looks.alive()
            match told.state.keys:
                case KeyCount(keys=count, high=high):
                    bound = int(high.partition(":")[2])
                    landed = [at for at in told.alive().values() if at is not None and at < bound]
                    assert count == len(landed)
                case KeySum(rows=count):
                    assert count == len(office.rows)
                    assert told.alive().keys() <= office.rows.keys()
                case None:
                    pass


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look at the marks of a landing, as it happens."""
    looks: list[str] = []
    load = Prior.load

    def told(table: Table, **how: object) -> Prior:
        looks.append("some keys" if how.get("keys") is not None else "interval")
        if how.get("keys") is None and how.get("cursor") is None:
            looks[-1] = "everything"
        return load(table, **how)  # type: ignore[arg-type]

    def every(table: Table) -> pl.DataFrame:
        looks.append("everything")
        return alive_keys(table)

    monkeypatch.setattr(Prior, "load", told)
    monkeypatch.setattr(deletions, "alive_keys", every)
    return looks


@pytest.mark.parametrize("by", ["sum", "count"])
def test_a_quiet_night_looks_at_nothing_that_has_landed(
    by: By, tmp_path: Path, looked_at: list[str]
) -> None:
    office = Office()
    for number in range(40):
        office.write(f"HS-{number}")
    office.clock += 10
    nights = Nights(office, str(tmp_path / "landing"), by)
    nights.night()
    looked_at.clear()
    nights.night()
    # A whole read has summed up the keys that it saw; one that counts knows nothing of them yet.
    assert looked_at == ([] if by == "sum" else ["everything"])
    looked_at.clear()
    nights.night()
    assert looked_at == []
    office.write("HS-new")
    office.write("HS-3")
    nights.night()
    assert sorted(looked_at) == ["interval", "some keys"]
    looked_at.clear()
    del office.rows["HS-5"]
    office.write("HS-late")
    night = nights.night()
    assert (night.landed, night.tombstones) == (1, 1)
    assert looked_at.count("everything") == 1
    assert nights.alive().keys() == office.rows.keys()


def test_a_deletion_that_an_insert_hides_from_a_count_is_found_by_the_sum(tmp_path: Path) -> None:
    office = Office()
    for number in range(40):
        office.write(f"HS-{number}")
    nights = Nights(office, str(tmp_path / "landing"), "sum")
    nights.night()
    nights.night()
    assert isinstance(nights.state.keys, KeySum)
    del office.rows["HS-5"]
    office.rows["HS-without"] = (None, "chưa có giờ")  # which no interval brings
    assert nights.night().tombstones == 1
    assert "HS-5" not in nights.alive()


@pytest.mark.parametrize("by", ["sum", "count"])
def test_keys_that_wait_are_looked_for_again_every_night(by: By, tmp_path: Path) -> None:
    office = Office()
    for number in range(40):
        office.write(f"HS-{number}")
    nights = Nights(office, str(tmp_path / "landing"), by)
    nights.night()
    nights.night()
    for number in range(30):
        del office.rows[f"HS-{number}"]
    for _ in range(2):
        night = nights.night(accept=False)
        assert (night.tombstones, night.waiting_deletes) == (0, 30)
    assert nights.night(accept=True).tombstones == 30
    assert nights.alive().keys() == office.rows.keys()


@pytest.mark.parametrize("by", ["sum", "count"])
def test_keys_that_wait_behind_a_read_of_everything_are_looked_for_the_next_night(
    by: By, tmp_path: Path
) -> None:
    office = Office()
    for number in range(40):
        office.write(f"HS-{number}")
    nights = Nights(office, str(tmp_path / "landing"), by)
    nights.night()
    for number in range(30):
        del office.rows[f"HS-{number}"]
    for full in (True, False, True, False):
        night = nights.night(accept=False, full=full)
        assert (night.tombstones, night.waiting_deletes) == (0, 30)
    assert nights.night(accept=True).tombstones == 30
    assert nights.alive().keys() == office.rows.keys()


def test_keys_that_came_and_keys_that_went_hide_each_other_only_from_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many came late as went: by the number of keys one differs, and nearly all slots do."""
    monkeypatch.setattr(vanished, "LISTED", 20)
    monkeypatch.setattr("warehouse.slots._BESIDE", 1)
    office = Office()
    for number in range(300):
        office.write(f"HS-{number}")
    nights = Nights(office, str(tmp_path / "landing"), "sum")
    nights.night()
    listed: list[int] = []
    lists = office.keys

    def listing(slots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for batch in lists(slots):
            listed.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(office, "keys", listing)
    for number in range(10):
        del office.rows[f"HS-{number}"]
        office.rows[f"HS-late-{number}"] = (None, "chưa có giờ")
    assert nights.night().tombstones == 10
    assert sum(listed) < 60
    assert not nights.alive().keys() & {f"HS-{number}" for number in range(10)}


@pytest.mark.parametrize("by", ["sum", "count"])
def test_after_more_rows_than_are_remembered_everything_is_looked_at(
    by: By, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_at: list[str]
) -> None:
    monkeypatch.setattr(deletions, "MOST_BROUGHT", 3)
    office = Office()
    for number in range(10):
        office.write(f"HS-{number}")
    nights = Nights(office, str(tmp_path / "landing"), by)
    nights.night()
    nights.night()
    for number in range(4):
        office.write(f"HS-new-{number}")
    del office.rows["HS-5"]
    looked_at.clear()
    assert nights.night().tombstones == 1
    assert "everything" in looked_at


def test_a_read_that_lands_rows_and_dies_says_nothing_of_the_keys(tmp_path: Path) -> None:
    office = Office()
    for number in range(4):
        office.write(f"HS-{number}")
    nights = Nights(office, str(tmp_path / "landing"), "sum")
    nights.night()
    nights.night()
    assert nights.state.keys is not None
    office.write("HS-new")
    landing = nights.landing

    def dies() -> Iterator[pa.RecordBatch | Checkpoint]:
        yield from batches(office.between(office.clock, office.high), 1)
        raise ConnectionError

    read = LandingRead(
        stamp=ReadStamp(key=("so",), read_at=NOW, sync_id="dies"),
        schema=SCHEMA,
        batches=dies(),
        is_whole=False,
        finds_deletes=True,
        cursor=("luc", office.clock),
        ended=lambda: pytest.fail("it never ends"),
    )
    with pytest.raises(ConnectionError):
        landing.land(read)
    assert landing.version() == 2
    assert nights.state.keys is None


def test_a_state_reads_back_what_it_says_of_the_keys() -> None:
    for keys in (
        None,
        KeySum(rows=3, total=2**70),
        KeyCount(column="luc", keys=3, high="integer:9", beyond=None),
        KeyCount(column="luc", keys=3, high="integer:9", beyond="integer:12"),
    ):
        state = StreamState(keys=keys)
        assert StreamState.from_json(state.to_json()) == state


def test_sums_of_another_moment_than_the_list_are_not_kept(tmp_path: Path) -> None:
    office = Office()
    for number in range(40):
        office.write(f"HS-{number}")
    office.clock += 10
    nights = Nights(office, str(tmp_path / "landing"), "sum")
    for _ in range(2):
        nights.night()
    office.hidden = frozenset({"HS-5"})
    assert nights.night().tombstones == 0
    office.hidden = frozenset()
    del office.rows["HS-5"]
    assert nights.night().tombstones == 1
    assert "HS-5" not in nights.alive()
