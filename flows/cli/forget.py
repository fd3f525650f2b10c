"""Forgetting one person: `forget`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows import progress
from flows.cli.common import Settings, existing, json_option, leave, left_out, pass_settings
from flows.output import Column, note, print_json, print_table, say

if TYPE_CHECKING:
    from flows.forgetting import ForgetReport


@click.command()
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read the identity number from this file; otherwise it is read from standard input.",
)
@click.option(
    "--key", metavar="PSEUDONYM", help="The pseudonym in core, where the number isn't known."
)
@click.option("--reason", metavar="TEXT", help="Why, for the receipt. Needed but for --dry-run.")
@click.option("--dry-run", is_flag=True, help="Only count the rows.")
@json_option
@pass_settings
def forget(
    settings: Settings,
    *,
    path: Path | None,
    key: str | None,
    reason: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Erase one person: every row, every trace, for good.

    The identity number is asked for, or read from standard input or a file: a command line is seen
    by others and kept. It can't be undone. The person's rows don't come back while their
    source still has them. Earlier releases expire; analysts see the latest one without the person.
    Where nobody has the number it is marked all the same, and releases stay as they are.
    """
    from flows.forgetting import forget, person_of

    if not reason and not dry_run:
        raise click.UsageError("--reason is needed: somebody will ask why.")
    if key is not None and path is not None:
        raise click.UsageError("--key and --file both say who: give one of them.")
    number = None if key is not None else _number(path)
    context = existing(settings)
    person = person_of(context, number=number, key=key)
    with progress.busy("forgetting", quiet=settings.quiet):
        report = forget(context, person, reason=reason or "", dry_run=dry_run)
    if as_json:
        print_json(report)
    else:
        show_forgotten(report)
    leave(left_out(context.catalog.broken, "its rows were judged by the number alone"))


def _number(path: Path | None) -> str:
    if path is not None:
        return path.read_text("utf-8")
    if sys.stdin.isatty():
        return str(click.prompt("Identity number", hide_input=True, err=True))
    return sys.stdin.read()


def show_forgotten(report: ForgetReport) -> None:
    """Counts by table, and what analysts see now."""
    if not report.found:
        say("No row was found: nobody here has this number.")
        _say_not_mapped(report)
        if report.dry_run:
            say("Old files and releases weren't looked into: without --dry-run they are.")
        else:
            say("It is marked all the same: rows that come with it won't land.")
            say(f"Releases and old files are as they were. Receipt {report.forget_id}.")
        return
    rows = [
        (table, report.removed.get(table, 0), report.emptied.get(table, 0))
        for table in sorted({*report.removed, *report.emptied})
    ]
    if report.dry_run:
        say("Nothing was done; this is what would be:")
    elif rows:
        say("Forgotten:")
    else:
        say("Forgotten: no row was left, only what an earlier run or old files held.")
    if rows:
        columns = [Column("table"), Column("rows removed"), Column("rows of others emptied", True)]
        print_table(columns, rows)
    _say_not_mapped(report)
    if report.release is not None:
        say(f"Release {report.release} is what analysts see.")
    if not report.dry_run:
        say(f"{report.files} old files were deleted. Receipt {report.forget_id}.")


def _say_not_mapped(report: ForgetReport) -> None:
    for path in report.not_mapped:
        note(f"{path}: today's sources don't map it; only the number itself was looked for there")
