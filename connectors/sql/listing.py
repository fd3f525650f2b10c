"""How the tables of a database are listed, with the keys that it declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from connectors.protocol import Candidate

POSTGRES: Final = """
SELECT n.nspname, c.relname, CAST(c.relkind AS text), CAST(c.reltuples AS bigint),
       n.nspname = current_schema(),
       (SELECT string_agg(parts.names, chr(30) ORDER BY parts.is_first DESC, parts.names)
        FROM (SELECT i.indisprimary AS is_first,
                     string_agg(CAST(a.attname AS text), chr(31) ORDER BY k.place) AS names
              FROM pg_index i
              CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY
                   AS k(number, place)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
              WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL
                AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
              GROUP BY i.indexrelid, i.indisprimary) AS parts)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
  AND n.nspname NOT LIKE 'pg_temp%'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname, c.relname
"""
"""Everything that the role may read. `information_schema` hides keys from whoever isn't the owner;
`pg_index` is open to everybody. Keys are separated by U+001E, their columns by U+001F."""

_VIEWS = ("v", "m")


def of_postgres(rows: Iterable[Sequence[Any]], *, schema: str | None) -> Iterator[Candidate]:
    """The tables of a PostgreSQL, from the rows of `POSTGRES`.

    Args:
        rows: The rows.
        schema: Only this schema; None: every one, the role's own named without its schema.
    """
    for owner, name, kind, estimate, is_own, keys in rows:
        if schema is not None and owner != schema:
            continue
        yield candidate(
            None if is_own or schema is not None else owner,
            name,
            kind="view" if kind in _VIEWS else "table",
            keys=[tuple(key.split("\x1f")) for key in (keys or "").split("\x1e") if key],
            rows=estimate if estimate >= 0 else None,
        )


def inspected(connection: sa.Connection, *, schema: str | None) -> Iterator[Candidate]:
    """Tables and views by SQLAlchemy's inspector.

    Args:
        connection: The session's.
        schema: Only this schema; None: the role's own.
    """
    look = sa.inspect(connection)
    for name in sorted(look.get_table_names(schema=schema)):
        keys: list[tuple[str, ...]] = []
        try:
            keys.append(tuple(look.get_pk_constraint(name, schema=schema)["constrained_columns"]))
            others = look.get_unique_constraints(name, schema=schema)
            keys += [tuple(part or "" for part in one["column_names"]) for one in others]
        except (NoSuchTableError, NotImplementedError):
            keys = []  # gone meanwhile, or a database that tells nobody: it has no key to us
        whole = [key for key in keys if key and all(key)]
        yield candidate(None, name, kind="table", keys=whole)
    for name in sorted(look.get_view_names(schema=schema)):
        yield candidate(None, name, kind="view", keys=[])


def candidate(
    schema: str | None,
    name: str,
    *,
    kind: str,
    keys: Sequence[tuple[str, ...]],
    rows: int | None = None,
) -> Candidate:
    """One table or view, with the `table:` that reads it."""
    parts = [part for part in (schema, name) if part is not None]
    return Candidate(
        name=name, kind=kind, options={"table": ".".join(map(_quoted, parts))},
        keys=tuple(dict.fromkeys(keys)), rows=rows,
    )  # fmt: skip


def _quoted(part: str) -> str:
    """A name as `table:` takes it: in double quotes where it has a dot, a quote or space."""
    if part.replace("_", "").replace("$", "").isalnum():
        return part
    return '"' + part.replace('"', '""') + '"'
