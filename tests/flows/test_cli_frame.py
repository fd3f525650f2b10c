"""The command's frame: fast help, clear refusals, errors without a leak, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flows import faults
from flows.cli import main
from flows.cli.app import Command
from flows.cli.common import json_option
from schemas.errors import (
    ConfigError,
    LienThongError,
    SourceError,
    TransientSourceError,
    WarehouseError,
)

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "prefect",
    "polars",
    "duckdb",
    "pandera",
    "deltalake",
    "pyarrow",
    "sqlalchemy",
    "pydantic",
    "yaml",
    "rich",
    "numpy",
)
SECRET = "mat-khau-cua-so-tu-phap"  # planted; must never be shown


def test_help_leaves_the_heavy_libraries_alone() -> None:
    for words in (["--help"], ["sync", "--help"], ["sql", "--help"], ["quarantine", "--help"]):
        code = (
            "import sys\n"
            "from flows.cli import main\n"
            f"try:\n    main({words!r}, prog_name='lienthong')\n"
            "except SystemExit as end:\n    assert end.code == 0, end.code\n"
            f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "Usage: lienthong" in done.stdout
        assert done.stdout.rstrip().endswith("LOADED []"), words


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("lienthong")


def test_a_mistyped_verb_ends_with_2_and_names_the_nearest() -> None:
    done = CliRunner().invoke(main, ["sycn"])
    assert done.exit_code == 2
    assert "Did you mean 'sync'?" in done.stderr
    assert done.stdout == ""


def test_a_global_option_after_the_verb_is_explained() -> None:
    done = CliRunner().invoke(main, ["status", "--warehouse", "x"])
    assert done.exit_code == 2
    assert "It goes before the command: lienthong --warehouse" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["sync", "--limit", "0", "x"],
        ["sync", "--limit", "many", "x"],
        ["sync", "--stream", "ho_so"],
        ["sync", "--stream", "ho_so", "a", "b"],
        ["quarantine", "show", "--limit", "-1"],
        ["nightly", "--fail-above", "2"],
        ["sql"],
        ["sql", "SELECT 1", "--format", "xml"],
        ["sql", "SELECT 1", "--format", "csv", "--json"],
        ["sql", "SELECT 1", "--output", "answer.docx"],
        ["schema", "--markdown", "--json"],
        ["rebuild"],
        ["--log-level", "loud", "status"],
    ],
)
def test_a_wrong_command_line_ends_with_2_and_prints_nothing_on_stdout(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "Error:" in done.stderr
    assert done.stdout == ""


def raising(error: Exception) -> Command:
    """A command of the same make with one verb, which raises."""

    @json_option
    def fail(*, as_json: bool) -> None:
        raise error

    # The command's own options, so that --debug means what it means there.
    return Command(
        name="lienthong",
        params=main.params,
        callback=lambda **_: None,
        commands={"fail": click.command("fail")(fail)},
    )


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ConfigError("sources/a.yaml:3: no key"), 2, "configuration"),
        (SourceError("a: the password is refused"), 1, "source"),
        (TransientSourceError("a: no answer"), 1, "source unreachable"),
        (WarehouseError("another key"), 1, "warehouse"),
        (LienThongError("the server does not answer"), 1, "run"),
    ],
)
def test_an_expected_error_is_one_block_without_a_traceback(
    error: Exception, status: int, kind: str
) -> None:
    done = CliRunner().invoke(raising(error), ["fail"])
    assert done.exit_code == status
    assert done.stderr.splitlines()[:2] == [f"Error ({kind}):", f"  {error}"]
    assert re.search(r"^Next: \w", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_under_json_is_one_document_too() -> None:
    done = CliRunner().invoke(raising(ConfigError("no key")), ["fail", "--json"])
    assert json.loads(done.stdout)["error"]["kind"] == "ConfigError"
    assert json.loads(done.stdout)["error"]["message"] == "no key"
    assert done.exit_code == 2


def chained() -> LienThongError:
    """An error of ours that came out of a library's, which holds a secret."""
    try:
        try:
            raise ValueError(f"could not connect with {SECRET}")
        except ValueError as error:
            raise SourceError("a: refused") from error
    except SourceError as error:
        return error


@pytest.mark.parametrize("words", [["fail"], ["--debug", "fail"], ["--debug", "fail", "--json"]])
@pytest.mark.parametrize("error", [ValueError(SECRET), OSError(5, SECRET), chained()])
def test_no_error_shows_what_a_library_said(words: list[str], error: Exception) -> None:
    assert SECRET in f"{error} {error.__cause__}"  # it is there to be leaked
    done = CliRunner().invoke(raising(error), words)
    assert done.exit_code == 1
    assert type(error).__name__ in done.output or "refused" in done.output
    assert SECRET not in done.output


def test_debug_shows_the_way_through_our_code() -> None:
    done = CliRunner().invoke(raising(KeyError(SECRET)), ["--debug", "fail"])
    assert "flows/cli/app.py:" in done.stderr
    assert done.stderr.rstrip().endswith("KeyError")
    assert "site-packages" not in done.stderr


def test_a_password_in_the_uri_of_the_warehouse_is_refused_and_not_repeated() -> None:
    done = CliRunner().invoke(main, ["--warehouse", f"s3://key:{SECRET}@bucket/x", "sources"])
    assert done.exit_code == 2
    assert "AWS_SECRET_ACCESS_KEY" in done.stderr
    assert SECRET not in done.output
    assert CliRunner().invoke(main, ["--warehouse", "data/a@b", "schema", "payment"]).exit_code == 0


def test_a_cleaned_error_keeps_its_family_and_loses_its_chain() -> None:
    clean = faults.cleaned(chained())
    assert type(clean) is SourceError
    assert str(clean) == "a: refused"
    assert clean.__cause__ is None
    assert clean.__context__ is None
    assert type(faults.cleaned(ValueError(SECRET))) is LienThongError
    assert SECRET not in str(faults.cleaned(ValueError(SECRET)))


INTERRUPTIBLE = """
import sys, time, threading
import click
from flows.cli.app import Command
from flows.cli import main

@click.command()
def wait():
    print("waiting", flush=True)
    threading.Event().wait(60)

main.add_command(wait)
main(["wait"], prog_name="lienthong")
"""


def test_ctrl_c_ends_with_130_and_a_sentence() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Nothing is half-written" in stderr
    assert "Traceback" not in stderr


STUBBORN = INTERRUPTIBLE.replace(
    '    print("waiting", flush=True)\n    threading.Event().wait(60)\n',
    '    try:\n        print("waiting", flush=True)\n        threading.Event().wait(60)\n'
    '    finally:\n        print("still here", flush=True)\n        threading.Event().wait(60)\n',
)


def test_a_second_ctrl_c_does_not_wait_for_anybody() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "still here\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_reader_that_hangs_up_causes_no_traceback() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "schema", "--markdown"],
        cwd=ROOT,
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
