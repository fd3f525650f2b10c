"""An agency: an office that takes dossiers in or handles them."""

from __future__ import annotations

import polars as pl

from schemas.entities.parts import VALIDITY, agency_code
from schemas.fields import Entity, Field, Rule
from schemas.rules import validity_reversed

AGENCY = Entity(
    name="agency",
    vi="Một cơ quan tiếp nhận hoặc giải quyết hồ sơ, trong một khoảng hiệu lực.",
    en="One agency that takes in or handles dossiers, over one span of validity.",
    key_fields=("agency_code", "valid_from"),
    anchor=None,
    fields=(
        Field(
            name="agency_code",
            type="text",
            required=True,
            source="QCVN 102:2016/BTTTT; Quyết định 20/2020/QĐ-TTg",
            vi="Mã định danh của cơ quan, dạng mới, cấp cao trước: `H41.15`.",
            en="Code of the agency in the new form, top level first: `H41.15`.",
        ),
        Field(
            name="old_code",
            type="text",
            source="QCVN 102:2016/BTTTT",
            vi="Mã định danh dạng cũ, cấp thấp trước: `000.00.15.H41`.",
            en="Code in the old form, lowest level first: `000.00.15.H41`.",
        ),
        Field(name="agency_name", type="text", vi="Tên cơ quan.", en="Name of the agency."),
        Field(
            name="agency_name_en",
            type="text",
            vi="Tên cơ quan bằng tiếng Anh.",
            en="Name of the agency in English.",
        ),
        Field(
            name="level",
            type="text",
            codes="level",
            vi="Cấp hành chính của cơ quan.",
            en="Administrative level of the agency.",
        ),
        agency_code(
            "parent_code",
            vi="Mã định danh của cơ quan cấp trên trực tiếp.",
            en="Code of the agency directly above.",
        ),
        Field(
            name="unit_code",
            type="text",
            vi="Mã đơn vị hành chính mà cơ quan phụ trách.",
            en="Code of the administrative unit that the agency serves.",
        ),
        Field(
            name="pilot_from",
            type="date",
            vi="Ngày bắt đầu tham gia thí điểm.",
            en="First day as a pilot.",
        ),
        Field(
            name="pilot_to",
            type="date",
            vi="Ngày cuối cùng tham gia thí điểm.",
            en="Last day as a pilot.",
        ),
        *VALIDITY,
    ),
    rules=(
        validity_reversed(),
        Rule(
            name="own_parent",
            severity="reject",
            vi="Cơ quan không là cấp trên của chính mình.",
            en="An agency isn't its own parent.",
            broken=pl.col("parent_code") == pl.col("agency_code"),
        ),
    ),
)
