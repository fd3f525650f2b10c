"""Offices of a vendor, in a test's own folder beside the vendor files that the project ships."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENDORS = ROOT / "sources" / "vendors"
MOST_LINES = 10
"""What an office of a known vendor may need, in lines."""


def office_of(folder: Path, name: str, text: str) -> Path:
    """Writes an office's YAML, of ten lines at most, beside the shipped vendor files.

    Returns:
        The sources folder.
    """
    assert len(text.splitlines()) <= MOST_LINES
    sources = folder / "sources"
    shutil.copytree(VENDORS, sources / "vendors", dirs_exist_ok=True)
    (sources / f"{name}.yaml").write_text(text, "utf-8")
    return sources
