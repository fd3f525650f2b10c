"""The YAML's `query:` made fit to stand inside another statement.

A query is read by one outer SELECT, which takes the mapped columns and the interval from it. What
ends a statement (a semicolon, a comment that would swallow the closing parenthesis) is cut off by
looking at tokens, never by looking for characters: a semicolon in a text is data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import sqlglot
from sqlalchemy.sql import quoted_name
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from schemas.errors import ConfigError

SQL_SERVER = "tsql"
"""The dialect (as sqlglot names it) that takes no WITH inside parentheses."""

_ONE = "`query:` must be one SELECT"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One `name AS (body)` of a WITH list; `name` may carry a list of columns."""

    name: str
    body: str


def from_query(query: str, *, dialect: str) -> sa.FromClause:
    """The query as something to select from, named `stream`.

    Args:
        query: One SELECT, with or without WITH, comments and a semicolon at its end.
        dialect: As sqlglot names it.

    Raises:
        ConfigError: It is empty, or more than one statement.
    """
    text = one_statement(query, dialect=dialect)
    if dialect != SQL_SERVER:
        return _textual(text).subquery("stream")
    parts, rest = _with_list(text, dialect)
    named = [_textual(p.body).cte(quoted_name(p.name, quote=False)) for p in parts]
    return _textual(rest).add_cte(*named).cte("stream")


def one_statement(query: str, *, dialect: str) -> str:
    """The query without the semicolons and comments at its end."""
    tokens = _tokens(query, dialect)
    if tokens is None:
        # A text that is no SQL of this dialect: the database says what is wrong with it.
        return query.strip().rstrip(";").rstrip()
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        message = f"{_ONE}; it is empty"
        raise ConfigError(message)
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        message = f"{_ONE}; there is more after a semicolon"
        raise ConfigError(message)
    return query[: tokens[-1].end + 1].strip()


def _textual(text: str) -> sa.TextualSelect:
    return sa.text(text.replace(":", r"\:")).columns()


def _tokens(text: str, dialect: str) -> list[Token] | None:
    try:
        return list(sqlglot.tokenize(text, read=dialect))
    except SqlglotError:
        return None


def _with_list(text: str, dialect: str) -> tuple[list[_Part], str]:
    """The parts of a leading WITH, and the SELECT behind them."""
    tokens = _tokens(text, dialect) or []
    if not tokens or tokens[0].token_type != TokenType.WITH:
        return [], text
    parts: list[_Part] = []
    start = 1
    while True:
        opening = _body_of(tokens, start)
        closing = None if opening is None else _closing(tokens, opening)
        if opening is None or closing is None or closing + 1 >= len(tokens):
            return [], text
        name = text[tokens[start].start : tokens[opening - 2].end + 1]
        body = text[tokens[opening].end + 1 : tokens[closing].start].strip()
        parts.append(_Part(name=name, body=body))
        if tokens[closing + 1].token_type != TokenType.COMMA:
            return parts, text[tokens[closing + 1].start :]
        start = closing + 2


def _body_of(tokens: Sequence[Token], start: int) -> int | None:
    """Where the parenthesis behind the next AS opens."""
    for position in range(start + 1, len(tokens) - 1):
        opens = tokens[position + 1].token_type == TokenType.L_PAREN
        if tokens[position].token_type == TokenType.ALIAS and opens:
            return position + 1
    return None


def _closing(tokens: Sequence[Token], opening: int) -> int | None:
    depth = 0
    for position in range(opening, len(tokens)):
        kind = tokens[position].token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if depth == 0:
            return position
    return None
