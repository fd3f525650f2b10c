"""Databases that refuse, vanish or lie: a clear answer each, and never a value or a password."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.protocol import ReadRequest
from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError
from tests.connectors.sql.support import connector, read, spec
from tests.support.postgres import Server, execute, fresh_database, read_only_role
from tests.support.processes import python

PASSWORD = "m4t-kh4u!s3cret"
VALUE = "079203001234"


@pytest.fixture
def office(server: Server) -> Iterator[str]:
    """What an office gives away: a role with a password and nothing but SELECT."""
    with fresh_database(server) as owner:
        execute(
            owner,
            "CREATE TABLE t (id int PRIMARY KEY, name text)",
            f"INSERT INTO t VALUES (1, '{VALUE}')",
            "CREATE VIEW v AS SELECT id, name::int AS number FROM t",
            "CREATE VIEW slow AS SELECT id, pg_sleep(30)::text AS s FROM t",
        )
        with read_only_role(server, owner, password=PASSWORD) as url:
            execute(owner, "CREATE TABLE locked (id int)")  # made after the grant
            yield url


def refused(url: str, kind: type[Exception], wanted: Any = None, **options: Any) -> str:
    """The message of the refusal, which holds neither value nor password, nor does its chain."""
    with (
        pytest.raises(kind) as caught,
        connector(url, **options).read(wanted or spec("id"), ReadRequest()) as reading,
    ):
        list(reading.batches())
    assert type(caught.value) is kind
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for secret in (PASSWORD, VALUE, "wr0ng"):
        assert secret not in str(error)
    return str(error)


def test_a_role_with_only_select_is_enough(office: str) -> None:
    assert connector(office).check(spec("id", "name")).sample["name"].to_pylist() == [VALUE]
    table, summary = read(office, spec("id", "name"))
    assert table.num_rows == 1
    assert summary.snapshot_xmin is not None
    batches = list(connector(office).keys(spec("id")))
    assert [batch.num_rows for batch in batches] == [1]


def test_a_wrong_password_is_the_office_s_to_solve(office: str) -> None:
    wrong = office.replace(f":{PASSWORD.replace('!', '%21')}@", ":wr0ng@")
    assert wrong != office
    assert "refused the password" in refused(wrong, SourceError)


def test_a_password_with_any_sign_works(server: Server, database: str) -> None:
    execute(database, "CREATE TABLE t AS SELECT 1 AS id")
    odd = "p@:/?#[]%& =+ü"
    with read_only_role(server, database, password=odd) as url:
        assert read(url, spec("id"))[0].num_rows == 1


def test_an_unreachable_host_is_tried_again_later() -> None:
    url = f"postgresql://u:{PASSWORD}@127.0.0.1:1/db"
    assert "can't be reached" in refused(url, TransientSourceError)
    url = f"postgresql://u:{PASSWORD}@no-such-host.invalid/db"
    assert "can't be reached" in refused(url, TransientSourceError)


def test_a_host_that_never_answers_is_given_up() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/db"
        assert "no answer in time" in refused(url, TransientSourceError, connect_timeout=1)


def test_a_url_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        connector(f"mongodb://u:{PASSWORD}@h/db")
    assert PASSWORD not in str(caught.value)
    refused(f"postgresql://u:%ZZ{PASSWORD}@h/db", ConfigError)
    refused(f"postgresql://u:{PASSWORD}@h:port/db", ConfigError)


def test_a_missing_database_role_or_table_is_named_for_what_it_is(
    server: Server, office: str
) -> None:
    assert "no such database" in refused(server.url("nowhere"), SourceError)
    assert "refused the role" in refused(server.url(user="nobody_here"), SourceError)
    said = refused(office, SourceError, spec("id", table="v_ho_so"))
    assert "table 'v_ho_so'" in said
    assert "no such table" in said
    assert "no such table" in refused(office, SourceError, spec("id", query="SELECT * FROM gone"))


def test_a_table_without_a_grant_is_the_office_s_to_solve(office: str) -> None:
    assert "GRANT SELECT" in refused(office, SourceError, spec("id", table="locked"))


def test_a_missing_column_names_the_nearest(office: str) -> None:
    said = refused(office, ContractError, spec("id", "Name"))
    assert "no column 'Name' (there is 'name')" in said


def test_a_column_that_stands_twice_in_a_query_is_refused(office: str) -> None:
    said = refused(office, ContractError, spec("id", query="SELECT a.id, b.id FROM t a, t b"))
    assert "twice" in said


def test_a_slow_statement_is_given_up(office: str) -> None:
    said = refused(office, TransientSourceError, spec("s", table="slow"), statement_timeout=1)
    assert "took too long" in said


def test_a_value_that_the_database_cannot_compute_is_not_repeated(office: str) -> None:
    owner = "postgresql://postgres@" + office.partition("@")[2]
    execute(owner, f"UPDATE t SET name = 'x{VALUE}'")
    assert "SQLSTATE 22P02" in refused(office, SourceError, spec("number", table="v"))


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "DELETE FROM t RETURNING id",
        "WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone",
        "SELECT 1 AS id; DELETE FROM t",
        "SELECT 1 AS id) AS a; DELETE FROM t; SELECT * FROM (SELECT 1 AS id",
        "SELECT nextval('numbers') AS id",
        "SELECT lo_create(0)::int AS id",
    ],
)
def test_a_query_that_writes_is_refused_even_to_the_owner(database: str, query: str) -> None:
    execute(
        database, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)", "CREATE SEQUENCE numbers"
    )
    with pytest.raises((ConfigError, SourceError)):
        read(database, spec("id", query=query))
    assert read(database, spec("id"))[0].num_rows == 1


def test_the_connection_itself_refuses_to_write(database: str) -> None:
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    from connectors.registry import SqlOptions
    from connectors.sql.postgres import _libpq_uri

    uri = _libpq_uri(database, SqlOptions(url=database))  # type: ignore[arg-type]
    with (
        dbapi.connect(uri) as connection,
        connection.cursor() as cursor,
        pytest.raises(Error, match="read-only transaction"),
    ):
        cursor.execute("CREATE TABLE t (id int)")


def test_a_connection_lost_in_mid_read_is_tried_again_later(database: str) -> None:
    execute(
        database,
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 200) AS pad"
        " FROM generate_series(1, 500000) i",
    )
    with connector(database).read(spec("id", "pad"), ReadRequest(batch_rows=1000)) as reading:
        batches = reading.batches()
        next(batches)
        execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'lienthong' AND datname = current_database()",
        )
        with pytest.raises(TransientSourceError):
            list(batches)
        assert not reading.summary.is_complete


def test_a_read_that_is_dropped_leaves_no_connection_behind(database: str) -> None:
    execute(database, "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 500000) i")
    reached = connector(database)
    reading = reached.read(spec("id"), ReadRequest(batch_rows=1000))
    next(reading.batches())
    reached.close()
    open_ones, _ = read(
        database,
        spec("n", query="SELECT count(*) AS n FROM pg_stat_activity WHERE state <> 'idle'"
             " AND application_name = 'lienthong' AND pid <> pg_backend_pid()"
             " AND datname = current_database()"),
    )  # fmt: skip
    assert open_ones["n"].to_pylist() == [0]


@pytest.mark.parametrize("bounds", ["", "low=0, high=2_000_000"], ids=["whole", "interval"])
def test_a_million_rows_are_read_in_bounded_memory(database: str, bounds: str) -> None:
    execute(
        database,
        "CREATE TABLE t AS SELECT i AS id, md5(i::text) || repeat('x', 200) AS name,"
        " now() - i * interval '1 s' AS at, i * 1.5 AS fee FROM generate_series(1, 1000000) i",
    )
    code = f"""
from connectors.protocol import Cursor, ReadRequest, StreamSpec
from connectors.registry import SqlOptions, SqlStream, connect
spec = StreamSpec(name="s", columns=("id", "name", "at", "fee"), key=("id",),
                  cursor=Cursor(column="id"), options=SqlStream(table="t"))
connector = connect("sql", SqlOptions(url=sys.argv[1]))
with connector.read(spec, ReadRequest(limit=10)) as read:
    list(read.batches())
base, rows = peak_mib(), 0
with connector.read(spec, ReadRequest({bounds})) as read:
    for batch in read.batches():
        rows += batch.num_rows
print(rows, peak_mib() - base)
"""
    rows, grown = map(int, python(code, database).split())
    assert rows == 1_000_000
    assert grown < 130, f"{grown} MiB for 270 MB of rows"
