"""What commands promise beside their work: nothing made in vain or passed over, a next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows import releasing, steps
from flows.cli import main
from flows.steps import nightly, open_context
from tests.flows.cli_office import BROKEN_YAML, CSV, PERSON, YAML, Office, open_office
from tests.flows.test_cli_docs import ALL
from tests.flows.test_cli_verbs import run
from tests.support.leaks import Heard

PUBLISH = "`lienthong release publish`"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Nothing has been synced yet."""
    return open_office(tmp_path)


@pytest.mark.parametrize("path", sorted(ALL))
def test_a_help_page_shows_no_mark_of_its_own_making(path: str) -> None:
    page = CliRunner().invoke(main, [*path.split()[1:], "--help"]).output
    assert "Usage: " in page
    assert "\b" not in page
    assert "\\b" not in page


def test_examples_of_a_help_page_keep_their_lines() -> None:
    lines = CliRunner().invoke(main, ["--help"]).output.splitlines()
    assert any(line.endswith("lienthong sync so-tu-phap      read, check, land") for line in lines)


@pytest.mark.parametrize(
    "words", ["sync", "nightly", "check", "reconcile", "audit", "rebuild x", "quarantine replay"]
)
def test_a_run_without_any_source_ends_with_2_and_makes_no_warehouse(
    tmp_path: Path, words: str
) -> None:
    warehouse, sources = tmp_path / "warehouse", tmp_path / "sources"
    sources.mkdir()
    places = ["--warehouse", str(warehouse), "--sources", str(sources)]
    done = CliRunner().invoke(main, [*places, *words.split(), "--json"])
    assert done.exit_code == 2, done.output
    message = json.loads(done.stdout)["error"]["message"]
    assert "`lienthong sources new`" in message or "holds no YAML file" in message
    assert not list(tmp_path.glob("warehouse*"))


@pytest.mark.parametrize("verb", ["reconcile", "audit"])
def test_nothing_is_found_right_where_nothing_is_connected(office: Office, verb: str) -> None:
    assert run(office, "sync").exit_code == 0
    (office.sources / "xa-thu.yaml").unlink()
    done = run(office, verb)
    assert (done.exit_code, "there is no source" in done.stderr) == (2, True), done.output


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["sync", "xa-thử"], 2),
        (["backfill", "xa-thử", "--from", "1", "--to", "2", "--reason", "x"], 2),
        (["rebuild", "xa-thu"], 1),
        (["rebuild", "xa-thử"], 2),
        (["reconcile", "xa-thử"], 2),
        (["audit", "xa-thử"], 2),
        (["quarantine", "replay", "xa-thử"], 2),
    ],
)
def test_a_name_or_a_place_that_is_wrong_makes_no_warehouse(
    office: Office, words: list[str], status: int
) -> None:
    done = run(office, *words)
    assert done.exit_code == status, done.output
    assert not list(office.root.glob("warehouse*"))


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["reconcile"],
        ["audit"],
        ["quarantine", "replay"],
        ["forget", "--key", "0" * 32, "--dry-run"],
        ["maintain", "--landing-older-than", "0"],
    ],
)
def test_a_source_whose_yaml_is_wrong_is_named_and_no_command_about_all_ends_with_0(
    office: Office, words: list[str]
) -> None:
    assert run(office, "sync").exit_code == 0
    assert run(office, *words).exit_code == 0
    office.add_source("xa-hong", BROKEN_YAML)
    done = run(office, *words)
    assert done.exit_code == 3, done.output
    assert "xa-hong" in done.stderr
    assert run(office, *words, "--json").exit_code == 3


def test_an_audit_that_could_look_at_nothing_proves_nothing(office: Office) -> None:
    assert run(office, "sync").exit_code == 0
    office.add_source("xa-thu", BROKEN_YAML.replace("xa-hong", "xa-thu"))
    done = run(office, "audit")
    assert (done.exit_code, done.stdout) == (3, ""), done.output
    assert "xa-thu: not checked" in done.stderr


def test_a_check_says_that_every_source_is_retired(office: Office) -> None:
    office.add_source("xa-thu", YAML + "retired: true\n")
    done = run(office, "check")
    assert (done.exit_code, done.stdout) == (0, "Every source is retired: nothing to check.\n")


def test_who_repairs_core_by_hand_is_told_that_analysts_see_it_with_the_next_release(
    office: Office,
) -> None:
    assert run(office, "sync").exit_code == 0
    assert PUBLISH not in run(office, "rebuild", "xa-thu").output  # no release hides it
    assert run(office, "release", "publish").exit_code == 0
    yaml = office.sources / "xa-thu.yaml"
    mended = yaml.read_text("utf-8").replace(
        "codes: status", 'codes: {received: received, "một trạng thái lạ": completed}'
    )
    yaml.write_text(mended, "utf-8")
    assert PUBLISH in run(office, "quarantine", "replay", "xa-thu").stderr
    assert PUBLISH in run(office, "rebuild", "xa-thu").stderr
    assert run(office, "release", "publish").exit_code == 0
    assert PUBLISH not in run(office, "reconcile", "--repair").output
    assert PUBLISH not in run(office, "rebuild", "xa-thu").output  # core has the same rows
    office.write_csv(CSV.replace("Đăng ký kết hôn", "Đăng ký lại"))
    assert PUBLISH not in run(office, "reconcile").output
    done = run(office, "reconcile", "--repair")
    assert (done.exit_code, PUBLISH in done.stderr) == (0, True), done.output
    for path in Path(office.warehouse, "analysts", "releases").glob("*.parquet"):
        path.unlink()
    done = run(office, "rebuild", "xa-thu")
    assert (done.exit_code, "could not be looked up" in done.stderr) == (0, True), done.output


@pytest.mark.parametrize(
    "words",
    [
        ["backfill", "so-bu", "--from", "1", "--to", "2"],
        ["release", "publish"],
        ["release", "rollback", "1"],
        ["forget", "--key", "0" * 32],
    ],
)
def test_a_reason_that_names_a_person_is_refused_and_kept_nowhere(
    office: Office, words: list[str]
) -> None:
    office.add_source(
        "so-bu",
        'source: so-bu\nconnector: {type: sql, url: "sqlite:///bu.db"}\n'
        "streams:\n  t: {table: t, key: so, cursor: n,\n"
        "      into: [{entity: feedback, columns: {feedback_code: so}}]}\n",
    )
    assert run(office, "sync", "xa-thu").exit_code == 0
    assert run(office, "release", "publish").exit_code == 0
    for reason in (f"đơn của {PERSON}", "đơn của a@b.vn", "đơn của 0400 9901 2345"):
        done = run(office, *words, "--reason", reason)
        assert done.exit_code == 2, done.output
        assert "--reason holds" in done.stderr
        assert PERSON not in done.output
    heard = Heard()
    heard.read_parquet(office.root, "analysts")
    heard.read_logs(office.root, "analysts")
    assert heard.texts
    assert heard.found(PERSON) == []


def test_a_night_whose_release_breaks_unexpectedly_still_tells_its_receipts(
    office: Office,
) -> None:
    context = open_context(warehouse_uri=office.warehouse, sources_dir=office.sources)
    assert nightly(context).release == 1
    for path in (Path(office.warehouse) / "analysts" / "runs").rglob("*.parquet"):
        path.unlink()  # as a disk loses them, or a person who cleans up
    report = nightly(context)
    assert [receipt.read for receipt in report.receipts] == [3]
    assert (report.release, len(report.blocked), report.status) == (None, 1, "degraded")


def test_a_defect_in_a_night_shows_its_way_and_what_to_do(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object) -> None:
        raise KeyError(PERSON)

    monkeypatch.setattr(releasing, "even_tables", defective)
    done = run(office, "--debug", "nightly")
    assert done.exit_code == 3, done.output
    assert "This is a defect of the program" in done.stdout
    assert "Run the command again with `lienthong --debug` and report it." in done.stdout
    assert "in release_of_night" in done.stderr
    assert "in _published" in done.stderr
    assert PERSON not in done.output
    monkeypatch.setattr(steps, "integrate_streams", defective)
    assert "in _attempt" in run(office, "--debug", "sync", "--full").stderr


def test_a_file_of_a_release_that_is_gone_is_no_defect_of_the_program(office: Office) -> None:
    context = open_context(warehouse_uri=office.warehouse, sources_dir=office.sources)
    assert nightly(context).release == 1
    core = Path(office.warehouse) / "analysts" / "core" / "dossier"
    released = set(core.rglob("*.parquet"))
    office.write_csv(CSV.replace("Đăng ký khai sinh", "Đăng ký lại khai sinh"))
    assert run(office, "sync").exit_code == 0
    assert set(core.rglob("*.parquet")) > released
    for path in released:
        path.unlink()
    (blocked,) = nightly(context).blocked
    assert blocked.startswith("table previous_dossier: one of its files can't be read")
    asked = run(office, "sql", "SELECT count(*) FROM dossier")
    assert (asked.exit_code, "bring it back from a backup" in asked.stderr) == (1, True)
