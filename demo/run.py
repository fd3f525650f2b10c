"""The demo itself: two offices, two nights, and the questions a minister would ask."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime
from importlib import resources
from pathlib import Path

import click

from demo import desk, justice
from demo.dossiers import ZONE
from demo.server import postgres
from demo.show import DemoStopped, Show
from schemas.errors import LienThongError

FOLDER = Path("data/demo")
MARK = ".made-by-lienthong-demo"
DEGRADED = 3

LATE = """\
SELECT _source AS office, count(*) AS dossiers,
       count(*) FILTER (WHERE due_date < coalesce(finished_date, current_date)) AS late,
       round(100.0 * late / dossiers, 1) AS percent_late
FROM dossier WHERE status NOT IN ('refused', 'withdrawn')
GROUP BY ALL ORDER BY percent_late DESC"""
WAITING = """\
SELECT dossier_code, procedure_name, status, due_date, current_date - due_date AS days_late
FROM dossier
WHERE due_date < current_date AND status IN ('received', 'in_progress')
ORDER BY days_late DESC, dossier_code LIMIT 5"""
STEPS = """\
SELECT unit_name, count(*) AS steps,
       round(median(hours), 1) AS median_hours_until_next_step
FROM (SELECT unit_name, date_diff('minute', occurred_at,
             lead(occurred_at) OVER (PARTITION BY _source, dossier_key ORDER BY sequence)) / 60
             AS hours
      FROM dossier_event)
WHERE hours IS NOT NULL GROUP BY ALL ORDER BY 3 DESC"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo in the current folder; its warehouse stays in `data/demo`.

    Args:
        arguments: `["--json"]` prints one JSON document instead of the story; None takes the
            process's own arguments.

    Returns:
        Exit status: 0 done, 1 failed, 2 wrong arguments or a missing part, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given not in ([], ["--json"]):
        click.echo("Usage: lienthong demo [--json]", err=True)
        return 2
    show = Show(options=_options(), as_json=given == ["--json"])
    started = time.monotonic()
    try:
        _prepare()
        with postgres() as url:
            os.environ["SO_TU_PHAP_URL"] = url
            _story(show, url=url)
    except DemoStopped as stop:
        return stop.exit_status
    except LienThongError as error:
        click.echo(f"The demo can't run: {error}", err=True)
        return 2
    except KeyboardInterrupt:
        click.echo("Interrupted; lienthong demo starts over.", err=True)
        return 130
    finally:
        os.environ.pop("SO_TU_PHAP_URL", None)
    if show.as_json:
        from flows.output import print_json

        print_json(show.answers)
    else:
        _farewell(show, seconds=time.monotonic() - started)
    return 0


def _options() -> list[str]:
    return ["--warehouse", str(FOLDER / "warehouse"), "--sources", str(FOLDER / "sources")]


def _prepare() -> None:
    """An empty `data/demo` with the two source files. Only a folder of our own is emptied."""
    if FOLDER.exists() and any(FOLDER.iterdir()):
        if not (FOLDER / MARK).exists():
            message = f"{FOLDER} holds something that the demo did not make; move it away"
            raise LienThongError(message)
        shutil.rmtree(FOLDER)
    (FOLDER / "sources").mkdir(parents=True)
    (FOLDER / MARK).touch()
    for source in resources.files("demo").joinpath("sources").iterdir():
        if source.name.endswith(".yaml"):
            (FOLDER / "sources" / source.name).write_bytes(source.read_bytes())


def _story(show: Show, *, url: str) -> None:
    today = datetime.now(ZONE).date()
    _two_offices(show, url=url, today=today)
    _first_night(show)
    _questions(show)
    _second_night(show, url=url, today=today)


def _two_offices(show: Show, *, url: str, today: date) -> None:
    show.chapter("Two offices, invented, with the dirt of real ones")
    justice.fill(url, today=today)
    desk.fill(FOLDER / "desk", today=today)
    months = len(list((FOLDER / "desk").glob("*.csv")))
    show.say(
        f"Sở Tư pháp has {justice.DOSSIERS:,} dossiers in a PostgreSQL of its own; a vendor named\n"
        f"the views. Xã Đô Lương keeps {desk.DOSSIERS:,} in {months} CSV files, some cp1258, with "
        "title\nlines and headings that change from month to month. Each office is one YAML file:\n"
        f"{FOLDER / 'sources'}. What is connected?"
    )
    show.run("sources")
    show.say("\nDoes it still fit what is found there? A check reads a sample and writes nothing.")
    show.run("check", expected=(0, DEGRADED))


def _first_night(show: Show) -> None:
    show.chapter("The first night: read everything, check it, land it")
    show.run("sync")
    show.say("\nNothing is lost: what breaks a rule waits in quarantine, under the rule's name.")
    show.run("quarantine", "list")
    show.say(
        "\nWhat is merely suspicious is in the warehouse and carries the rule's name in _warnings:"
    )
    show.run(
        "sql",
        "SELECT _source, rule, count(*) AS dossiers FROM dossier, unnest(_warnings) AS w(rule)"
        " GROUP BY ALL ORDER BY dossiers DESC, rule",
    )
    show.run("status")


def _questions(show: Show) -> None:
    show.chapter("What a minister asks")
    show.say("Which office is late?")
    show.run("sql", LATE)
    show.say("\nWhich dossiers wait longest past their promised day?")
    show.run("sql", WAITING)
    show.say("\nWhere do dossiers lie?")
    show.run("sql", STEPS)


def _second_night(show: Show, *, url: str, today: date) -> None:
    show.chapter("The second night: only what changed")
    day = justice.one_more_day(url, today=today)
    answered = desk.one_more_day(FOLDER / "desk", today=today)
    show.say(
        f"Meanwhile Sở Tư pháp finished {day.finished} dossiers, took in {day.added}, removed "
        f"{day.deleted}, and dated {day.misdated} in the\nyear 2099; the commune marked {answered} "
        "as answered in its newest file."
    )
    show.run("sync")
    show.say(
        "\nEach change is in the term where it belongs. The row of 2099 lies past what a night "
        "reads:\nit is counted every night (future_cursor in sync --json), and a full read takes "
        "it."
    )
    show.run("sync", "so-tu-phap", "--stream", "ho_so", "--full")
    show.say("\nDoes the warehouse hold exactly what was received? The audit ignores all counters.")
    show.run("audit")


def _farewell(show: Show, *, seconds: float) -> None:
    show.chapter(f"Done in {seconds:.0f} seconds. Your turn")
    command, warehouse, sources = _command(), FOLDER / "warehouse", FOLDER / "sources"
    show.say(
        f"The warehouse stays in {FOLDER}. PostgreSQL is gone, so Sở Tư pháp can't be synced any\n"
        "more; the commune can. Try, in this folder:\n"
    )
    show.say(f"  export LIENTHONG_WAREHOUSE={warehouse} LIENTHONG_SOURCES={sources}")
    show.say(f"  {command} sql 'FROM dossier SELECT * LIMIT 10'")
    show.say(f"  {command} quarantine show xa-do-luong")
    show.say(f"  {command} schema dossier")
    show.say(
        f"\nOr mend what was rejected: in {sources}/xa-do-luong.yaml, let the status have\n"
        "`codes: [status, {Hẹn quay lại: supplement_requested}]`, and watch those rows come out\n"
        "of quarantine without a file being read again:\n"
    )
    show.say(f"  {command} rebuild xa-do-luong")
    show.say("\nTo connect a real office: docs/connect-an-office.md")


def _command() -> str:
    """How `lienthong` is typed here: by its path where it isn't on the PATH."""
    if shutil.which("lienthong"):
        return "lienthong"
    beside = Path(sys.executable).with_name("lienthong")
    if not beside.exists():
        return "python -m flows.cli"
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
