# ruff: noqa: E501 - a table of expressions reads better with one in each line

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.mapping.sql import FUNCTIONS, TYPES, compile_sql
from tests.schemas.mapping.landed import derived, mapping_of

FRAME = pl.DataFrame(
    {
        "a": ["Hồ Sơ", "x", None],
        "n": ["12", "zz", None],
        "b": [1.5, -2.0, None],
        "Số hồ sơ": ["H1", "H2", None],
        "list.fee": ["1", "2", None],
    }
)


def values(text: str, *, explode: str | None = None) -> list[Any]:
    return FRAME.select(v=compile_sql(text, explode=explode).value())["v"].to_list()


def lost(text: str, frame: pl.DataFrame = FRAME) -> list[bool]:
    return frame.select(v=compile_sql(text).lost() | pl.lit(pl.Series([False] * frame.height)))["v"].to_list()  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abs(b)", [1.5, 2.0, None]), ("ceil(b)", [2.0, -2.0, None]),
        ("coalesce(n, a, '-')", ["12", "zz", "-"]), ("concat(a, '/', n)", ["Hồ Sơ/12", "x/zz", "/"]),
        ("concat_ws('-', a, n)", ["Hồ Sơ-12", "x-zz", ""]),
        ("ends_with(a, 'Sơ')", [True, False, None]), ("floor(b)", [1.0, -2.0, None]),
        ("greatest(b, 0)", [1.5, 0.0, 0.0]), ("if(b > 0, 'p', 'n')", ["p", "n", "n"]),
        ("ifnull(a, '?')", ["Hồ Sơ", "x", "?"]), ("initcap(lower(a))", ["Hồ Sơ", "X", None]),
        ("least(b, 0)", [0.0, -2.0, 0.0]), ("left(a, 2)", ["Hồ", "x", None]),
        ("length(a)", [5, 1, None]), ("lower(a)", ["hồ sơ", "x", None]),
        ("lpad(n, 4, '0')", ["0012", "00zz", None]), ("ltrim(a)", ["Hồ Sơ", "x", None]),
        ("mod(b, 2)", [1.5, 0.0, None]), ("nullif(a, 'x')", ["Hồ Sơ", None, None]),
        ("regexp_like(a, '^H')", [True, False, None]),
        ("regexp_replace(a, 'H.', 'X')", ["X Sơ", "x", None]),
        ("replace(a, 'x', 'y')", ["Hồ Sơ", "y", None]), ("reverse(n)", ["21", "zz", None]),
        ("right(a, 2)", ["Sơ", "x", None]), ("round(b, 0)", [2.0, -2.0, None]),
        ("rpad(n, 3, '.')", ["12.", "zz.", None]), ("rtrim(a)", ["Hồ Sơ", "x", None]),
        ("sign(b)", [1.0, -1.0, None]), ("split_part(a, ' ', 2)", ["Sơ", "", None]),
        ("sqrt(abs(b)) > 1", [True, True, None]), ("starts_with(a, 'H')", [True, False, None]),
        ("substr(a, 2, 2)", ["ồ ", "", None]), ("trim(a)", ["Hồ Sơ", "x", None]),
        ("upper(a)", ["HỒ SƠ", "X", None]),
    ],
)  # fmt: skip
def test_every_allowed_function_works_on_one_row_and_counts_characters(
    text: str, expected: list[Any]
) -> None:
    assert values(text) == expected


def test_no_allowed_function_is_left_untried() -> None:
    import inspect

    tried = inspect.getsource(
        test_every_allowed_function_works_on_one_row_and_counts_characters
    ) + str(test_every_allowed_function_works_on_one_row_and_counts_characters.pytestmark)  # type: ignore[attr-defined]
    assert [name for name in FUNCTIONS if f"{name}(" not in tried] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a || '/' || n", ["Hồ Sơ/12", "x/zz", None]), ("a in ('x', 'y')", [False, True, None]),
        ("a not in ('x')", [True, False, None]), ("b between -3 and 0", [False, True, None]),
        ("a like 'H%'", [True, False, None]), ("a ilike 'h%'", [True, False, None]),
        ("a is null", [False, False, True]), ("a is not null and not (a = 'x')", [True, False, False]),
        ("-b * 2 + 1 - 3", [-5.0, 2.0, None]), ("b / 2", [0.75, -1.0, None]),
        ("b % 2", [1.5, 0.0, None]), ("a <> 'x'", [True, False, None]), ("b >= 1.5", [True, False, None]),
        ("case when b > 0 then 'p' when b < 0 then 'n' else '?' end", ["p", "n", "?"]),
        ("case a when 'x' then 1 else 2 end", [2, 1, 2]), ("'it''s' || a", ["it'sHồ Sơ", "it'sx", None]),
        ('"Số hồ sơ"', ["H1", "H2", None]), ("(b > 0 or b is null)", [True, False, True]),
        ("cast(n as integer)", [12, None, None]), ("n::double", [12.0, None, None]),
        ("cast(b as text)", ["1.5", "-2.0", None]), ("CAST(n AS varchar)", ["12", "zz", None]),
    ],
)  # fmt: skip
def test_operators_cases_and_casts_work(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sum(b)", "sum is not allowed: an aggregate"),
        ("count(*)", "count is not allowed: an aggregate"),
        ("max(b) - min(b)", "is not allowed: an aggregate"),
        ("row_number() over ()", r"a window \(over\)"),
        ("lag(b) over (order by a)", r"a window \(over\)"),
        ("rank()", "a window function"),
        ("sum(b) over (partition by a)", r"a window \(over\)"),
        ("(select 1)", "a subquery"),
        ("a in (select 1)", "a subquery"),
        ("b between 1 and (select 2)", "a subquery"),
        ("exists(select 1)", "exists is not allowed"),
        ("select a from t", "a subquery"),
        ("unnest(a)", "several rows of one; use `explode:`"),
        ("strpos(a, 'x')", "it counts bytes"),
        ("position('x' in a)", "it counts bytes"),
        ("octet_length(a)", "counts bytes, not characters; use length"),
        ("strptime(a, '%Y')", "use `from:` with `format:`"),
        ("date(a)", "use `from:` with `format:`"),
        ("cast(a as date)", "cast to date is not allowed: use `from:` with `format:`"),
        ("cast(a as timestamp)", "use `from:` with `format:`"),
        ("date_part('year', a)", "a step `date_part`"),
        ("cast(a as bol)", "types are text, bigint, double, decimal"),
        ("cast(a as json)", "types are"),
        ("lowr(a)", r"lowr is not allowed: did you mean lower\?"),
        ("repalce(a, 'x', 'y')", r"did you mean replace\?"),
        ("random()", "random is not allowed"),
        ("read_csv(a)", "read_csv is not allowed"),
        ("regexp_like(a, n)", "has to be written out"),
        ("regexp_like(a, '(')", "none of the Rust regex syntax"),
        ("lpad(a, b, '0')", "has to be written out"),
        ("lpad(a, -1, '0')", "has to be written out"),
        ("rpad(a, 1000000000, ' ')", "a width is a number up to 200"),
        ("substr(a, 1, b - 3)", "has to be written out"),
        ("power(b, -1)", "power is not allowed"),
        ("cast(a as decimal(40, 2))", "decimal"),
        ("cast(a as decimal(3, 5))", "decimal"),
        ("cast(a as decimal(x))", "decimal|can't be read"),
        ("a[1]", "bracket is not allowed"),
        ("*", "stands for every column"),
        ("t.a", "columns of one stream only"),
        ("interval '1 day'", "interval is not allowed"),
        ("array[a]", "array is not allowed"),
        ("a is distinct from n", "is not allowed"),
        ("?", "a placeholder"),
        ("@x", "a parameter"),
        ("a as b", "alias is not allowed"),
        ("length(distinct a)", "distinct is not allowed"),
        ("a; drop table t", "is not one expression"),
        ("a, n", "can't be read"),
        ("lower(", "can't be read"),
        ("", "is not one expression"),
        ("1 + 1", "uses no column; a constant is written `const:`"),
    ],
)
def test_what_is_not_on_the_list_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        compile_sql(text)
    assert caught.value.__cause__ is None


VALID = [
    case[0]
    for test in (
        test_every_allowed_function_works_on_one_row_and_counts_characters,
        test_operators_cases_and_casts_work,
    )
    for case in test.pytestmark[0].args[1]  # type: ignore[attr-defined]
]
TEXT = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["", "0", "-1", "1e400", "a/b"]))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_no_value_ends_the_read(rows: list[tuple[str | None, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.String, "n": pl.String}, orient="row")
    texts = [text for text in VALID if set(compile_sql(text).columns) <= {"a", "n"}]
    columns = [compile_sql(text).value().alias(text) for text in texts]
    assert len(texts) > 20
    assert frame.select(columns).height == len(rows)
    assert frame.with_columns(compile_sql("cast(n as decimal)").lost().alias("lost")).height == len(
        rows
    )


def test_child_fields_are_columns_of_the_exploded_list_only() -> None:
    sql = compile_sql("cast(list.fee as decimal)", explode="list")
    assert sql.columns == ("list.fee",)
    with pytest.raises(ConfigError, match="columns of one stream only"):
        compile_sql("cast(list.fee as decimal)")


def test_a_cast_that_fails_is_lost_and_does_not_end_the_batch() -> None:
    assert lost("cast(n as bigint)") == [False, True, False]
    assert lost("cast(replace(n, '.', '') as decimal)") == [False, True, False]
    assert lost("upper(n)") == [False, False, False]


def test_a_null_that_was_meant_is_not_lost() -> None:
    assert lost("nullif(n, 'zz')") == [False, False, False]
    assert lost("case when n = 'zz' then null else cast(n as int) end") == [False] * 3
    assert lost("case n when 'zz' then null else cast(n as int) end") == [False] * 3
    assert lost("if(n = 'zz', null, cast(n as int))") == [False] * 3
    assert lost("coalesce(cast(n as int), 0)") == [False] * 3


def test_a_cast_in_the_branch_that_counts_is_lost() -> None:
    assert lost("case when n = '12' then 0 else cast(n as int) end") == [False, True, False]
    assert lost("case when a is null then cast(a as int) when n = 'zz' then cast(n as int) end") == [
        False, True, False,
    ]  # fmt: skip


def test_one_bad_value_of_sql_rejects_its_row_only() -> None:
    how = {"sql": "cast(replace(x, '.', '') as decimal)", "on_bad": "reject"}
    result = derived({"code": ["1", "2", "3"], "x": ["1.200", "free", None]}, mapping_of({"fee": how}))  # fmt: skip
    assert result["fee"].cast(pl.Float64).to_list() == [1200.0, None, None]
    assert result["_reasons"].to_list() == [[], ["unparseable:fee"], []]


def test_sql_sees_null_words_as_null() -> None:
    mapping = mapping_of({"phase": {"sql": "coalesce(x, 'none')"}}, nulls=["-"])
    assert derived({"code": ["1", "2"], "x": ["-", "a"]}, mapping)["phase"].to_list() == ["none", "a"]  # fmt: skip


def test_sql_may_use_columns_with_any_name() -> None:
    odd = {"case:concept:name": ["1"], 'a "quoted" one': ["2"], "2nd col": ["3"], "🙂": ["4"]}
    text = '"case:concept:name" || "a ""quoted"" one" || "2nd col" || "🙂"'
    result = derived({"code": ["1"], **odd}, mapping_of({"phase": {"sql": text}}))
    assert result["phase"].to_list() == ["1234"]


def test_types_are_few_and_each_has_a_form_for_polars() -> None:
    for name in TYPES:
        assert compile_sql(f"cast(b as {name})").rewritten.startswith("TRY_CAST")
