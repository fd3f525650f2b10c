"""Runs that are killed: nothing is lost, nothing is doubled, whenever it happens."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from flows.query import query
from flows.steps import audit, rebuild
from tests.support.changing_office import MENDED, PLAIN, ChangingOffice
from tests.support.nursery import Nursery, nursery
from warehouse.phases import PHASES

PER_PHASE = 5
AT_RANDOM = 12
RUN_SECONDS = 0.6  # of a run that only has a few changes to land
PLACE = ["_landing_version", "_row"]


@pytest.mark.slow
def test_killed_runs_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    office = ChangingOffice(tmp_path, random.Random(20260101))
    office.open(rows=80)
    kills: Counter[str] = Counter()
    schedule = [phase for phase in PHASES for _ in range(PER_PHASE)] + ["random"] * AT_RANDOM
    office.chance.shuffle(schedule)
    with nursery() as runs:
        for place in schedule:
            kill(runs, office, place)
            kills[place] += 1
            if office.chance.random() < 0.4:
                office.write_yaml(MENDED if office.codes == PLAIN else PLAIN)
            if office.chance.random() < 0.4:
                office.change()
            if office.chance.random() < 0.6:
                restart(runs, office)
        restart(runs, office)
    print("kills:", ", ".join(f"{place} {kills[place]}" for place in [*PHASES, "random"]))  # noqa: T201 - the test's own evidence
    assert all(kills[phase] >= PER_PHASE for phase in PHASES)
    assert kills["random"] >= 10
    # Rows integrated under the other YAML wait for a rebuild, like after any mended mapping.
    rebuild(office.context, "so-thu")
    assert_core_is_the_truth(office)
    assert_every_rejected_copy_is_quarantined_once(office)
    assert audit(office.context, []).findings == ()


def kill(runs: Nursery, office: ChangingOffice, place: str) -> None:
    """Changes the office and runs, until a run was killed at the place."""
    chance = office.chance
    for attempt in range(6):
        for _ in range(chance.randrange(1, 6)):
            office.change()
        if place == "random":
            answer = runs.run(office.order(), within=chance.uniform(0.0, RUN_SECONDS))
        else:
            nth = 1 if attempt > 2 else chance.randrange(1, 4)
            answer = runs.run(office.order(kill_at=place, nth=nth))
        if answer.killed:
            return
        assert answer.error is None
    pytest.fail(f"no run could be killed: {place}")


def restart(runs: Nursery, office: ChangingOffice) -> None:
    """A run that is left alone succeeds, and leaves every record in its place."""
    answer = runs.run(office.order())
    assert (answer.killed, answer.error) == (False, None)
    assert_every_newest_copy_is_in_core_or_in_quarantine(office)


def assert_every_newest_copy_is_in_core_or_in_quarantine(office: ChangingOffice) -> None:
    """Whatever YAML it was integrated under: never in neither, never in both, never twice."""
    warehouse = office.context.warehouse
    landing = warehouse.landing("so-thu", "ho_so")
    landed = landing.rows(after=0, to=landing.version())
    newest = landed.group_by("_key").last().filter(~pl.col("_tombstone"))
    table = warehouse.core("dossier")
    assert table is not None
    core = table.scan().select("_key", "_deleted_at", *PLACE).collect()
    held = warehouse.quarantine.scan().filter(pl.col("entity") == "dossier").collect()
    assert not core["_key"].is_duplicated().any()
    assert not held.select(PLACE).is_duplicated().any()
    assert held.join(core, on=PLACE, how="semi").is_empty()
    assert held.join(landed, on=PLACE, how="anti").is_empty()
    accepted = newest.join(core.filter(pl.col("_deleted_at").is_null()), on=["_key", *PLACE])
    rejected = newest.join(held, on=["_key", *PLACE])
    assert accepted.height + rejected.height == newest.height
    assert {r["_key"]: r["ten"] for r in newest.iter_rows(named=True)} == {
        r["so"]: r["ten"] for r in office.rows("ho_so")
    }


def assert_core_is_the_truth(office: ChangingOffice) -> None:
    """Core against the office, by key and value; a key twice would be a row too many."""
    uri = str(office.warehouse)
    dossiers = query(uri, "SELECT dossier_code, procedure_name, status, _is_stale FROM dossier")
    rows = dossiers.to_pylist()
    valid = [r for r in rows if not r["_is_stale"]]
    assert sorted((r["dossier_code"], r["procedure_name"], r["status"]) for r in valid) == sorted(
        (code, *values) for code, values in office.dossiers().items()
    )
    # What stands in core of a rejected record are its last accepted values, and they say so.
    stale = [r["dossier_code"] for r in rows if r["_is_stale"]]
    assert len(set(stale)) == len(stale)
    assert set(stale) <= {r["so"] for r in office.rows("ho_so")} - set(office.dossiers())
    payments = query(uri, "SELECT dossier_code, payment_code, amount FROM payment").to_pylist()
    assert sorted((r["dossier_code"], r["payment_code"], r["amount"]) for r in payments) == sorted(
        (*key, amount) for key, amount in office.payments().items()
    )
    events = query(uri, "SELECT _key, event_name FROM dossier_event").to_pylist()
    assert sorted((r["_key"], r["event_name"]) for r in events) == sorted(office.events().items())


def assert_every_rejected_copy_is_quarantined_once(office: ChangingOffice) -> None:
    """Quarantine holds the landed copies that today's YAML rejects, each once, and no other."""
    warehouse = office.context.warehouse
    landing = warehouse.landing("so-thu", "ho_so")
    landed = landing.rows(after=0, to=landing.version())
    rejected = landed.filter(~pl.col("trang_thai").is_in(list(office.codes)))
    held = warehouse.quarantine.scan().select("entity", *PLACE, "rules").collect()
    assert sorted(held.select(PLACE).rows()) == sorted(rejected.select(PLACE).rows())
    assert set(held["entity"]) <= {"dossier"}
    assert set(held["rules"].explode()) <= {"unknown_code:status"}
