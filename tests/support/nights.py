"""Nights of a small office: every sync is held to the laws that every night has to keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.context import Context
from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, open_context, sync

_COUNTS = (
    "inserted",
    "updated",
    "unchanged",
    "superseded",
    "folded",
    "quarantined",
    "tombstoned",
)


@dataclass(frozen=True)
class Nights:
    """A folder with sources and a warehouse."""

    root: Path

    @property
    def warehouse(self) -> str:
        return str(self.root / "warehouse")

    @property
    def context(self) -> Context:
        return open_context(warehouse_uri=self.warehouse, sources_dir=self.root / "sources")

    def write(self, source: str, text: str) -> None:
        """The YAML of a source."""
        (self.root / "sources").mkdir(exist_ok=True)
        (self.root / "sources" / f"{source}.yaml").write_text(text, encoding="utf-8")

    def sync(self, source: str, **options: Any) -> dict[str | None, Receipt]:
        """Reads and integrates a source: entity to receipt."""
        context = self.context
        receipts = sync(context, [source], SyncOptions(**options))
        for one in receipts:
            assert one.status != "failed", one.error
            assert one.read == one.landed + one.same + one.unreadable
            assert one.derived == (
                one.inserted + one.updated + one.unchanged + one.superseded + one.folded
                + one.quarantined
            )  # fmt: skip
        assert audit(context, [source]).findings == ()
        return {one.entity: one for one in receipts}

    def dossier(self, source: str, **options: Any) -> Receipt:
        """Reads and integrates a source: the receipt of its dossiers."""
        return self.sync(source, **options)["dossier"]

    def alive(self, source: str, values: str, *, entity: str = "dossier") -> dict[str, Any]:
        """Key to one column (or expression) of the rows that an analyst sees."""
        return self._asked(source, values, entity, core=False)

    def core(self, source: str, values: str, *, entity: str = "dossier") -> dict[str, Any]:
        """Key to one column (or expression) of every row of core."""
        return self._asked(source, values, entity, core=True)

    def _asked(self, source: str, values: str, entity: str, *, core: bool) -> dict[str, Any]:
        sql = f"SELECT _key, {values} AS v FROM {entity} WHERE _source = '{source}'"
        rows = query(self.warehouse, sql, core=core).to_pylist()
        assert len({row["_key"] for row in rows}) == len(rows)
        return {row["_key"]: row["v"] for row in rows}


def done(receipt: Receipt) -> dict[str, int]:
    """What a receipt says was done, without the zeros."""
    return {name: n for name in _COUNTS if (n := getattr(receipt, name))}
