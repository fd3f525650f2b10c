"""What tables a database has, and which keys it declares, as `sources new` asks for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from connectors.registry import SqlOptions, survey
from tests.connectors.conftest import Maria
from tests.support.postgres import Server, execute, fresh_database


def tables(url: str, only: str | None = None, **options: object) -> dict[str, tuple[object, ...]]:
    given = SqlOptions.model_validate({"url": url, **options})
    return {
        str(one.options["table"]): (one.kind, one.keys) for one in survey("sql", given, only=only)
    }


def test_postgres_lists_what_a_role_may_read_with_its_keys(postgres_server: Server) -> None:
    with fresh_database(postgres_server) as url:
        execute(
            url,
            "create schema kho",
            "create table ho_so (nam int, so int, ma text unique, primary key (so, nam))",
            'create table kho."Sổ theo dõi" (ma text)',
            "create table rieng (x int)",
            "create view v_ho_so as select * from ho_so",
            "create unique index partly on ho_so (nam) where so > 5",
            "drop role if exists doc_listing",
            "create role doc_listing login",
            "grant usage on schema kho to doc_listing",
            'grant select on ho_so, v_ho_so, kho."Sổ theo dõi" to doc_listing',
        )
        found = tables(url.replace("postgres@", "doc_listing@", 1))
        assert found == {
            "ho_so": ("table", (("so", "nam"), ("ma",))),
            "v_ho_so": ("view", ()),
            'kho."Sổ theo dõi"': ("table", ()),
        }
        assert set(tables(url, only="V_*")) == {"v_ho_so"}
        assert set(tables(url, default_schema="kho")) == {'"Sổ theo dõi"'}
        execute(url, "drop owned by doc_listing", "drop role doc_listing")


def test_sqlite_lists_tables_and_views_and_none_of_its_own(tmp_path: Path) -> None:
    database = tmp_path / "office.db"
    with sqlite3.connect(database) as connection:
        connection.executescript(
            "create table ho_so (ma text primary key, so int, nam int, unique (so, nam));"
            "create table \"Sổ, 'theo' dõi\" (ma text);"
            "create view v_ho_so as select * from ho_so;"
            "insert into ho_so values ('a', 1, 2); analyze;"
        )
    connection.close()
    assert tables(f"sqlite:///{database}") == {
        "ho_so": ("table", (("ma",), ("so", "nam"))),
        "\"Sổ, 'theo' dõi\"": ("table", ()),
        "v_ho_so": ("view", ()),
    }


def test_mariadb_lists_tables_and_views_with_their_keys(maria: Maria) -> None:
    maria.execute(
        "create table ho_so (ma varchar(20) primary key, so int, nam int, unique u (so, nam))",
        "create view v_ho_so as select * from ho_so",
    )
    assert tables(maria.url) == {
        "ho_so": ("table", (("ma",), ("so", "nam"))),
        "v_ho_so": ("view", ()),
    }
