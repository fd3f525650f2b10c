"""SQL Server and Oracle without a server: what would be asked is valid in their dialects."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
import sqlglot
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlglot import exp

from connectors.protocol import CursorValue
from connectors.registry import SqlStream
from connectors.sql import errors, statements
from connectors.sql.arrays import delivered
from connectors.sql.mssql import clock as mssql_clock
from connectors.sql.mssql import described
from connectors.sql.oracle import clock as oracle_clock
from connectors.sql.queries import from_query, one_statement
from connectors.sql.types import SourceColumn
from connectors.sql.types_vendors import MSSQL, ORACLE, mssql_column, oracle_column
from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError
from tests.connectors.sql.support import connector

DIALECTS: dict[str, Any] = {
    "tsql": mssql.dialect(),  # type: ignore[no-untyped-call]
    "oracle": oracle.dialect(),  # type: ignore[no-untyped-call]
    "mysql": mysql.dialect(),  # type: ignore[no-untyped-call]
    "postgres": postgresql.dialect(),  # type: ignore[no-untyped-call]
    "sqlite": sqlite.dialect(),  # type: ignore[no-untyped-call]
}
VENDORS = ["tsql", "oracle"]
PASSWORD = "m4t-kh4u"
CTES = """\
-- the office's own
WITH a (x, y) AS (SELECT 1 AS x, 'b);--' AS y), c AS (SELECT x FROM a /* all */)
SELECT x AS id, ':z' AS z, '100%' AS pct FROM c -- the end
;
"""


def compiled(statement: Any, dialect: str) -> str:
    found = statement.compile(dialect=DIALECTS[dialect], compile_kwargs={"literal_binds": True})
    return str(found).replace("%%", "%")


def parsed(statement: Any, dialect: str) -> exp.Expression:
    """The statement as sqlglot reads it in that dialect: one SELECT, and nothing it can't read."""
    sql = compiled(statement, dialect)
    (tree,) = sqlglot.parse(sql, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(tree, exp.Select), sql
    return tree


def mssql_columns() -> list[SourceColumn]:
    named = [name for rule in MSSQL for name in rule.names]
    return [mssql_column(f"c{i}", name) for i, name in enumerate(named)] + [
        mssql_column("Số tiền", "decimal(18,2)"), mssql_column("at", "datetime2(7)"),
    ]  # fmt: skip


def oracle_columns() -> list[SourceColumn]:
    named = [n for r in ORACLE[3:] for n in r.names if r.cast != "refused"]
    numbers = [(9, 0), (19, 0), (12, 2), (0, -127), (2, 5), (None, None)]
    return [
        *(oracle_column(f"C{i}", n, precision=None, scale=None) for i, n in enumerate(named)),
        *(
            oracle_column(f"N{i}", "NUMBER", precision=p, scale=s)
            for i, (p, s) in enumerate(numbers)
        ),
    ]


COLUMNS = {"tsql": mssql_columns(), "oracle": oracle_columns()}


def source(dialect: str, *, query: str | None = None) -> sa.FromClause:
    stream = SqlStream(table=None if query else "mot_cua.v_ho_so", query=query)
    return statements.source_of(stream, default_schema=None, dialect=dialect)


@pytest.mark.parametrize("dialect", VENDORS)
@pytest.mark.parametrize("query", [None, CTES], ids=["table", "query"])
def test_every_read_is_one_select_of_the_dialect(dialect: str, query: str | None) -> None:
    columns = COLUMNS[dialect]
    statement = statements.rows(source(dialect, query=query), columns, limit=5)
    tree = parsed(statement, dialect)
    assert tree.named_selects == [column.name for column in columns]
    parsed(statements.everything(source(dialect, query=query)), dialect)


@pytest.mark.parametrize("dialect", VENDORS)
def test_every_cursor_is_counted_and_bounded_in_its_own_type(dialect: str) -> None:
    bounds: dict[str, CursorValue] = {
        "timestamptz": datetime(2024, 1, 11, 12, 0, 0, 1, tzinfo=UTC),
        "timestamp": datetime(2024, 1, 11, 12, 0, 0, 1),  # noqa: DTZ001
        "date": date(2024, 1, 11), "integer": 7, "numeric": 7, "text": "x'",
    }  # fmt: skip
    tried = set()
    for column in COLUMNS[dialect]:
        if column.cursor is None:
            continue
        tried.add(column.cursor)
        high = bounds[column.cursor]
        counts = statements.counts(source(dialect), column, key=[column], high=high, zone="UTC")
        parsed(counts, dialect)
        parsed(statements.highest(source(dialect), column), dialect)
        where = [statements.at_least(column, high, "UTC"), statements.below(column, high, "UTC")]
        sql = compiled(statements.rows(source(dialect), [column], where=where), dialect)
        if column.cursor in {"timestamp", "timestamptz"}:
            assert "12:00:00.000001" in sql  # no driver may round it
    assert tried >= {"timestamp", "timestamptz", "integer", "numeric"}


def test_a_with_of_sql_server_is_lifted_out_of_the_parentheses() -> None:
    tree = parsed(statements.everything(source("tsql", query=CTES)), "tsql")
    assert [cte.alias for cte in tree.ctes] == ["a", "c", "stream"]
    assert list(tree.find_all(exp.Subquery)) == []
    sql = compiled(statements.everything(source("tsql", query=CTES)), "tsql")
    assert "a (x, y)" in sql
    assert "'b);--'" in sql
    assert "the end" not in sql


def test_sql_server_and_oracle_are_asked_for_types_and_clock() -> None:
    tree = parsed(described(source("tsql", query=CTES)), "tsql")
    assert "dm_exec_describe_first_result_set" in tree.sql("tsql").lower()
    assert "sysutcdatetime" in compiled(mssql_clock(), "tsql").lower()
    parsed(mssql_clock(), "tsql")
    parsed(oracle_clock(), "oracle")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS id",
        "SELECT 1 AS id;",
        " SELECT 1 AS id ;; \n",
        "SELECT 1 AS id -- end",
        "SELECT 1 AS id; -- end;",
        "SELECT 1 AS id /* end */ ; /* ; */",
        "/* a ; b */ SELECT 1 AS id",
        "SELECT ';' AS id -- ';",
    ],
)
def test_what_ends_a_query_is_cut_off(dialect: str, query: str) -> None:
    statement = statements.everything(from_query(query, dialect=dialect))
    parsed(statement, dialect)
    assert one_statement(query, dialect=dialect).endswith("AS id")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("query", ["", ";", "SELECT 1 AS id; SELECT 2 AS id", "-- nothing"])
def test_a_query_that_is_not_one_statement_is_refused(dialect: str, query: str) -> None:
    with pytest.raises(ConfigError, match="must be one SELECT"):
        one_statement(query, dialect=dialect)


def test_a_type_that_nothing_carries_is_refused_by_name() -> None:
    column = oracle_column("TEP", "BLOB", precision=None, scale=None)
    with pytest.raises(ConfigError, match="'TEP'"):
        statements.rows(source("oracle"), [column])


def test_texts_of_the_servers_become_the_published_types() -> None:
    columns = [
        mssql_column("at", "datetime2(7)"), mssql_column("off", "datetimeoffset(7)"),
        mssql_column("fee", "money"), mssql_column("ok", "bit"), mssql_column("d", "date"),
        oracle_column("N", "NUMBER", precision=5, scale=2),
        oracle_column("T", "TIMESTAMP", precision=None, scale=None),
    ]  # fmt: skip
    batch = delivered(
        [
            ("2024-01-11T07:00:00.1234567", "2024-01-11T00:00:00", "12.5000", True, "2024-01-11",
             ".5", " 2024-01-11T07:00:00.000001"),
            ("9999-12-31T00:00:00", None, None, False, "0001-01-01", None, "-4712-01-01T00:00:00"),
        ],
        columns,
    )  # fmt: skip
    assert batch.schema.field("off").type == pa.timestamp("us", "UTC")
    first, second = batch.to_pylist()
    assert first["at"] == datetime(2024, 1, 11, 7, 0, 0, 123456)  # noqa: DTZ001
    assert (str(first["fee"]), str(first["N"]), first["ok"]) == ("12.5000", "0.50", True)
    assert first["T"] == datetime(2024, 1, 11, 7, 0, 0, 1)  # noqa: DTZ001
    assert first["_bad_values"] is None
    assert second["_bad_values"] == ["at", "d", "T"]


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        (f"mssql://u:{PASSWORD}@h:1433/db", "pymssql", "lienthong[mssql]"),
        (f"oracle://u:{PASSWORD}@h:1521/?service_name=x", "oracledb", "lienthong[oracle]"),
    ],
)
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        connector(url)
    assert extra in str(caught.value)
    assert PASSWORD not in str(caught.value)


class Said(Exception):
    """What a driver raises."""


@pytest.mark.parametrize(
    ("translate", "error", "kind"),
    [
        (errors.mssql_error, Said((18456, b"Login failed")), SourceError),
        (errors.mssql_error, Said((20009, b"Unable to connect")), TransientSourceError),
        (errors.mssql_error, Said((20003, b"timed out")), TransientSourceError),
        (errors.mssql_error, Said((208, b"Invalid object name")), SourceError),
        (errors.mssql_error, Said((207, b"Invalid column name")), ContractError),
        (errors.mssql_error, Said(20018, "(208, b'x')"), SourceError),
        (errors.mssql_error, Said((99999, b"?")), SourceError),
        (errors.oracle_error, Said("ORA-01017: invalid username"), SourceError),
        (errors.oracle_error, Said("ORA-00942: table or view does not exist"), SourceError),
        (errors.oracle_error, Said("ORA-00904: invalid identifier"), ContractError),
        (errors.oracle_error, Said("ORA-00933: not properly ended"), ConfigError),
        (errors.oracle_error, Said("DPY-4024: call timeout"), TransientSourceError),
        (errors.oracle_error, Said("DPY-6005: cannot connect"), TransientSourceError),
        (errors.oracle_error, Said("ORA-99999: ?"), SourceError),
    ],
)
def test_errors_of_the_vendors_say_who_has_to_act(
    translate: Any, error: Said, kind: type[Exception]
) -> None:
    found = translate("stream 'ho_so'", error)
    assert type(found) is kind
    assert str(found).startswith("stream 'ho_so': ")
    assert not any(word in str(found) for word in ("Login", "object name", "properly"))
