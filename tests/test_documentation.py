"""Documentation is tested: what it links to exists, and generated pages are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("sources/*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_a_dead_link_would_be_seen() -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", "[a](docs/nowhere.md#x) [b](#y)")
    assert links == ["docs/nowhere.md"]


def test_generated_pages_are_what_the_code_says(tmp_path: Path) -> None:
    check = (
        "import sys; sys.path.insert(0, 'scripts'); import generate_docs as g;"
        "print([n for n, p in g.PAGES.items() if (g.DOCS / n).read_text('utf-8') != p()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]", "run: make docs"


def test_the_first_source_of_the_readme_is_ten_lines_and_loads(tmp_path: Path) -> None:
    from flows.catalog import load_catalog

    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(block.strip().splitlines()) <= 10
    (tmp_path / "so-tu-phap.yaml").write_text(block, "utf-8")
    catalog = load_catalog(tmp_path, env={})
    assert (list(catalog.sources), catalog.errors) == (["so-tu-phap"], ())


def test_decisions_are_numbered_without_a_gap_or_a_twin() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(numbers) + 1))
    for page, number in zip(pages, numbers, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number}. ")


@pytest.mark.parametrize("folder", ["demo/sources", "tests/real/sources"])
def test_every_source_file_of_the_project_loads(folder: str) -> None:
    from flows.catalog import load_catalog

    catalog = load_catalog(ROOT / folder, env={})
    assert catalog.errors == ()
    names = {yaml.safe_load(p.read_text("utf-8"))["source"] for p in (ROOT / folder).glob("*.yaml")}
    assert set(catalog.sources) == names


def test_the_readme_names_every_make_target_it_should() -> None:
    text = (ROOT / "README.md").read_text("utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)", text))
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert named <= targets
    assert {"demo", "test", "lint", "docs"} <= named
