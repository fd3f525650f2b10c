"""Records that nobody here made arrive in core: all of them, explained."""

from __future__ import annotations

import pytest

from tests.real.published import PUBLISHED
from tests.real.report import PAGE, as_markdown
from tests.real.run import RealRun

pytestmark = [pytest.mark.xdist_group("real"), pytest.mark.slow]

MUNICIPALITIES = "('bpic15-1', 'bpic15-2', 'bpic15-3')"


def test_each_file_states_the_number_of_events_that_was_loaded(run: RealRun) -> None:
    for name, one in run.loaded.items():
        stated = {"dossier": one.cases, "dossier_event": one.stated_events}
        assert stated == PUBLISHED[name].totals
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
    rows = run.ask(
        "SELECT _source FROM dossier WHERE dossier_code = '6038724'"
        f" AND _source IN {MUNICIPALITIES} ORDER BY 1"
    )
    assert rows == [("bpic15-1",), ("bpic15-3",)]


def test_every_event_finds_its_dossier(run: RealRun) -> None:
    orphans = run.one(
        "SELECT count(*) FROM dossier_event e ANTI JOIN dossier d"
        " ON d._source = e._source AND d._key = e.dossier_key"
    )
    assert orphans == 0


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
        f" AND _source IN {MUNICIPALITIES} GROUP BY _source ORDER BY _source"
    )
    assert rows == [("bpic15-1", 23_990), ("bpic15-2", 19_452), ("bpic15-3", 25_440)]


def test_most_events_after_the_end_are_of_its_own_day(run: RealRun) -> None:
    # Ends are bare dates: by the clock 13 % of the events come after them, by the day 5 %.
    figures = run.ask(
        "SELECT count(*) FILTER (occurred_at > d.finished_at),"
        " count(*) FILTER (occurred_date > d.finished_date)"
        " FROM dossier_event e JOIN dossier d ON d._source = e._source AND d._key = e.dossier_key"
        f" WHERE e._source IN {MUNICIPALITIES}"
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
    totals = [one.totals.values() for one in PUBLISHED.values()]
    assert report.checked_rows >= sum(map(sum, totals))


def test_a_second_night_is_silent(run: RealRun) -> None:
    for one in run.again():
        changed = one.inserted + one.updated + one.quarantined + one.tombstoned
        assert (one.status, one.landed, changed) == ("done", 0, 0), one
