"""The warehouse as a whole: where its tables lie, its format, whose key it was made with.

Layout below its URI::

    restricted/warehouse          format version and key fingerprint (one row)
    restricted/landing/S/T        rows as received from stream T of source S
    restricted/quarantine         which landed rows broke which rules
    restricted/forgotten          marks of the people who are forgotten
    restricted/forget_receipts    when, why, how many rows
    restricted/acts               who looked at values of rows, discarded or replayed some, and why
    restricted/reconcile          keys that each stream's last comparison with its source found
    analysts/core/E               the entity E
    analysts/runs                 receipts of every run, for people
    analysts/quarantine_summary   counts and ages, without values
    analysts/reconcile            counts of every comparison with a source
    analysts/freshness            how fresh each stream is, as released
    analysts/releases             which table versions analysts see
    analysts/released/R/E         what a release shows of E where core has no such version
    analysts/analytics.duckdb     views of the latest release
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from schemas.errors import WarehouseError
from schemas.fields import Entity
from warehouse.acts import Acts
from warehouse.core import Integration
from warehouse.delta import Table
from warehouse.identity import FILE_VARIABLE, KEY_VARIABLE, PersonKey, create_key, find_key
from warehouse.landing import Landing
from warehouse.quarantine import Quarantine
from warehouse.races import retried

FORMAT: Final = 1
_META: Final = pa.schema(
    [
        ("format_version", pa.int64()),
        ("key_fingerprint", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
    ]
)


class Warehouse:
    """An opened warehouse: its format is known and its person key is the right one."""

    def __init__(self, uri: str, key: PersonKey) -> None:
        self.uri = uri.rstrip("/")
        self.person_key = key

    @classmethod
    def open(
        cls, uri: str, *, create: bool = True, env: Mapping[str, str] | None = None
    ) -> Warehouse:
        """Opens a warehouse, or makes a new, empty one together with its key.

        Args:
            uri: A folder or an object-store URI.
            create: Make it where there is none.
            env: Where the person key is looked for; the process's environment by default.

        Raises:
            WarehouseError: There is none (and `create` is false), something else is there, it is
                of a newer format, or it was made with another person key.
            ConfigError: The person key can't be read or made.
        """
        env = os.environ if env is None else env
        uri = uri.rstrip("/")
        meta = _founded(uri)
        if meta is None and not create:
            raise none_here(uri)
        if meta is None and (objection := _objection(uri)):
            meta = _founded(uri)  # another run may have founded it since
            if meta is None:
                raise WarehouseError(f"{uri}: {objection}")
        if meta is None:
            key = find_key(uri, env) or create_key(uri, env)
            cls._found(uri, key)
            return cls(uri, key)
        key = _checked(uri, meta, find_key(uri, env))
        return cls(uri, key)

    @staticmethod
    def _found(uri: str, key: PersonKey) -> None:
        """Writes the founding row; of two runs that found at once, one sees the other's."""
        row = {
            "format_version": FORMAT,
            "key_fingerprint": key.fingerprint,
            "created_at": datetime.now(UTC),
        }

        def write() -> None:
            table = Table.open_or_create(f"{uri}/restricted/warehouse", _META)
            if table.files:
                _checked(uri, table, key)
            else:
                table.append(pa.Table.from_pylist([row], _META), txns={"founding": 1})

        retried(write)

    def landing(self, source: str, stream: str) -> Landing:
        """The landing of a stream."""
        return Landing(f"{self.uri}/restricted/landing/{source}/{stream}")

    @property
    def quarantine(self) -> Quarantine:
        """The quarantine."""
        return Quarantine(f"{self.uri}/restricted/quarantine", self.core_uri)

    @property
    def acts(self) -> Acts:
        """What people did to single rows."""
        return Acts(f"{self.uri}/restricted/acts")

    def core_uri(self, entity: str) -> str:
        """Where an entity's core table lies."""
        return f"{self.analysts_uri}/core/{entity}"

    def core(self, entity: str) -> Table | None:
        """An entity's core table, or None where nothing was ever integrated into it."""
        return Table.open(self.core_uri(entity))

    @property
    def analysts_uri(self) -> str:
        """The prefix that analysts may read."""
        return f"{self.uri}/analysts"

    def integration(self, entity: Entity, *, sync_id: str, now: datetime) -> Integration:
        """An integration into an entity's core."""
        return Integration(
            entity=entity,
            uri=self.core_uri(entity.name),
            quarantine=self.quarantine,
            sync_id=sync_id,
            now=now,
        )


def _founded(uri: str) -> Table | None:
    """The table that says what a warehouse is, or None where none is founded."""
    meta = Table.open(f"{uri}/restricted/warehouse")
    return meta if meta is not None and meta.files else None


def _objection(uri: str) -> str | None:
    """Why no warehouse may be founded at a place where none is, or None.

    A new key beside rows of an old one would make every person two.
    """
    remains = (f"{uri}/restricted/quarantine", f"{uri}/analysts/runs")
    has_tables = any(Table.open(table) for table in remains)
    others: list[str] = []
    if "://" not in uri:
        folder = Path(uri)
        if folder.exists() and not folder.is_dir():
            return "this is a file; a warehouse is a folder. `--warehouse` names another place"
        others = sorted(path.relative_to(folder).as_posix() for path in _entries(folder))
    if has_tables or {"analysts", "restricted/landing"}.intersection(others):
        return (
            "tables of a warehouse are here, but restricted/warehouse is lost, which knows their "
            "person key. Nothing was changed: bring it back from a backup, or name another place"
        )
    if others:
        return (
            f"this folder is no warehouse: it holds {others[0]!r}. Nothing was changed: name a new "
            "or empty folder"
        )
    return None


def _entries(folder: Path) -> list[Path]:
    """What a folder holds that isn't of a founding that was cut short, nor of the disk itself."""
    try:
        if not folder.is_dir():
            return []
        own = [p for p in folder.iterdir() if not p.name.startswith(".") and p.name != "lost+found"]
        inside = [p for q in own if q.name == "restricted" and q.is_dir() for p in q.iterdir()]
    except PermissionError:
        raise WarehouseError(f"{folder}: no permission to read or write here") from None
    return [p for p in own if p.name != "restricted"] + [p for p in inside if p.name != "warehouse"]


def none_here(uri: str) -> WarehouseError:
    """What a command says that needs a warehouse and finds none."""
    return WarehouseError(
        f"{uri}: no warehouse here. `lienthong sync` makes one; "
        "`--warehouse` or LIENTHONG_WAREHOUSE names another place"
    )


def check_format(uri: str) -> None:
    """Refuses a warehouse of a newer format, as far as its mark can be read.

    Analysts may not read `restricted/`: where the mark can't be seen, nothing is said.
    """
    try:
        meta = Table.open(f"{uri.rstrip('/')}/restricted/warehouse")
    except WarehouseError:
        return
    if meta is not None and meta.files:
        _founding_row(uri, meta)


def _founding_row(uri: str, meta: Table) -> dict[str, Any]:
    row = meta.scan().sort("format_version").select(pl.all().last()).collect().row(0, named=True)
    if row["format_version"] > FORMAT:
        raise WarehouseError(
            f"{uri}: this warehouse has format {row['format_version']}, made by a newer Liên "
            f"Thông; this version reads up to {FORMAT}. Nothing was changed: upgrade Liên Thông"
        )
    return row


def _checked(uri: str, meta: Table, key: PersonKey | None) -> PersonKey:
    row = _founding_row(uri, meta)
    if key is None:
        raise WarehouseError(
            f"{uri}: this warehouse was made with a person key, and none is configured. Bring "
            f"back the file it was kept in, or set {KEY_VARIABLE} or {FILE_VARIABLE}. Nothing "
            "was changed"
        )
    if key.fingerprint != row["key_fingerprint"]:
        raise WarehouseError(
            f"{uri}: this warehouse was made with another person key: the same person would "
            "become two. Nothing was changed; configure the key it was made with"
        )
    return key
