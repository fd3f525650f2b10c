"""The command's documentation is tested: every command, option and setting is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from flows.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "command.md").read_text("utf-8")
SHARED = {"--help", "-h"}  # explained once, at the top


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, group
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, f"{path} {name}")


ALL = dict(commands(main, "lienthong"))


def section(path: str) -> str:
    """The text below a command's own heading; the top of the page is the command itself."""
    if path == "lienthong":
        return PAGE.split("\n## Connect\n")[0]
    found = re.search(rf"^### {re.escape(path)}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    return found.group(1) if found else ""


def test_the_page_is_looked_at() -> None:
    assert len(ALL) >= 14
    assert "--accept-deletes" in section("lienthong sync")
    assert "--accept-deletes" not in section("lienthong nightly")


@pytest.mark.parametrize("path", sorted(ALL))
def test_every_command_and_option_is_documented(path: str) -> None:
    text = section(path)
    assert len(text.split()) > 10, f"{path} has no section in docs/command.md"
    options = {
        name for param in ALL[path].params if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }  # fmt: skip
    assert {name for name in options - SHARED if f"`{name}" not in text} == set()


@pytest.mark.parametrize("path", sorted(ALL))
def test_every_command_and_option_has_help(path: str) -> None:
    command = ALL[path]
    assert command.help
    assert command.help.strip().splitlines()[0].endswith(".")
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{path} {param.opts[0]}"
            assert param.help.rstrip().endswith((".", "]", ")")), f"{path} {param.opts[0]}"


@pytest.mark.parametrize("path", sorted(set(ALL) - {"lienthong"}))
def test_the_list_of_commands_never_cuts_a_sentence(path: str) -> None:
    assert not ALL[path].get_short_help_str(limit=72).endswith("...")


def test_nothing_documented_is_gone() -> None:
    headings = re.findall(r"^### (lienthong[a-z -]*)$", PAGE, re.M)
    assert sorted(headings) == sorted(set(ALL) - {"lienthong"})
    for path in headings:
        known = {name for param in ALL[path].params for name in param.opts}
        rows = [line for line in section(path).splitlines() if line.startswith("| `-")]
        named = {name for row in rows for name in re.findall(r"`(-[-a-z]+)", row.split("|")[1])}
        assert named <= known, path


def test_every_setting_of_the_environment_is_documented() -> None:
    pattern = re.compile(r"\bLIENTHONG_[A-Z][A-Z_]*\b")
    used = {
        name
        for floor in ("flows", "connectors", "schemas", "warehouse", "demo")
        for path in (ROOT / floor).rglob("*.py")
        for name in pattern.findall(path.read_text("utf-8"))
    }
    assert {"LIENTHONG_WAREHOUSE", "LIENTHONG_SOURCES"} <= used
    assert {name for name in used if f"`{name}`" not in PAGE} == set()
