"""Records that nobody here made arrive in core: all of them, explained."""

from __future__ import annotations

import pytest

from tests.real.report import PAGE, as_markdown
from tests.real.run import RealRun

pytestmark = [pytest.mark.xdist_group("real"), pytest.mark.slow]

TOTALS = {
    # source: (dossiers, events), as stated by the files' publishers
    "bpic15-1": (1_199, 52_217),
    "bpic15-2": (832, 44_354),
    "bpic15-3": (1_409, 59_681),
    "receipt": (1_434, 8_577),
}
QUARANTINED: dict[tuple[str, str, str], int] = {}
WARNED = {
    # source: {rule: dossiers}; no event of any source breaks a rule
    "bpic15-1": {
        "due_before_received": 1,
        "fee_negative": 5,
        "status_says_finished_but_no_end": 104,
        "status_says_open_but_has_end": 364,
        "unknown_code:status": 1,
    },
    "bpic15-2": {
        "fee_negative": 2,
        "status_says_finished_but_no_end": 46,
        "status_says_open_but_has_end": 4,
    },
    "bpic15-3": {
        "fee_negative": 2,
        "status_says_finished_but_no_end": 82,
        "status_says_open_but_has_end": 14,
    },
    "receipt": {"finished_before_received": 2, "unknown_code:channel": 1},
}
MOST_QUARANTINED = 0.005  # of a source's rows


@pytest.mark.parametrize("source", TOTALS)
def test_core_holds_exactly_the_published_totals(run: RealRun, source: str) -> None:
    counted = tuple(
        run.one(f"SELECT count(*) FROM {entity} WHERE _source = '{source}'")
        for entity in ("dossier", "dossier_event")
    )
    assert counted == TOTALS[source]


def test_each_file_states_the_number_of_events_that_was_loaded(run: RealRun) -> None:
    assert {name: (one.cases, one.stated_events) for name, one in run.loaded.items()} == {
        name: totals for name, totals in TOTALS.items() if name.startswith("bpic15")
    }
    assert all(one.events == one.stated_events for one in run.loaded.values())


def test_the_intake_has_its_published_figures(run: RealRun) -> None:
    (figures,) = run.ask(
        "SELECT count(*) FILTER (WHERE finished_at IS NULL),"
        " count(*) FILTER (WHERE finished_at > due_at),"
        " count(*) FILTER (WHERE finished_at < received_at)"
        " FROM dossier WHERE _source = 'receipt'"
    )
    assert figures == (105, 377, 2)


def test_one_number_in_two_offices_is_two_dossiers(run: RealRun) -> None:
    rows = run.ask("SELECT _source FROM dossier WHERE dossier_code = '6038724' ORDER BY 1")
    assert rows == [("bpic15-1",), ("bpic15-3",)]


def test_every_event_finds_its_dossier(run: RealRun) -> None:
    orphans = run.one(
        "SELECT count(*) FROM dossier_event e ANTI JOIN dossier d"
        " ON d._source = e._source AND d._key = e.dossier_key"
    )
    assert orphans == 0


def test_every_receipt_keeps_the_law_of_conservation(run: RealRun) -> None:
    assert {receipt.status for receipt in run.receipts} == {"done"}
    for one in run.receipts:
        assert one.read == one.landed + one.same + one.unreadable
        fates = (one.inserted, one.updated, one.unchanged, one.superseded, one.folded)
        assert one.derived == sum(fates) + one.quarantined
    read = {(one.source, one.stream): one.read for one in run.receipts}
    assert read == {
        **{(s, "cases"): t[0] for s, t in TOTALS.items() if s != "receipt"},
        **{(s, "events"): t[1] for s, t in TOTALS.items()},
    }


def test_every_rejected_row_is_listed_under_its_rule(run: RealRun) -> None:
    listed = {(one.source, one.entity, one.rule): one.rows for one in run.quarantined()}
    assert listed == QUARANTINED


@pytest.mark.parametrize("source", TOTALS)
def test_hardly_a_row_of_a_source_is_rejected(run: RealRun, source: str) -> None:
    rejected = sum(one.quarantined for one in run.receipts if one.source == source)
    assert rejected <= MOST_QUARANTINED * sum(TOTALS[source])


@pytest.mark.parametrize("source", TOTALS)
def test_every_suspicious_dossier_carries_the_name_of_its_rule(run: RealRun, source: str) -> None:
    assert run.warnings(source, "dossier") == WARNED[source]
    assert run.warnings(source, "dossier_event") == {}


def test_nothing_is_invented_where_the_source_is_silent(run: RealRun) -> None:
    stated = run.one("SELECT count(due_at) FROM dossier WHERE _source = 'bpic15-1'")
    assert stated == 137
    (fees,) = run.ask(
        "SELECT count(fee), count(DISTINCT currency), any_value(currency)"
        " FROM dossier WHERE _source = 'bpic15-1' AND fee IS NOT NULL"
    )
    assert fees == (906, 1, "EUR")


def test_stamps_without_an_hour_are_known_as_dates(run: RealRun) -> None:
    rows = run.ask(
        "SELECT _source, count(*) FROM dossier_event WHERE occurred_is_date_only"
        " GROUP BY _source ORDER BY _source"
    )
    assert rows == [("bpic15-1", 23_990), ("bpic15-2", 19_452), ("bpic15-3", 25_440)]


def test_most_events_after_the_end_are_of_its_own_day(run: RealRun) -> None:
    # Ends are bare dates: by the clock 13 % of the events come after them, by the day 5 %.
    figures = run.ask(
        "SELECT count(*) FILTER (occurred_at > d.finished_at),"
        " count(*) FILTER (occurred_date > d.finished_date)"
        " FROM dossier_event e JOIN dossier d ON d._source = e._source AND d._key = e.dossier_key"
        " WHERE e._source LIKE 'bpic15-%'"
    )
    assert figures == [(20_786, 7_122)]


def test_money_is_rounded_to_cents_not_cut(run: RealRun) -> None:
    fee = run.one(
        "SELECT fee FROM dossier WHERE _source = 'bpic15-1' AND dossier_code = '10009138'"
    )
    assert str(fee) == "157.09"
    other = run.one(
        "SELECT fee FROM dossier WHERE _source = 'bpic15-1' AND dossier_code = '10053042'"
    )
    assert str(other) == "456.86"


def test_no_person_is_named_in_core(run: RealRun) -> None:
    raw = run.one(
        "SELECT count(*) FROM dossier_event WHERE actor_id IS NOT NULL"
        " AND NOT regexp_full_match(actor_id, '[0-9a-f]{32}')"
    )
    assert raw == 0
    assert run.one("SELECT count(DISTINCT actor_id) FROM dossier_event") > 50


def test_the_page_about_real_records_says_what_this_run_says(run: RealRun) -> None:
    written = PAGE.read_text("utf-8") if PAGE.exists() else ""
    assert written == as_markdown(run), "run: make real-data"


def test_the_audit_finds_landing_and_core_agreed(run: RealRun) -> None:
    report = run.audited()
    assert report.findings == ()
    assert report.checked_rows >= sum(sum(totals) for totals in TOTALS.values())


def test_a_second_night_is_silent(run: RealRun) -> None:
    for one in run.again():
        changed = one.inserted + one.updated + one.quarantined + one.tombstoned
        assert (one.status, one.landed, changed) == ("done", 0, 0), one
