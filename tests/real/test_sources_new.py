"""What `sources new` proposes for real systems becomes a working source with counted edits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import needs_service
from tests.real.proposed.page import PAGE, as_markdown
from tests.real.proposed.run import SYSTEMS, Edit, Proposed, edited, edits, proposed_run
from tests.real.run import DATA_VARIABLE, data_folder
from tests.support.postgres import Server

pytestmark = [pytest.mark.xdist_group("real-proposed"), pytest.mark.slow]

TOTALS = {
    "bpic15": {"dossier": 1_199, "dossier_event": 52_217},
    "receipt": {"dossier": 1_434, "dossier_event": 8_577},
    "procedures": {"procedure": 271 + 339 + 706 + 537},
}


@pytest.fixture(scope="module")
def run(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proposed]:
    data = data_folder()
    if not (data / "bpic15").is_dir():
        needs_service(
            f"the real records are not in {data.name}/ beside the project: set "
            f"{DATA_VARIABLE} to their folder"
        )
    with proposed_run(postgres_server, folder=tmp_path_factory.mktemp("new"), data=data) as done:
        yield done


@pytest.mark.parametrize("name", SYSTEMS)
def test_check_takes_the_proposal_before_any_edit(run: Proposed, name: str) -> None:
    made = run.made[name]
    assert made.error is None
    assert made.trouble == {}
    assert {one.status for one in made.checks} == {"done"}
    assert all(one.sample_rows for one in made.checks)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_edited_proposal_gives_the_same_core_as_the_yaml_by_hand(
    run: Proposed, name: str
) -> None:
    for entity, rows in TOTALS[name].items():
        counted = run.ask(f"SELECT count(*) FROM {entity} WHERE _source = 'new-{name}'")
        assert counted == [(rows,)]
        assert run.differing(name, entity) == 0
    mine = [one for one in run.receipts if one.source == f"new-{name}"]
    assert sum(one.quarantined + one.unreadable for one in mine) == 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_proposed_column_is_a_wrong_one(run: Proposed, name: str) -> None:
    score = run.score(name)
    assert set(score.other) <= {"dossier_event.event_code"}  # one of its two columns was proposed
    assert len(score.right) >= 0.75 * (len(score.right) + len(score.other) + len(score.missed))


def test_the_page_says_what_this_run_found(run: Proposed) -> None:
    assert PAGE.read_text("utf-8") == as_markdown(run)


def test_an_edit_without_its_place_is_an_error() -> None:
    change = Edit(why="why", replace="absent", with_="x", lines=1)
    with pytest.raises(ValueError, match="stands 0 times"):
        edited("present", [change])
    assert sum(one.lines for one in edits("procedures")) == 0
