"""What analysts see: `release list`, `show`, `publish`, `diff`, `rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flows.cli.common import Settings, existing, json_option, leave, pass_settings
from flows.output import Column, minute, note, print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.releasing import Difference, ReleaseReport
    from warehouse.gating import Finding
    from warehouse.releases import Release


@click.group()
def release() -> None:
    """Releases: the consistent sets of tables that analysts see.

    The nightly publishes one when its gates hold; until then the last good one stays. Nothing is
    copied: a release is a version of every table.
    """


@release.command("list")
@json_option
@pass_settings
def list_(settings: Settings, *, as_json: bool) -> None:
    """Every release, the newest first."""
    from flows.query import releases_of

    known = releases_of(settings.warehouse).all()[::-1]
    if as_json:
        print_json(known)
        return
    if not known:
        say("No release yet. `lienthong release publish` makes one.")
        return
    columns = [
        Column("release"), Column("published"), Column("kind"), Column("readable"),
        Column("rows", False, True),
    ]  # fmt: skip
    rows = [
        (
            str(one.id), minute(one.published_at.isoformat()), one.kind,
            "yes" if one.expired_at is None else "expired",
            sum(part.rows for part in one.parts.values()), one.reason,
        )
        for one in known
    ]  # fmt: skip
    print_table([*columns, Column("reason", is_optional=True)], rows)


@release.command()
@click.argument("number", type=int, required=False)
@json_option
@pass_settings
def show(settings: Settings, *, number: int | None, as_json: bool) -> None:
    """The tables of a release, the latest by default: versions and rows."""
    from flows.query import releases_of
    from schemas.errors import ConfigError

    store = releases_of(settings.warehouse)
    chosen = store.latest() if number is None else store.get(number)
    if chosen is None:
        raise ConfigError("there is no release yet; `lienthong release publish` makes one")
    if as_json:
        print_json(chosen)
        return
    say(f"Release {chosen.id} of {minute(chosen.published_at.isoformat())} ({chosen.kind})")
    columns = [Column("table"), Column("version", is_number=True), Column("rows", is_number=True)]
    print_table(columns, [(name, one.version, one.rows) for name, one in chosen.parts.items()])


@release.command()
@click.option("--reason", metavar="TEXT", help="Why, for the list of releases.")
@click.option(
    "--without",
    "skip",
    multiple=True,
    metavar="GATE",
    help="Publish though this gate doesn't hold; needs --reason.",
)
@click.option("--views", is_flag=True, help="Only write analytics.duckdb of the latest one again.")
@json_option
@pass_settings
def publish(
    settings: Settings, *, reason: str | None, skip: tuple[str, ...], views: bool, as_json: bool
) -> None:
    """Check core as it stands, and publish it if the gates hold.

    Ends with 3 where a gate blocks it: analysts go on seeing the last release, and what, where and
    how much is said.
    """
    if skip and not reason:
        raise click.UsageError("--without needs --reason: somebody will ask why.")
    if views:
        _write_views(settings, as_json=as_json)
        return
    from flows.releasing import publish_release

    report = publish_release(existing(settings), reason=reason, skip=skip)
    if as_json:
        print_json(report)
    else:
        show_report(report)
    leave("done" if report.release is not None else "degraded")


def _write_views(settings: Settings, *, as_json: bool) -> None:
    from flows.views import write_views
    from schemas.errors import ConfigError

    path = write_views(settings.warehouse)
    if path is None:
        raise ConfigError(
            "there is no release yet, or the warehouse isn't in a folder of this machine; "
            "`lienthong release publish` makes a release"
        )
    if as_json:
        print_json({"path": str(path)})
    else:
        say(f"Wrote {path}.")


@release.command()
@click.argument("number", type=int)
@click.option("--reason", metavar="TEXT", required=True, help="Why, for the list of releases.")
@json_option
@pass_settings
def rollback(settings: Settings, *, number: int, reason: str, as_json: bool) -> None:
    """Let analysts see the tables of an older release again.

    It becomes the newest release: the list keeps what happened. Core isn't touched; the next
    publication shows it as it stands then.
    """
    from flows.releasing import roll_back

    made = roll_back(existing(settings), number, reason=reason)
    if as_json:
        print_json(made)
    else:
        say(f"Release {made.id} shows the tables of release {number}.")


@release.command()
@click.argument("one", type=int)
@click.argument("other", type=int)
@json_option
@pass_settings
def diff(settings: Settings, *, one: int, other: int, as_json: bool) -> None:
    """What changed from one release to another: rows by table and source."""
    from flows.query import releases_of
    from flows.releasing import difference

    releases_of(settings.warehouse)
    found = difference(settings.warehouse, one, other)
    if as_json:
        print_json(found)
    elif found:
        show_differences(found)
    else:
        say(f"Releases {one} and {other} hold the same rows.")


def show_differences(found: Sequence[Difference]) -> None:
    """One line per table and source."""
    titles = ("before", "after", "added", "changed", "gone")
    columns = [Column("table"), Column("source"), *(Column(t, is_number=True) for t in titles)]
    rows = [(d.table, d.source, d.before, d.after, d.added, d.changed, d.gone) for d in found]
    print_table(columns, rows)


def show_report(report: ReleaseReport) -> None:
    """What was published, or what stands against it."""
    show_findings(report.findings)
    if report.release is not None:
        say(release_sentence(report.release))
    elif report.kept is not None:
        say(f"Not published: analysts go on seeing release {report.kept}.")
    else:
        say("Not published, and there is no release before it.")


def release_sentence(made: Release) -> str:
    """One sentence on a release that was published."""
    rows = sum(part.rows for part in made.parts.values())
    return f"Release {made.id}: {len(made.parts)} tables, {rows:,} rows."


def show_findings(findings: Sequence[Finding]) -> None:
    """Where gates don't hold: what, where, how much."""
    from flows.releasing import sentence

    for one in findings:
        note(f"{'blocked by' if one.severity == 'block' else 'note:'} {sentence(one)}")
        note(f"  {one.promise}")
