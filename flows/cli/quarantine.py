"""Rows that broke a rule: `quarantine list|show|replay|discard`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

import click

from flows.cli.common import (
    Settings,
    existing,
    json_option,
    leave,
    left_out,
    pass_settings,
    remind_to_publish,
    reveal_options,
    revealing,
)
from flows.output import Column, minute, print_json, print_table, say
from flows.receipts import QuarantinedRow, QuarantineLine, ReplayLine

F = TypeVar("F", bound=Callable[..., Any])


class Which(TypedDict, total=False):
    """The options that select rows; see `flows.quarantined.Selection`."""

    source: str | None
    rule: str | None
    older_than: int | None
    key: str | None
    closed: bool


@click.group()
def quarantine() -> None:
    """The rows that broke a rule, and every rule they broke.

    A quarantined row is open until its source sends a better version, `replay` or `rebuild` maps it
    anew under a mended YAML, or a person discards it.
    """


def _rule(command: F) -> F:
    return click.option("--rule", metavar="NAME", help="Only rows that broke this rule.")(command)


def _older(command: F) -> F:
    return click.option(
        "--older-than",
        type=click.IntRange(min=0),
        metavar="DAYS",
        help="Only rows that have been there for so many days.",
    )(command)


def _closed(command: F) -> F:
    return click.option(
        "--closed",
        is_flag=True,
        help="The rows that nobody has to mend any more: superseded, or discarded.",
    )(command)


def _key(command: F) -> F:
    return click.option("--key", metavar="KEY", help="Only rows of this key.")(command)


@quarantine.command("list")
@click.argument("source", metavar="[SOURCE]", required=False)
@_rule
@_older
@_closed
@json_option
@pass_settings
def list_(settings: Settings, /, *, as_json: bool, **which: Unpack[Which]) -> None:
    """How many rows of which source broke which rule, and since when."""
    from flows.quarantined import Selection
    from flows.steps import quarantine_list

    wanted = Selection(**which)
    lines = quarantine_list(existing(settings), selection=wanted)
    if as_json:
        print_json(lines)
    elif lines:
        show_lines(lines)
    elif wanted == Selection():
        say("Nothing in quarantine is open.")
    else:
        say("No quarantined row is like that.")


@quarantine.command()
@click.argument("source", metavar="[SOURCE]", required=False)
@_rule
@_older
@_closed
@_key
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="At most so many rows.",
)
@reveal_options
@json_option
@pass_settings
def show(
    settings: Settings,
    /,
    *,
    limit: int,
    reveal: bool,
    reason: str | None,
    as_json: bool,
    **which: Unpack[Which],
) -> None:
    """The rows themselves: their origin, values and broken rules.

    Values of personal columns are masked; of others known codes, plain codes, dates and small
    numbers are told, and the shape of everything else. --reveal shows them all: who looked, when,
    at what and why is written down first.
    """
    from flows.quarantined import Selection
    from flows.steps import quarantine_show

    why = revealing(reveal=reveal, reason=reason)
    wanted = Selection(**which)
    rows = quarantine_show(existing(settings), limit=limit, selection=wanted, reveal=why)
    if as_json:
        print_json(rows)
    elif rows:
        show_rows(rows)
    else:
        say("No quarantined row is like that. `lienthong quarantine list` shows what is there.")


@quarantine.command()
@click.argument("source", metavar="SOURCE")
@_rule
@_older
@_key
@click.option("--reason", required=True, metavar="TEXT", help="Why they aren't wanted: it is kept.")
@click.option("--dry-run", is_flag=True, help="Only tell which rows it would be.")
@json_option
@pass_settings
def discard(
    settings: Settings, /, *, reason: str, dry_run: bool, as_json: bool, **which: Unpack[Which]
) -> None:
    """Put open rows of a source aside for good.

    They leave the list, and no rebuild or replay brings them into core, whatever the YAML becomes;
    a later version of the same record is judged by itself. Who did it, when and why stays beside
    the row (`quarantine show --closed`).
    """
    from flows.quarantined import Selection
    from flows.steps import discard as put_aside

    wanted = Selection(**which)
    lines = put_aside(existing(settings), wanted, reason=reason, dry_run=dry_run)
    if as_json:
        print_json(lines)
    elif lines:
        titles = ("source", "stream", "entity", "would be discarded" if dry_run else "discarded")
        print_table(
            [Column(title) for title in titles],
            [(one.source, one.stream, one.entity or "(unreadable)", one.rows) for one in lines],
        )
    else:
        say("No open row is like that. `lienthong quarantine list` shows what is there.")


@quarantine.command()
@click.argument("source", metavar="[SOURCE]", required=False)
@_rule
@_older
@_key
@click.option("--dry-run", is_flag=True, help="Only tell what would become of them.")
@json_option
@pass_settings
def replay(settings: Settings, /, *, dry_run: bool, as_json: bool, **which: Unpack[Which]) -> None:
    """Judge rejected rows again, under today's YAML.

    Rows that it accepts move to core, the others stay with the rules they break today. Every
    landed copy of their keys is judged with them, so that core and quarantine hold of these keys
    what `rebuild` would give; nothing else is touched. The source isn't reached.
    """
    from flows.quarantined import Selection
    from flows.steps import replay as judge_again

    wanted = Selection(**which)
    named = [] if wanted.source is None else [wanted.source]
    context = existing(settings, named)
    lines = judge_again(context, wanted, dry_run=dry_run)
    if as_json:
        print_json(lines)
    elif lines:
        show_replayed(lines)
        if not dry_run:
            remind_to_publish(settings)
    else:
        say("No row that could be replayed is like that.")
    leave(left_out(() if named else context.catalog.broken, "not replayed"))


def show_replayed(lines: Sequence[ReplayLine]) -> None:
    """One line per stream and entity, then the rules that go on rejecting."""
    titles = ("source", "stream", "entity", "rows", "accepted", "rejected")
    counts = [Column(title, is_optional=True) for title in ("inserted", "updated", "removed")]
    print_table(
        [*map(Column, titles), *counts],
        [
            (one.source, one.stream, one.entity, one.rows, one.accepted, one.rejected,
             one.inserted, one.updated, one.removed)
            for one in lines
        ],
    )  # fmt: skip
    for one in lines:
        for rule, rows in one.rules.items():
            say(f"{one.source} / {one.stream}: still rejected: {rule}: {rows:,}")


def show_lines(lines: Sequence[QuarantineLine]) -> None:
    """One line per source, stream, entity and rule."""
    titles = ("agency", "source", "stream", "entity", "rule", "rows", "oldest", "days")
    print_table(
        [
            *(Column(title, is_optional=title == "agency") for title in titles),
            Column("status", is_optional=True),
        ],
        [
            (
                one.agency,
                one.source,
                one.stream,
                one.entity or "(unreadable)",
                one.rule,
                one.rows,
                minute(one.oldest),
                one.oldest_days,
                "" if one.status == "open" else one.status,
            )
            for one in lines
        ],
    )


def show_rows(rows: Sequence[QuarantinedRow]) -> None:
    """One block per row: identity, rules, values."""
    for one in rows:
        say(f"{one.source} / {one.stream}  {one.entity or '(unreadable)'}  {place(one)}")
        say(f"  broke   {', '.join(one.rules)}")
        say(f"  since   {one.quarantined_at}")
        if one.status != "open":
            by = f" by {one.closed_by}: {one.reason}" if one.closed_by else ""
            say(f"  status  {one.status}{by}")
        if is_uncut(one):
            say(f"  The line itself isn't shown: it couldn't be cut into columns. See {place(one)}")
            say()
            continue
        for column, value in one.values.items():
            say(f"  {column:<24} {'(null)' if value is None else value}")
        say()


def is_uncut(one: QuarantinedRow) -> bool:
    """Whether it is a record of a file that could not be read, of which no column has a value."""
    return not one.entity and one.file is not None and not any(one.values.values())


def place(one: QuarantinedRow) -> str:
    """Where a person finds the row: file and line, or its key."""
    if one.file is not None:
        return one.file if one.line is None else f"{one.file}:{one.line}"
    if one.key is not None:
        return f"key {one.key}"
    return f"landing version {one.landing_version}, row {one.row}"
