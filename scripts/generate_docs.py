"""Writes the pages of docs/ that are made from code. `make docs` runs it; tests compare.

Usage: python scripts/generate_docs.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from connectors.sql import types_page
from flows.catalog_schema import source_json_schema
from schemas import dictionary

DOCS = Path(__file__).resolve().parents[1] / "docs"


def _editors() -> str:
    return json.dumps(source_json_schema(), ensure_ascii=False, indent=2) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "data-dictionary.md": dictionary.as_markdown,
    "types.md": types_page.as_markdown,
    "source.schema.json": _editors,
}


def main() -> int:
    """Writes every page that differs and names it on stderr."""
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stderr.write(f"wrote docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
