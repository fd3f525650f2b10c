"""Proposes three real systems, applies the edits that they need, and syncs both YAMLs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.catalog import Catalog, Source, load_catalog
from flows.newsource.create import NewSource, new_source
from flows.newsource.document import Facts
from flows.query import query
from flows.receipts import Receipt, SyncOptions
from flows.steps import open_context, sync
from tests.real.run import DATA_VARIABLE, SOURCES, environment
from tests.support import bpic15
from tests.support.postgres import Server, fresh_database

HERE = Path(__file__).parent
_URL = "BPIC15_1_URL"


@dataclass(frozen=True, kw_only=True)
class System:
    """One real system: what is said of it, and the YAML that was written by hand for it.

    Attributes:
        title: What it is, for the page.
        by_hand: The hand-written source, of tests/real/sources.
        place: What `sources new` is pointed at, below the folder of the records; None: a database.
        timezone: Zone that is stated.
        currency: Currency that is stated.
    """

    title: str
    by_hand: str
    place: str | None
    timezone: str
    currency: str | None = None


SYSTEMS: Mapping[str, System] = {
    "bpic15": System(
        title="bpic15 1 in PostgreSQL (two tables)", by_hand="bpic15-1",
        place=None, timezone="Europe/Amsterdam", currency="EUR",
    ),
    "receipt": System(
        title="`receipt.csv`", by_hand="receipt",
        place="receipt/receipt.csv", timezone="Europe/Amsterdam",
    ),
    "procedures": System(
        title="`procedures/*.xlsx`", by_hand="procedures",
        place="procedures/*.xlsx", timezone="Asia/Ho_Chi_Minh",
    ),
}  # fmt: skip
"""By the name of the proposed source, without its `new-`."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One place of the YAML that a person changes, and the lines that it changes or adds."""

    why: str
    replace: str
    with_: str
    lines: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """Core columns of the hand-written YAML, by what was proposed for them.

    Attributes:
        right: From the same source columns.
        other: From others, or from fewer.
        missed: Not proposed.
        beyond: Proposed, though the hand-written YAML leaves them out.
    """

    right: tuple[str, ...]
    other: tuple[str, ...]
    missed: tuple[str, ...]
    beyond: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """The warehouse that holds each system twice: as proposed and edited, and as by hand."""

    catalog: Catalog
    warehouse: str
    made: Mapping[str, NewSource]
    receipts: tuple[Receipt, ...]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one SELECT over core."""
        return [tuple(row.values()) for row in query(self.warehouse, sql, core=True).to_pylist()]

    def score(self, name: str) -> Score:
        """What was proposed, before any edit, beside what stands in the YAML by hand."""
        proposed = _columns(_unedited(self.made[name]))
        by_hand = _columns(self.catalog.source(SYSTEMS[name].by_hand))
        right = tuple(one for one in by_hand if proposed.get(one) == by_hand[one])
        return Score(
            right=right,
            other=tuple(one for one in by_hand if one in proposed and one not in right),
            missed=tuple(one for one in by_hand if one not in proposed),
            beyond=tuple(one for one in proposed if one not in by_hand),
        )

    def keys_agree(self, name: str) -> bool:
        """Whether every stream and every entity was proposed with the key that it has by hand."""
        by_hand = _keys(self.catalog.source(SYSTEMS[name].by_hand))
        return _keys(_unedited(self.made[name])) == by_hand

    def differing(self, name: str, entity: str) -> int:
        """Rows of core that only one of the two YAMLs gives; every column counts."""
        shown = f"SELECT COLUMNS('^[^_]') FROM {entity} WHERE _source = "
        pair = (f"new-{name}", SYSTEMS[name].by_hand)
        return sum(
            len(self.ask(f"({shown}'{one}') EXCEPT ALL ({shown}'{other}')"))
            for one, other in (pair, pair[::-1])
        )


def edits(name: str) -> list[Edit]:
    """The edits that turn the proposal into a source with the same core."""
    listed = yaml.safe_load((HERE / f"{name}.yaml").read_text("utf-8"))
    return [
        Edit(why=one["why"], replace=one["replace"], with_=one["with"], lines=one.get("lines", 1))
        for one in listed
    ]


def edited(text: str, changes: list[Edit]) -> str:
    """The YAML after the edits. Raises ValueError where one has no place, or more than one."""
    for change in changes:
        if text.count(change.replace) != 1:
            message = f"{change.why}: its text stands {text.count(change.replace)} times"
            raise ValueError(message)
        text = text.replace(change.replace, change.with_)
    return text


@contextmanager
def proposed_run(server: Server, *, folder: Path, data: Path) -> Iterator[Proposed]:
    """Proposes, edits and syncs every system, each beside its hand-written YAML."""
    sources = folder / "sources"
    made: dict[str, NewSource] = {}
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(server))
        bpic15.load(data / "bpic15" / "BPIC15_1.xes.gz", url=url)
        stack.enter_context(environment({DATA_VARIABLE: str(data), _URL: url}))
        for name, system in SYSTEMS.items():
            place = f"${{{_URL}}}" if system.place is None else str(data / system.place)
            facts = Facts(
                source=f"new-{name}", timezone=system.timezone, currency=system.currency,
                is_zone_stated=True,
            )  # fmt: skip
            made[name] = new_source(facts, place, sources=sources)
            path = Path(made[name].path)
            path.write_text(edited(made[name].text, edits(name)), "utf-8")
            shutil.copy(SOURCES / f"{system.by_hand}.yaml", sources)
        shutil.copytree(SOURCES / "vendors", sources / "vendors")
        warehouse = str(folder / "warehouse")
        context = open_context(warehouse_uri=warehouse, sources_dir=sources)
        receipts = tuple(sync(context, [], SyncOptions()))
        yield Proposed(catalog=context.catalog, warehouse=warehouse, made=made, receipts=receipts)


def _unedited(made: NewSource) -> Source:
    """The proposal as it was written, read again from its text."""
    folder = Path(made.path).parent / "unedited"
    folder.mkdir(exist_ok=True)
    (folder / Path(made.path).name).write_text(made.text, "utf-8")
    return load_catalog(folder).source(made.source)


def _columns(source: Source) -> dict[str, tuple[str, ...]]:
    """`entity.column` to the source columns that it comes from."""
    return {
        f"{into.entity}.{column}": tuple(mapping.from_ or mapping.key or ())
        for stream in source.streams.values()
        for into in stream.mapping.into
        for column, mapping in into.columns.items()
    }


def _keys(source: Source) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Entity to the key of its stream and its own."""
    return {
        into.entity: (tuple(stream.spec.key), tuple(into.key or ()))
        for stream in source.streams.values()
        for into in stream.mapping.into
    }
