"""An event: one step in the handling of a dossier."""

from __future__ import annotations

from schemas.entities.parts import DOSSIER_KEY, agency_code, dossier_code, stamp
from schemas.fields import Entity, Field
from schemas.rules import out_of_order

_MESSAGE = "CapNhatTienDoHoSoMC"

DOSSIER_EVENT = Entity(
    name="dossier_event",
    vi="Một bước xử lý của một hồ sơ.",
    en="One step in the handling of one dossier.",
    key_fields=("dossier_code", "sequence", "event_code"),
    anchor="occurred_at",
    fields=(
        dossier_code(required=True),
        DOSSIER_KEY,
        Field(
            name="sequence",
            type="integer",
            unit="ordinal in the dossier",
            vi="Thứ tự của bước trong hồ sơ, theo nguồn; bước lặp lại vẫn là bước riêng.",
            en="Ordinal of the step in its dossier, by the source; a repeated step counts anew.",
        ),
        Field(
            name="event_code",
            type="text",
            vi="Mã của bước theo nguồn.",
            en="Code of the step, by the source.",
        ),
        Field(
            name="event_name",
            type="text",
            source=f"NoiDungXuLy, {_MESSAGE}",
            vi="Tên của bước như nguồn ghi (không lấy ghi chú tự do).",
            en="Name of the step as the source states it (never a free note).",
        ),
        *stamp(
            "occurred",
            vi="Bước xảy ra",
            en="The step happened",
            required=True,
            source=f"ThoiDiemXuLy, {_MESSAGE}",
        ),
        *stamp(
            "started",
            vi="Bắt đầu thực hiện bước",
            en="Work on the step began",
            source=f"NgayBatDau, {_MESSAGE}",
        ),
        *stamp(
            "due",
            vi="Hạn hoàn thành bước",
            en="The step is due",
            source=f"NgayKetThucTheoQuyDinh, {_MESSAGE}",
        ),
        *stamp("finished", vi="Hoàn thành bước", en="The step was finished"),
        Field(
            name="from_status",
            type="text",
            codes="status",
            vi="Trạng thái hồ sơ trước bước này.",
            en="Status of the dossier before the step.",
        ),
        Field(
            name="status",
            type="text",
            codes="status",
            source=f"TrangThai, {_MESSAGE}",
            vi="Trạng thái hồ sơ sau bước này.",
            en="Status of the dossier after the step.",
        ),
        agency_code(
            "agency_code",
            vi="Mã định danh của cơ quan thực hiện bước.",
            en="Code of the agency that took the step.",
        ),
        Field(
            name="unit_name",
            type="text",
            source=f"PhongBanXuLy, {_MESSAGE}",
            vi="Phòng, ban hoặc nhóm thực hiện bước, như nguồn ghi.",
            en="Department or group that took the step, as the source states it.",
        ),
        agency_code(
            "to_agency_code",
            vi="Mã định danh của cơ quan nhận hồ sơ, nếu bước là chuyển hồ sơ.",
            en="Code of the agency handed to, where the step hands the dossier on.",
        ),
        Field(
            name="to_unit_name",
            type="text",
            vi="Phòng, ban hoặc nhóm nhận hồ sơ, nếu bước là chuyển hồ sơ.",
            en="Department or group handed to, where the step hands the dossier on.",
        ),
        Field(
            name="actor_id",
            type="text",
            personal=True,
            source=f"NguoiXuLy, {_MESSAGE}",
            vi="Cán bộ thực hiện bước, đã thay bằng bí danh.",
            en="Official who took the step, pseudonymised.",
        ),
    ),
    rules=(
        out_of_order(
            "started",
            "finished",
            name="step_finished_before_started",
            vi="Bước không hoàn thành trước khi bắt đầu.",
            en="A step isn't finished before it began.",
        ),
        out_of_order(
            "started",
            "due",
            name="step_due_before_started",
            vi="Hạn của bước không trước khi bước bắt đầu.",
            en="A step isn't due before it began.",
        ),
    ),
)
