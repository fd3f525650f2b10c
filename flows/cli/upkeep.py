"""Looking after the warehouse: `maintain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flows import progress
from flows.cli.common import Settings, existing, json_option, leave, left_out, pass_settings, worst
from flows.output import Column, note, print_json, print_table, say

if TYPE_CHECKING:
    from flows.maintaining import MaintenanceReport


@click.command()
@click.option(
    "--retention",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    metavar="DAYS",
    help="How long removed files and superseded releases stay (releases at least 7 days).",
)
@click.option(
    "--landing-older-than",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Also take superseded copies out of landing that were read longer ago. [default: never]",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@pass_settings
def maintain(
    settings: Settings,
    *,
    retention: int,
    landing_older_than: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Join files, expire old releases, delete what nothing shows.

    Safe beside a running sync or night, and at any time: what a kept release or the newest version
    of a table needs stays. Ends with 3 where a table could not be looked after.
    """
    from flows.maintaining import MaintainOptions, maintain

    options = MaintainOptions(
        retention=retention, landing_older_than=landing_older_than, dry_run=dry_run
    )
    with progress.busy("looking after the tables", quiet=settings.quiet):
        context = existing(settings)
        report = maintain(context, options)
    if as_json:
        print_json(report)
    else:
        show_maintenance(report)
    broken = () if landing_older_than is None else context.catalog.broken
    leave(worst([report.status, left_out(broken, "its copies stay in landing")]))


def show_maintenance(report: MaintenanceReport) -> None:
    """One line per table with work, and which releases can be read."""
    say("Nothing was done; this is what would be:" if report.dry_run else "Looked after:")
    columns = [Column("table"), *(Column(t, is_optional=True) for t in ("joined", "deleted"))]
    print_table(
        [*columns, Column("copies removed", is_optional=True)],
        [(one.table, one.joined, one.deleted, one.trimmed) for one in report.tables],
    )
    for one in report.tables:
        if one.problem:
            note(f"{one.table}: {one.problem}")
    if report.expired:
        say(f"Expired releases: {', '.join(map(str, report.expired))}")
    say(f"Releases that can be read: {', '.join(map(str, report.kept)) or 'none yet'}")
