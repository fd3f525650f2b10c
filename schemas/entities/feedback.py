"""A feedback: what somebody said of an office or of a dossier."""

from __future__ import annotations

import polars as pl

from schemas.entities.parts import DOSSIER_KEY, agency_code, dossier_code, stamp
from schemas.fields import Entity, Field, Rule
from schemas.rules import out_of_order

FEEDBACK = Entity(
    name="feedback",
    vi="Một phản ánh, kiến nghị, khiếu nại hoặc đánh giá của người dân, doanh nghiệp.",
    en="One petition, complaint or rating by a citizen or an enterprise.",
    key_fields=("feedback_code",),
    anchor="received_at",
    fields=(
        Field(
            name="feedback_code",
            type="text",
            required=True,
            vi="Mã phản hồi theo nguồn.",
            en="Code of the feedback, by the source.",
        ),
        dossier_code(required=False),
        DOSSIER_KEY,
        Field(
            name="procedure_code",
            type="text",
            vi="Mã thủ tục hành chính liên quan.",
            en="Code of the procedure it is about.",
        ),
        agency_code(
            "agency_code",
            vi="Mã định danh của cơ quan bị phản ánh hoặc được đánh giá.",
            en="Code of the agency it is about.",
        ),
        Field(
            name="agency_name",
            type="text",
            vi="Tên cơ quan bị phản ánh hoặc được đánh giá, như nguồn ghi.",
            en="Name of the agency it is about, as the source states it.",
        ),
        Field(
            name="kind",
            type="text",
            codes="feedback_kind",
            vi="Loại phản hồi.",
            en="Kind of feedback.",
        ),
        Field(
            name="channel",
            type="text",
            codes="channel",
            vi="Kênh gửi phản hồi.",
            en="Channel it came by.",
        ),
        Field(
            name="status",
            type="text",
            codes="feedback_status",
            vi="Trạng thái xử lý.",
            en="Status of its handling.",
        ),
        Field(
            name="satisfaction",
            type="text",
            codes="satisfaction",
            vi="Mức độ hài lòng được nêu.",
            en="Satisfaction stated.",
        ),
        *stamp("received", vi="Tiếp nhận phản hồi", en="Received"),
        *stamp("due", vi="Hạn trả lời", en="Answer due"),
        *stamp("answered", vi="Trả lời", en="Answered"),
        Field(
            name="sender_id",
            type="text",
            personal=True,
            min_length=5,
            vi="Số định danh của người gửi, đã thay bằng bí danh.",
            en="Identity number of the sender, pseudonymised.",
        ),
    ),
    rules=(
        out_of_order(
            "received",
            "answered",
            vi="Phản hồi không được trả lời trước khi tiếp nhận.",
            en="A feedback isn't answered before it was received.",
        ),
        out_of_order(
            "received",
            "due",
            vi="Hạn trả lời không trước khi tiếp nhận.",
            en="An answer isn't due before the feedback was received.",
        ),
        Rule(
            name="status_says_answered_but_no_answer",
            severity="warn",
            vi="Phản hồi đã trả lời có ngày trả lời.",
            en="A feedback whose status is answered has a date of answer.",
            broken=(pl.col("status") == "answered") & pl.col("answered_at").is_null(),
        ),
    ),
)
