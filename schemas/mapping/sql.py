"""`sql:` of a column: polars SQL on one row, by an allowlist.

The text is parsed by sqlglot with every function call left as its author named it, checked node by
node, rewritten (`cast` becomes `try_cast`, names are quoted) and only then given to polars: what
was checked is what runs. Whatever isn't listed here is refused, with the nearest thing that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import polars as pl
import sqlglot
from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from schemas.errors import ConfigError
from schemas.names import nearest

FUNCTIONS: dict[str, str] = {
    "abs": "absolute value",
    "ceil": "next whole number above",
    "coalesce": "first value that isn't null",
    "concat": "texts joined, nulls left out",
    "concat_ws": "texts joined by the first one",
    "ends_with": "does the text end so",
    "floor": "next whole number below",
    "greatest": "greatest of the values",
    "if": "if(condition, then, else)",
    "ifnull": "the second value where the first is null",
    "initcap": "every word with a capital",
    "least": "least of the values",
    "left": "first characters",
    "length": "number of characters",
    "lower": "lower case",
    "lpad": "filled up in front to a width",
    "ltrim": "without white space in front",
    "mod": "remainder",
    "nullif": "null where both are equal",
    "regexp_like": "does the pattern (a literal) match",
    "regexp_replace": "first match of the pattern (a literal) replaced",
    "replace": "every occurrence replaced",
    "reverse": "characters backwards",
    "right": "last characters",
    "round": "rounded to so many (a literal) decimals, half to even",
    "rpad": "filled up behind to a width",
    "rtrim": "without white space behind",
    "sign": "-1, 0 or 1",
    "split_part": "one part between separators, from 1",
    "sqrt": "square root",
    "starts_with": "does the text begin so",
    "substr": "characters from a position (from 1), so many",
    "trim": "without white space around",
    "upper": "upper case",
}
"""The functions that `sql:` may call. Each works on one row, and counts characters, not bytes."""

TYPES: dict[str, str] = {
    "TEXT": "TEXT", "VARCHAR": "TEXT", "CHAR": "TEXT",
    "INT": "BIGINT", "SMALLINT": "BIGINT", "BIGINT": "BIGINT",
    "DOUBLE": "DOUBLE", "FLOAT": "DOUBLE", "DECIMAL": "DECIMAL",
}  # fmt: skip
"""The types that a cast may have: as sqlglot names them, and as polars gets them."""

_TYPE_NAMES = ("text", "bigint", "double", "decimal")

_AGGREGATES = frozenset({
    "any_value", "array_agg", "avg", "bool_and", "bool_or", "corr", "count", "covar", "first",
    "last", "max", "mean", "median", "min", "mode", "quantile_cont", "quantile_disc", "stddev",
    "stdev", "string_agg", "sum", "variance", "var",
})  # fmt: skip
_WINDOWS = frozenset({
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile",
    "percent_rank", "rank", "row_number",
})  # fmt: skip
_REFUSED: dict[str, str] = {
    "strpos": "it counts bytes, not characters; use starts_with, split_part or a step `extract`",
    "position": "it counts bytes, not characters; use starts_with, split_part or a step `extract`",
    "octet_length": "it counts bytes, not characters; use length",
    "bit_length": "it counts bytes, not characters; use length",
    "unnest": "it makes several rows of one; use `explode:` of the entity",
    "strptime": "one bad value would end the read; use `from:` with `format:`",
    "date": "one bad value would end the read; use `from:` with `format:`",
    "timestamp": "one bad value would end the read; use `from:` with `format:`",
    "extract": "use a step `date_part`",
    "date_part": "use a step `date_part`",
    "regexp_extract": "use a step `extract`",
}
_LITERAL_ARGUMENT: dict[str, int] = {
    "lpad": 1, "regexp_like": 1, "regexp_replace": 1, "round": 1, "rpad": 1, "substr": 2,
}  # fmt: skip
"""Arguments that one bad value of a row would end the read by: they are written out."""

_WIDEST = 200  # characters of lpad and rpad
_MOST_DIGITS = 38

_NODES: tuple[type[exp.Expr], ...] = (
    exp.Add, exp.And, exp.Between, exp.Boolean, exp.Case, exp.Column, exp.DPipe, exp.DataType,
    exp.DataTypeParam, exp.Div, exp.EQ, exp.GT, exp.GTE, exp.ILike, exp.Identifier, exp.If, exp.In,
    exp.Is, exp.LT, exp.LTE, exp.Like, exp.Literal, exp.Mod, exp.Mul, exp.NEQ, exp.Neg, exp.Not,
    exp.Null, exp.Or, exp.Paren, exp.Sub,
)  # fmt: skip
_KINDS: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Window, "a window (over) looks at other rows"),
    (exp.Query, "a subquery looks at other rows"),
    (exp.Subquery, "a subquery looks at other rows"),
    (exp.Star, "* stands for every column"),
    (exp.Placeholder, "a placeholder has no value here"),
    (exp.Parameter, "a parameter has no value here"),
    (exp.Unnest, "it makes several rows of one; use `explode:` of the entity"),
)


class _RowTokenizer(tokens.Tokenizer):
    """Standard SQL words, without comments' hints and statements."""


class _RowParser(parser.Parser):
    """Leaves every function call as written, so that the allowlist sees its author's names."""

    FUNCTIONS: ClassVar = {}
    NO_PAREN_FUNCTIONS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar = {
        name: parser.Parser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")
    }


class _RowSql(Dialect):
    Tokenizer = _RowTokenizer
    Parser = _RowParser


@dataclass(frozen=True, kw_only=True)
class SqlColumn:
    """A checked expression.

    Attributes:
        text: The expression as it was written.
        columns: The source columns (and child fields) it uses, in order of first use.
        rewritten: What polars is given.
        casts: Per cast, an SQL condition that is true where it lost a value.
    """

    text: str
    columns: tuple[str, ...]
    rewritten: str
    casts: tuple[str, ...]

    def value(self) -> pl.Expr:
        """The expression over a frame that has `columns`."""
        return pl.sql_expr(self.rewritten)

    def lost(self) -> pl.Expr:
        """True where the result is null because a cast could not read its value."""
        failed = [pl.sql_expr(cast) for cast in self.casts]
        if not failed:
            return pl.lit(value=False)
        return self.value().is_null() & pl.any_horizontal(*failed).fill_null(value=False)


@cache
def compile_sql(text: str, *, explode: str | None = None) -> SqlColumn:
    """Checks one expression.

    Args:
        text: The expression, as the YAML has it.
        explode: Name of the list column of the entity, whose child fields may be used as
            `list.field`.

    Raises:
        ConfigError: It is no expression, or holds something the allowlist lacks. The message
            names it and the nearest thing that is allowed.
    """
    tree = _parsed(text)
    _join_child_fields(tree, explode)
    for node in tree.walk():
        _check(node, text)
    columns = tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column)))
    if not columns:
        message = f"sql '{text}' uses no column; a constant is written `const:`"
        raise ConfigError(message)
    casts = tuple(_lost_condition(cast) for cast in tree.find_all(exp.Cast))
    checked = SqlColumn(text=text, columns=columns, rewritten=_rewritten(tree), casts=casts)
    _try(checked)
    return checked


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression of the Rust regex syntax."""
    try:
        pl.select(pl.lit("").str.contains(text))
    except pl.exceptions.PolarsError:
        return False
    return True


def _parsed(text: str) -> exp.Expr:
    try:
        parsed = sqlglot.parse(text, dialect=_RowSql)
    except SqlglotError as error:
        # sqlglot underlines the place with terminal codes: its first line says enough.
        place = str(error).splitlines()[0].split(". Line")[0]
        message = f"sql '{text}' can't be read: {place}"
        raise ConfigError(message) from None
    if len(parsed) != 1 or parsed[0] is None:
        message = f"sql '{text}' is not one expression"
        raise ConfigError(message)
    return parsed[0]


def _join_child_fields(tree: exp.Expr, explode: str | None) -> None:
    """`list.field`, a column of a table to SQL, is one of our names."""
    for column in tree.find_all(exp.Column):
        parts = [part.name for part in column.parts]
        if len(parts) > 1 and parts[0] == explode:
            column.replace(exp.column(exp.to_identifier(".".join(parts), quoted=True)))


def _check(node: exp.Expr, text: str) -> None:
    match node:
        case exp.Anonymous():
            _check_function(node, text)
        case exp.Cast():
            _check_cast(node, text)
        case exp.Column() if len(node.parts) > 1:
            _refuse(text, node.sql(), "the expression has the columns of one stream only")
        case exp.In() if node.args.get("query") or node.args.get("unnest"):
            _refuse(text, "in (select ...)", "a subquery looks at other rows")
        case _ if isinstance(node, _NODES):
            return
        case _:
            name = type(node).__name__.lower()
            why = next((reason for kind, reason in _KINDS if isinstance(node, kind)), None)
            _refuse(text, name, why or _suggestion(name))


def _check_function(node: exp.Anonymous, text: str) -> None:
    name = str(node.this).lower()
    if name in _REFUSED:
        _refuse(text, name, _REFUSED[name])
    if name in _AGGREGATES:
        _refuse(text, name, "an aggregate looks at other rows")
    if name in _WINDOWS:
        _refuse(text, name, "a window function looks at other rows")
    if name not in FUNCTIONS:
        _refuse(text, name, _suggestion(name))
    place = _LITERAL_ARGUMENT.get(name)
    for argument in node.expressions[place : place + 1] if place is not None else []:
        if not isinstance(argument, exp.Literal):
            _refuse(text, name, "its pattern or number has to be written out, not computed")
        _check_literal(name, argument.this, text)


def _check_literal(name: str, literal: str, text: str) -> None:
    if name.startswith("regexp") and not is_pattern(literal):
        _refuse(text, f"{name} with this pattern", "it is none of the Rust regex syntax")
    if name in {"lpad", "rpad"} and not (literal.isdigit() and int(literal) <= _WIDEST):
        _refuse(text, f"{name} to {literal}", f"a width is a number up to {_WIDEST}")


def _check_cast(node: exp.Cast, text: str) -> None:
    kind = node.to
    name = kind.this.value if isinstance(kind.this, exp.DataType.Type) else str(kind.this)
    if name not in TYPES:
        written = kind.sql().lower()
        if name in {"DATE", "TIMESTAMP", "DATETIME", "TIMESTAMPTZ", "TIME"}:
            _refuse(text, f"cast to {written}", "use `from:` with `format:`")
        guess = nearest(written, _TYPE_NAMES)
        hint = f"did you mean {guess}? " if guess else ""
        _refuse(text, f"cast to {written}", f"{hint}types are {', '.join(_TYPE_NAMES)}")
    if TYPES[name] == "DECIMAL":
        _check_digits(kind, text)


def _check_digits(kind: exp.DataType, text: str) -> None:
    """For polars a decimal type that there can't be is the end of the process."""
    digits = [part.name for part in kind.expressions]
    is_right = all(digit.isdigit() for digit in digits) and len(digits) <= 2
    precision, scale = (int(d) for d in [*digits, "0", "0"][:2]) if is_right else (0, 0)
    if digits and not (1 <= precision <= _MOST_DIGITS and scale <= precision):
        _refuse(text, f"cast to {kind.sql().lower()}", "decimal(digits, decimals) has up to 38")


def _suggestion(name: str) -> str:
    guess = nearest(name, FUNCTIONS)
    hint = f"did you mean {guess}? " if guess else ""
    return f"{hint}functions are {', '.join(FUNCTIONS)}"


def _refuse(text: str, what: str, why: str) -> None:
    message = f"sql '{text}': {what} is not allowed: {why}"
    raise ConfigError(message)


def _rewritten(node: exp.Expr) -> str:
    """The SQL that polars gets: names quoted, casts forgiving, functions as written."""
    return _forgiving(node).sql(dialect=_RowSql, identify=True, normalize_functions=False)


def _forgiving(node: exp.Expr) -> exp.Expr:
    def change(part: exp.Expr) -> exp.Expr:
        if not isinstance(part, exp.Cast):
            return part
        kind = part.to
        name = TYPES[kind.this.value]
        parameters = ", ".join(p.sql() for p in kind.expressions) if name == "DECIMAL" else ""
        target = exp.DataType.build(f"{name}({parameters})" if parameters else name)
        return exp.TryCast(this=part.this, to=target)

    return node.copy().transform(change)


def _lost_condition(cast: exp.Cast) -> str:
    """Where a cast loses a value: it had one, has none, and stands in the branch that counts."""
    inner = _rewritten(cast.this)
    outer = _rewritten(cast)
    conditions = [f"({inner}) IS NOT NULL AND ({outer}) IS NULL", *_branch(cast)]
    return " AND ".join(conditions)


def _branch(node: exp.Expr) -> Iterator[str]:
    """The conditions under which a node inside `case` is what the case gives."""
    child: exp.Expr = node
    parent = node.parent
    while parent is not None:
        if isinstance(parent, exp.Case):
            yield from _case_conditions(parent, child)
        elif isinstance(parent, exp.If) and not isinstance(parent.parent, exp.Case):
            condition = f"coalesce(({_rewritten(parent.this)}), false)"
            if child is parent.args.get("true"):
                yield condition
            elif child is parent.args.get("false"):
                yield f"NOT {condition}"
        child, parent = parent, parent.parent


def _case_conditions(case: exp.Case, child: exp.Expr) -> Iterator[str]:
    subject = case.args.get("this")
    for branch in case.args["ifs"]:
        condition = _rewritten(branch.this)
        if subject is not None:
            condition = f"({_rewritten(subject)}) = ({condition})"
        if branch is child:
            yield f"({condition})"
            return
        yield f"NOT coalesce(({condition}), false)"


def _try(checked: SqlColumn) -> None:
    """Lets polars parse what it will be given, so that a mistake shows before the first row."""
    try:
        for text in (checked.rewritten, *checked.casts):
            pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        message = f"sql '{checked.text}' is not understood: {reason}"
        raise ConfigError(message) from None
