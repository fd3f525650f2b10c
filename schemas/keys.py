"""One canonical text for a key of one or several columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def key_text(columns: Sequence[pl.Expr]) -> pl.Expr:
    r"""Joins key columns into one text that no other combination of values gives.

    Values are cast to text, stripped of surrounding white space, `\` and `/` are escaped by `\`,
    and the parts are joined by `/`. The key is null where any part is null or blank.

    Args:
        columns: The key's columns, in the order of the YAML.

    Returns:
        A String expression.
    """
    parts = []
    for column in columns:
        text = column.cast(pl.String).str.strip_chars()
        text = pl.when(text.str.len_bytes() > 0).then(text)
        parts.append(
            text.str.replace_all("\\", "\\\\", literal=True).str.replace_all(
                "/", "\\/", literal=True
            )
        )
    return pl.concat_str(parts, separator="/", ignore_nulls=False)


def key_parts(key: str) -> list[str]:
    r"""The values that `key_text` joined, `\` and `/` as they were."""
    parts = [""]
    is_escaped = False
    for sign in key:
        if is_escaped or sign not in "\\/":
            parts[-1] += sign
            is_escaped = False
        elif sign == "\\":
            is_escaped = True
        else:
            parts.append("")
    return parts
