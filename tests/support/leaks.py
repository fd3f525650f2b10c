"""Searching for planted words in all that a run says and keeps."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

from warehouse.delta import Table


@dataclass
class Heard:
    """Everything that went past the door, by the place it was found in."""

    texts: dict[str, str] = field(default_factory=dict)

    def found(self, word: str) -> list[str]:
        """The places that hold a word."""
        return [place for place, text in self.texts.items() if word in text]

    def found_in_any_form(self, secret: str) -> list[str]:
        """The places that hold a secret, as it is or as URLs, JSON and headers write it."""
        return sorted({place for form in forms(secret) for place in self.found(form)})

    def read_parquet(self, root: Path, prefix: str) -> None:
        """Every cell of every table of the warehouse below a prefix, decoded."""
        for log in sorted((root / "warehouse" / prefix).rglob("_delta_log")):
            table = Table.open(str(log.parent))
            assert table is not None
            rows = table.scan().collect()
            place = f"parquet {log.parent.relative_to(root)}"
            self.texts[place] = "\n".join(map(str, rows.rows()))

    def read_logs(self, root: Path, prefix: str) -> None:
        """Every commit of every table below a prefix: actions, statistics, metadata."""
        for commit in sorted((root / "warehouse" / prefix).rglob("_delta_log/*.json")):
            self.texts[f"commit {commit.relative_to(root)}"] = commit.read_text("utf-8")

    def read_bytes(self, root: Path) -> None:
        """Every file, as it lies on the disk."""
        for path in root.rglob("*"):
            if path.is_file():
                self.texts[f"bytes {path.name}"] = path.read_bytes().decode("latin-1")


def forms(secret: str) -> set[str]:
    """A secret as headers, query strings, forms, JSON, reprs and basic authentication write it.

    Of base64 only the middle is searched for: its ends depend on what stands beside it.
    """
    raw = secret.encode()
    middles = {
        base64.b64encode(b"." * lead + raw)[4:-4].decode() for lead in range(3) if len(raw) > 12
    }
    return {
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret),
        json.dumps(secret)[1:-1], repr(secret)[1:-1], *middles,
    }  # fmt: skip
