"""The command itself: global options, and what every verb has in common when it fails."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from flows import logs
from flows.cli import failures
from flows.cli.ask import schema, sql
from flows.cli.backfill import backfill
from flows.cli.common import HELP, INTERRUPTED, Settings, wants_json
from flows.cli.connected import check
from flows.cli.demo import demo
from flows.cli.forget import forget
from flows.cli.quarantine import quarantine
from flows.cli.reconcile import reconcile
from flows.cli.release import release
from flows.cli.repair import audit, rebuild
from flows.cli.run import nightly, sync
from flows.cli.sources import sources
from flows.cli.state import status
from flows.cli.trace import trace
from flows.cli.upkeep import maintain
from flows.output import note
from flows.settings import (
    DEFAULT_SOURCES,
    DEFAULT_WAREHOUSE,
    SOURCES_VARIABLE,
    WAREHOUSE_VARIABLE,
    warehouse_uri,
)

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Connect": (sources, check),
    "Run": (sync, nightly, status),
    "Repair": (quarantine, reconcile, rebuild, backfill, audit, trace),
    "Keep": (maintain, forget),
    "Ask": (sql, schema, release),
    "Try": (demo,),
}


class Command(click.Group):
    """A group whose verbs are listed by purpose, and whose errors are blocks, not tracebacks."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the verbs under the headings of `SECTIONS`."""
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(verb.name or "", verb.get_short_help_str(limit=90)) for verb in commands]
                )

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Runs the verb; turns what it raises into a message and an exit status."""
        previous = signal.getsignal(signal.SIGINT)
        _interrupt_once()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            note("")
            note("Interrupted. Nothing is half-written: run the command again to go on.")
            ctx.exit(INTERRUPTED)
        except click.NoSuchOption as error:
            if error.option_name in {name for param in self.params for name in param.opts}:
                hint = f"It goes before the command: lienthong {error.option_name} ..."
                raise click.UsageError(f"{error.message} {hint}", ctx=error.ctx) from None
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the outermost handler: nobody else is there
            failures.show(
                error, debug=bool(ctx.params.get("debug")), as_json=wants_json(ctx)
            )
            ctx.exit(failures.exit_status(error))
        finally:
            _restore(previous)


def _interrupt_once() -> None:
    """The first Ctrl-C raises KeyboardInterrupt; a second one ends the process at once.

    Threads that read a source finish their batch after the first; who does not want to wait for
    them presses again. Delta commits are atomic, so that is safe.
    """

    def first(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, second)
        raise KeyboardInterrupt

    def second(_: int, __: FrameType | None) -> None:
        os._exit(INTERRUPTED)

    try:
        signal.signal(signal.SIGINT, first)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        return


def _restore(handler: Any) -> None:  # noqa: ANN401 - whatever `signal.getsignal` gave
    try:
        signal.signal(signal.SIGINT, handler)
    except (ValueError, TypeError):  # not the main thread, or a handler that C code had set
        return


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from importlib import metadata

        try:
            click.echo(f"lienthong {metadata.version('lienthong')}")
        except metadata.PackageNotFoundError:
            click.echo("lienthong (run from a checkout, not installed)")
        context.exit()


@click.group(cls=Command, context_settings=HELP)
@click.option(
    "--warehouse",
    envvar=WAREHOUSE_VARIABLE,
    default=DEFAULT_WAREHOUSE,
    show_default=True,
    show_envvar=True,
    metavar="URI",
    help="The warehouse: a folder, or a URI such as s3://bucket/prefix.",
)
@click.option(
    "--sources",
    "sources_dir",
    envvar=SOURCES_VARIABLE,
    default=DEFAULT_SOURCES,
    show_default=True,
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder with one YAML file per source.",
)
@click.option(
    "--log-level",
    envvar="LIENTHONG_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error", "off"]),
    show_envvar=True,
    help="Least serious log line on stderr. [default: off in a terminal, else info]",
)
@click.option(
    "--log-format",
    envvar="LIENTHONG_LOG_FORMAT",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    show_envvar=True,
    help="Log lines for people, or one JSON object a line.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress, and only errors in the log.")
@click.option(
    "--debug", is_flag=True, help="With an error, show its way through our code (never values)."
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
@click.pass_context
def main(
    context: click.Context,
    *,
    warehouse: str,
    sources_dir: Path,
    log_level: logs.Level | None,
    log_format: logs.LogFormat,
    quiet: bool,
    debug: bool,
) -> None:
    """Every office's dossiers, in one warehouse.

    Liên Thông reads the records out of each office's system, checks them, and lands them in
    one warehouse in which a dossier can be followed from commune to department.

    \b
    A first source:   lienthong check so-tu-phap     look, write nothing
                      lienthong sync so-tu-phap      read, check, land
                      lienthong status               what is there now
                      lienthong sql "SELECT status, count(*) FROM dossier GROUP BY 1"

    Exit status: 0 done; 1 failed; 2 the configuration or the command line is wrong; 3 done, but a
    source is broken or waits for a person; 130 interrupted.
    """  # noqa: D301 - click leaves the lines behind a backspace as they are
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal can't show is no failure
            stream.reconfigure(errors="backslashreplace")
    # On a screen the tables and remarks say it; a log line would say it twice.
    on_screen: logs.Level = "error" if debug else "off"  # of a defect the line has the way
    usual: logs.Level = on_screen if sys.stderr.isatty() else "error" if quiet else "info"
    logs.configure(level=log_level or usual, form=log_format)
    logging.captureWarnings(True)
    context.obj = Settings(
        warehouse=warehouse_uri(warehouse), sources=sources_dir, debug=debug, quiet=quiet)


for _verbs in SECTIONS.values():
    for _verb in _verbs:
        main.add_command(_verb)
