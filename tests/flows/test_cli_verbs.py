"""Every verb, over a real warehouse: what it prints, as JSON and for people, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from tests.flows.cli_office import BROKEN_YAML, CSV, FORMULA, PERSON, YAML, Office, open_office

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Nothing has been synced yet."""
    return open_office(tmp_path)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Synced once; for verbs that change nothing."""
    office = open_office(tmp_path_factory.mktemp("synced"))
    assert run(office, "sync").exit_code == 0
    return office


def run(office: Office, *words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, [*office.options, *words], input=stdin)


def answer(office: Office, *words: str, status: int = 0) -> Any:
    done = run(office, *words, "--json")
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def test_sources_lists_streams_and_needs_no_warehouse(office: Office) -> None:
    lines = answer(office, "sources")
    assert [(line["source"], line["stream"], line["entities"]) for line in lines] == [
        ("xa-thu", "so_theo_doi", ["dossier"])
    ]
    assert "Xã Thử" in run(office, "sources").stdout
    assert not Path(office.warehouse).exists()


def test_a_broken_yaml_is_named_and_hides_no_other_source(office: Office) -> None:
    office.add_source("xa-hong", BROKEN_YAML)
    done = run(office, "sources")
    assert done.exit_code == 3
    assert "xa-thu" in done.stdout
    assert "xa-hong" in done.stderr
    assert "did you mean 'connector'" in done.stderr


def test_a_missing_folder_of_sources_ends_with_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--sources", str(tmp_path / "nowhere"), "sources"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error (configuration):")


def test_check_shows_what_would_be_rejected_and_writes_nothing(office: Office) -> None:
    done = run(office, "check", "xa-thu")
    assert done.exit_code == 3  # one row would be rejected
    assert "unknown_code:status" in done.output
    assert PERSON not in done.output
    assert not Path(office.warehouse).exists()
    (check,) = answer(office, "check", status=3)
    assert check["entities"]["dossier"] == {"accepted": 2, "rejected": 1, "warned": 0}


def test_check_of_an_unknown_source_ends_with_2_and_the_nearest_name(office: Office) -> None:
    done = run(office, "check", "xa-thử")
    assert done.exit_code == 2
    assert "did you mean 'xa-thu'" in done.stderr


def test_check_of_all_goes_on_after_a_broken_one(office: Office) -> None:
    office.add_source("xa-hong", BROKEN_YAML)
    checks = answer(office, "check", status=3)
    assert {check["source"]: check["status"] for check in checks}["xa-hong"] == "failed"
    assert len(checks) == 2


def test_sync_gives_one_receipt_per_stream_and_entity(office: Office) -> None:
    (receipt,) = answer(office, "sync", "xa-thu")
    assert (receipt["source"], receipt["stream"], receipt["entity"]) == (
        "xa-thu",
        "so_theo_doi",
        "dossier",
    )
    assert receipt["read"] == receipt["landed"] == receipt["derived"] == 3
    assert (receipt["inserted"], receipt["quarantined"]) == (2, 1)


def test_a_second_sync_changes_nothing(office: Office) -> None:
    run(office, "sync")
    (receipt,) = answer(office, "sync")
    assert (receipt["landed"], receipt["inserted"], receipt["updated"]) == (0, 0, 0)


def test_sync_for_people_names_what_happened_and_leaves_out_what_did_not(office: Office) -> None:
    done = run(office, "sync")
    head = done.stdout.splitlines()[0].split()
    assert {"source", "stream", "entity", "read", "landed", "inserted", "quarantined"} <= set(head)
    assert "superseded" not in head
    assert "sync done source=xa-thu stream=so_theo_doi" in done.stderr
    assert PERSON not in done.output


def test_a_broken_source_stops_no_other_and_ends_with_3(office: Office) -> None:
    office.add_source("xa-khac", YAML.replace("xa-thu", "xa-khac").replace("../desk", "../gone"))
    receipts = answer(office, "sync", status=3)
    assert {r["source"]: r["status"] for r in receipts} == {"xa-thu": "done", "xa-khac": "failed"}


def test_only_broken_sources_end_with_1(office: Office) -> None:
    (office.root / "desk" / "2026-03.csv").unlink()
    (office.root / "desk").rmdir()
    done = run(office, "sync")
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert "failed" in done.stdout


def test_sync_of_an_unknown_source_ends_with_2_before_anything_is_written(office: Office) -> None:
    done = run(office, "sync", "xa-thux")
    assert done.exit_code == 2
    assert "xa-thu" in done.stderr


def test_a_read_without_a_row_deletes_nothing_until_it_is_believed(office: Office) -> None:
    run(office, "sync")
    office.write_csv(CSV.splitlines(keepends=True)[0])
    for _ in range(2):  # it goes on waiting, also when the file doesn't change any more
        (receipt,) = answer(office, "sync", status=3)
        assert receipt["tombstoned"] == 0
        assert "accept-deletes" in receipt["note"]
    (receipt,) = answer(office, "sync", "xa-thu", "--accept-deletes")
    assert receipt["tombstoned"] > 0


def test_nightly_names_the_broken_and_counts_their_share(office: Office) -> None:
    office.add_source("xa-hong", BROKEN_YAML)
    report = answer(office, "nightly", status=3)
    assert report["broken"] == ["xa-hong"]
    assert [r["source"] for r in report["receipts"] if r["status"] == "done"] == ["xa-thu"]
    done = run(office, "nightly", "--fail-above", "0.4")
    assert done.exit_code == 1
    assert "Broken: xa-hong" in done.stdout


def test_a_quiet_run_says_nothing_on_stderr(office: Office) -> None:
    done = run(office, "-q", "sync")
    assert done.exit_code == 0
    assert done.stderr == ""


def test_log_lines_are_json_where_asked(office: Office) -> None:
    done = CliRunner().invoke(main, [*office.options, "--log-format", "json", "sync"])
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"progress", "sync done"} <= {line["event"] for line in lines}
    assert all(line["source"] == "xa-thu" for line in lines if "source" in line)


def test_status_tells_freshness_rows_and_quarantine(synced: Office) -> None:
    (line,) = answer(synced, "status")
    assert line["last_status"] == "done"
    assert line["rows"] == {"dossier": 2}
    assert line["quarantined"] == 1
    assert "dossier 2" in run(synced, "status").stdout


def test_status_ends_with_3_after_a_failed_run(office: Office) -> None:
    run(office, "sync")
    (office.root / "desk" / "2026-03.csv").unlink()
    (office.root / "desk").rmdir()
    run(office, "sync")
    (line,) = answer(office, "status", status=3)
    assert line["last_status"] == "failed"
    assert line["last_good_sync"]


@pytest.mark.parametrize(
    "words", [["status"], ["sql", "SELECT 1"], ["audit"], ["quarantine", "list"]]
)
def test_a_verb_that_looks_creates_no_warehouse(office: Office, words: list[str]) -> None:
    done = run(office, *words)
    assert done.exit_code == 1
    assert "Next:" in done.stderr
    assert not Path(office.warehouse).exists()


def test_quarantine_says_which_rule_and_where(synced: Office) -> None:
    (line,) = answer(synced, "quarantine", "list")
    assert (line["source"], line["rule"], line["rows"]) == ("xa-thu", "unknown_code:status", 1)
    assert answer(synced, "quarantine", "list", "xa-thu") == [line]
    assert "unknown_code:status" in run(synced, "quarantine", "list").stdout


def test_quarantine_show_masks_people_and_names_the_line(synced: Office) -> None:
    done = run(synced, "quarantine", "show", "xa-thu", "--rule", "unknown_code:status")
    assert done.exit_code == 0
    assert "2026-03.csv:4" in done.stdout
    assert "một trạng thái lạ" not in done.stdout  # it might be a name
    assert "(like aaa aaaaa aaaa aa)" in done.stdout
    assert "040099054321" not in done.output
    (row,) = answer(synced, "quarantine", "show", "--limit", "1")
    assert row["rules"] == ["unknown_code:status"]
    assert "040099054321" not in json.dumps(row)
    assert answer(synced, "quarantine", "show", "--rule", "nothing_breaks_this") == []


def test_rebuild_takes_a_mended_yaml_to_old_rows(office: Office) -> None:
    run(office, "sync")
    mended = YAML.replace("codes: status", "codes: [status, {một trạng thái lạ: received}]")
    office.add_source("xa-thu", mended)
    (receipt,) = answer(office, "rebuild", "xa-thu")
    assert receipt["quarantined"] == 0
    assert answer(office, "quarantine", "list") == []
    assert answer(office, "sql", "SELECT count(*) AS n FROM dossier") == [{"n": 3}]
    assert answer(office, "audit")["findings"] == []


def test_audit_ends_with_0_where_core_is_what_landing_says(synced: Office) -> None:
    report = answer(synced, "audit", "xa-thu")
    assert report["findings"] == []
    assert report["checked_rows"] > 0
    assert "are what landing says" in run(synced, "audit").stdout


def test_sql_answers_as_a_table_and_in_every_format(synced: Office, tmp_path: Path) -> None:
    query = "SELECT dossier_code, received_date FROM dossier ORDER BY dossier_code"
    table = run(synced, "sql", query)
    assert table.stdout.splitlines()[1].split() == ["XA-001", "2026-03-02"]
    assert answer(synced, "sql", query)[0] == {
        "dossier_code": "XA-001",
        "received_date": "2026-03-02",
    }
    text = run(synced, "sql", query, "--format", "csv", "--core").stdout
    assert text.splitlines()[1] == "XA-001,2026-03-02"
    target = tmp_path / "answer.parquet"
    assert run(synced, "sql", query, "-o", str(target)).exit_code == 0
    assert pq.read_table(target).num_rows == 2
    piped = run(synced, "sql", query, "--format", "parquet")
    assert pq.read_table(io.BytesIO(piped.stdout_bytes)).num_rows == 2
    assert list(tmp_path.iterdir()) == [target]  # no half-written neighbour


def test_sql_shows_values_as_they_are(synced: Office) -> None:
    done = run(synced, "sql", "SELECT 2026 AS year, 1.50::DECIMAL(18,2) AS fee, true AS ok")
    assert done.stdout.split() == ["year", "fee", "ok", "2026", "1.50", "true"]
    assert done.stderr.endswith("1 row\n")


def test_sql_reads_a_query_from_standard_input(synced: Office) -> None:
    done = run(synced, "sql", "-", "--json", stdin="SELECT 1 AS one")
    assert json.loads(done.stdout) == [{"one": 1}]


def test_a_formula_in_a_record_is_not_executed_by_a_spreadsheet(synced: Office) -> None:
    query = "SELECT procedure_name FROM dossier WHERE dossier_code = 'XA-002'"
    text = run(synced, "sql", query, "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(text)))[1] == [f"'{FORMULA}"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM dosier",
        "SELEC 1",
        "DELETE FROM dossier",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY dossier TO 'x.csv'",
        "SELECT 1; DROP TABLE dossier",
    ],
)
def test_a_query_that_is_wrong_or_not_allowed_is_an_error_not_a_traceback(
    synced: Office, query: str
) -> None:
    done = run(synced, "sql", query)
    assert done.exit_code in {1, 2}
    assert done.stdout == ""
    assert "Next:" in done.stderr
    assert "defect of the program" not in done.stderr
    assert "root:" not in done.output


def test_an_output_file_that_can_not_be_written_is_said_so(synced: Office) -> None:
    done = run(synced, "sql", "SELECT 1", "-o", "/nonexistent/folder/a.csv")
    assert done.exit_code == 1
    assert "/nonexistent/folder/a.csv" in done.stderr
    assert "Traceback" not in done.output


def test_schema_explains_an_entity() -> None:
    done = CliRunner().invoke(main, ["schema", "dossier"])
    assert "dossier_code" in done.stdout
    assert "hồ sơ" in done.stdout
    records = json.loads(CliRunner().invoke(main, ["schema", "dossier", "--json"]).stdout)
    assert [record["entity"] for record in records] == ["dossier"]
    every = json.loads(CliRunner().invoke(main, ["schema", "--json"]).stdout)
    assert len(every) == 9


def test_schema_of_an_unknown_entity_ends_with_2_and_the_nearest_name() -> None:
    done = CliRunner().invoke(main, ["schema", "dosier"])
    assert done.exit_code == 2
    assert "dossier" in done.stderr


def test_schema_prints_what_editors_need() -> None:
    done = CliRunner().invoke(main, ["schema", "--for-editors"])
    assert {"source", "connector", "streams"} <= set(json.loads(done.stdout)["properties"])


def test_schema_markdown_is_the_published_dictionary() -> None:
    done = CliRunner().invoke(main, ["schema", "--markdown"])
    assert done.stdout == (ROOT / "docs" / "data-dictionary.md").read_text("utf-8")


def test_a_command_without_a_server_does_not_even_import_prefect(office: Office) -> None:
    code = (
        "import sys\nfrom flows.cli import main\n"
        f"try:\n    main({[*office.options, '-q', 'sync']!r})\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        "print('prefect' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("False")


def test_ctrl_c_in_a_sync_leaves_a_warehouse_that_goes_on(office: Office) -> None:
    head = CSV.splitlines(keepends=True)[0]
    rows = (f"XA-{n},Tên,{PERSON},02/03/2026,received\n" for n in range(300_000))
    office.write_csv(head + "".join(rows))
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *office.options, "sync"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    assert "progress" in process.stderr.readline()  # it is reading
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "Nothing is half-written" in stderr
    done = run(office, "sync")
    assert done.exit_code == 0, done.output
    assert answer(office, "sql", "SELECT count(*) AS n FROM dossier") == [{"n": 300_000}]
    assert answer(office, "audit")["findings"] == []
