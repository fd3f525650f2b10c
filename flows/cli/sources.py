"""What is connected, and how something new is: `sources`, `sources new`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import click

from flows import progress
from flows.cli.common import Settings, json_option, leave, pass_settings
from flows.cli.connected import show_checks, verdict
from flows.output import Column, note, print_json, print_table, say
from flows.receipts import SourceLine

if TYPE_CHECKING:
    from flows.newsource.create import NewSource

LEVELS = ("ministry", "province", "district", "commune")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def sources(context: click.Context, *, as_json: bool) -> None:
    """What is connected: source, stream, entities, connector, agency.

    Reads the YAML files only: no source is reached, no secret is needed. Ends with 3 where a file
    is wrong. `sources new` writes the first YAML of another office.
    """
    if context.invoked_subcommand is None:
        _list(cast("Settings", context.obj), as_json=as_json)


def _list(settings: Settings, *, as_json: bool) -> None:
    from flows.catalog import load_catalog
    from flows.steps import list_sources

    catalog = load_catalog(settings.sources)
    lines = list_sources(catalog)
    if as_json:
        print_json(lines)
    elif lines:
        show_sources(lines)
    elif not catalog.broken:
        say(f"No source in {settings.sources}. `lienthong sources new` writes a first one.")
    for name, error in catalog.broken.items():
        note(f"{name} can't be read:")
        for line in str(error).splitlines():
            note(f"  {line}")
    leave("degraded" if catalog.broken else "done")


def show_sources(lines: Sequence[SourceLine]) -> None:
    """One line per stream."""
    columns = [
        Column("source"),
        Column("office"),
        Column("agency", is_optional=True),
        Column("level", is_optional=True),
        Column("connector"),
        Column("stream"),
        Column("feeds"),
        Column("reads"),
        Column("", is_optional=True),
    ]
    print_table(
        columns,
        [
            (
                line.source,
                line.label_vi or line.label_en,
                line.agency,
                line.level,
                line.connector,
                line.stream,
                ", ".join(line.entities),
                line.reads,
                "retired" if line.retired else None,
            )
            for line in lines
        ],
    )


@sources.command()
@click.argument("name")
@click.argument("place", metavar="URL_OR_PATH")
@click.option("--label", metavar="TEXT", help="What people call the office.")
@click.option("--agency", metavar="CODE", help="Code of its agency, in the new form (H41.15).")
@click.option("--level", type=click.Choice(LEVELS), help="Administrative level of the agency.")
@click.option(
    "--timezone",
    metavar="ZONE",
    help="Zone of its times without an offset. [default: Asia/Ho_Chi_Minh]",
)
@click.option("--currency", metavar="CODE", help="Currency of its amounts. [default: VND]")
@click.option(
    "--vendor",
    metavar="NAME",
    help="Extend this vendor file instead of looking: only what is the office's own is written.",
)
@click.option(
    "--only", metavar="PATTERN", help="Only tables, views or files of this pattern (v_ho_so*)."
)
@click.option(
    "--token", metavar="TOKEN", help="Bearer token of an API; better '${VARIABLE}' that holds it."
)
@click.option("--header", metavar="'NAME: VALUE'", help="Key of an API in a header, likewise.")
@click.option("--force", is_flag=True, help="Write over a YAML that is there.")
@json_option
@pass_settings
def new(  # noqa: PLR0913 - click calls it, by name
    settings: Settings,
    *,
    name: str,
    place: str,
    label: str | None,
    agency: str | None,
    level: str | None,
    timezone: str | None,
    currency: str | None,
    vendor: str | None,
    only: str | None,
    token: str | None,
    header: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Look at a system, write its first YAML and check it.

    URL_OR_PATH is a database URL, a file, a folder of files, a pattern of files, or the URL of a
    list of a web API with the parameters that gave an answer. A database URL and a token are never
    written down: the YAML refers to a variable, which this command names. Write '${VARIABLE}' where
    it is in a variable already, so that no shell remembers a password.

    Streams, keys and columns are proposed by name and by a sample; every guess is marked as one,
    with what speaks for it. What looks personal or like free text isn't mapped.

    \b
        lienthong sources new so-tu-phap '${SO_TU_PHAP_URL}' --agency H41.15 --level province
        lienthong sources new xa-do-luong ../desk --level commune
    """  # noqa: D301 - click leaves the lines behind a backspace as they are
    from flows.newsource.create import new_source
    from flows.newsource.document import DEFAULT_ZONE, Facts

    facts = Facts(
        source=name, label=label, agency=agency, level=level, timezone=timezone or DEFAULT_ZONE,
        currency=currency, vendor=vendor, is_zone_stated=timezone is not None,
        token=token, header=header,
    )  # fmt: skip
    with progress.busy("looking", quiet=settings.quiet) as going_on:
        made = new_source(
            facts, place, sources=settings.sources, only=only, force=force, told_of=going_on
        )
    if as_json:
        print_json(made)
    else:
        show_new(made)
    leave(verdict(made.checks) if made.checks else "degraded")


def show_new(made: NewSource) -> None:
    """What was proposed, what `check` says of it, and what to do next."""
    titles = ("stream", "found in", "feeds", "columns", "proposed", "key")
    columns = [*(Column(title) for title in titles), Column("withheld", is_optional=True)]
    print_table(
        columns,
        [
            (
                one.stream,
                one.found,
                ", ".join(one.entities),
                one.columns,
                one.mapped,
                ", ".join(one.key) + ("" if one.is_key_declared else " (guess)"),
                ", ".join(one.withheld),
            )
            for one in made.streams
        ],
    )
    for name, reason in made.trouble.items():
        note(f"{name}: {reason}")
    if made.checks:
        say()
        say(f"What `lienthong check {made.source}` says of it:")
        show_checks(made.checks)
    for line in (made.error or "").splitlines():
        note(line)
    say()
    if not made.streams and made.vendor is None:
        say(f"Wrote {made.path}: nothing that was found fits one of our tables. What there is")
        say("stands in it as comments; docs/connect-an-office.md shows a stream written by hand.")
        return
    say(f'Wrote {made.path}. Every line marked "guess" waits to be confirmed or corrected.')
    if made.variable is not None:
        say(f"Before the next command: export {made.variable}='...' (it is in no file)")
    say(f"Then: lienthong check {made.source} --report {made.source}.html   (for the office)")
    say(f"      lienthong sync {made.source} --limit 100   (a first taste)")
