"""The smallest histories in which dlt's table isn't the office's, and what ours is then.

docs/differences-from-dlt.md explains each. Two of them are not to our credit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.differential import pipelines
from tests.differential.history import WINDOW, Ledger, Step
from tests.differential.pipelines import Dlt, Ours

PAGE = Path(__file__).resolve().parents[2] / "docs" / "differences-from-dlt.md"
WHOLE = [pipelines.replaced, pipelines.dated]


@pytest.fixture
def office(postgres_url: str) -> Iterator[Ledger]:
    with closing(Ledger(postgres_url)) as office:
        yield office


def night(office: Ledger, *runs: Ours | Dlt) -> dict[str, str]:
    """Runs all, and returns what the office holds."""
    truth = {key: value for key, (value, _) in office.night_comes().items()}
    for run in runs:
        run.night()
    return truth


def put(office: Ledger, *keys: str, late: int = 0) -> None:
    for key in keys:
        office.play(Step(what="put", key=key, late=late))


def test_a_deleted_row(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged(tmp_path, office.url)
    put(office, "B")
    night(office, ours, theirs)
    office.play(Step(what="delete", key="B"))
    truth = night(office, ours, theirs)
    assert ours.rows() == truth
    assert set(theirs.rows()) - set(truth) == {"B"}


def test_the_newest_row_deleted_and_then_all(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged(tmp_path, office.url)
    put(office, *"BCD")
    night(office, ours, theirs)
    for gone in ("D", "CBA"):
        for key in gone:
            office.play(Step(what="delete", key=key))
        assert night(office, ours, theirs) == ours.rows()
    assert set(theirs.rows()) == set("ABCD")


def test_a_row_that_comes_back(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged(tmp_path, office.url)
    put(office, "B")
    night(office, ours, theirs)
    office.play(Step(what="delete", key="B"))
    night(office, ours, theirs)
    put(office, "B")
    assert ours.rows() != office.truth()
    assert night(office, ours, theirs) == ours.rows() == theirs.rows()


def test_a_transaction_that_was_open_over_a_night(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged(tmp_path, office.url)
    office.play(Step(what="open", key="T-1"))
    put(office, *"BCDEF")  # more numbers than the lag goes back
    night(office, ours, theirs)
    office.play(Step(what="end", key="T-1"))
    truth = night(office, ours, theirs)
    assert ours.rows() == truth
    assert set(truth) - set(theirs.rows()) == {"T-1"}
    put(office, "B")
    truth = night(office, ours, theirs)
    assert set(truth) - set(theirs.rows()) == {"T-1"}, "a later night would make it good"


def test_a_change_under_the_number_of_the_newest_row(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged_without_lag(tmp_path, office.url)
    lagging = pipelines.merged(tmp_path / "lagging", office.url)
    put(office, "B")
    night(office, ours, theirs, lagging)
    put(office, "B", late=1)
    truth = night(office, ours, theirs, lagging)
    assert ours.rows() == lagging.rows() == truth
    assert theirs.rows()["B"] != truth["B"]


def test_a_new_row_under_the_number_of_the_newest_row(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged_without_lag(tmp_path, office.url)
    night(office, ours, theirs)
    put(office, "B", late=1)
    assert night(office, ours, theirs) == ours.rows() == theirs.rows()


def test_a_row_that_came_late(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged_without_lag(tmp_path, office.url)
    lagging = pipelines.merged(tmp_path / "lagging", office.url)
    put(office, *"BCD")
    night(office, ours, theirs, lagging)
    put(office, "L", late=WINDOW)
    truth = night(office, ours, theirs, lagging)
    assert ours.rows() == lagging.rows() == truth
    assert set(truth) - set(theirs.rows()) == {"L"}


def test_a_row_that_came_later_than_the_window(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged(tmp_path, office.url)
    put(office, *"BCDEFG")
    night(office, ours, theirs)
    put(office, "L", late=WINDOW + 2)
    truth = night(office, ours, theirs)
    assert set(truth) - set(ours.rows()) == set(truth) - set(theirs.rows()) == {"L"}
    ours.night(full=True)
    assert ours.rows() == truth


def test_a_row_without_a_number(office: Ledger, tmp_path: Path) -> None:
    ours, theirs = Ours(tmp_path, office.url), pipelines.merged(tmp_path, office.url)
    night(office, ours, theirs)
    office.put_without_stamp("N")
    truth = {key: value for key, (value, _) in office.night_comes().items()}
    theirs.night()
    assert theirs.rows() == truth
    assert ours.night().null_cursor == 1
    assert set(truth) - set(ours.rows()) == {"N"}
    ours.night(full=True)
    assert ours.rows() == truth


@pytest.mark.parametrize("setting", WHOLE, ids=lambda setting: setting.__name__)
def test_whole_reads_of_dlt_are_right(setting: object, office: Ledger, tmp_path: Path) -> None:
    assert callable(setting)
    theirs: Dlt = setting(tmp_path, office.url)
    office.play(Step(what="open", key="T-1"))
    put(office, *"BCDEF")
    night(office, theirs)
    office.play(Step(what="end", key="T-1"))
    office.play(Step(what="delete", key="B"))
    put(office, "C", late=1)
    assert night(office, theirs) == theirs.rows()
    put(office, "B")
    office.put_without_stamp("N")
    assert night(office, theirs) == theirs.rows()


def test_every_case_is_explained() -> None:
    cases = {n for n in globals() if n.startswith("test_")} - {"test_every_case_is_explained"}
    assert set(re.findall(r"`(test_\w+)`", PAGE.read_text("utf-8"))) == cases
