"""A real MariaDB: every type as published, intervals, and what may go wrong."""

from __future__ import annotations

import contextlib
import socket
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pymysql
import pytest

from connectors.protocol import Cursor, ReadRequest
from connectors.sql.types_mysql import MARIADB
from schemas.errors import ConfigError, ContractError, SourceError, TransientSourceError
from tests.connectors.conftest import Maria
from tests.connectors.sql.support import connector, read, spec
from tests.support.processes import python

PASSWORD = "m4t-kh4u!s3cret"
VALUE = "079203001234"
BIG = 2**64 - 1
NOON = datetime(2024, 1, 11, 12, tzinfo=UTC)
BY_TIME = spec("id", "at", cursor=Cursor(column="at"))

# declaration, literal, delivered type, delivered value
CASES: list[tuple[str, str, pa.DataType, Any]] = [
    ("tinyint(1)", "7", pa.int64(), 7),
    ("bool", "true", pa.int64(), 1),
    ("smallint", "-32768", pa.int64(), -32768),
    ("mediumint", "8388607", pa.int64(), 8388607),
    ("int", "-5", pa.int64(), -5),
    ("int unsigned", "4294967295", pa.int64(), 4294967295),
    ("bigint", "-9223372036854775808", pa.int64(), -(2**63)),
    ("bigint unsigned", str(BIG), pa.decimal128(20, 0), Decimal(BIG)),
    ("bit(1)", "b'1'", pa.int64(), 1),
    ("bit(8)", "b'101'", pa.int64(), 5),
    ("bit(64)", str(BIG), pa.decimal128(20, 0), Decimal(BIG)),
    ("year", "2024", pa.int64(), 2024),
    ("float", "16777217", pa.float32(), 16777216.0),
    ("double", "0.1", pa.float64(), 0.1),
    ("decimal(12,2)", "-1234567890.12", pa.decimal128(12, 2), Decimal("-1234567890.12")),
    ("decimal(9,0)", "12", pa.decimal128(9, 0), Decimal(12)),
    ("decimal(10,2) unsigned", "1.5", pa.decimal128(10, 2), Decimal("1.50")),
    ("decimal(38,0)", "9" * 38, pa.decimal128(38, 0), Decimal("9" * 38)),
    ("decimal(40,2)", "1.50", pa.string(), "1.50"),
    ("date", "'1900-01-01'", pa.date32(), date(1900, 1, 1)),
    ("datetime", "'2024-01-11 07:00:01'", pa.timestamp("us"), datetime(2024, 1, 11, 7, 0, 1)),  # noqa: DTZ001
    ("datetime(6)", "'2200-12-31 23:59:59.999999'", pa.timestamp("us"),
     datetime(2200, 12, 31, 23, 59, 59, 999999)),  # noqa: DTZ001
    ("timestamp(6) null", "'2024-01-11 00:00:00.5'", pa.timestamp("us", "UTC"),
     datetime(2024, 1, 11, 0, 0, 0, 500000, tzinfo=UTC)),
    ("time(3)", "'-838:59:59'", pa.string(), "-838:59:59.000"),
    ("char(5)", "'ab'", pa.string(), "ab"),
    ("varchar(20)", "'Nguyễn Văn 😀'", pa.string(), "Nguyễn Văn 😀"),
    ("varchar(20) character set latin1", "'é'", pa.string(), "é"),
    ("text", r"'a\\b''c'", pa.string(), r"a\b'c"),
    ("longtext", "'x'", pa.string(), "x"),
    ("enum('tốt','xấu')", "'xấu'", pa.string(), "xấu"),
    ("set('a','b')", "'a,b'", pa.string(), "a,b"),
    ("json", "'{\"a\": [null]}'", pa.string(), '{"a": [null]}'),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", pa.string(),
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet6", "'::1'", pa.string(), "::1"),
    ("inet4", "'10.1.2.3'", pa.string(), "10.1.2.3"),
    ("binary(2)", "'a'", pa.string(), "6100"),
    ("varbinary(4)", "x'00ff'", pa.string(), "00ff"),
    ("blob", "x'00ff'", pa.string(), "00ff"),
    ("point", "ST_GeomFromText('POINT(1 2)')", pa.string(), "POINT(1 2)"),
]  # fmt: skip


def ids(table: pa.Table) -> list[int]:
    return sorted(table["id"].to_pylist())


def fill(maria: Maria, *, rows: int) -> None:
    columns = "seq AS id, REPEAT('x', 800) AS pad"
    maria.execute(f"CREATE TABLE t AS SELECT {columns} FROM seq_1_to_{rows}")


def make_types(maria: Maria) -> list[str]:
    names = [f"c{i}" for i in range(len(CASES))]
    columns = ", ".join(f"{n} {case[0]}" for n, case in zip(names, CASES, strict=True))
    values, nulls = ", ".join(case[1] for case in CASES), ", ".join("NULL" for _ in CASES)
    with contextlib.closing(
        pymysql.connect(
            host="127.0.0.1", port=maria.server.port, user="root", database=maria.name,
            charset="utf8mb4", autocommit=True, init_command="SET time_zone = '+00:00'",
        )
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute(f"CREATE TABLE t (id int, {columns})")
        cursor.execute(f"INSERT INTO t VALUES (1, {values}), (2, {nulls})")
    return names


@pytest.mark.parametrize("from_query", [False, True], ids=["table", "query"])
def test_every_type_arrives_as_published(maria: Maria, from_query: bool) -> None:
    names = make_types(maria)
    query = "WITH x AS (SELECT * FROM t) SELECT x.* FROM x -- all of it\n;" if from_query else None
    table, _ = read(maria.url, spec("id", *names, query=query))
    first, second = table.sort_by("id").to_pylist()
    for name, (declared, _, kind, value) in zip(names, CASES, strict=True):
        assert table.schema.field(name).type == kind, declared
        assert first[name] == value, declared
        assert second[name] is None, declared
    assert first["_bad_values"] is second["_bad_values"] is None


def test_every_published_type_is_tried() -> None:
    tried = {case[0].split("(")[0].partition(" ")[0] for case in CASES}
    tried |= {"bigint unsigned", "bit(64)", "geometry", "inet"}
    assert {name for rule in MARIADB for name in rule.names} <= tried


def test_dates_that_no_calendar_holds_are_null_and_named(maria: Maria) -> None:
    maria.execute("CREATE TABLE t (id int, d date, at datetime(6), ts timestamp NULL, y year)")
    with contextlib.closing(
        pymysql.connect(
            host="127.0.0.1", port=maria.server.port, user="root", database=maria.name,
            autocommit=True, init_command="SET sql_mode = 'ALLOW_INVALID_DATES'",
        )
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute(
            "INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00', '0000-00-00', 0),"
            " (2, '2024-00-00', '2024-01-00 07:00', NULL, 1999),"
            " (3, '2024-02-31', '2024-02-31 01:02:03.5', NULL, NULL),"
            " (4, '1899-12-31', '9999-12-31', NULL, 2155),"
            " (5, '2024-02-29', '2024-02-29 01:02:03.5', '2024-02-29 00:00', 2024)"
        )
    table, _ = read(maria.url, spec("id", "d", "at", "ts", "y"))
    rows = table.sort_by("id").to_pylist()
    assert [row["_bad_values"] for row in rows] == [
        ["d", "at", "ts", "y"], ["d", "at"], ["d", "at"], ["d", "at"], None,
    ]  # fmt: skip
    assert [row["d"] for row in rows] == [None, None, None, None, date(2024, 2, 29)]
    assert rows[4]["at"] == datetime(2024, 2, 29, 1, 2, 3, 500000)  # noqa: DTZ001
    assert [row["y"] for row in rows] == [None, 1999, None, 2155, 2024]


@pytest.fixture
def times(maria: Maria) -> Maria:
    maria.execute(
        "CREATE TABLE t (id int PRIMARY KEY, at datetime(6))",
        "INSERT INTO t VALUES (1, '2024-01-11 11:59:59.999999'), (2, '2024-01-11 12:00'),"
        " (3, '2024-01-11 12:59:59.999999'), (4, '2024-01-11 13:00'), (5, NULL),"
        " (6, '2099-01-01')",
    )
    return maria


def test_an_interval_holds_its_low_and_not_its_high_to_the_microsecond(times: Maria) -> None:
    table, summary = read(times.url, BY_TIME, low=NOON, high=NOON + timedelta(hours=1))
    assert ids(table) == [2, 3]
    assert (summary.null_cursor, summary.future_cursor, summary.source_rows) == (1, 2, 3)
    assert summary.is_complete
    just_before = NOON - timedelta(microseconds=1)
    assert ids(read(times.url, BY_TIME, low=just_before, high=NOON)[0]) == [1]
    keys = pa.Table.from_batches(connector(times.url).keys(BY_TIME, below=NOON))
    assert ids(keys) == [1]


def test_many_rows_come_in_the_cursor_s_order_behind_those_without_a_place_in_it(
    maria: Maria,
) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    numbers = [7 * i % 121 for i in range(1, 121)]
    rows = [f"({n}, '{start + timedelta(hours=n):%F %T}')" for n in numbers]
    maria.execute(
        "CREATE TABLE t (id int, at datetime(6) NULL)",
        f"INSERT INTO t VALUES {', '.join(rows)}, (901, NULL), (902, '2099-01-01')",
    )
    high = datetime(2024, 2, 1, tzinfo=UTC)
    table, summary = read(maria.url, BY_TIME, high=high, ordered_from=100, batch_rows=50)
    assert summary.is_ordered
    assert sorted(table["id"].to_pylist()[:2]) == [901, 902]
    assert table["id"].to_pylist()[2:] == list(range(1, 121))
    until = high - timedelta(days=29)
    first, _ = read(maria.url, BY_TIME, high=high, until=until, ordered_from=2)
    rest, _ = read(maria.url, BY_TIME, low=until, high=high, ordered_from=2)
    assert sorted(ids(first) + ids(rest)) == [*range(1, 121), 901, 902]
    assert connector(maria.url).count(BY_TIME, low=until, high=high) == rest.num_rows


def test_a_zero_date_counts_as_no_cursor(times: Maria) -> None:
    with contextlib.closing(
        pymysql.connect(
            host="127.0.0.1", port=times.server.port, user="root", database=times.name,
            autocommit=True, init_command="SET sql_mode = ''",
        )
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute("INSERT INTO t VALUES (7, '0000-00-00')")
    _, summary = read(times.url, BY_TIME, low=NOON, high=NOON + timedelta(hours=1))
    assert (summary.null_cursor, summary.source_rows) == (2, 3)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("datetime(6)", "UTC_TIMESTAMP(6) - interval 1 hour"),
        ("timestamp(6) null", "NOW(6) - interval 1 hour"),
        ("date", "CURDATE() - interval 1 day"),
        ("int", "7"),
        ("bigint unsigned", str(BIG)),
        ("decimal(20,0)", "1704931200000"),
        ("varchar(20) collate utf8mb4_unicode_ci", "'x''%'"),
        ("varchar(20) collate utf8mb4_bin", "'20240111'"),
    ],
)
def test_the_high_of_every_cursor_kind_takes_in_what_is_there(
    maria: Maria, kind: str, value: str
) -> None:
    maria.execute(f"CREATE TABLE t (id int, at {kind})", f"INSERT INTO t VALUES (1, {value})")
    high = connector(maria.url).high(BY_TIME)
    table, summary = read(maria.url, BY_TIME, high=high)
    assert (ids(table), summary.source_rows) == ([1], 1)
    assert ids(read(maria.url, BY_TIME, low=high, high=high)[0]) == []


def test_a_view_and_a_query_are_read_like_a_table(times: Maria) -> None:
    times.execute("CREATE VIEW v AS SELECT id, at FROM t WHERE at IS NOT NULL")
    query = "# the office's own\nSELECT id, at FROM t WHERE at IS NOT NULL ORDER BY at; -- done"
    first, _ = read(times.url, spec("id", "at", table="v"))
    second, _ = read(times.url, spec("id", "at", query=query))
    assert ids(first) == ids(second) == [1, 2, 3, 4, 6]
    assert first.schema == second.schema


def test_names_may_be_anything(maria: Maria) -> None:
    odd = ["Số hồ sơ", "select", "a:b", "100%", "it's", "x y", "q?", "A"]
    columns = ", ".join(f"`{name}` text" for name in odd)
    maria.server.execute("CREATE DATABASE IF NOT EXISTS `Sở`")
    maria.execute(f"CREATE OR REPLACE TABLE `Sở`.`v.hồ %s sơ` ({columns})")
    with contextlib.closing(
        pymysql.connect(host="127.0.0.1", port=maria.server.port, user="root", autocommit=True)
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        marks = ", ".join(["%s"] * len(odd))
        cursor.execute(f"INSERT INTO `Sở`.`v.hồ %%s sơ` VALUES ({marks})", odd)
    table, _ = read(maria.url, spec(*odd, table='"Sở"."v.hồ %s sơ"'))
    assert table.select(odd).to_pylist() == [{name: name for name in odd}]
    maria.server.execute("DROP DATABASE `Sở`")


def test_check_shows_every_column_in_the_source_s_words(maria: Maria) -> None:
    maria.execute(
        "CREATE TABLE t (id int, part int unsigned, fee decimal(9,2), name varchar(40),"
        " PRIMARY KEY (id, part))",
        "INSERT INTO t SELECT seq, 1, 2, 'x' FROM seq_1_to_500",
    )
    found = connector(maria.url, timezone="Asia/Ho_Chi_Minh").check(spec("id", "fee"))
    assert found.columns == {
        "id": "int", "part": "int unsigned", "fee": "decimal(9,2)", "name": "varchar(40)",
    }  # fmt: skip
    assert found.sample.num_rows == 200
    assert "primary key: id, part" in found.notes
    assert "datetime is read as Asia/Ho_Chi_Minh" in found.notes
    assert any("MariaDB" in note for note in found.notes)


def test_counts_and_rows_are_of_one_moment(times: Maria) -> None:
    request = ReadRequest(high=NOON + timedelta(hours=1))
    with connector(times.url).read(BY_TIME, request) as reading:
        times.execute("DELETE FROM t", "INSERT INTO t VALUES (60, '2024-01-11 12:00')")
        found = ids(pa.Table.from_batches(list(reading.batches())))
    assert found == [1, 2, 3, 4, 5, 6]
    assert reading.summary.source_rows == 3


@pytest.fixture
def office(maria: Maria) -> Any:
    """What an office gives away: a user with a password and nothing but SELECT."""
    maria.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text)",
        f"INSERT INTO t VALUES (1, '{VALUE}')",
        "CREATE TABLE locked (id int)",
        "CREATE VIEW slow AS SELECT id, SLEEP(30) AS s FROM t",
        f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT ON `{maria.name}`.t TO reader@'127.0.0.1'",
        f"GRANT SELECT ON `{maria.name}`.slow TO reader@'127.0.0.1'",
    )
    yield maria.server.url(maria.name, user="reader", password=PASSWORD)
    maria.execute("DROP USER reader@'127.0.0.1'")


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


def test_a_user_with_only_select_is_enough(office: str) -> None:
    assert connector(office).check(spec("id", "name")).sample["name"].to_pylist() == [VALUE]
    assert [batch.num_rows for batch in connector(office).keys(spec("id"))] == [1]


def test_each_refusal_says_what_to_do(office: str, maria: Maria) -> None:
    wrong = office.replace(PASSWORD.replace("!", "%21"), "wr0ng")
    assert "refused the password" in refused(wrong, SourceError)
    nowhere = maria.server.url("nowhere")
    assert "no such database" in refused(nowhere, SourceError)
    assert "no such table" in refused(maria.url, SourceError, spec("id", table="v_ho_so"))
    assert "GRANT SELECT" in refused(office, SourceError, spec("id", table="locked"))
    assert "(there is 'name')" in refused(office, ContractError, spec("id", "Name"))
    assert "syntax error" in refused(office, ConfigError, spec("id", query="SELEC id FROM t"))
    said = refused(office, TransientSourceError, spec("s", table="slow"), statement_timeout=1)
    assert "took too long" in said


def test_an_unreachable_or_silent_host_is_tried_again_later() -> None:
    url = f"mysql://u:{PASSWORD}@127.0.0.1:1/db"
    assert "can't be reached" in refused(url, TransientSourceError)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"mysql://u:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/db"
        refused(url, TransientSourceError, connect_timeout=1)
    with pytest.raises(ConfigError) as caught:
        connector(f"mysql://u:{PASSWORD}@h:port/db")
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "SELECT 1 AS id; DELETE FROM t",
        "SELECT 1 AS id) AS a; DELETE FROM t; SELECT * FROM (SELECT 1 AS id",
        "SELECT drain() AS id",
        "SELECT id FROM t INTO OUTFILE '/tmp/lienthong-never'",
        "SELECT NEXTVAL(numbers) AS id",
    ],
)
def test_a_query_that_writes_is_refused_even_to_root(maria: Maria, query: str) -> None:
    maria.execute(
        "CREATE TABLE t (id int)",
        "INSERT INTO t VALUES (1)",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION drain() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END",
    )
    with pytest.raises((ConfigError, SourceError)):
        read(maria.url, spec("id", query=query))
    assert read(maria.url, spec("id"))[0].num_rows == 1


def test_a_read_that_is_dropped_hangs_up_instead_of_reading_to_the_end(maria: Maria) -> None:
    fill(maria, rows=300_000)
    reached = connector(maria.url)
    reading = reached.read(spec("id", "pad"), ReadRequest(batch_rows=1000))
    next(reading.batches())
    reached.close()
    assert not reading.summary.is_complete
    left, _ = read(
        maria.url,
        spec("n", query="SELECT COUNT(*) AS n FROM information_schema.processlist"
             f" WHERE db = '{maria.name}' AND id <> CONNECTION_ID() AND command = 'Query'"
             " AND state NOT LIKE 'Writ%' AND state NOT LIKE 'Send%'"),
    )  # fmt: skip
    assert left["n"].to_pylist() == [0]


def test_a_connection_lost_in_mid_read_is_tried_again_later(maria: Maria) -> None:
    fill(maria, rows=300_000)
    with connector(maria.url).read(spec("id", "pad"), ReadRequest(batch_rows=1000)) as reading:
        batches = reading.batches()
        next(batches)
        running, _ = read(
            maria.url,
            spec("id", query="SELECT id FROM information_schema.processlist"
                 f" WHERE db = '{maria.name}' AND id <> CONNECTION_ID()"),
        )  # fmt: skip
        for number in running["id"].to_pylist():
            maria.execute(f"KILL {number}")
        with pytest.raises(TransientSourceError):
            list(batches)
        assert not reading.summary.is_complete


def test_many_rows_are_read_in_bounded_memory(maria: Maria) -> None:
    fill(maria, rows=150_000)
    code = """
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import SqlOptions, SqlStream, connect
spec = StreamSpec(name="s", columns=("id", "pad"), key=("id",), options=SqlStream(table="t"))
connector = connect("sql", SqlOptions(url=sys.argv[1]))
with connector.read(spec, ReadRequest(limit=10)) as read:
    list(read.batches())
base, rows = peak_mib(), 0
with connector.read(spec, ReadRequest(batch_rows=10_000)) as read:
    for batch in read.batches():
        rows += batch.num_rows
print(rows, peak_mib() - base)
"""
    rows, grown = map(int, python(code, maria.url).split())
    assert rows == 150_000
    # Some 90 for 40 MB and for 360 MB alike: a batch in Python and in Arrow.
    assert grown < 120, f"{grown} MiB for 120 MB of rows"
