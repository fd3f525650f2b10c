"""How many rows `check` looks at."""

from __future__ import annotations

from typing import Final

SAMPLE_ROWS: Final = 200
"""Enough to see whether a mapping fits."""

MOST_SAMPLE_ROWS: Final = 100_000
"""Held in memory at once."""
