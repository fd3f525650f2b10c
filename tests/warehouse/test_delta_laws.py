"""The same laws on real Delta tables: nights of a changing office, landed, mapped and merged."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from schemas.entities import entity as entity_of
from schemas.mapping import ColumnMapping, DeriveContext, Into, StreamMapping, derive, row_orders
from warehouse.audit import audit
from warehouse.core import Counts, Integration
from warehouse.feeds import Feed
from warehouse.landing import Landing
from warehouse.landing_read import LandingRead, ReadEnd
from warehouse.landing_stamp import ReadStamp
from warehouse.quarantine import Quarantine
from warehouse.rebuild import rebuild

EXAMPLES = 10
# Shrinking a story of nights takes minutes: the failing story itself is told instead.
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
CELLS = ("line", "code", "version", "received", "status", "fees", "mark")
SCHEMA = pa.schema([(c, pa.string()) for c in CELLS])
STATUS = {"open": "in_progress", "closed": "completed"}
MENDED = {**STATUS, "strange": "stopped"}


@dataclass(frozen=True)
class Row:
    """One row of the office: a line about a dossier, with its fees as a list.

    `mark` is "x" where the office marks the line as deleted.
    """

    line: str
    code: str
    version: str
    received: str
    status: str
    fees: str
    mark: str

    def cells(self) -> dict[str, str | None]:
        cells = {c: getattr(self, c) or None for c in CELLS}
        return {**cells, "line": None} if self.line == "-" else cells


def statuses(words: dict[str, str]) -> ColumnMapping:
    return ColumnMapping.model_validate({"from": "status", "codes": words, "on_bad": "reject"})


def mapping_of(words: dict[str, str], *, key: str) -> StreamMapping:
    """`key` "line": the dossier is its line; "code": it is folded from its lines."""
    received = {"from": "received", "format": "%Y-%m-%d", "on_bad": "warn"}
    return StreamMapping.model_validate(
        {
            "source": "office",
            "stream": "lines",
            "key": ["line"],
            "version": {"from": "version"},
            "deleted": "mark",
            "into": [
                Into(
                    entity="dossier",
                    key=None if key == "line" else (key,),
                    columns={
                        "dossier_code": ColumnMapping.model_validate("code"),
                        "received_at": ColumnMapping.model_validate(received),
                        "status": statuses(words),
                    },
                ),
                Into.model_validate(
                    {
                        "entity": "payment",
                        "explode": "fees",
                        "key": ["line", "fees.id"],
                        "columns": {
                            "dossier_code": "code",
                            "payment_code": "fees.id",
                            "amount": {"from": "fees.amount", "on_bad": "reject"},
                        },
                    }
                ),
            ],
        }
    )


class House:
    """A warehouse of one stream, integrated by hand."""

    def __init__(self, folder: Path, mapping: StreamMapping, landing: Landing) -> None:
        self.mapping = mapping
        self.landing = landing
        self._folder = folder

    def feed(self, into: Into) -> Feed:
        mapping, context = self.mapping, DeriveContext(person_key=b"k" * 32, now=NOW)
        mapped: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: derive(  # noqa: E731
            rows, mapping=mapping, into=into, context=context
        )
        return Feed(
            source="office", stream="lines", entity=entity_of(into.entity), landing=self.landing,
            derive=mapped, orders=lambda rows: row_orders(rows, mapping=mapping),
            key_columns=mapping.key_of(into), is_many=mapping.relation(into) == "many",
            explodes=into.explode is not None, with_unsplit=into is mapping.into[0],
        )  # fmt: skip

    def core_uri(self, entity: str) -> str:
        return str(self._folder / "core" / entity)

    def integration(self, into: Into, sync_id: str = "run") -> Integration:
        return Integration(
            entity=entity_of(into.entity), uri=self.core_uri(into.entity),
            quarantine=Quarantine(str(self._folder / "quarantine"), self.core_uri),
            sync_id=sync_id, now=NOW,
        )  # fmt: skip

    def integrate(self) -> list[Counts]:
        return [
            self.integration(into).integrate([self.feed(into)])["office/lines"]
            for into in self.mapping.into
        ]

    def rebuild(self) -> None:
        for into in self.mapping.into:
            rebuild(self.integration(into, "rebuild"), "office", [self.feed(into)])

    def core(self, into: Into) -> pl.DataFrame:
        rows = self.integration(into).table().scan().collect()
        return rows.drop("_changed_at", "_sync_id").sort("_key")

    def assert_audited(self) -> None:
        for into in self.mapping.into:
            _, findings = audit(self.integration(into), "office", [self.feed(into)])
            assert findings == []


def land(landing: Landing, rows: list[Row], *, night: int, sync_id: str) -> None:
    batch = pa.RecordBatch.from_pylist([r.cells() for r in rows], SCHEMA)
    read_at = NOW + timedelta(days=night)
    outcome = landing.land(
        LandingRead(
            stamp=ReadStamp(key=("line",), read_at=read_at, sync_id=sync_id),
            schema=SCHEMA,
            batches=[batch] if rows else [],
            is_whole=True,
            finds_deletes=True,
            accept_deletes=True,
            ended=lambda: ReadEnd(
                is_complete=True,
                advance=lambda s: s.after_read(
                    low=None, high=None, read_at=read_at, snapshot=None, files=None
                ),
            ),
        )
    )
    assert outcome.read == outcome.landed + outcome.same + outcome.unreadable == len(rows)


VERSIONS = st.integers(1, 5).map(str)
ANCHORS = st.sampled_from(["2024-01-05", "2024-02-07", "", "1700-01-01", "no date"])
FEES = st.one_of(
    st.just("not a list"),
    st.dictionaries(st.sampled_from("123"), st.sampled_from(["1.50", "20", "x"]), max_size=3).map(
        lambda fees: json.dumps([{"id": i, "amount": a} for i, a in fees.items()])
    ),
)


@st.composite
def offices(draw: st.DrawFn, names: str = "abcde") -> list[list[Row]]:
    """The office's rows, night by night; a line of the name `-` has no key."""
    nights: list[list[Row]] = []
    rows: dict[str, Row] = {}
    for _ in range(draw(st.integers(2, 4))):
        for line in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)):
            before = rows.get(line)
            if before is not None and draw(st.integers(0, 4)) == 0:
                del rows[line]
                event("a row is deleted")
                continue
            now = Row(
                line, draw(st.sampled_from("PQ")), draw(VERSIONS), draw(ANCHORS),
                draw(st.sampled_from(["open", "closed", "strange"])), draw(FEES),
                draw(st.sampled_from(["", "", "x"])),
            )  # fmt: skip
            if before is not None and draw(st.booleans()):
                now = replace(now, version=before.version)
            _tell(before, now)
            rows[line] = now
        nights.append(list(rows.values()))
    return nights


def _tell(before: Row | None, now: Row) -> None:
    if before is None:
        return
    if (before.mark, now.mark) == ("", "x"):
        event("marked as deleted")
    if (before.mark, now.mark) == ("x", ""):
        event("mark taken off")
    usable = ("2024-01-05", "2024-02-07")
    a, b = before.received, now.received
    if a in usable and b in usable and a != b:
        event("anchor moved from A to B")
    if a not in usable and b in usable:
        event("anchor appeared")
    if a in usable and b not in usable:
        event("anchor vanished")
    if now.status == "strange" and now.version > before.version:
        event("newer version rejected")
    if now.version == before.version and now != before:
        event("tie with other content")
    if now.version < before.version:
        event("older copy arrives later")
    if now.code != before.code:
        event("line moved to another dossier")


def assert_conserved(counts: Counts) -> None:
    parts = ("inserted", "updated", "unchanged", "superseded", "folded", "quarantined")
    assert set(counts.fates) <= set(parts)
    assert all(rows >= 0 for rows in counts.fates.values())


@SETTINGS
@given(nights=offices(), key=st.sampled_from(["line", "code"]))
def test_nightly_merges_one_late_merge_and_a_rebuild_give_one_core(
    nights: list[list[Row]], key: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(f"{folder}/landing")
        mapping = mapping_of(STATUS, key=key)
        nightly = House(Path(folder) / "nightly", mapping, landing)
        derived = 0
        for night, rows in enumerate(nights):
            land(landing, rows, night=night, sync_id=f"night-{night}")
            counts = nightly.integrate()
            for count in counts:
                assert_conserved(count)
            derived += sum(counts[0].fates.values())
        nightly.assert_audited()
        landed = landing.rows(after=0, to=landing.version())
        assert derived == landed.filter(~pl.col("_tombstone")).height

        at_once = House(Path(folder) / "at_once", mapping, landing)
        at_once.integrate()
        for into in mapping.into:
            assert nightly.core(into).equals(at_once.core(into))
        before = [nightly.core(into) for into in mapping.into]
        nightly.rebuild()
        for into, core in zip(mapping.into, before, strict=True):
            assert nightly.core(into).equals(core)

        mended = House(Path(folder) / "nightly", mapping_of(MENDED, key=key), landing)
        mended.rebuild()
        mended.assert_audited()
        afresh = House(Path(folder) / "afresh", mapping_of(MENDED, key=key), landing)
        afresh.integrate()
        for into in mended.mapping.into:
            assert mended.core(into).equals(afresh.core(into))


@SETTINGS
@given(nights=offices(), few=st.sampled_from([0, 2, 50_000]))
def test_core_holds_the_newest_good_version_of_what_the_office_has(
    nights: list[list[Row]], few: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.core._FEW_KEYS", few)  # how the keys of a batch are looked for
        house = House(Path(folder), mapping_of(MENDED, key="line"), Landing(f"{folder}/landing"))
        newest: dict[str, Row] = {}
        for night, rows in enumerate(nights):
            land(house.landing, rows, night=night, sync_id=f"night-{night}")
            house.integrate()
            for row in rows:
                known = newest.get(row.line)
                if known is None or row.version >= known.version:
                    newest[row.line] = row
        core = house.core(house.mapping.into[0])
        assert core["_key"].to_list() == sorted(newest)
        # A row that came back with an older version than its tombstone's stays dead.
        present = {row.line for row in nights[-1] if newest[row.line] == row and not row.mark}
        for found in core.iter_rows(named=True):
            row = newest[found["_key"]]
            assert found["dossier_code"] == row.code
            assert found["status"] == MENDED[row.status]
            assert (found["_deleted_at"] is None) or found["_key"] not in present
            if row.mark:
                assert found["_deleted_at"] is not None


@settings(SETTINGS, max_examples=8)
@given(nights=offices())
def test_the_same_rows_under_a_new_sync_id_land_nothing_and_change_nothing(
    nights: list[list[Row]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), mapping_of(STATUS, key="code"), Landing(f"{folder}/landing"))
        for night, rows in enumerate(nights):
            land(house.landing, rows, night=night, sync_id=f"night-{night}")
            house.integrate()
        version, cores = house.landing.version(), [house.core(i) for i in house.mapping.into]
        land(house.landing, nights[-1], night=len(nights), sync_id="once more")
        counts = house.integrate()
        assert house.landing.version() == version
        assert [c.fates for c in counts] == [{}, {}]
        for into, core in zip(house.mapping.into, cores, strict=True):
            assert house.core(into).equals(core)


def test_a_list_that_was_emptied_buries_its_children_although_one_was_rejected(
    tmp_path: Path,
) -> None:
    fees = '[{"id": "3", "amount": "20"}, {"id": "2", "amount": "x"}]'
    house = House(tmp_path, mapping_of(STATUS, key="line"), Landing(str(tmp_path / "landing")))
    for night, row in enumerate(
        [
            Row("c", "P", "2", "2024-02-07", "open", fees, ""),
            Row("c", "P", "5", "2024-02-07", "open", "[]", ""),
        ]
    ):
        land(house.landing, [row], night=night, sync_id=f"night-{night}")
        house.integrate()
    house.assert_audited()
    payments = house.core(house.mapping.into[1])
    assert payments["_key"].to_list() == ["c/3"]
    assert payments["_deleted_at"].null_count() == 0
