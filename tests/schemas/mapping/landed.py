"""Landing rows for the tests of mapping: raw columns, and the landing columns beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from schemas.entities import entity
from schemas.keys import key_text
from schemas.mapping import DeriveContext, StreamMapping, derive
from schemas.rows import LANDING

READ_AT = datetime(2026, 11, 1, tzinfo=UTC)
CONTEXT = DeriveContext(
    person_key=b"a key that is only used in tests", now=datetime(2026, 11, 24, tzinfo=UTC)
)


def landed(columns: Mapping[str, Sequence[Any] | pl.Series], *, key: Sequence[str]) -> pl.DataFrame:
    """A landing frame of these raw columns, with every landing column."""
    raw = pl.DataFrame(dict(columns), strict=True)
    height = raw.height
    system = {
        "_key": raw.select(key_text([pl.col(name) for name in key]).alias("k"))["k"],
        "_row_hash": pl.Series(["0" * 32] * height, dtype=pl.String),
        "_read_at": pl.Series([READ_AT] * height, dtype=pl.Datetime("us", "UTC")),
        "_sync_id": pl.Series(["sync"] * height, dtype=pl.String),
        "_landing_version": pl.Series([3] * height, dtype=pl.Int64),
        "_row": pl.int_range(1, height + 1, eager=True),
        "_tombstone": pl.Series([False] * height, dtype=pl.Boolean),
    }
    kinds = {
        "_line": pl.Int64(),
        "_bad_values": pl.List(pl.String()),
    }
    for name in LANDING:
        if name not in system:
            kind = kinds.get(name, pl.String())
            system[name] = pl.Series([None] * height, dtype=kind)
    return raw.with_columns(**{name: system[name].alias(name) for name in LANDING})


def mapping_of(
    columns: Mapping[str, Any], *, entity_name: str = "dossier", key: Sequence[str] = ("code",),
    timezone: str = "Asia/Ho_Chi_Minh", **more: Any,
) -> StreamMapping:  # fmt: skip
    """A mapping of one entity; required columns that aren't given come from `code`."""
    into = {
        "entity": entity_name,
        "columns": {**_required(entity_name, columns), **columns},
        **{name: more.pop(name) for name in ("explode",) if name in more},
        **({"key": more.pop("into_key")} if "into_key" in more else {}),
    }
    return StreamMapping.model_validate(
        {
            "source": "office", "stream": "stream", "key": list(key), "timezone": timezone,
            "into": [into], **more,
        }
    )  # fmt: skip


def _required(entity_name: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    wanted = [f for f in entity(entity_name).fields if f.required and f.name not in columns]
    return {f.name: "code" for f in wanted if f.type == "text"}


def derived(columns: Mapping[str, Sequence[Any]], mapping: StreamMapping) -> pl.DataFrame:
    """What the first entity of the mapping makes of these raw columns."""
    rows = landed(columns, key=mapping.key)
    return derive(rows, mapping=mapping, into=mapping.into[0], context=CONTEXT)


def one_column(
    values: Sequence[Any] | pl.Series, name: str, how: Mapping[str, Any] | None = None, **more: Any
) -> pl.DataFrame:
    """Derived rows of one raw column `x` mapped to one core column; keys are made up."""
    count = len(values)
    raw = {"code": [f"H{n}" for n in range(count)], "x": values}
    mapping = mapping_of({name: {"from": "x", **(how or {})}}, **more)
    return derived(raw, mapping)
