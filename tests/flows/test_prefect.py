"""The flows on a real Prefect server, and a real worker that runs their deployments."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.flows.cli_office import BROKEN_YAML, CSV, PERSON, YAML, Office, open_office
from tests.flows.prefect_server import POOL, ROOT, PrefectServer, running_server
from tests.support.connected import SECRETS, connected
from tests.support.hostile_office.faults import ServerErrors, every
from tests.support.leaks import forms

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.slow]

Synced = tuple[Office, CompletedProcess[str], dict[str, Any]]

BACKFILL_YAML = """\
source: so-bu
connector: {{type: sql, url: "sqlite:///{path}"}}
streams:
  ho_so:
    table: t
    key: so
    cursor: n
    into: [{{entity: dossier, columns: {{dossier_code: so}}}}]
"""
PASSWORD = "mat-khau-bi-mat-7531"  # of a source; must be seen nowhere


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One server for all."""
    with running_server(tmp_path_factory.mktemp("prefect-home")) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(server: PrefectServer) -> PrefectServer:
    """The server after the two commands that docs/deploy.md asks for."""
    pool = server.prefect("work-pool", "create", "--type", "process", POOL)
    assert pool.returncode == 0, pool.stderr
    done = server.prefect("--no-prompt", "deploy", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    return server


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Nothing has been synced yet."""
    return open_office(tmp_path)


def add_unreachable(office: Office, name: str) -> str:
    """A source whose host refuses every connection; gives the URL that XA_VANG_URL has to hold."""
    text = YAML.replace("xa-thu", name).replace('files: "*.csv"', "table: so")
    connector = "connector: {type: sql, url: '${XA_VANG_URL}', connect_timeout: 2}"
    office.add_source(name, re.sub(r"connector: .*", connector, text))
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"postgresql://reader:{PASSWORD}@127.0.0.1:{port}/motcua"


def artifact(server: PrefectServer, key: str, run: dict[str, object]) -> dict[str, object]:
    """The newest artifact of a flow run under a key."""
    found = server.find(
        "artifacts",
        artifacts={"key": {"any_": [key]}, "flow_run_id": {"any_": [run["id"]]}},
        sort="CREATED_DESC",
    )
    assert found, f"no artifact {key}"
    return found[0]


@pytest.fixture(scope="module")
def synced(server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    """An office synced once with the server configured: what was printed, and the flow run."""
    office = open_office(tmp_path_factory.mktemp("synced"))
    done = server.lienthong(*office.options, "sync", "xa-thu", "--json")
    return office, done, server.flow_run("sync xa-thu")


def test_a_sync_with_a_server_is_a_flow_run_that_it_shows(
    server: PrefectServer, synced: Synced
) -> None:
    _, done, run = synced
    assert done.returncode == 0, done.stderr
    (receipt,) = json.loads(done.stdout)  # Prefect's own lines are on stderr
    assert (receipt["read"], receipt["inserted"], receipt["quarantined"]) == (3, 2, 1)
    assert run["state_type"] == "COMPLETED"
    assert run["state"]["message"] == "1 of 1 sources done"
    assert run["parameters"]["source"] == "xa-thu"
    tasks = server.tasks(run, expected=2)
    assert {name: task["state_type"] for name, task in tasks.items()} == {
        "read xa-thu/so_theo_doi": "COMPLETED",
        "integrate dossier": "COMPLETED",
    }


def test_the_receipts_are_a_table_and_the_progress_reaches_its_end(
    server: PrefectServer, synced: Synced
) -> None:
    _, _, run = synced
    (row,) = json.loads(str(artifact(server, "receipts-xa-thu", run)["data"]))
    assert (row["source"], row["entity"], row["read"], row["inserted"]) == (
        "xa-thu",
        "dossier",
        3,
        2,
    )
    assert artifact(server, "progress-xa-thu", run)["data"] == 100.0


def test_our_log_lines_reach_the_run(server: PrefectServer, synced: Synced) -> None:
    _, _, run = synced
    by_run = {"flow_run_id": {"any_": [run["id"]]}}
    lines = [log["message"] for log in server.find("logs", logs=by_run)]
    assert any(line.startswith("sync done source=xa-thu stream=so_theo_doi") for line in lines)
    assert any("progress source=xa-thu" in line for line in lines)


def test_a_run_of_the_server_changes_nothing_the_second_time(
    server: PrefectServer, synced: Synced
) -> None:
    office, _, _ = synced
    done = server.lienthong(*office.options, "sync", "--json")
    (receipt,) = json.loads(done.stdout)
    assert (receipt["landed"], receipt["inserted"], receipt["updated"]) == (0, 0, 0)


def test_a_backfill_with_a_server_is_a_flow_run_that_it_shows(
    server: PrefectServer, tmp_path: Path
) -> None:
    office = open_office(tmp_path)
    with closing(sqlite3.connect(tmp_path / "bu.db")) as database, database:
        database.execute("CREATE TABLE t (so TEXT, n INTEGER)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(f"HS-{n}", n) for n in range(9)])
    office.add_source("so-bu", BACKFILL_YAML.format(path=tmp_path / "bu.db"))
    words = ("backfill", "so-bu", "--from", "3", "--to", "7", "--reason", "công văn 12", "--json")
    done = server.lienthong(*office.options, *words)
    assert done.returncode == 0, done.stderr
    (receipt,) = json.loads(done.stdout)
    assert (receipt["read"], receipt["inserted"], receipt["reason"]) == (4, 4, "công văn 12")
    run = server.flow_run("backfill so-bu")
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"]["reason"] == "công văn 12"
    wrong = server.lienthong(*office.options, *words[:2], "--from", "9", "--to", *words[5:])
    assert wrong.returncode == 2


@pytest.mark.parametrize(
    ("reason", "said"),
    [("công văn 12", "has no intervals"), ("đơn của 040099000777", "--reason holds a number")],
)
def test_a_backfill_that_the_command_would_refuse_is_refused_as_a_flow_too(
    server: PrefectServer, office: Office, reason: str, said: str
) -> None:
    code = (
        "from flows.nightly import backfill_source\n"
        f"state = backfill_source(source='xa-thu', low='1', high='2', reason={reason!r},"
        f" warehouse={office.warehouse!r}, sources_dir={str(office.sources)!r},"
        " return_state=True)\n"
        "print('SAID', state.name, state.message)\n"
    )
    done = server.script(code)
    assert done.returncode == 0, done.stderr
    assert "SAID Failed" in done.stdout
    assert said in done.stdout
    assert not (Path(office.warehouse) / "restricted" / "landing").exists()


def test_a_night_where_nothing_is_connected_is_failed(
    server: PrefectServer, tmp_path: Path
) -> None:
    code = (
        "from flows.nightly import nightly\n"
        f"state = nightly(warehouse='{tmp_path}/warehouse', sources_dir={str(tmp_path)!r},"
        " return_state=True)\n"
        "print('SAID', state.name, state.message)\n"
    )
    done = server.script(code)
    assert "SAID Failed" in done.stdout, done.stderr
    assert "there is no source" in done.stdout
    assert not (tmp_path / "warehouse").exists()


def test_only_a_source_that_can_not_be_reached_is_tried_again(
    server: PrefectServer, office: Office
) -> None:
    url = add_unreachable(office, "xa-vang")
    gone = YAML.replace("xa-thu", "xa-mat").replace("../desk", "../gone")
    office.add_source("xa-mat", gone)
    code = (
        "from flows.nightly import nightly\n"
        f"nightly(warehouse={office.warehouse!r}, sources_dir={str(office.sources)!r},"
        " retry_seconds=0, fail_above=1.0, return_state=True)\n"
    )
    done = server.script(code, XA_VANG_URL=url)
    assert done.returncode == 0, done.stderr
    (newest,) = server.find(
        "flow_runs", flows={"name": {"any_": ["nightly"]}}, limit=1, sort="EXPECTED_START_TIME_DESC"
    )
    tasks = server.tasks(newest, expected=5)
    attempts = {name: task["run_count"] for name, task in tasks.items()}
    assert attempts == {
        "read xa-thu/so_theo_doi": 1,
        "read xa-vang/so_theo_doi": 4,
        "read xa-mat/so_theo_doi": 1,
        "integrate dossier": 1,
        "release": 1,
    }
    assert newest["state_type"] == "COMPLETED"
    assert newest["state"]["message"] == "1 of 3 sources done; broken: xa-mat, xa-vang; release 1"


def test_past_its_threshold_the_night_is_failed_and_says_who_is_broken(
    server: PrefectServer, office: Office
) -> None:
    office.add_source("xa-hong", BROKEN_YAML)
    done = server.lienthong(*office.options, "nightly", "--fail-above", "0.4", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["broken"] == ["xa-hong"]
    assert [r["inserted"] for r in report["receipts"] if r["source"] == "xa-thu"] == [2]
    assert "Traceback" not in done.stderr
    (newest,) = server.find(
        "flow_runs", flows={"name": {"any_": ["nightly"]}}, limit=1, sort="EXPECTED_START_TIME_DESC"
    )
    assert newest["state_type"] == "FAILED"
    assert newest["state"]["message"] == "1 of 2 sources done; broken: xa-hong; release 1"
    assert artifact(server, "receipts-nightly", newest)["description"] == newest["state"]["message"]


def test_an_unknown_source_ends_with_2_before_a_flow_runs(
    server: PrefectServer, office: Office
) -> None:
    done = server.lienthong(*office.options, "sync", "xa-khong-co")
    assert done.returncode == 2
    assert done.stderr.startswith("Error (configuration):")
    named = {"name": {"any_": ["sync xa-khong-co"]}}
    assert server.find("flow_runs", flow_runs=named) == []


def test_a_server_that_does_not_answer_is_one_clear_error(office: Office) -> None:
    nobody = PrefectServer(url="http://user:geheim@127.0.0.1:9/api", home=office.root / "home")
    done = nobody.lienthong(*office.options, "sync")
    assert done.returncode == 1
    assert "the Prefect server at http://127.0.0.1:9/api does not answer" in done.stderr
    assert "unset PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr
    assert not Path(office.warehouse).exists()


def test_deploy_takes_every_deployment_without_a_question(deployed: PrefectServer) -> None:
    found = {one["name"]: one for one in deployed.find("deployments")}
    assert set(found) == {"backfill-source", "maintain", "nightly", "sync-source", "weekly"}
    (weekly,) = found["maintain"]["schedules"]
    assert (weekly["active"], weekly["schedule"]["cron"]) == (True, "0 12 * * 0")
    (week,) = found["weekly"]["schedules"]
    assert (week["active"], week["schedule"]["cron"]) == (True, "0 4 * * 0")
    (schedule,) = found["nightly"]["schedules"]
    assert schedule["active"]
    assert schedule["schedule"]["cron"] == "0 1 * * *"
    assert schedule["schedule"]["timezone"] == "Asia/Ho_Chi_Minh"
    assert found["sync-source"]["schedules"] == found["backfill-source"]["schedules"] == []
    assert {one["work_pool_name"] for one in found.values()} == {POOL}
    assert found["nightly"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert found["sync-source"]["parameter_openapi_schema"]["required"] == ["source"]
    backfill = found["backfill-source"]
    assert backfill["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    asked = set(backfill["parameter_openapi_schema"]["required"])
    assert asked == {"source", "low", "high", "reason"}
    again = deployed.prefect("--no-prompt", "deploy", "--all")
    assert again.returncode == 0, again.stdout + again.stderr


def test_the_deployment_file_names_no_place_of_this_machine() -> None:
    text = (ROOT / "prefect.yaml").read_text("utf-8")
    assert str(ROOT) not in text
    document = yaml.safe_load(text)
    assert [one["entrypoint"] for one in document["deployments"]] == [
        "flows/nightly.py:nightly",
        "flows/weekly.py:weekly",
        "flows/nightly.py:sync_source",
        "flows/nightly.py:backfill_source",
        "flows/upkeep_flow.py:maintain",
    ]


def test_a_worker_runs_the_night_from_end_to_end_and_piled_up_nights_once(
    deployed: PrefectServer, office: Office
) -> None:
    office.add_source("xa-hong", BROKEN_YAML)
    run_ids = []
    for _ in range(2):  # as when no worker was there for two nights
        started = deployed.prefect(
            "deployment", "run", "nightly/nightly",
            "--param", f"warehouse={office.warehouse}", "--param", f"sources_dir={office.sources}",
        )  # fmt: skip
        found = re.search(r"UUID: ([0-9a-f-]{36})", started.stdout)
        assert found is not None, started.stderr
        run_ids.append(found.group(1))
    worker = deployed.prefect(
        "worker", "start", "--pool", POOL, "--type", "process", "--run-once",
        "--install-policy", "never", cwd=office.root,
    )  # fmt: skip
    assert worker.returncode == 0, worker.stderr
    runs = deployed.find("flow_runs", flow_runs={"id": {"any_": run_ids}})
    by_state = {run["state_type"]: run for run in runs}
    assert set(by_state) == {"COMPLETED", "CANCELLED"}, worker.stderr
    run = by_state["COMPLETED"]
    assert run["state"]["message"] == "1 of 2 sources done; broken: xa-hong; release 1"
    rows = json.loads(str(artifact(deployed, "receipts-nightly", run)["data"]))
    assert {(row["source"], row["status"], row["inserted"]) for row in rows} == {
        ("xa-thu", "done", 2),
        ("xa-hong", "failed", 0),
    }
    query = "SELECT count(*) AS n FROM dossier"
    answer = deployed.lienthong(*office.options, "sql", query, "--json")
    assert json.loads(answer.stdout) == [{"n": 2}]


def test_the_week_names_what_differs_and_mends_it(server: PrefectServer, office: Office) -> None:
    assert server.lienthong(*office.options, "sync").returncode == 0
    changed = CSV.replace("Đăng ký khai sinh", "Đăng ký lại khai sinh")
    office.write_csv(changed + f"XA-004,Khai tử,{PERSON},05/03/2026,received\n")
    office.add_source("xa-hong", BROKEN_YAML)
    place = f"warehouse={office.warehouse!r}, sources_dir={str(office.sources)!r}"
    code = (
        "from flows.weekly import weekly\n"
        f"state = weekly(repair=REPAIR, {place}, retry_seconds=0, return_state=True)\n"
        "print('SAID', state.name, state.message)\n"
    )
    said = []
    for repair in ("False", "True", "True"):
        done = server.script(code.replace("REPAIR", repair))
        assert done.returncode == 0, done.stderr
        said += re.findall(r"SAID (.*)", done.stdout)
    place = "xa-thu/so_theo_doi"
    assert said == [
        f"Completed 0 of 2 streams agree; different: {place} (2 keys); broken: xa-hong",
        f"Completed 1 of 2 streams agree; repaired: {place} (2 keys); broken: xa-hong",
        "Completed 1 of 2 streams agree; broken: xa-hong",
    ]
    runs = server.find("flow_runs", flows={"name": {"any_": ["weekly"]}}, sort="START_TIME_ASC")
    rows = json.loads(str(artifact(server, "reconcile-weekly", runs[0])["data"]))
    assert {(row["source"], row["status"], row["missing"]) for row in rows} == {
        ("xa-thu", "degraded", 1), ("xa-hong", "failed", 0),
    }  # fmt: skip


def test_a_wrong_parameter_is_refused_before_a_run(deployed: PrefectServer) -> None:
    for deployment, parameter in [
        ("nightly/nightly", "fail_above=7"),
        ("sync-source/sync-source", "limit=0"),
        ("sync-source/sync-source", "surce=xa-thu"),
        ("backfill-source/backfill-source", "source=xa-thu"),
    ]:
        done = deployed.prefect("deployment", "run", deployment, "--param", parameter)
        assert done.returncode != 0, parameter


def test_the_server_learns_no_secret_and_no_person(server: PrefectServer, office: Office) -> None:
    url = add_unreachable(office, "xa-vang")
    code = (
        "from flows.nightly import nightly\n"
        f"nightly(warehouse={office.warehouse!r}, sources_dir={str(office.sources)!r},"
        " retry_seconds=0, return_state=True)\n"
    )
    assert server.script(code, XA_VANG_URL=url).returncode == 0
    planted = "dau-vet-cong-khai-2468"
    code = (
        "from prefect import flow, task\n"
        "from flows.nightly import tellable\n"
        "@task\n"
        f"def open_task():\n    raise ValueError('{planted}')\n"
        "@task\n@tellable\n"
        f"def shut_task():\n    raise ValueError('{PASSWORD}')\n"
        "@flow(name='open')\n"
        "def open_flow():\n    open_task(return_state=True), shut_task(return_state=True)\n"
        "    return 1\n"
        "open_flow()\n"
    )
    done = server.script(code)
    assert done.returncode == 0, done.stderr
    kept = server.everything()
    assert planted.encode() in kept  # what an error of a library says is found
    assert b"xa-vang" in kept  # and so is the run that knew the secret
    for secret in (PASSWORD, PERSON, "040099054321"):
        assert secret.encode() not in kept


def test_the_server_learns_no_secret_of_an_api(
    server: PrefectServer, office: Office, tmp_path: Path
) -> None:
    with (
        connected(tmp_path / "key", rows=3, auth="key_query") as echoing,
        connected(tmp_path / "token", rows=3, auth="password") as handing,
    ):
        for one, auth in ((echoing, "key_query"), (handing, "password")):
            one.nights.root.mkdir()
            one.connect(auth=auth, source=f"so-{one.nights.root.name}", retries={"attempts": 1})
            for path in (one.nights.root / "sources").iterdir():
                office.add_source(path.stem, path.read_text("utf-8"))
        echoing.office.faults = (ServerErrors(every(1)),)
        code = (
            "from flows.nightly import nightly\n"
            f"nightly(warehouse={office.warehouse!r}, sources_dir={str(office.sources)!r},"
            " retry_seconds=0, return_state=True)\n"
        )
        done = server.script(code, **SECRETS)
        assert done.returncode == 0, done.stderr
        assert echoing.office.faults[0].struck > 0
        handed = getattr(handing.office.auth, "handed", [])
        heard = str([ask.query for ask in echoing.office.asks])
    kept = server.everything()
    assert b"so-key" in kept  # the run that knew the secrets is found
    assert b"500" in kept
    assert SECRETS["OFFICE_KEY"] in heard  # and the office did hear what it said back
    assert handed
    people = [dossier.applicant for dossier in handing.truth.rows()]
    names = ("OFFICE_KEY", "OFFICE_PASSWORD", "OFFICE_CLIENT_SECRET")
    for secret in (*(SECRETS[name] for name in names), *handed, *people):
        assert [form for form in forms(secret) if form.encode() in kept] == []
