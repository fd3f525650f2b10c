"""Each type of a real PostgreSQL arrives as the published table says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from connectors.sql.types import POSTGRES
from tests.connectors.sql.support import connector, read, spec
from tests.support.postgres import execute

# declaration, literal, delivered type, delivered value
CASES: list[tuple[str, str, pa.DataType, Any]] = [
    ("bool", "true", pa.bool_(), True),
    ("int2", "-32768", pa.int64(), -32768),
    ("int4", "2147483647", pa.int64(), 2147483647),
    ("int8", "9223372036854775807", pa.int64(), 2**63 - 1),
    ("oid", "4294967295", pa.int64(), 4294967295),
    ("float4", "1.5", pa.float32(), 1.5),
    ("float8", "0.1", pa.float64(), 0.1),
    ("numeric", "0.00000000000000000000000000000000000000001", pa.string(),
     "0.00000000000000000000000000000000000000001"),
    ("numeric", "'NaN'", pa.string(), "NaN"),
    ("numeric(12,2)", "-1234567890.12", pa.decimal128(12, 2), Decimal("-1234567890.12")),
    ("numeric(38,0)", "9" * 38, pa.decimal128(38, 0), Decimal("9" * 38)),
    ("numeric(40,2)", "1.50", pa.string(), "1.50"),
    ("numeric(5,-2)", "12345", pa.string(), "12300"),
    ("money", "12.50", pa.string(), "12.50"),
    ("text", "'Nguyễn Văn An'", pa.string(), "Nguyễn Văn An"),
    ("varchar(20)", "'a '", pa.string(), "a "),
    ("char(5)", "'ab'", pa.string(), "ab"),
    ("name", "'n'", pa.string(), "n"),
    ("\"char\"", "'c'", pa.string(), "c"),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", pa.string(),
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("time", "'07:30:00.5'", pa.string(), "07:30:00.5"),
    ("timetz", "'07:30+07'", pa.string(), "07:30:00+07"),
    ("interval", "'1 day 2 hours'", pa.string(), "P1DT2H"),
    ("inet", "'10.1.2.3/24'", pa.string(), "10.1.2.3/24"),
    ("cidr", "'10.1.2.0/24'", pa.string(), "10.1.2.0/24"),
    ("macaddr", "'08:00:2b:01:02:03'", pa.string(), "08:00:2b:01:02:03"),
    ("json", "'{\"b\": 1,  \"a\": [null]}'", pa.string(), '{"b": 1,  "a": [null]}'),
    ("jsonb", "'{\"b\": 1, \"a\": 2}'", pa.string(), '{"a": 2, "b": 1}'),
    ("int4[]", "'{1,NULL,3}'", pa.string(), "[1,null,3]"),
    ("text[]", "'{a,\"b,c\"}'", pa.string(), '["a","b,c"]'),
    ("mood[]", "'{tot}'", pa.string(), '["tot"]'),
    ("numeric(5,1)[]", "'{1.5}'", pa.string(), "[1.5]"),
    ("pair", "'(1,x)'", pa.string(), '{"a":1,"b":"x"}'),
    ("mood", "'tot'", pa.string(), "tot"),
    ("positive", "1.5", pa.decimal128(8, 1), Decimal("1.5")),
    ("int4range", "'[1,5)'", pa.string(), "[1,5)"),
    ("tstzrange", "'[2024-01-01 07:00+07,)'", pa.string(), '["2024-01-01 00:00:00+00",)'),
    ("int4multirange", "'{[1,3)}'", pa.string(), "{[1,3)}"),
    ("bytea", r"'\x00ff'", pa.string(), "00ff"),
    ("bit(3)", "'101'", pa.string(), "101"),
    ("xml", "NULL", pa.string(), None),  # the test server is built without libxml
    ("point", "'(1,2)'", pa.string(), "(1,2)"),
    ("tsvector", "'a b'", pa.string(), "'a' 'b'"),
    ("timestamptz", "'2024-01-11 07:00:00.123456+07'", pa.timestamp("us", "UTC"),
     datetime(2024, 1, 11, 0, 0, 0, 123456, tzinfo=UTC)),
    ("timestamp", "'2024-01-11 07:00'", pa.timestamp("us"), datetime(2024, 1, 11, 7)),  # noqa: DTZ001
    ("date", "'1900-01-01'", pa.date32(), date(1900, 1, 1)),
    ("date", "'2200-12-31'", pa.date32(), date(2200, 12, 31)),
]  # fmt: skip
OUT_OF_RANGE = ("infinity", "-infinity", "2500-01-01", "0044-03-15 BC", "1899-12-31", "2201-01-01")


def make_types(url: str) -> None:
    execute(
        url,
        "CREATE TYPE mood AS ENUM ('tot', 'xau')",
        "CREATE TYPE pair AS (a int, b text)",
        "CREATE DOMAIN positive AS numeric(8,1) CHECK (VALUE > 0)",
    )


def test_every_type_arrives_as_published(database: str) -> None:
    make_types(database)
    names = [f"c{i}" for i in range(len(CASES))]
    columns = ", ".join(f"{n} {case[0]}" for n, case in zip(names, CASES, strict=True))
    values = ", ".join(case[1] for case in CASES)
    nulls = ", ".join("NULL" for _ in CASES)
    execute(
        database,
        f"CREATE TABLE t (id int, {columns})",
        f"INSERT INTO t VALUES (1, {values}), (2, {nulls})",
    )
    table, _ = read(database, spec("id", *names))
    first, second = table.sort_by("id").to_pylist()
    for name, (declared, _, kind, value) in zip(names, CASES, strict=True):
        assert table.schema.field(name).type == kind, declared
        assert first[name] == value, declared
        assert second[name] is None, declared
    assert first["_bad_values"] is second["_bad_values"] is None


def test_every_published_type_is_tried(database: str) -> None:
    make_types(database)
    tried = {case[0].split("(")[0].strip('"') for case in CASES} | {"bpchar"}
    generic = {"any array", "composite types", "ranges", "multiranges", "enums", "geometry",
               "every other type"}  # fmt: skip
    published = {name for rule in POSTGRES for name in rule.names} - generic
    assert published <= tried


def test_the_same_types_come_from_a_query(database: str) -> None:
    make_types(database)
    execute(database, "CREATE TABLE t (id int, m money, d numeric(9,3), u mood[], r tstzrange)")
    execute(database, "INSERT INTO t VALUES (1, 2.5, 1.125, '{xau}', '[2024-01-01+00,)')")
    from_table, _ = read(database, spec("id", "m", "d", "u", "r"))
    query = "SELECT t.*, '12:30'::time AS x, ':y'::text AS z FROM t WHERE id::int > 0;"
    from_query, _ = read(database, spec("id", "m", "d", "u", "r", query=query))
    assert from_query.equals(from_table)
    with_text, _ = read(database, spec("x", "z", query=query))
    assert with_text.select(["x", "z"]).to_pylist() == [{"x": "12:30:00", "z": ":y"}]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_times_that_cannot_be_carried_are_null_and_named(database: str, kind: str) -> None:
    execute(database, f"CREATE TABLE t (id int, at {kind}, ok {kind})")
    for number, value in enumerate(OUT_OF_RANGE):
        execute(database, f"INSERT INTO t VALUES ({number}, '{value}', '2024-02-29')")
    execute(database, "INSERT INTO t VALUES (99, '2200-12-31', NULL)")
    table, _ = read(database, spec("id", "at", "ok"))
    rows = {row["id"]: row for row in table.to_pylist()}
    for number, value in enumerate(OUT_OF_RANGE):
        assert rows[number]["at"] is None, value
        assert rows[number]["_bad_values"] == ["at"], value
        assert rows[number]["ok"] is not None
    assert rows[99]["_bad_values"] is None
    assert str(rows[99]["at"]).startswith("2200-12-31")


def test_not_a_number_in_a_decimal_is_null_and_named(database: str) -> None:
    execute(database, "CREATE TABLE t (id int, fee numeric(9,2))")
    execute(database, "INSERT INTO t VALUES (1, 'NaN'), (2, 1.5), (3, NULL)")
    table, _ = read(database, spec("id", "fee"))
    rows = table.sort_by("id").to_pylist()
    assert [row["fee"] for row in rows] == [None, Decimal("1.50"), None]
    assert [row["_bad_values"] for row in rows] == [["fee"], None, None]


def test_names_of_columns_and_tables_may_be_anything(database: str) -> None:
    odd = ["Số hồ sơ", "select", "a:b", "100%", "it's", "x y", "q?", "$1", "A"]
    columns = ", ".join(f'"{name}" text' for name in odd)
    execute(database, 'CREATE SCHEMA "Sở"', f'CREATE TABLE "Sở"."v.hồ sơ" ({columns})')
    values = ", ".join("'" + name.replace("'", "''") + "'" for name in odd)
    execute(database, f'INSERT INTO "Sở"."v.hồ sơ" VALUES ({values})')
    table, _ = read(database, spec(*odd, table='"Sở"."v.hồ sơ"'))
    assert table.select(odd).to_pylist() == [{name: name for name in odd}]


def test_a_changed_type_is_seen_in_the_schema(database: str) -> None:
    execute(database, "CREATE TABLE t (id int, fee int)", "INSERT INTO t VALUES (1, 5)")
    before, _ = read(database, spec("id", "fee"))
    execute(database, "ALTER TABLE t ALTER fee TYPE numeric(9,2)")
    after, _ = read(database, spec("id", "fee"))
    assert before.schema.field("fee").type == pa.int64()
    assert after.schema.field("fee").type == pa.decimal128(9, 2)


def test_check_shows_every_column_in_the_source_s_words(database: str) -> None:
    make_types(database)
    execute(
        database,
        "CREATE TABLE t (id int, part int, fee numeric(9,2), m mood, s text[],"
        " PRIMARY KEY (id, part))",
        "INSERT INTO t SELECT i, 1, 2, 'tot', '{a}' FROM generate_series(1, 500) i",
    )
    found = connector(database, timezone="Asia/Ho_Chi_Minh").check(spec("id", "fee"))
    assert found.columns == {
        "id": "int4", "part": "int4", "fee": "numeric(9,2)", "m": "mood", "s": "_text",
    }  # fmt: skip
    assert found.sample.num_rows == 200
    assert found.sample.schema.names == ["id", "fee", "_bad_values"]
    assert "primary key: id, part" in found.notes
    assert "times without a zone are read as Asia/Ho_Chi_Minh" in found.notes
