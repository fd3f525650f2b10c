"""The way of one record: `trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flows.cli.common import (
    Settings,
    existing,
    json_option,
    pass_settings,
    reveal_options,
    revealing,
)
from flows.output import minute, print_json, say

if TYPE_CHECKING:
    from flows.traced import Trace, TracedCopy


@click.command()
@click.argument("key", metavar="KEY")
@click.option("--source", metavar="SOURCE", help="Only of this source.")
@reveal_options
@json_option
@pass_settings
def trace(
    settings: Settings,
    /,
    *,
    key: str,
    source: str | None,
    reveal: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Follow one record from its office into the releases.

    KEY is what `sql` shows as `_key`, or the code of a dossier. Per source and table: where it was
    read (file and line, or query and interval), every landed copy and what became of it, its
    rejections and what became of those, what people did to it, what each release holds of it, and
    the receipts. Values are masked like in `quarantine show`.
    """
    from flows.steps import trace as traced

    why = revealing(reveal=reveal, reason=reason)
    found = traced(existing(settings), key, source=source, reveal=why)
    if as_json:
        print_json(found)
        return
    for one in found:
        show_trace(one)


def show_trace(one: Trace) -> None:
    """One block per trace."""
    say(f"{one.source} / {one.entity} / {one.key}")
    say(f"  from      {one.source} / {one.stream}: {one.origin}")
    if one.landing_keys not in ((), (one.key,)):
        say(f"  record    {', '.join(one.landing_keys)}")
    if one.parent is not None:
        say(f"  belongs   to {one.parent[0]} {one.parent[1]}")
    for entity, rows in one.parts.items():
        say(f"  has       {entity}: {rows:,}")
    say(f"  core      {_core(one)}")
    for copy in one.copies:
        _show_copy(copy)
    for held in one.rejections:
        by = f" by {held.closed_by}: {held.reason}" if held.closed_by else ""
        say(f"  rejected  {held.landing_version}:{held.row} since {minute(held.since)}: "
            f"{', '.join(held.rules)}; {held.status}{by}")  # fmt: skip
    for act in one.acts:
        say(
            f"  {act.act:<9} {minute(act.at)} by {act.who}"
            + (f": {act.reason}" if act.reason else "")
        )
    for release in one.releases:
        if release.is_gone:
            holds = "its table version is gone"
        elif release.landing_version is None:
            holds = "doesn't hold it"
        else:
            holds = f"holds copy {release.landing_version}:{release.row}"
        say(f"  release   {release.release} of {minute(release.published_at)}: {holds}")
    for run in one.runs:
        extent = f", {_interval(run.interval)}" if run.interval else ""
        say(f"  run       {run.sync_id} ({run.kind}): {run.status} {minute(run.ended_at)}{extent}")
    say()


def _core(one: Trace) -> str:
    if not one.core:
        return "doesn't hold it" + (" from this stream" if len(one.copies) else "")
    said = [f"copy {one.core['landing_version']}:{one.core['row']}"]
    said.append(f"changed {minute(str(one.core['changed_at']))} by {one.core['sync_id']}")
    if one.core["deleted_at"]:
        said.append(f"deleted in its source {minute(str(one.core['deleted_at']))}")
    if one.core["is_stale"]:
        said.append("stale: a newer copy is in quarantine")
    if one.core["warnings"]:
        said.append(f"warnings {one.core['warnings']}")
    return "; ".join(said)


def _show_copy(copy: TracedCopy) -> None:
    place = copy.file if copy.file is None or copy.line is None else f"{copy.file}:{copy.line}"
    where = place or (_interval(copy.interval) if copy.interval else "a whole read")
    gone = ", gone from its source" if copy.is_tombstone else ""
    say(f"  copy      {copy.landing_version}:{copy.row} {copy.verdict}{gone}; {where}; "
        f"read {minute(copy.read_at)} by {copy.sync_id}")  # fmt: skip
    rules = [*copy.rules, *(f"{name} (warning)" for name in copy.warnings)]
    if rules:
        say(f"            today   {', '.join(rules)}")
    for column, value in copy.values.items():
        say(f"            {column:<24} {'(null)' if value is None else value}")


def _interval(interval: tuple[str | None, str | None]) -> str:
    low, high = interval
    return f"interval {low or 'the start'} to {high}"
