"""Named steps: what a text goes through before it is read as a value.

Each step is one key in the YAML's `steps:` list. They cover what polars SQL lacks, and the two
code forms that every Vietnamese feed mixes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.mapping.formats import time_format, wall_clock
from schemas.mapping.sql import is_pattern

_SHORT_FORM = {"extract": "pattern", "date_part": "part"}

DatePartName = Literal["year", "month", "day", "hour", "minute", "second", "weekday", "week"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _valid_pattern(pattern: str) -> str:
    if not is_pattern(pattern):
        message = "this is no regular expression of the Rust regex syntax"
        raise ValueError(message)
    return pattern


class Extract(_Strict):
    """The part of the text that a regular expression finds."""

    pattern: str = Field(description="Rust regex; its first group, or the whole match.")
    optional: bool = Field(default=False, description="No match means no value.")

    _checked = field_validator("pattern")(_valid_pattern)


class Replace(_Strict):
    """Every occurrence of one text becomes another."""

    find: str = Field(min_length=1, description="Text to find (with regex: true, a pattern).")
    by: str = Field(description="What takes its place; ${1} is the first group of a pattern.")
    regex: bool = Field(default=False, description="`find` is a regular expression.")

    @model_validator(mode="after")
    def _checked(self) -> Replace:
        if self.regex:
            _valid_pattern(self.find)
        return self


class Split(_Strict):
    """One part of the text between separators."""

    by: str = Field(min_length=1, description="Separator.")
    part: int = Field(description="Which part, from 1; -1 is the last.")

    @field_validator("part")
    @classmethod
    def _not_zero(cls, part: int) -> int:
        if part == 0:
            message = "parts are counted from 1 (or from -1, the last, backwards)"
            raise ValueError(message)
        return part


class Pad(_Strict):
    """The text filled up at its front to a width."""

    width: int = Field(ge=1, le=200, description="Characters wanted.")
    fill: str = Field(default="0", min_length=1, max_length=1, description="Filling character.")


class DatePart(_Strict):
    """A part of a date or time, as a number."""

    part: DatePartName = Field(description="Which part; weekday is 1 (Monday) to 7.")
    format: str = Field(default="%Y-%m-%d", description="strptime format of the text.")

    @field_validator("format")
    @classmethod
    def _known(cls, text: str) -> str:
        time_format(text)
        return text


class Step(_Strict):
    """One change to the text. Exactly one of the keys is given."""

    extract: Extract | None = Field(default=None, description="Keep what a pattern finds.")
    replace: Replace | None = Field(default=None, description="Replace a text.")
    split: Split | None = Field(default=None, description="Keep one part between separators.")
    pad: Pad | None = Field(default=None, description="Fill up to a width.")
    prefix: str | None = Field(default=None, description="Put this in front.")
    suffix: str | None = Field(default=None, description="Put this behind.")
    case: Literal["lower", "upper"] | None = Field(default=None, description="Change the case.")
    json_path: str | None = Field(
        default=None, pattern=r"^\$", description="JSONPath into the JSON text of the value."
    )
    date_part: DatePart | None = Field(default=None, description="Year, month, ... of a date.")
    normalise: Literal["agency_code", "procedure_code"] | None = Field(
        default=None,
        description="Old agency codes in the new form (000.00.15.H41 is H41.15); procedure codes "
        "without their provincial ending.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {
            name: {_SHORT_FORM[name]: given}
            if name in _SHORT_FORM and isinstance(given, str)
            else given
            for name, given in value.items()
        }

    @model_validator(mode="after")
    def _one_key(self) -> Step:
        if len(self.model_fields_set) != 1:
            message = f"a step has exactly one of: {', '.join(type(self).model_fields)}"
            raise ValueError(message)
        return self

    @property
    def name(self) -> str:
        """Name of the step, as the YAML writes it."""
        return next(iter(self.model_fields_set))


@dataclass(frozen=True)
class Stepped:
    """A text after its steps.

    Attributes:
        value: String expression.
        lost: True where a step turned a value into nothing.
    """

    value: pl.Expr
    lost: pl.Expr


def run_steps(text: pl.Expr, steps: tuple[Step, ...]) -> Stepped:
    """The expression of a text after `steps`, and where it was lost on the way.

    An optional `extract` that doesn't match loses nothing: it says that there is no value.
    """
    reference = text
    lost: pl.Expr = pl.lit(value=False)
    for step in steps:
        found = _filled(_apply(text, step))
        if step.extract is not None and step.extract.optional:
            lost = lost | (reference.is_not_null() & text.is_null())
            reference = found
        text = found
    return Stepped(value=text, lost=lost | (reference.is_not_null() & text.is_null()))


def _filled(text: pl.Expr) -> pl.Expr:
    """White space around is no part of a value, and nothing but white space is no value."""
    text = text.str.strip_chars()
    return pl.when(text.str.len_bytes() > 0).then(text)


def _apply(text: pl.Expr, step: Step) -> pl.Expr:
    given: Any = getattr(step, step.name)
    return _STEPS[step.name](text, given)


def _extract(text: pl.Expr, given: Extract) -> pl.Expr:
    group = 1 if re.search(r"(?<!\\)\((?!\?)|\(\?P?<", given.pattern) else 0
    return text.str.extract(given.pattern, group)


def _replace(text: pl.Expr, given: Replace) -> pl.Expr:
    return text.str.replace_all(given.find, given.by, literal=not given.regex)


def _split(text: pl.Expr, given: Split) -> pl.Expr:
    index = given.part - 1 if given.part > 0 else given.part
    return text.str.split(given.by).list.get(index, null_on_oob=True)


def _date_part(text: pl.Expr, given: DatePart) -> pl.Expr:
    moment = wall_clock(text, given.format)
    return getattr(moment.dt, given.part)().cast(pl.String)  # type: ignore[no-any-return]


def _agency_code(text: pl.Expr) -> pl.Expr:
    """`000.00.15.H41`, lowest level first, is `H41.15`: top down, without empty levels."""
    old = r"^([0-9]{3})\.([0-9]{2})\.([0-9]{2})\.([A-Z][0-9]{2})$"
    turned = text.str.replace(old, "${4}.${3}.${2}.${1}")
    return turned.str.replace(r"^([A-Z][0-9]{2}(?:\.[0-9]+)*?)(?:\.0+)+$", "${1}")


def _procedure_code(text: pl.Expr) -> pl.Expr:
    """`1.012790.000.00.00.H41`, a province's variant, is `1.012790` in joins."""
    return text.str.replace(r"^([0-9]\.[0-9]{6})(?:\.[0-9]{2,3}){3}\.[A-Z][0-9]{2}$", "${1}")


def _case(text: pl.Expr, given: str) -> pl.Expr:
    return text.str.to_lowercase() if given == "lower" else text.str.to_uppercase()


_STEPS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "extract": _extract,
    "replace": _replace,
    "split": _split,
    "pad": lambda text, given: text.str.pad_start(given.width, given.fill),
    "prefix": lambda text, given: pl.lit(given) + text,
    "suffix": lambda text, given: text + pl.lit(given),
    "case": _case,
    "json_path": lambda text, given: text.str.json_path_match(given),
    "date_part": _date_part,
    "normalise": lambda text, given: (
        _agency_code(text) if given == "agency_code" else _procedure_code(text)
    ),
}
