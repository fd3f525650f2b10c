"""What rules are made of, and the sentence behind every rule name.

The rules of an entity stand with the entity. Here are the expressions that several of them share,
and the names that mapping, reading and merging give on their own, without an entity's rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from schemas.fields import Entity, Rule


@dataclass(frozen=True, kw_only=True)
class RuleText:
    """The sentence behind a rule name, as a person reads it."""

    vi: str
    en: str


FORMS: Final[Mapping[str, RuleText]] = {
    "missing": RuleText(
        vi="Cột bắt buộc `{column}` không có giá trị.",
        en="The required column `{column}` has no value.",
    ),
    "unparseable": RuleText(
        vi="Không đọc được giá trị của `{column}` theo định dạng đã khai báo.",
        en="The value of `{column}` doesn't read as its stated format.",
    ),
    "unknown_code": RuleText(
        vi="Danh mục mã của `{column}` không có giá trị này.",
        en="The code list of `{column}` doesn't know the value.",
    ),
    "out_of_range": RuleText(
        vi="Giá trị của `{column}` nằm ngoài phạm vi lưu trữ được.",
        en="The value of `{column}` lies outside what can be kept.",
    ),
    "type": RuleText(
        vi="Giá trị của `{column}` không thuộc kiểu dữ liệu của cột.",
        en="The value of `{column}` isn't of the column's type.",
    ),
    "ambiguous_hour": RuleText(
        vi="Giờ địa phương của `{column}` xảy ra hai lần (đổi giờ mùa); đã lấy lần sớm hơn.",
        en="The local hour of `{column}` happened twice (clock change); the earlier one was taken.",
    ),
    "nonexistent_hour": RuleText(
        vi="Giờ địa phương của `{column}` không tồn tại (đổi giờ mùa); đã dời qua lúc đổi giờ.",
        en="The local hour of `{column}` never happened; it was moved past the clock change.",
    ),
}
"""What stands before the colon in names such as `missing:dossier_code`."""

NAMES: Final[Mapping[str, RuleText]] = {
    "key_missing": RuleText(
        vi="Bản ghi không có khóa.",
        en="The row has no key.",
    ),
    "anchor_out_of_range": RuleText(
        vi="Ngày mốc nằm ngoài khoảng từ năm 1990 đến hết năm sau.",
        en="The anchor date lies outside 1990 to next year.",
    ),
    "discarded": RuleText(
        vi="Bản ghi đã được loại bỏ bằng `quarantine discard`, kèm lý do.",
        en="A person discarded the row (`quarantine discard`), and said why.",
    ),
    "parent_varies": RuleText(
        vi="Các dòng lặp lại cùng một hồ sơ nhưng ghi thông tin khác nhau.",
        en="Lines that repeat one parent disagree about it.",
    ),
    "broken_line": RuleText(
        vi="Không tách được dòng của tệp thành các cột.",
        en="The line of the file can't be split into its columns.",
    ),
    "bad_encoding": RuleText(
        vi="Dòng của tệp có byte không hợp lệ với bảng mã đã khai báo.",
        en="The line of the file has bytes that its stated encoding doesn't know.",
    ),
    "zero_byte": RuleText(
        vi="Dòng của tệp chứa byte 0, không phải văn bản.",
        en="The line of the file holds a zero byte: it is no text.",
    ),
    "broken_record": RuleText(
        vi="Phần tử của tệp không phải là một bản ghi.",
        en="The element of the file is no record.",
    ),
    "line_too_long": RuleText(
        vi="Dòng của tệp dài quá giới hạn.",
        en="The line of the file is longer than the limit.",
    ),
}
"""Names that reading, mapping and merging give without a column."""


def explain(name: str, entity: Entity | None = None) -> RuleText | None:
    """The sentence behind a rule name as found in `_reasons` or `_warnings`.

    Args:
        name: "key_missing", "unparseable:received_at", a rule of the entity, ...
        entity: The entity the row was for; None for a row that could not be read.

    Returns:
        The sentence in both languages, or None for a name nobody gives.
    """
    if entity is not None:
        for rule in entity.rules:
            if rule.name == name:
                return RuleText(vi=rule.vi, en=rule.en)
    form, _, column = name.partition(":")
    if column and form in FORMS:
        text = FORMS[form]
        return RuleText(vi=text.vi.format(column=column), en=text.en.format(column=column))
    return NAMES.get(name)


def before(earlier: str, later: str) -> pl.Expr:
    """Whether the moment `earlier` lies before the moment `later`: broken order of two stamps.

    Where either source value is a bare date, the local dates decide, so that the same day isn't
    "before". Null where either is missing.

    Args:
        earlier: Name of a stamp without its ending ("finished" for `finished_at`,
            `finished_date`, `finished_is_date_only`).
        later: The same of the stamp that should not come after it.
    """
    date_only = pl.any_horizontal(
        pl.col(f"{stamp}_is_date_only").fill_null(value=False) for stamp in (earlier, later)
    )
    by_date = pl.col(f"{earlier}_date") < pl.col(f"{later}_date")
    by_time = pl.col(f"{earlier}_at") < pl.col(f"{later}_at")
    return pl.when(date_only).then(by_date).otherwise(by_time)


def out_of_order(
    first: str, second: str, *, vi: str, en: str, name: str | None = None, source: str | None = None
) -> Rule:
    """The warning that the stamp `second` lies before the stamp `first`.

    Args:
        first: The stamp that should come first, without its ending ("received").
        second: The stamp that should not come before it.
        vi: The promise in Vietnamese.
        en: The promise in English.
        name: Name of the rule; "<second>_before_<first>" where not given.
        source: Where the rule comes from.
    """
    return Rule(
        name=name or f"{second}_before_{first}",
        vi=vi,
        en=en,
        severity="warn",
        broken=before(second, first),
        source=source,
    )


def negative(column: str, *, vi: str, en: str) -> Rule:
    """The warning `<column>_negative`: a sum of money, or a count, below zero."""
    return Rule(name=f"{column}_negative", vi=vi, en=en, severity="warn", broken=pl.col(column) < 0)


def without(column: str, companion: str, *, vi: str, en: str) -> Rule:
    """The warning `<column>_without_<companion>`: a value that says little alone."""
    broken = pl.col(column).is_not_null() & pl.col(companion).is_null()
    return Rule(name=f"{column}_without_{companion}", vi=vi, en=en, severity="warn", broken=broken)


def validity_reversed() -> Rule:
    """The rejection of a reference row whose validity ends before it begins.

    Such a row matches no date: every join at a point in time would lose it in silence.
    """
    return Rule(
        name="validity_reversed",
        vi="Ngày hết hiệu lực không trước ngày bắt đầu hiệu lực.",
        en="A row's validity doesn't end before it begins.",
        severity="reject",
        broken=pl.col("valid_to") < pl.col("valid_from"),
    )
