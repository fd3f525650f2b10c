"""A calendar day: whether offices work on it, in one version of the calendar."""

from __future__ import annotations

import polars as pl

from schemas.fields import Entity, Field, Rule

_WORKED = ("working", "make_up")

CALENDAR_DAY = Entity(
    name="calendar_day",
    vi="Một ngày của một phiên bản lịch làm việc.",
    en="One day of one version of the working calendar.",
    key_fields=("calendar_version", "day_date"),
    anchor="day_date",
    fields=(
        Field(
            name="calendar_version",
            type="text",
            required=True,
            vi="Phiên bản lịch; mọi thời hạn tính ra đều ghi phiên bản này.",
            en="Version of the calendar; every computed deadline names it.",
        ),
        Field(
            name="day_date",
            type="date",
            required=True,
            unit="local date",
            vi="Ngày.",
            en="The day.",
        ),
        Field(
            name="kind",
            type="text",
            codes="day_kind",
            required=True,
            vi="Loại ngày.",
            en="Kind of day.",
        ),
        Field(
            name="working_hours",
            type="decimal",
            unit="hours",
            vi="Số giờ làm việc trong ngày.",
            en="Working hours of the day.",
        ),
        Field(
            name="day_name",
            type="text",
            vi="Tên ngày lễ hoặc lý do.",
            en="Name of the holiday, or the reason.",
        ),
        Field(
            name="legal_act",
            type="text",
            vi="Văn bản quy định ngày nghỉ hoặc làm bù.",
            en="Act that sets the day off or the make-up day.",
        ),
    ),
    rules=(
        Rule(
            name="working_hours_impossible",
            severity="reject",
            vi="Số giờ làm việc trong ngày từ 0 đến 24.",
            en="A day has between 0 and 24 working hours.",
            broken=~pl.col("working_hours").is_between(0, 24),
        ),
        Rule(
            name="working_hours_contradict_kind",
            severity="warn",
            vi="Ngày làm việc có giờ làm việc; ngày nghỉ thì không.",
            en="A working day has working hours, and a day off has none.",
            broken=pl.col("kind").is_in(_WORKED) != (pl.col("working_hours") > 0),
        ),
    ),
)
