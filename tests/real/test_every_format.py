"""Every real record, in every format it comes in: the published totals, and twins that agree."""

from __future__ import annotations

import pytest

from tests.real.published import MOST_REJECTED, PUBLISHED, TWINS
from tests.real.run import RealRun

pytestmark = [pytest.mark.xdist_group("real"), pytest.mark.slow]


def test_every_source_is_read_to_its_end(run: RealRun) -> None:
    assert {r.source: r.error for r in run.receipts if r.status != "done"} == {}
    assert {r.source for r in run.receipts} == set(PUBLISHED)
    for one in run.receipts:
        assert one.read == one.landed + one.same + one.unreadable
        fates = (one.inserted, one.updated, one.unchanged, one.superseded, one.folded)
        assert one.derived == sum(fates) + one.quarantined


@pytest.mark.parametrize("source", PUBLISHED)
def test_every_row_is_read_and_every_published_total_reached(run: RealRun, source: str) -> None:
    stated = PUBLISHED[source]
    assert (run.counted(source, "read"), run.counted(source, "unreadable")) == (stated.rows, 0)
    assert {entity: run.rows(source, entity) for entity in stated.totals} == stated.totals


@pytest.mark.parametrize("source", PUBLISHED)
def test_every_rejected_row_is_listed_and_hardly_any_is(run: RealRun, source: str) -> None:
    listed = {(q.entity, q.rule): q.rows for q in run.quarantined() if q.source == source}
    assert listed == PUBLISHED[source].rejected
    rejected = sum(receipt.quarantined for receipt in run.of(source))
    assert rejected <= MOST_REJECTED * PUBLISHED[source].rows


@pytest.mark.parametrize("source", PUBLISHED)
def test_every_suspicious_row_carries_the_name_of_its_rule(run: RealRun, source: str) -> None:
    marked: dict[str, int] = {}
    for entity in PUBLISHED[source].totals:
        marked |= run.warnings(source, entity)
    assert marked == PUBLISHED[source].warned
    # No event of any source breaks a rule.
    assert "dossier_event" not in PUBLISHED[source].totals or not run.warnings(
        source, "dossier_event"
    )


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_twins_give_the_same_core(run: RealRun, one: str, other: str) -> None:
    for entity, rows in PUBLISHED[one].totals.items():
        assert (run.rows(one, entity), run.rows(other, entity)) == (rows, rows)
        assert run.differing(one, other, entity) == 0


def test_records_of_two_offices_are_no_twins(run: RealRun) -> None:
    assert run.differing("bpic15-2", "bpic15-3", "dossier") == 832 + 1_409


def test_a_ticket_that_comes_twice_stands_once(run: RealRun) -> None:
    (receipt,) = run.of("hoboken-xlsx")
    assert (receipt.read, receipt.inserted, receipt.superseded) == (91, 46, 45)


def test_several_agencies_of_one_cell_stay_together(run: RealRun) -> None:
    several = run.one("SELECT count(*) FROM procedure WHERE contains(handling_agency, chr(10))")
    assert several > 100


def test_free_text_is_not_pulled(run: RealRun) -> None:
    landing = run.context.warehouse.landing("boston311", "requests").table()
    assert landing is not None
    assert not {"closure_reason", "case_title", "location"} & set(landing.schema.names)
