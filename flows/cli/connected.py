"""Whether what is connected still fits: `check`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flows import progress
from flows.cli.common import Settings, json_option, leave, pass_settings
from flows.output import Column, note, print_json, print_table, say
from flows.receipts import RunStatus, StreamCheck
from schemas.errors import LienThongError


@click.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@json_option
@pass_settings
def check(settings: Settings, *, names: tuple[str, ...], as_json: bool) -> None:
    """Try a source out: reach it, compare columns, map a sample. Writes nothing.

    Reaches each source, authenticates, compares the mapped columns with the ones found, maps and
    validates a sample, and says what would be rejected and why. Without SOURCE every source that
    isn't retired is checked.
    """
    from flows.steps import check_context, check_source

    context = check_context(settings.sources)
    catalog = context.catalog
    usual = [name for name, source in catalog.sources.items() if not source.retired]
    checks: list[StreamCheck] = []
    with progress.busy("checking", quiet=settings.quiet) as going_on:
        for name in names or (*usual, *catalog.broken):
            going_on(f"checking {name}")
            try:
                checks += check_source(context, name)
            except LienThongError as error:
                if len(names) == 1:
                    raise
                checks.append(
                    StreamCheck(source=name, stream="", status="failed", error=str(error))
                )
    if as_json:
        print_json(checks)
    elif not checks:
        say(f"No source in {settings.sources}. docs/connect-an-office.md shows a first one.")
    else:
        show_checks(checks)
    leave(verdict(checks))


def verdict(checks: Sequence[StreamCheck]) -> RunStatus:
    """`failed` where no stream could be looked at, `degraded` where something deserves a look."""
    statuses = {one.status for one in checks}
    if statuses == {"failed"}:
        return "failed"
    return "degraded" if statuses - {"done"} else "done"


def show_checks(checks: Sequence[StreamCheck]) -> None:
    """A summary table, then what is worth a person's attention, stream by stream."""
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
