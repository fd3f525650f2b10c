"""An administrative unit: a province, district or commune over one span of time."""

from __future__ import annotations

from schemas.entities.parts import VALIDITY
from schemas.fields import Entity, Field
from schemas.rules import validity_reversed

_STATISTICS = "Quyết định 124/2004/QĐ-TTg; Quyết định 19/2025/QĐ-TTg"

ADMIN_UNIT = Entity(
    name="admin_unit",
    vi="Một đơn vị hành chính trong một khoảng hiệu lực; mã có thể được dùng lại cho đơn vị khác.",
    en="One administrative unit over one span of validity; its code may later name another one.",
    key_fields=("unit_code", "valid_from"),
    anchor=None,
    fields=(
        Field(
            name="unit_code",
            type="text",
            required=True,
            source=_STATISTICS,
            vi="Mã đơn vị hành chính.",
            en="Code of the unit.",
        ),
        Field(
            name="unit_name",
            type="text",
            required=True,
            vi="Tên đơn vị, kèm loại: `Phường Thành Vinh`.",
            en="Name of the unit with its kind: `Phường Thành Vinh`.",
        ),
        Field(
            name="level",
            type="text",
            codes="level",
            vi="Cấp hành chính.",
            en="Administrative level.",
        ),
        Field(
            name="kind",
            type="text",
            codes="unit_kind",
            vi="Loại đơn vị hành chính.",
            en="Kind of unit.",
        ),
        Field(
            name="district_code",
            type="text",
            vi="Mã huyện chứa đơn vị (đến 30/6/2025).",
            en="Code of the district it lies in (until 2025-06-30).",
        ),
        Field(
            name="district_name",
            type="text",
            vi="Tên huyện chứa đơn vị (đến 30/6/2025).",
            en="Name of the district it lies in (until 2025-06-30).",
        ),
        Field(
            name="province_code",
            type="text",
            vi="Mã tỉnh chứa đơn vị.",
            en="Code of the province it lies in.",
        ),
        Field(
            name="successor_code",
            type="text",
            vi="Mã đơn vị kế thừa sau khi sắp xếp.",
            en="Code of the unit that took its place.",
        ),
        Field(
            name="legal_act",
            type="text",
            vi="Văn bản thành lập hoặc sắp xếp đơn vị.",
            en="Act that made or rearranged the unit.",
        ),
        *VALIDITY,
    ),
    rules=(validity_reversed(),),
)
