"""How the warehouse stands: `status`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flows.cli.common import Settings, existing, json_option, leave, pass_settings
from flows.output import Column, minute, note, print_json, print_table, say
from flows.receipts import RunStatus, StreamStatus


@click.command()
@json_option
@pass_settings
def status(settings: Settings, *, as_json: bool) -> None:
    """How each stream stands: last good sync, freshness, rows, gaps.

    Per stream: its last good sync, how far its data reaches, live rows per entity, rows in
    quarantine, and the intervals read with their gaps. Ends with 3 where the last run of a stream
    failed or waits for a person, or a source's YAML is wrong.
    """
    from flows.steps import status as stream_status

    context = existing(settings)
    lines, broken = stream_status(context), context.catalog.broken
    if as_json:
        print_json(lines)
    elif lines:
        show_status(lines)
    elif not broken:
        say("Nothing is connected yet. docs/connect-an-office.md shows a first source.")
    for name in broken:
        note(f"{name}: its YAML can't be read, so no night reads it: `lienthong check {name}`")
    leave("degraded" if broken else overall(lines))


def overall(lines: Sequence[StreamStatus]) -> RunStatus:
    """Degraded where any stream's last run was not clean; a stream that never ran is no fault."""
    clean = all(line.last_status in ("done", None) for line in lines)
    return "done" if clean else "degraded"


def show_status(lines: Sequence[StreamStatus]) -> None:
    """One line per stream, then errors and gaps."""
    titles = ("source", "stream", "last run", "last good sync", "fresh to", "rows")
    print_table(
        [*map(Column, titles), Column("quarantined", is_optional=True)],
        [
            (
                line.source, line.stream, line.last_status or "never ran",
                minute(line.last_good_sync), minute(line.fresh_to),
                ", ".join(f"{entity} {rows:,}" for entity, rows in line.rows.items()),
                line.quarantined,
            )
            for line in lines
        ],
    )
    for line in lines:
        where = f"{line.source} / {line.stream}"
        if line.last_error:
            note(f"{where}: {line.last_error}")
        for low, high in line.gaps:
            note(f"{where}: not read between {begin(low)} and {high}; the next sync fills it")
        for low, high in line.again:
            note(f"{where}: to be read again between {begin(low)} and {high}; the next sync does")


def begin(low: str | None) -> str:
    """The beginning of a gap."""
    return "the first row" if low is None else low

