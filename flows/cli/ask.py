"""Asking the warehouse: `sql`, `schema`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.common import Settings, json_option, pass_settings
from flows.output import Cell, Column, note, print_json, print_table, say

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_ROWS = 1_000
"""Most rows of a table on a screen; files take all."""


@click.command()
@click.argument("query")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet", "xlsx"]),
    help="How the answer is written. [default: table]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file; its ending gives the format where --format doesn't.",
)
@click.option(
    "--core",
    is_flag=True,
    help="Show core as it stands, with the rows that were deleted in their source.",
)
@click.option("--release", type=int, metavar="N", help="Show this release, not the latest.")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]),
    metavar="TIME",
    help="Show the release that was the latest at this time (UTC).",
)
@json_option
@pass_settings
def sql(
    settings: Settings,
    *,
    query: str,
    form: str | None,
    output: Path | None,
    core: bool,
    release: int | None,
    as_of: datetime | None,
    as_json: bool,
) -> None:
    """Ask the warehouse a question in SQL (SELECT only).

    The tables are the entities (dossier, dossier_event, payment, ...), quarantine_summary,
    freshness, release and reconcile; `lienthong schema` explains every column. What is shown is the
    latest release; core as it stands while there is none. QUERY - is read from standard input.

    In CSV, a text cell that a spreadsheet would run as a formula gets an apostrophe in front; in
    xlsx it is text by its type.

    \b
        lienthong sql "SELECT status, count(*) FROM dossier GROUP BY status"
        lienthong sql "SELECT * FROM dossier" -o dossiers.parquet
    """  # noqa: D301 - click leaves the lines behind a backspace as they are
    chosen = _format(form, output=output, as_json=as_json)
    if query == "-":
        query = sys.stdin.read()
    from flows.query import query as ask

    if sum(given for given in (core, release is not None, as_of is not None)) > 1:
        raise click.UsageError("--core, --release and --as-of exclude each other.")
    moment = None if as_of is None else as_of.replace(tzinfo=UTC)
    answer = ask(settings.warehouse, query, core=core, release=release, as_of=moment)
    if chosen == "table":
        show_answer(answer)
    else:
        _write(answer, form=chosen, output=output)


def _format(form: str | None, *, output: Path | None, as_json: bool) -> str:
    """The format asked for, by `--format`, `--json` or the file's ending."""
    ending = output.suffix.lower().removeprefix(".") if output else ""
    chosen = form or ("json" if as_json else None) or ending or "table"
    if as_json and chosen != "json":
        raise click.UsageError(f"--json and --format {chosen} exclude each other.")
    if output is not None and chosen not in ("csv", "json", "parquet", "xlsx"):
        raise click.UsageError(
            f"{output.name}: a file is csv, json, parquet or xlsx; say which with --format."
        )
    if chosen in ("parquet", "xlsx") and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{chosen} is not for a screen: give a file with --output.")
    return chosen


def _write(answer: pa.Table, *, form: str, output: Path | None) -> None:
    from flows.export import WRITERS
    from flows.placing import placed

    if output is None:
        target = sys.stdout.buffer
        WRITERS[form](answer, target)
        target.flush()
        return
    try:
        with placed(output) as file:
            WRITERS[form](answer, file)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None
    note(f"{answer.num_rows:,} rows in {output}")


def show_answer(answer: pa.Table) -> None:
    """The first rows of an answer as a table, and how many there are."""
    from flows.export import scalar_text

    def cell(value: object) -> Cell:
        match value:
            case None | str():
                return value
            case bool():
                return "true" if value else "false"
            case int() | float():  # as they are: 2026 may be a year
                return repr(value)
            case list() | dict():
                return json.dumps(value, ensure_ascii=False, default=scalar_text)
            case _:
                return scalar_text(value)

    columns = [column.to_pylist() for column in answer.slice(0, SHOWN_ROWS).columns]
    rows = [[cell(value) for value in row] for row in zip(*columns, strict=True)]
    print_table([_column(field) for field in answer.schema], rows)
    if answer.num_rows > SHOWN_ROWS:
        note(f"The first {SHOWN_ROWS:,} of {answer.num_rows:,} rows; --output FILE takes all.")
    else:
        note("1 row" if answer.num_rows == 1 else f"{answer.num_rows:,} rows")


def _column(field: pa.Field) -> Column:
    import pyarrow as pa

    kind = field.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return Column(field.name, is_number=number)


@click.command()
@click.argument("entity", required=False)
@click.option("--markdown", is_flag=True, help="The whole dictionary as docs/data-dictionary.md.")
@click.option(
    "--for-editors",
    is_flag=True,
    help="The JSON Schema of a source YAML file, for completion in an editor.",
)
@json_option
def schema(*, entity: str | None, markdown: bool, for_editors: bool, as_json: bool) -> None:
    """The data dictionary: every table, column, code and rule.

    With ENTITY only that table.
    """
    if markdown + for_editors + as_json > 1:
        raise click.UsageError("--markdown, --for-editors and --json exclude each other.")
    if for_editors:
        from flows.catalog_schema import source_json_schema

        print_json(source_json_schema())
        return
    if markdown:
        from schemas.dictionary import as_markdown

        click.echo(as_markdown(), nl=False)
        return
    show_dictionary(entity, as_json=as_json)


def show_dictionary(name: str | None, *, as_json: bool) -> None:
    """The columns of one entity, or of all."""
    from schemas.entities import ENTITIES
    from schemas.entities import entity as entity_of

    entities = [entity_of(name)] if name else list(ENTITIES.values())
    if as_json:
        from schemas.dictionary import as_records

        wanted = {one.name for one in entities}
        print_json([record for record in as_records() if record["entity"] in wanted])
        return
    for one in entities:
        say(f"{one.name}: {one.en} ({one.vi})")
        rows = [
            (
                column.name, column.type, "required" if column.required else None,
                "personal" if column.personal else None, column.codes, column.unit, column.en,
                column.vi,
            )
            for column in one.fields
        ]
        optional = ("", " ", "codes", "unit")
        titles = ("column", "type", *optional, "English", "Vietnamese")
        print_table([Column(title, title in optional) for title in titles], rows)
        for rule in one.rules:
            say(f"  {rule.severity:<6} {rule.name}: {rule.en}")
        say()
