"""Which keys core may hold, for whoever brings many.

Each round of a large load would else look through all of core, which every round makes larger.
Kept are hashes of 64 bits in memory. Two keys may share one, so a key that is found here has to be
looked up; one that isn't found isn't in core.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from warehouse.delta import Table

_HASH: Final = pl.col("_key").hash(seed=0)  # for one process only: a library may change it


def keys_app(source: str) -> str:
    """The app of everything that may bring new keys of a source.

    Two streams may bring the same one at once, and an append meets no other append: by this app the
    later one begins again, and finds the key.
    """
    return f":keys/{source}"


@dataclass
class _Held:
    hashes: pl.Series
    at: int  # what core said of `keys_app`: unchanged, nobody has brought a key since


class KnownKeys:
    """The keys of some sources in one core table, read when they are first asked for.

    Keys that left core since may still be among them.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def among(self, keys: pl.DataFrame, core: Table) -> pl.DataFrame:
        """Those of some keys that core may hold.

        Args:
            keys: `_source` and `_key`, no null among them.
            core: Core, as it is looked at.
        """
        found = [keys.clear()]
        self._look(sorted(keys["_source"].unique()), core)
        for (source,), own in keys.group_by("_source"):
            hashes = own.select(_HASH).to_series()
            held = self._held[str(source)].hashes
            met = held.filter(held.is_in(hashes.implode()))
            found.append(own.filter(hashes.is_in(met.implode())))
        return pl.concat(found)

    def hold(self, sources: Iterable[str], core: Table) -> bool:
        """Whether the keys of these sources are known as core holds them."""
        return not core.rows or all(self._is_known(source, core) for source in sources)

    def brought(self, keys: pl.DataFrame, sources: Iterable[str], core: Table) -> None:
        """Takes in new keys that core holds since its last commit.

        Args:
            keys: `_source` and `_key`.
            sources: Those whose number the commit moved on, with or without a new key.
            core: Core behind it.
        """
        for source in sources:
            held = self._held.pop(source, None)
            now = core.txn(keys_app(source))
            if held is not None and now == held.at + 1:
                added = keys.filter(pl.col("_source") == source).select(_HASH).to_series()
                hashes = pl.concat([held.hashes, added], rechunk=False)
                self._held[source] = _Held(hashes=hashes, at=now)

    def _is_known(self, source: str, core: Table) -> bool:
        held = self._held.get(source)
        return held is not None and held.at == core.txn(keys_app(source))

    def _look(self, sources: Sequence[str], core: Table) -> None:
        """Reads the keys of those sources that aren't known, all at once: core lies by months."""
        unknown = [source for source in sources if not self._is_known(source, core)]
        if not unknown:
            return
        own = core.scan().filter(pl.col("_source").is_in(unknown)).select("_source", _HASH)
        rows = own.collect(engine="streaming")
        by_source = rows.partition_by("_source", as_dict=True, include_key=False)
        nothing = rows.select("_key").clear()
        for source in unknown:
            hashes = by_source.get((source,), nothing).to_series()
            self._held[source] = _Held(hashes=hashes, at=core.txn(keys_app(source)))
