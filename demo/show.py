"""How the demo speaks: sentences, the commands as a person would type them, and their answers."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import click

from flows.cli import main as lienthong


class DemoStopped(Exception):
    """A command of the demo ended in a way that the story doesn't know; it has said why."""

    def __init__(self, exit_status: int) -> None:
        super().__init__(f"exit status {exit_status}")
        self.exit_status = exit_status


def typed(argument: str) -> str:
    """An argument as a person would type it: SQL in double quotes, where that is safe."""
    is_plain = not set(argument) & set('"$`\\!')
    return f'"{argument}"' if "'" in argument and is_plain else shlex.quote(argument)


@dataclass
class Show:
    """Runs commands in front of somebody, or, with `as_json`, gathers what they answer.

    Attributes:
        options: Global options of every command (warehouse and sources).
        as_json: Nothing is said; `answers` holds one entry a command.
        answers: `{command, exit_status, answer}` of each command run so far.
    """

    options: Sequence[str]
    as_json: bool = False
    answers: list[dict[str, Any]] = field(default_factory=list)
    _chapter: int = 0

    def chapter(self, title: str) -> None:
        """Begins a part of the story."""
        self._chapter += 1
        if not self.as_json:
            click.echo()
            click.secho(f"{self._chapter}. {title}", bold=True)

    def say(self, text: str = "") -> None:
        """One paragraph."""
        if not self.as_json:
            click.echo(text)

    def run(self, *arguments: str, expected: Sequence[int] = (0,)) -> None:
        """Runs `lienthong ARGUMENTS` in this process, showing the command line first.

        Raises:
            DemoStopped: It ended with an exit status that isn't among `expected`.
        """
        command = " ".join(["lienthong", *map(typed, arguments)])
        if self.as_json:
            captured = io.BytesIO()
            with redirect_stdout(io.TextIOWrapper(captured, "utf-8", write_through=True)) as out:
                status = self._invoke([*arguments, "--json"])
                out.detach()
            answer = json.loads(captured.getvalue() or b"null")
            self.answers.append({"command": command, "exit_status": status, "answer": answer})
        else:
            click.secho(f"\n$ {command}", fg="cyan")
            status = self._invoke(list(arguments))
        if status not in expected:
            raise DemoStopped(status)

    def _invoke(self, arguments: list[str]) -> int:
        quiet = ["--quiet"] if self.as_json else ["--log-level", "warning"]
        try:
            outcome = lienthong.main(
                [*self.options, *quiet, *arguments], prog_name="lienthong", standalone_mode=False
            )
        except click.ClickException as error:
            error.show()
            return error.exit_code
        return outcome if isinstance(outcome, int) else 0
