"""Whether what is connected still fits: `check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connectors.sampling import MOST_SAMPLE_ROWS, SAMPLE_ROWS
from flows import progress
from flows.cli.common import Settings, json_option, leave, pass_settings
from flows.output import Column, note, print_json, print_table, say
from flows.receipts import RunStatus, StreamCheck
from schemas.errors import ConfigError, LienThongError

if TYPE_CHECKING:
    from flows.context import Context
    from flows.findings import StreamFindings


@click.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--rows",
    type=click.IntRange(1, MOST_SAMPLE_ROWS),
    default=SAMPLE_ROWS,
    show_default=True,
    metavar="N",
    help=f"Look at the first N rows of each stream, at most {MOST_SAMPLE_ROWS:,}.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what was found of the one SOURCE as an HTML page, for the office to act on.",
)
@json_option
@pass_settings
def check(
    settings: Settings, *, names: tuple[str, ...], rows: int, report: Path | None, as_json: bool
) -> None:
    """Try a source out: reach it, compare columns, map a sample. Writes nothing.

    Reaches each source, authenticates, compares the mapped columns with the ones found, maps and
    validates a sample, and says what would be rejected and why. Without SOURCE every source that
    isn't retired is checked.

    The page of --report says the same to the people who own the system, in Vietnamese and English:
    it holds no value of a row, and no secret.
    """
    from flows.steps import check_context, examine_source

    if report is not None:
        demand_place(report, names)
    context = check_context(settings.sources)
    catalog = context.catalog
    catalog.demand()
    usual = [name for name, source in catalog.sources.items() if not source.retired]
    checks: list[StreamCheck] = []
    with progress.busy("checking", quiet=settings.quiet) as going_on:
        for name in names or (*usual, *catalog.broken):
            going_on(f"checking {name}")
            try:
                found = examine_source(context, name, rows=rows)
            except LienThongError as error:
                if len(names) == 1:
                    raise
                checks.append(
                    StreamCheck(source=name, stream="", status="failed", error=str(error))
                )
                continue
            if report is not None:
                found = write_report(context, report, found, rows=rows)
            checks += [one.check for one in found]
    if as_json:
        print_json(checks)
    else:
        show_checks(checks)
    if report is not None:
        note(f"The report for the office is in {report}")
    leave(verdict(checks))


def demand_place(report: Path, names: Sequence[str]) -> None:
    """Refuses a report that nobody could read, before a source is reached."""
    if len(names) != 1:
        raise click.UsageError(
            "--report is for one office, which should not read about another one: name one SOURCE."
        )
    if not report.parent.is_dir():
        raise click.UsageError(
            f"--report {report}: there is no folder {report.parent}; make it, or name another."
        )


def write_report(
    context: Context, report: Path, found: Sequence[StreamFindings], *, rows: int
) -> list[StreamFindings]:
    """Writes the page whole or not at all; the findings then say where it is.

    Raises:
        ConfigError: The file can't be written.
    """
    from flows.placing import placed
    from flows.report import render

    source = context.catalog.source(found[0].check.source)
    page = render(source, found, rows=rows, now=context.clock())
    try:
        with placed(report) as file:
            file.write(page.encode())
    except OSError as error:
        message = f"{report}: the report can't be written there: {error.strerror}"
        raise ConfigError(message) from None
    path = str(report)
    return [replace(one, check=replace(one.check, report=path)) for one in found]


def verdict(checks: Sequence[StreamCheck]) -> RunStatus:
    """`failed` where no stream could be looked at, `degraded` where something deserves a look."""
    statuses = {one.status for one in checks}
    if statuses == {"failed"}:
        return "failed"
    return "degraded" if statuses - {"done"} else "done"


def show_checks(checks: Sequence[StreamCheck]) -> None:
    """A summary table, then what is worth a person's attention, stream by stream."""
    if not checks:
        say("Every source is retired: nothing to check.")
        return
    rows = [
        (
            one.source, one.stream, one.status, f"{len(one.columns_mapped)} of "
            f"{len(one.columns_found)}", one.sample_rows, entity, counts.get("accepted"),
            counts.get("warned"), counts.get("rejected"),
        )
        for one in checks
        for entity, counts in (one.entities or {"": {}}).items()
    ]
    titles = (
        "source", "stream", "status", "columns mapped", "sample", "entity", "accepted", "warned",
        "rejected",
    )
    print_table([Column(title) for title in titles], rows)
    for one in checks:
        place = f"{one.source} / {one.stream}" if one.stream else one.source
        for line in remarks(one):
            for part in line.splitlines():
                note(f"{place}: {part}")


def remarks(one: StreamCheck) -> list[str]:
    """What a check found that a person should read."""
    lines = [one.error] if one.error else []
    lines += [f"rejected {rows:,} rows: {rule}" for rule, rows in one.reasons.items()]
    lines += [f"warned about {rows:,} rows: {rule}" for rule, rows in one.warnings.items()]
    lines += [
        f"codes of {column} that the code list lacks: {', '.join(codes)}"
        for column, codes in one.unknown_codes.items()
    ]
    return lines + list(one.notes)
