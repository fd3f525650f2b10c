"""Building-permit dossiers of a Dutch municipality (BPI Challenge 2015) as an office's database.

An XES file becomes the tables `cases` and `events` under the names and the natural types of its
attributes: a zoned date is a timestamptz, a float is a double precision, the rest is text. A naive
date that the file keeps as a string stays text, as in a database whose makers did the same.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from lxml import etree
from psycopg import sql
from sqlalchemy.dialects import mysql

_CASES = {
    "concept:name": "text",
    "startDate": "timestamptz",
    "endDate": "timestamptz",
    "endDatePlanned": "timestamptz",
    "caseStatus": "text",
    "SUMleges": "double precision",
    "caseProcedure": "text",
    "case_type": "text",
    "last_phase": "text",
    "parts": "text",
    "requestComplete": "text",
    "Responsible_actor": "text",
    "termName": "text",
    "IDofConceptCase": "text",
    "landRegisterID": "text",
    "Includes_subCases": "text",
}
_EVENTS = {
    "concept:name": "text",
    "action_code": "text",
    "activityNameEN": "text",
    "activityNameNL": "text",
    "time:timestamp": "timestamptz",
    "planned": "timestamptz",
    "dueDate": "timestamptz",
    "dateFinished": "text",
    "dateStop": "text",
    "org:resource": "text",
    "monitoringResource": "text",
    "question": "text",
    "lifecycle:transition": "text",
}
_OWN = {"case_id": "text not null", "ordinal": "integer not null"}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a file held; `stated_events` is the number that the file itself gives."""

    cases: int
    events: int
    stated_events: int


@dataclass(frozen=True, kw_only=True)
class _Trace:
    attributes: dict[str, str]
    events: list[dict[str, str]]


def load(path: Path, *, url: str) -> Loaded:
    """Streams a gzipped XES file into new tables `cases` and `events` of the database at `url`.

    The key of an event is its case with its ordinal in the trace, from 1: files 2 and 3 hold
    byte-equal events that are distinct steps.
    """
    cases: list[list[str | None]] = []
    events = 0
    with psycopg.connect(url) as connection:
        connection.execute(_create("cases", _CASES))
        connection.execute(_create("events", _OWN | _EVENTS))
        with connection.cursor() as cursor, cursor.copy("copy events from stdin") as copy:
            for trace in _traces(path):
                cases.append([trace.attributes.get(name) for name in _CASES])
                for ordinal, event in enumerate(trace.events, start=1):
                    own = (trace.attributes["concept:name"], ordinal)
                    copy.write_row((*own, *(event.get(name) for name in _EVENTS)))
                events += len(trace.events)
        with connection.cursor() as cursor, cursor.copy("copy cases from stdin") as copy:
            for case in cases:
                copy.write_row(case)
        connection.execute('alter table cases add primary key ("concept:name")')
        connection.execute("alter table events add primary key (case_id, ordinal)")
    return Loaded(cases=len(cases), events=events, stated_events=_stated_events(path))


def load_elsewhere(path: Path, *, url: str) -> Loaded:
    """The same tables in SQLite or MariaDB, with the types that such an office would use.

    SQLite keeps times as the text of the file; MariaDB as `timestamp(6)`, in UTC.
    """
    engine = sa.create_engine(url)
    zoned = sa.TEXT() if engine.dialect.name == "sqlite" else mysql.TIMESTAMP(fsp=6)
    kinds: dict[str, sa.types.TypeEngine[Any]] = {
        "text": sa.TEXT(), "timestamptz": zoned, "double precision": sa.Double(),
    }  # fmt: skip
    tables = sa.MetaData()
    cases = sa.Table(
        "cases", tables,
        *(sa.Column(name, kinds[kind], nullable=True) for name, kind in _CASES.items()),
    )  # fmt: skip
    events = sa.Table(
        "events", tables, sa.Column("case_id", sa.TEXT()), sa.Column("ordinal", sa.INTEGER()),
        *(sa.Column(name, kinds[kind], nullable=True) for name, kind in _EVENTS.items()),
    )  # fmt: skip
    counted = 0
    with engine.begin() as connection:
        if engine.dialect.name != "sqlite":
            connection.execute(sa.text("SET time_zone = '+00:00'"))
        tables.create_all(connection)
        traces = list(_traces(path))
        connection.execute(
            cases.insert(), [_kept(t.attributes, _CASES, engine.dialect.name) for t in traces]
        )
        for trace in traces:
            rows = [
                {"case_id": trace.attributes["concept:name"], "ordinal": number}
                | _kept(event, _EVENTS, engine.dialect.name)
                for number, event in enumerate(trace.events, start=1)
            ]
            connection.execute(events.insert(), rows)
            counted += len(rows)
    engine.dispose()
    return Loaded(cases=len(traces), events=counted, stated_events=_stated_events(path))


def _kept(values: dict[str, str], columns: dict[str, str], dialect: str) -> dict[str, Any]:
    def cell(value: str | None, kind: str) -> object:
        if value is None or kind == "text":
            return value
        if kind == "double precision":
            return float(value)
        if dialect == "sqlite":
            return value
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)

    return {name: cell(values.get(name), kind) for name, kind in columns.items()}


def _create(table: str, columns: dict[str, str]) -> sql.Composed:
    parts = [sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in columns.items()]
    return sql.SQL("create table {} ({})").format(sql.Identifier(table), sql.SQL(", ").join(parts))


def _traces(path: Path) -> Iterator[_Trace]:
    with gzip.open(path) as file:
        for _, element in etree.iterparse(file, tag=("{*}trace", "trace"), resolve_entities=False):
            attributes: dict[str, str] = {}
            events: list[dict[str, str]] = []
            for child in element:
                if etree.QName(child).localname == "event":
                    events.append({a.get("key"): a.get("value") for a in child})
                else:
                    attributes[child.get("key")] = child.get("value")
            yield _Trace(attributes=attributes, events=events)
            element.clear()


def _stated_events(path: Path) -> int:
    with gzip.open(path) as file:
        for _, element in etree.iterparse(file, tag=("{*}int", "int"), resolve_entities=False):
            if element.get("key") == "meta_concept:named_events_total":
                return int(element.get("value"))
    message = f"{path.name} does not state how many events it holds"
    raise ValueError(message)
