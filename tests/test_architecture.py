"""The house: four floors, arrows only down; and what holds for every file."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "schemas": frozenset(),
    "connectors": frozenset({"schemas"}),
    "warehouse": frozenset({"schemas"}),
    "flows": frozenset({"schemas", "connectors", "warehouse"}),
    "demo": frozenset({"schemas", "connectors", "warehouse", "flows"}),
}
FLOORS = frozenset(MAY_IMPORT)
DOORS = {
    "deltalake": {"warehouse/delta.py"},
    "duckdb": {"warehouse/duck.py"},
    "requests": {"connectors/rest/client.py", "connectors/rest/deadline.py"},
    "urllib3": {"connectors/rest/deadline.py"},
}
LONGEST_MODULE = 450  # lines


def modules(*floors: str) -> list[Path]:
    return sorted(path for floor in floors for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The dotted names of every absolute import, wherever in the module it stands."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, node.module or ""]).strip(".")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    """Files under version control that are text, or every file where there is no git."""
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = done.stdout.split("\n") if done.returncode == 0 else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("floor", sorted(FLOORS))
def test_no_import_runs_upward_or_sideways(floor: str) -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(floor)
        for name in imported(path)
        if (top := name.split(".")[0]) in FLOORS - {floor} and top not in MAY_IMPORT[floor]
    ]
    assert modules(floor), f"{floor}/ is empty"
    assert wrong == []


def test_an_upward_import_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schemas" / "deep").mkdir(parents=True)
    guilty = tmp_path / "schemas" / "deep" / "room.py"
    guilty.write_text(
        "def f():\n    from flows import cli\n    import warehouse.core\n    from ..x import y\n"
    )
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert list(imported(guilty)) == ["flows", "warehouse.core", "schemas.x"]


@pytest.mark.parametrize(("library", "door"), sorted(DOORS.items()))
def test_each_outside_world_has_one_door(library: str, door: set[str]) -> None:
    users = {
        name_of(path)
        for path in modules(*FLOORS)
        for name in imported(path)
        if name.split(".")[0] == library
    }
    assert users == door


def test_modules_are_short_enough_to_hold_one_idea() -> None:
    long = {
        name_of(path): lines
        for path in modules(*FLOORS)
        if (lines := path.read_text("utf-8").count("\n")) > LONGEST_MODULE
    }
    assert long == {}


def test_no_file_names_a_path_of_one_machine() -> None:
    pattern = re.compile(r"(?:^|[\s\"'=(`])/(?:home|root|work|mnt|Users)/")
    found = []
    for path in tracked():
        if path.stat().st_size > 1_000_000:
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [name_of(path) for line in text.split("\n") if pattern.search(line)]
    # This file and git's own hooks may spell the pattern out.
    assert [name for name in found if name != name_of(Path(__file__))] == []


def test_no_file_names_a_package_registry() -> None:
    pattern = re.compile(r"(?:--|^\s*)(?:extra-)?index-url|registry\s*=\s*.?https?:", re.MULTILINE)
    found = [
        name_of(path)
        for path in tracked()
        if path.stat().st_size < 1_000_000
        and path != Path(__file__)
        and pattern.search(path.read_bytes().decode("utf-8", errors="ignore"))
    ]
    assert found == []


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [
        line for line in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.+!]+", line)
    ] == []
    assert len(pins) > 50


def test_every_make_target_explains_itself() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY:(.*)$", text, re.MULTILINE)
    assert phony is not None
    described = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert set(phony.group(1).split()) == described
