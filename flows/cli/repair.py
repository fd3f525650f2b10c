"""Making right, and proving it: `rebuild`, `audit`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flows import progress
from flows.cli.common import (
    Settings,
    existing,
    json_option,
    leave,
    left_out,
    pass_settings,
    receipts_status,
    remind_to_publish,
)
from flows.cli.run import show_receipts
from flows.logs import receipt_event
from flows.output import Column, print_json, print_table, say
from flows.receipts import AuditFinding


@click.command()
@click.argument("name", metavar="SOURCE")
@json_option
@pass_settings
def rebuild(settings: Settings, *, name: str, as_json: bool) -> None:
    """Map a source's landed rows anew, under today's YAML.

    Core becomes what landing says under the YAML of today: this is how a mended mapping or code
    list reaches old rows, quarantined ones included. The source isn't reached. Analysts see it
    with the next release: that of the night, or `release publish`.
    """
    from flows.steps import open_context
    from flows.steps import rebuild as rebuild_source

    with progress.shown(quiet=settings.quiet) as shown:
        context = open_context(
            warehouse_uri=settings.warehouse, sources_dir=settings.sources, progress=shown,
            read_only=True, names=[name],
        )  # fmt: skip
        receipts = rebuild_source(context, name)
    for receipt in receipts:
        receipt_event(receipt)
    if as_json:
        print_json(receipts)
    else:
        show_receipts(receipts)
        remind_to_publish(settings)
    leave(receipts_status(receipts))


@click.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@json_option
@pass_settings
def audit(settings: Settings, *, names: tuple[str, ...], as_json: bool) -> None:
    """Prove that core is what landing says, row by row.

    Every key in landing must be in core with its highest accepted version, or have all its
    versions in quarantine; nothing may be in core that isn't in landing. The counters of the
    receipts aren't believed. Ends with 1 where something disagrees, with 3 where a source's YAML is
    wrong, so that its rows could not be looked at.
    """
    from flows.steps import audit as audit_sources

    with progress.busy("comparing core with landing", quiet=settings.quiet):
        report = audit_sources(existing(settings, names), list(names))
    if as_json:
        print_json(report)
    elif report.checked_rows or not report.not_checked:
        show_findings(report.findings, checked=report.checked_rows)
    undecided = left_out(report.not_checked, "not checked")
    leave("failed" if report.findings else undecided)


def show_findings(findings: Sequence[AuditFinding], *, checked: int) -> None:
    """The verdict, then one line per disagreement."""
    if not findings:
        say(f"{checked:,} rows of core are what landing says.")
        return
    say(f"{checked:,} rows of core checked; these disagree with landing:")
    titles = ("source", "stream", "entity", "what", "rows", "for example")
    print_table(
        [Column(title) for title in titles],
        [
            (one.source, one.stream, one.entity, one.kind, one.rows, ", ".join(one.examples))
            for one in findings
        ],
    )
    say("`lienthong rebuild SOURCE` makes core anew from landing.")
