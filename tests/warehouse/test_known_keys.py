"""What a load remembers of core's keys: nothing that is there may be taken for new."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from warehouse.delta import Table
from warehouse.known_keys import KnownKeys, keys_app

SCHEMA = pa.schema([("_source", pa.string()), ("_key", pa.string())])


def keys(*texts: str, source: str = "xa") -> pl.DataFrame:
    return pl.DataFrame({"_source": source, "_key": list(texts)}, schema=["_source", "_key"])


def committed(core: Table, new: pl.DataFrame) -> None:
    """A commit as integrations make them: with the next number of each source."""
    apps = [keys_app(source) for source in new["_source"].unique()]
    rows = new.to_arrow().cast(SCHEMA)
    core.append(rows, txns={app: core.txn(app) + 1 for app in apps})


@pytest.fixture
def core(tmp_path: Path) -> Table:
    table = Table.create(str(tmp_path / "core"), SCHEMA)
    committed(table, pl.concat([keys("1", "2"), keys("3", source="huyen")]))
    return table


def found(known: KnownKeys, core: Table, asked: pl.DataFrame) -> list[tuple[str, ...]]:
    return sorted(known.among(asked, core).rows())


def test_keys_are_found_in_their_own_source(core: Table) -> None:
    known = KnownKeys()
    asked = pl.concat([keys("1", "3", "4"), keys("1", "3", source="huyen")])
    assert found(known, core, asked) == [("huyen", "3"), ("xa", "1")]
    assert found(known, core, keys()) == []


def test_what_one_brings_oneself_is_known_without_a_look(
    core: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownKeys()
    assert not known.hold(["xa"], core)
    known.among(keys("4"), core)
    committed(core, keys("4"))
    known.brought(keys("4"), ["xa"], core)
    monkeypatch.setattr(Table, "scan", None)
    assert known.hold(["xa"], core)
    assert found(known, core, keys("2", "4", "5")) == [("xa", "2"), ("xa", "4")]


def test_what_others_bring_is_looked_up_anew(core: Table) -> None:
    known = KnownKeys()
    known.among(keys("4"), core)
    committed(core, keys("4"))
    assert not known.hold(["xa"], core)
    assert found(known, core, keys("4", "5")) == [("xa", "4")]


def test_ones_own_keys_behind_those_of_others_are_no_proof(core: Table) -> None:
    known = KnownKeys()
    known.among(keys("6"), core)
    committed(core, keys("5"))
    committed(core, keys("6"))
    known.brought(keys("6"), ["xa"], core)
    assert not known.hold(["xa"], core)
    assert found(known, core, keys("5", "6", "7")) == [("xa", "5"), ("xa", "6")]


def test_the_keys_of_many_sources_are_read_at_once(
    core: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, scan = 0, Table.scan

    def looking(table: Table) -> pl.LazyFrame:
        nonlocal looks
        looks += 1
        return scan(table)

    monkeypatch.setattr(Table, "scan", looking)
    known = KnownKeys()
    every = pl.concat([keys("1", "7"), keys("3", source="huyen"), keys("3", source="tinh")])
    assert found(known, core, every) == [("huyen", "3"), ("xa", "1")]
    assert found(known, core, every) == [("huyen", "3"), ("xa", "1")]
    assert looks == 1


def test_sources_are_known_apart(core: Table) -> None:
    known = KnownKeys()
    known.among(pl.concat([keys("9"), keys("9", source="huyen")]), core)
    committed(core, keys("9", source="huyen"))
    assert known.hold(["xa"], core)
    assert not known.hold(["xa", "huyen"], core)


def test_a_commit_without_a_new_key_moves_the_number_on_too(core: Table) -> None:
    known = KnownKeys()
    known.among(keys("9"), core)
    core.append(SCHEMA.empty_table(), txns={keys_app("xa"): core.txn(keys_app("xa")) + 1})
    assert not known.hold(["xa"], core)
    known.among(keys("9"), core)
    core.append(SCHEMA.empty_table(), txns={keys_app("xa"): core.txn(keys_app("xa")) + 1})
    known.brought(keys(), ["xa"], core)
    assert known.hold(["xa"], core)


def test_of_an_empty_core_everything_is_known(tmp_path: Path) -> None:
    table = Table.create(str(tmp_path / "empty"), SCHEMA)
    known = KnownKeys()
    assert known.hold(["xa"], table)
    committed(table, keys("1"))
    known.brought(keys("1"), ["xa"], table)
    assert not known.hold(["xa"], table)
    assert found(known, table, keys("1", "2")) == [("xa", "1")]
