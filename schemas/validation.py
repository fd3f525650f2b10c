"""Every row is judged, and none is lost: accepted, warned or rejected, with every rule it broke.

Rejections come from a pandera model derived from the entity, warnings from polars expressions.
pandera tells which rows failed by their number: the set of `failure_cases["index"]` against our own
row number. Its messages hold values of rows, so none of its errors leaves this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
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
    rejected = _without_explained(_rejections(own, entity), frame["_reasons"])
    warned = [
        hits
        for rule in entity.rules
        if rule.severity == "warn" and (hits := _broken(own, rule)) is not None
    ]
    return _extended(_extended(frame, "_reasons", rejected), "_warnings", warned)


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
            checks[_first_column(rule, entity)].append(_rule_check(rule))
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


@cache
def _judging_model(entity: Entity) -> pa.DataFrameSchema:
    """The model without columns of which only the type could be wrong: the shape is looked at.

    To go through a column takes pandera half a millisecond, however few its rows are.
    """
    model = pandera_model(entity)
    idle = [name for name, column in model.columns.items() if column.nullable and not column.checks]
    return model.remove_columns(idle)


def _field_checks(field: Field) -> list[pa.Check]:
    checks = []
    if field.required and field.type == "text":
        blank = pl.col(field.name).str.strip_chars() == ""
        checks.append(_check(f"missing:{field.name}", broken=blank))
    if field.codes is not None:
        unknown = ~pl.col(field.name).is_in(code_list(field.codes).good)
        checks.append(_check(f"unknown_code:{field.name}", broken=unknown))
    return checks


def _rule_check(rule: Rule) -> pa.Check:
    return _check(rule.name, broken=rule.broken)


def _check(name: str, *, broken: pl.Expr) -> pa.Check:
    def holds(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(~broken.fill_null(value=False))

    return pa.Check(holds, name=name, error=name, ignore_na=False)


def _first_column(rule: Rule, entity: Entity) -> str:
    used = set(rule.broken.meta.root_names())
    return next(name for name in entity.columns if name in used)


def _rejections(own: pl.DataFrame, entity: Entity) -> list[_Hits]:
    """The rows that the pandera model refuses, by rule, in the order of the entity."""
    failures = _failure_cases(own, entity)
    if failures is None:
        return []
    rejecting = _rejecting(entity)
    if failures["index"].null_count() > 0:
        checks = set(failures.filter(pl.col("index").is_null())["check"])
        known = [name for name in rejecting if name in checks]
        raise ContractError(_not_computable(", ".join(known) or "the types of its columns"))
    missing = pl.concat_str(pl.lit("missing:"), pl.col("column"))
    name = pl.when(pl.col("check") == _NOT_NULL).then(missing).otherwise(pl.col("check"))
    found = failures.select(name=name, row=pl.col("index").cast(pl.UInt32)).unique()
    by_name = {str(key): part["row"] for (key,), part in found.group_by("name")}
    return [_Hits(name=one, rows=by_name[one]) for one in rejecting if one in by_name]


def _failure_cases(own: pl.DataFrame, entity: Entity) -> pl.DataFrame | None:
    """What pandera found wrong, or None. The frame holds values of rows: it is never shown."""
    try:
        # The environment can switch pandera off, or down to types: here it may not.
        with config_context(
            validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
        ):
            _judging_model(entity).validate(own, lazy=True)
    except SchemaErrors as errors:
        failures: pl.DataFrame = errors.failure_cases
        return failures
    except SchemaError:
        raise ContractError(_not_computable(f"the pandera model of {entity.name}")) from None
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


def _extended(frame: pl.DataFrame, column: str, hits: list[_Hits]) -> pl.DataFrame:
    """Appends the names of broken rules to a list column; nothing else of the frame changes."""
    known = frame[column].fill_null(pl.lit([], dtype=_NAMES))
    if hits:
        known = _joined(known, _names_by_row(hits))
    return frame.with_columns(known.list.unique(maintain_order=True).alias(column))


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
