"""Every row is judged, and none is lost: accepted, warned or rejected, with every rule it broke.

Rejections come from a pandera model derived from the entity, warnings from polars expressions.
pandera tells which rows failed by their number: the set of `failure_cases["index"]` against our own
row number. Its messages hold values of rows, so none of its errors leaves this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrors

from schemas.codes import code_list
from schemas.errors import ContractError
from schemas.fields import Entity, Field, Rule

_LISTS: Final = ("_reasons", "_warnings")
_NAMES: Final = pl.List(pl.String())
_ROW: Final = "_row_number"
_NOT_NULL: Final = "not_nullable"  # pandera's name for the check behind `nullable=False`


@dataclass(frozen=True, kw_only=True)
class _Hits:
    """The rows (by number, from 0) that broke one rule."""

    name: str
    rows: pl.Series


def validate(frame: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    """Judges rows by the entity's types, required columns, code lists and rules.

    Args:
        frame: The entity's columns, `_reasons` and `_warnings` (lists of text, null is empty), and
            any others.
        entity: What the rows should be.

    Returns:
        The same rows in the same order. `_reasons` is extended by the rejecting rules a row broke,
        `_warnings` by the warning ones: in the order of the entity, each name once. A required
        column that is null because its value was already rejected isn't "missing" as well.

    Raises:
        ContractError: A column is missing or of another type. No row is to blame for that.
    """
    _check_shape(frame, entity)
    own = frame.select(entity.columns)
    doubtful = _doubtful(own, entity)
    rejected = _without_explained(_rejections(own, entity, doubtful), frame["_reasons"])
    warned = [
        hits
        for rule in entity.rules
        if rule.severity == "warn"
        and rule.name in doubtful
        and (hits := _broken(own, rule)) is not None
    ]
    return frame.with_columns(
        _extended(frame["_reasons"], rejected), _extended(frame["_warnings"], warned)
    )


def _doubtful(own: pl.DataFrame, entity: Entity) -> frozenset[str]:
    """The checks that some row breaks, by their names: one query for all.

    Most batches break none, and pandera takes half a millisecond for each column that it goes
    through, however few the rows are. All of them where the question can't be computed: pandera,
    which judges each by itself, says which it was.
    """
    broken = _broken_by(entity)
    try:
        found = own.select(rows.any().alias(name) for name, rows in broken.items()).row(0)
    except pl.exceptions.PolarsError:
        return frozenset(broken)
    return frozenset(name for name, is_broken in zip(broken, found, strict=True) if is_broken)


def pandera_model(entity: Entity) -> pa.DataFrameSchema:
    """The pandera (polars) model of an entity.

    Each check carries as its error the name that goes into `_reasons`. Rules that only warn aren't
    part of it. Use it on eager frames: pandera validates no value of a LazyFrame.
    """
    checks: dict[str, list[pa.Check]] = {
        field.name: _field_checks(field) for field in entity.fields
    }
    for rule in entity.rules:
        if rule.severity == "reject":
            # On a column, not on the frame: a failure case is then one cell and not a whole row.
            checks[_first_column(rule, entity)].append(_check(rule.name, broken=rule.broken))
    columns = {
        field.name: pa.Column(
            field.polars_type,
            nullable=not field.required,
            checks=checks[field.name],
            description=field.en,
        )
        for field in entity.fields
    }
    return pa.DataFrameSchema(columns, name=entity.name, description=entity.en)


@lru_cache(maxsize=256)
def _judging_model(entity: Entity, doubtful: frozenset[str]) -> pa.DataFrameSchema:
    """The model's columns that have one of some checks; the shape has been looked at before."""
    model = pandera_model(entity)
    idle = [
        name
        for name, column in model.columns.items()
        if doubtful.isdisjoint({f"missing:{name}", *(check.name for check in column.checks)})
    ]
    return model.remove_columns(idle)


def _field_checks(field: Field) -> list[pa.Check]:
    return [_check(name, broken=broken) for name, broken in _broken_by_field(field).items()]


def _broken_by_field(field: Field) -> dict[str, pl.Expr]:
    """The rows that break a check of a field, by its name, those without a value aside."""
    own = pl.col(field.name)
    broken = {}
    if field.required and field.type == "text":
        broken[f"missing:{field.name}"] = own.str.strip_chars() == ""
    if field.codes is not None:
        broken[f"unknown_code:{field.name}"] = ~own.is_in(code_list(field.codes).good)
    return broken


@cache
def _broken_by(entity: Entity) -> dict[str, pl.Expr]:
    """The rows that break each check of an entity and each rule, those that warn too."""
    broken: dict[str, pl.Expr] = {}
    for field in entity.fields:
        own = _broken_by_field(field)
        if field.required:
            missing = f"missing:{field.name}"
            is_null = pl.col(field.name).is_null()
            own[missing] = is_null | own[missing] if missing in own else is_null
        broken |= own
    return broken | {rule.name: rule.broken for rule in entity.rules}


def _check(name: str, *, broken: pl.Expr) -> pa.Check:
    def holds(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(~broken.fill_null(value=False))

    return pa.Check(holds, name=name, error=name, ignore_na=False)


def _first_column(rule: Rule, entity: Entity) -> str:
    used = set(rule.broken.meta.root_names())
    return next(name for name in entity.columns if name in used)


def _rejections(own: pl.DataFrame, entity: Entity, doubtful: frozenset[str]) -> list[_Hits]:
    """The rows that the pandera model refuses, by rule, in the order of the entity.

    Args:
        own: The entity's columns.
        entity: The entity.
        doubtful: The checks that some row may break.
    """
    rejecting = _rejecting(entity)
    if doubtful.isdisjoint(rejecting):
        return []
    failures = _failure_cases(own, _judging_model(entity, doubtful))
    if failures is None:
        return []
    if failures["index"].null_count() > 0:
        checks = set(failures.filter(pl.col("index").is_null())["check"])
        known = [name for name in rejecting if name in checks]
        raise ContractError(_not_computable(", ".join(known) or "the types of its columns"))
    missing = pl.concat_str(pl.lit("missing:"), pl.col("column"))
    name = pl.when(pl.col("check") == _NOT_NULL).then(missing).otherwise(pl.col("check"))
    found = failures.select(name=name, row=pl.col("index").cast(pl.UInt32)).unique()
    by_name = {str(key): part["row"] for (key,), part in found.group_by("name")}
    return [_Hits(name=one, rows=by_name[one]) for one in rejecting if one in by_name]


def _failure_cases(own: pl.DataFrame, model: pa.DataFrameSchema) -> pl.DataFrame | None:
    """What pandera found wrong, or None. The frame holds values of rows: it is never shown."""
    try:
        # The environment can switch pandera off, or down to types: here it may not.
        with config_context(
            validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
        ):
            model.validate(own, lazy=True)
    except SchemaErrors as errors:
        failures: pl.DataFrame = errors.failure_cases
        return failures
    except SchemaError:
        raise ContractError(_not_computable(f"the pandera model of {model.name}")) from None
    return None


def _rejecting(entity: Entity) -> list[str]:
    """Every name that validation may give as a reason, in the order they are listed in a row."""
    names = []
    for field in entity.fields:
        names += [f"missing:{field.name}", f"unknown_code:{field.name}"]
    return names + [rule.name for rule in entity.rules if rule.severity == "reject"]


def _not_computable(rules: str) -> str:
    return f"rows could not be judged by {rules}: the mapped columns aren't what the rule expects"


def _broken(own: pl.DataFrame, rule: Rule) -> _Hits | None:
    """The rows that break a rule, or None; null counts as kept."""
    try:
        rows = own.select(row=rule.broken.fill_null(value=False).arg_true())["row"]
    except pl.exceptions.PolarsError:  # its message quotes values
        raise ContractError(_not_computable(rule.name)) from None
    return None if rows.is_empty() else _Hits(name=rule.name, rows=rows)


def _without_explained(rejected: list[_Hits], reasons: pl.Series) -> list[_Hits]:
    """Takes "missing" from rows that already say why the column has no value."""
    if reasons.list.len().sum() == 0:
        return rejected
    kept = []
    for hits in rejected:
        form, _, column = hits.name.partition(":")
        rows = hits.rows
        if form == "missing":
            told = pl.element().str.ends_with(f":{column}").any()
            known = reasons.gather(rows).list.eval(told).list.first().fill_null(value=False)
            rows = rows.filter(~known)
        kept.append(_Hits(name=hits.name, rows=rows))
    return kept


def _extended(known: pl.Series, hits: list[_Hits]) -> pl.Series:
    """The lists of a column with the names of broken rules behind, each once; null is empty."""
    if known.null_count():
        known = known.fill_null(pl.lit([], dtype=_NAMES))
    if hits:
        known = _joined(known, _names_by_row(hits)).alias(known.name)
    return known.list.unique(maintain_order=True) if known.list.len().max() else known


def _names_by_row(hits: list[_Hits]) -> pl.DataFrame:
    """One line for each row that broke a rule: its number, and the names in order."""
    pairs = pl.concat(
        pl.DataFrame({_ROW: one.rows}).with_columns(pl.lit(one.name).alias("new")) for one in hits
    )
    return pairs.group_by(_ROW, maintain_order=True).agg("new")


def _joined(known: pl.Series, names: pl.DataFrame) -> pl.Series:
    """Each row's known names followed by its new ones."""
    rows = pl.int_range(len(known), dtype=pl.UInt32, eager=True)
    side = pl.DataFrame({_ROW: rows, "known": known})
    side = side.join(names, on=_ROW, how="left", maintain_order="left")
    has_known, has_new = pl.col("known").list.len() > 0, pl.col("new").is_not_null()
    # concat_list is slow, and few rows have names of both origins.
    both = side.filter(has_known & has_new).select(_ROW, both=pl.concat_list("known", "new"))
    side = side.join(both, on=_ROW, how="left", maintain_order="left")
    joined = (
        pl.when(has_known).then(pl.coalesce("both", "known")).otherwise(pl.coalesce("new", "known"))
    )
    return side.select(joined.alias("joined"))["joined"]


def _check_shape(frame: pl.DataFrame, entity: Entity) -> None:
    expected = {field.name: field.polars_type for field in entity.fields}
    problems = [
        f"column '{name}' is missing"
        if name not in frame.columns
        else f"column '{name}' is {frame.schema[name]}, not {kind}"
        for name, kind in (expected | dict.fromkeys(_LISTS, _NAMES)).items()
        if frame.schema.get(name) != kind
    ]
    if problems:
        raise ContractError(f"rows of {entity.name} have another shape: {'; '.join(problems)}")
