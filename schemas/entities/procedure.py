"""A procedure: what an office may be asked for, and how long it may take."""

from __future__ import annotations

import polars as pl

from schemas.entities.parts import CURRENCY, VALIDITY
from schemas.fields import Entity, Field, Rule
from schemas.rules import negative, validity_reversed, without

PROCEDURE = Entity(
    name="procedure",
    vi="Một thủ tục hành chính, theo kênh nếu thời hạn khác nhau, trong một khoảng hiệu lực.",
    en="One administrative procedure, by channel where limits differ, over one span of validity.",
    key_fields=("procedure_code", "channel", "valid_from"),
    anchor=None,
    fields=(
        Field(
            name="procedure_code",
            type="text",
            required=True,
            source="Cơ sở dữ liệu quốc gia về thủ tục hành chính",
            vi="Mã thủ tục, ví dụ `1.001193`, hoặc biến thể của tỉnh `1.012790.000.00.00.H41`.",
            en="Code such as `1.001193`, or a province's variant `1.012790.000.00.00.H41`.",
        ),
        Field(name="procedure_name", type="text", vi="Tên thủ tục.", en="Name of the procedure."),
        Field(
            name="sector_name",
            type="text",
            vi="Lĩnh vực của thủ tục.",
            en="Sector of the procedure.",
        ),
        Field(
            name="issuing_agency",
            type="text",
            vi="Cơ quan ban hành như nguồn ghi; có thể gồm nhiều cơ quan.",
            en="Issuing agencies as the source states them; there may be several.",
        ),
        Field(
            name="handling_agency",
            type="text",
            vi="Cơ quan thực hiện như nguồn ghi; có thể gồm nhiều cơ quan.",
            en="Handling agencies as the source states them; there may be several.",
        ),
        Field(
            name="level",
            type="text",
            codes="level",
            vi="Cấp thực hiện.",
            en="Level that handles it.",
        ),
        Field(
            name="channel",
            type="text",
            codes="channel",
            vi="Kênh mà thời hạn này áp dụng; để trống: mọi kênh.",
            en="Channel that this time limit is for; null: all.",
        ),
        Field(
            name="duration",
            type="decimal",
            unit="`duration_unit`",
            vi="Thời hạn giải quyết.",
            en="Time limit.",
        ),
        Field(
            name="duration_unit",
            type="text",
            codes="duration_unit",
            vi="Đơn vị của thời hạn.",
            en="Unit of the time limit.",
        ),
        Field(
            name="service_level",
            type="text",
            codes="service_level",
            source="Nghị định 42/2022/NĐ-CP",
            vi="Mức độ dịch vụ công trực tuyến.",
            en="Level of the online service.",
        ),
        Field(
            name="fee", type="decimal", unit="currency of `currency`", vi="Phí, lệ phí.", en="Fee."
        ),
        CURRENCY,
        Field(
            name="legal_act",
            type="text",
            vi="Quyết định công bố thủ tục.",
            en="Decision that published the procedure.",
        ),
        *VALIDITY,
    ),
    rules=(
        validity_reversed(),
        Rule(
            name="duration_not_positive",
            severity="warn",
            vi="Thời hạn giải quyết lớn hơn không.",
            en="A time limit is above zero.",
            broken=pl.col("duration") <= 0,
        ),
        without(
            "duration",
            "duration_unit",
            vi="Thời hạn giải quyết có đơn vị.",
            en="A time limit has its unit.",
        ),
        negative("fee", vi="Phí, lệ phí không âm.", en="A fee isn't below zero."),
        without("fee", "currency", vi="Phí, lệ phí có loại tiền.", en="A fee has its currency."),
    ),
)
