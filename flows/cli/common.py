"""What the verbs of the command share: settings, options, exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from flows.output import note
from flows.receipts import Receipt, RunStatus

if TYPE_CHECKING:
    from flows.steps import Context

F = TypeVar("F", bound=Callable[..., Any])

EXIT_STATUS: dict[RunStatus, int] = {"done": 0, "failed": 1, "degraded": 3}
"""Exit status of a finished command; 2 means a wrong configuration or command line."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells have it."""

_AS_JSON = "lienthong.as_json"

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The global options.

    Attributes:
        warehouse: URI or path of the warehouse.
        sources: Folder of the source YAML files.
        debug: Show where in our code an error came from.
        quiet: No progress.
    """

    warehouse: str
    sources: Path
    debug: bool = False
    quiet: bool = False


pass_settings = click.make_pass_decorator(Settings)


def json_option(command: F) -> F:
    """Adds `--json`."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=_remember_json,
        help="Print one JSON document on stdout, for programs.",
    )(command)


def reveal_options(command: F) -> F:
    """Adds `--reveal` and `--reason`."""
    why = click.option(
        "--reason", metavar="TEXT", help="Why the values have to be seen: it is kept."
    )
    seen = click.option("--reveal", is_flag=True, help="Show every value as it is; needs --reason.")
    return seen(why(command))


def revealing(*, reveal: bool, reason: str | None) -> str | None:
    """The reason to show values as they are; None keeps them masked."""
    if reveal and reason is None:
        message = "--reveal needs --reason TEXT: who looked at values, and why, is kept."
        raise click.UsageError(message)
    if reason is not None and not reveal:
        message = "--reason goes with --reveal."
        raise click.UsageError(message)
    return reason


def wants_json(context: click.Context) -> bool:
    """True where the command under way was given `--json`."""
    return bool(context.meta.get(_AS_JSON))


def _remember_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    """Keeps the choice where the handler of errors finds it: contexts share their `meta`."""
    context.meta[_AS_JSON] = value
    return value


def leave(status: RunStatus) -> NoReturn:
    """Ends the command with the exit status that belongs to the outcome."""
    click.get_current_context().exit(EXIT_STATUS[status])


def worst(statuses: Iterable[RunStatus]) -> RunStatus:
    """`failed` where everything failed, `degraded` where not all is done."""
    seen = set(statuses)
    if seen == {"failed"}:
        return "failed"
    return "degraded" if seen - {"done"} else "done"


def receipts_status(receipts: Iterable[Receipt]) -> RunStatus:
    """The outcome of a run as a whole."""
    return worst(receipt.status for receipt in receipts)


def remind_to_publish(settings: Settings) -> None:
    """Says how analysts get to see what a repair by hand brought into core.

    It is done by then, whatever becomes of this.
    """
    from polars.exceptions import PanicException

    from flows.faults import told
    from flows.logs import defect_event
    from flows.query import release_behind_core

    try:
        release = release_behind_core(settings.warehouse)
    except (Exception, PanicException) as error:  # noqa: BLE001 - a reminder undoes no repair
        defect_event(error)
        note(f"Whether analysts see it already could not be looked up: {told(error).what}")
        return
    if release is not None:
        note(
            f"Analysts go on seeing release {release.id} until the next night; "
            "`lienthong release publish` shows them core as it is now."
        )


def existing(settings: Settings, names: Sequence[str] | None = None) -> Context:
    """The warehouse and catalog of a command that makes none.

    Args:
        settings: The global options.
        names: See `flows.context.open_context`.
    """
    from flows.steps import open_context

    return open_context(
        warehouse_uri=settings.warehouse, sources_dir=settings.sources, read_only=True, names=names
    )


def left_out(names: Iterable[str], what: str) -> RunStatus:
    """Names sources whose YAML is wrong, and what was not done for it; what the command ends with.

    Args:
        names: The sources.
        what: For instance `not checked`.
    """
    status: RunStatus = "done"
    for name in names:
        status = "degraded"
        note(f"{name}: {what}, its YAML can't be read: `lienthong check {name}` says why")
    return status
