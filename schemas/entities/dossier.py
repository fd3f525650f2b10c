"""A dossier: one request of one person or organisation for one procedure."""

from __future__ import annotations

import polars as pl

from schemas.codes import code_list
from schemas.entities.parts import CURRENCY, agency_code, dossier_code, stamp
from schemas.fields import Entity, Field, Rule
from schemas.rules import negative, out_of_order, without

_OPEN = code_list("status").having("end", "no")
_FINISHED = ("completed", "returned")
_ENDED = pl.col("finished_at").is_not_null() | pl.col("returned_at").is_not_null()
_MESSAGE = "DongBoHoSoMC"

DOSSIER = Entity(
    name="dossier",
    vi="Một hồ sơ thủ tục hành chính, theo trạng thái hiện tại ở hệ thống nguồn.",
    en="One dossier of an administrative procedure, as its source's system holds it now.",
    key_fields=("dossier_code",),
    anchor="received_at",
    fields=(
        dossier_code(required=True),
        Field(
            name="national_code",
            type="text",
            source="nationCode, iGate",
            vi="Mã số hồ sơ do Cổng Dịch vụ công quốc gia cấp, nếu khác mã của nguồn.",
            en="Number given by the national portal, where it isn't the source's own.",
        ),
        Field(
            name="parent_code",
            type="text",
            vi="Mã số hồ sơ gốc mà hồ sơ này tách ra hoặc tiếp nối.",
            en="Number of the dossier that this one was split from or continues.",
        ),
        Field(
            name="procedure_code",
            type="text",
            source=f"MaTTHC, {_MESSAGE}",
            vi="Mã thủ tục hành chính như nguồn ghi, ví dụ `1.001193`.",
            en="Code of the procedure as the source states it, such as `1.001193`.",
        ),
        Field(
            name="procedure_name",
            type="text",
            source=f"TenTTHC, {_MESSAGE}",
            vi="Tên thủ tục hành chính như nguồn ghi.",
            en="Name of the procedure as the source states it.",
        ),
        Field(
            name="sector_code",
            type="text",
            source=f"MaLinhVuc, {_MESSAGE}",
            vi="Mã lĩnh vực của thủ tục.",
            en="Code of the procedure's sector.",
        ),
        Field(
            name="sector_name",
            type="text",
            vi="Tên lĩnh vực của thủ tục.",
            en="Name of the procedure's sector.",
        ),
        agency_code(
            "agency_code",
            vi="Mã định danh của cơ quan giải quyết.",
            en="Code of the agency that handles the dossier.",
        ),
        Field(
            name="agency_name",
            type="text",
            source=f"DonViXuLy, {_MESSAGE}",
            vi="Tên cơ quan giải quyết như nguồn ghi.",
            en="Name of the handling agency as the source states it.",
        ),
        agency_code(
            "intake_agency_code",
            vi="Mã định danh của cơ quan tiếp nhận; có thể khác cơ quan giải quyết.",
            en="Code of the agency that took the dossier in; it may not be the handling one.",
        ),
        Field(
            name="unit_name",
            type="text",
            vi="Phòng, ban hoặc nhóm đang giải quyết, như nguồn ghi.",
            en="Department or group in charge, as the source states it.",
        ),
        Field(
            name="area_code",
            type="text",
            vi="Mã đơn vị hành chính mà hồ sơ liên quan.",
            en="Code of the administrative unit that the dossier concerns.",
        ),
        Field(
            name="area_name",
            type="text",
            vi="Tên đơn vị hành chính mà hồ sơ liên quan, như nguồn ghi.",
            en="Name of the administrative unit that it concerns, as the source states it.",
        ),
        Field(
            name="channel",
            type="text",
            codes="channel",
            source=f"KenhThucHien, {_MESSAGE}",
            vi="Kênh nộp hồ sơ; để trống nghĩa là nguồn không ghi (báo cáo tính là trực tiếp).",
            en="Channel it was handed in by; null: not stated (reports count it as direct).",
        ),
        Field(
            name="status",
            type="text",
            codes="status",
            source=f"TrangThaiHoSo, {_MESSAGE}",
            vi="Trạng thái hồ sơ.",
            en="Status of the dossier.",
        ),
        Field(
            name="phase",
            type="text",
            vi="Bước hoặc giai đoạn xử lý theo cách gọi của nguồn.",
            en="Step or phase of the handling, in the source's own words.",
        ),
        Field(
            name="service_level",
            type="text",
            codes="service_level",
            source="Nghị định 42/2022/NĐ-CP",
            vi="Mức độ dịch vụ công trực tuyến của hồ sơ.",
            en="Level of the online service used.",
        ),
        Field(
            name="applicant_kind",
            type="text",
            codes="applicant_kind",
            source=f"LoaiDoiTuong, {_MESSAGE}",
            vi="Loại đối tượng nộp hồ sơ.",
            en="Kind of applicant.",
        ),
        Field(
            name="identity_kind",
            type="text",
            codes="identity_kind",
            source=f"DinhDanhCHS.LoaiDinhDanh, {_MESSAGE}",
            vi="Loại số định danh của người nộp.",
            en="Kind of the applicant's identity number.",
        ),
        Field(
            name="applicant_id",
            type="text",
            personal=True,
            min_length=5,
            source=f"DinhDanhCHS.SoDinhDanh, {_MESSAGE}",
            vi="Số định danh của người nộp, đã thay bằng bí danh.",
            en="Identity number of the applicant, pseudonymised.",
        ),
        Field(
            name="responsible_id",
            type="text",
            personal=True,
            vi="Cán bộ chịu trách nhiệm chính, đã thay bằng bí danh.",
            en="Official in charge, pseudonymised.",
        ),
        *stamp(
            "submitted",
            vi="Công dân nộp hồ sơ",
            en="Handed in by the applicant",
            source=f"NgayNopHoSo, {_MESSAGE}",
        ),
        *stamp(
            "received",
            vi="Cơ quan tiếp nhận hồ sơ",
            en="Taken in by the agency",
            source=f"NgayTiepNhan, {_MESSAGE}",
        ),
        *stamp(
            "due",
            vi="Hẹn trả kết quả, theo nguồn",
            en="Promised date, as the source states it",
            source=f"NgayHenTra, {_MESSAGE}",
        ),
        *stamp(
            "finished",
            vi="Kết thúc xử lý, có kết quả",
            en="Handling ended, result ready",
            source=f"NgayKetThucXuLy, {_MESSAGE}",
        ),
        *stamp(
            "returned",
            vi="Trả kết quả cho người nộp",
            en="Result returned to the applicant",
            source=f"NgayTra, {_MESSAGE}",
        ),
        Field(
            name="fee",
            type="decimal",
            unit="currency of `currency`",
            vi="Tổng phí, lệ phí của hồ sơ.",
            en="Fees of the dossier in all.",
        ),
        CURRENCY,
        Field(
            name="is_migrated",
            type="boolean",
            vi="Hồ sơ chuyển đổi từ hệ thống cũ, không phát sinh trong hệ thống nguồn.",
            en="Carried over from an older system, not born in this one.",
        ),
    ),
    rules=(
        out_of_order(
            "submitted",
            "received",
            vi="Hồ sơ không được tiếp nhận trước khi nộp.",
            en="A dossier isn't received before it was submitted.",
        ),
        out_of_order(
            "received",
            "due",
            vi="Ngày hẹn trả không trước ngày tiếp nhận.",
            en="A dossier isn't due before it was received.",
        ),
        out_of_order(
            "received",
            "finished",
            vi="Hồ sơ không kết thúc trước khi tiếp nhận.",
            en="A dossier isn't finished before it was received.",
        ),
        out_of_order(
            "finished",
            "returned",
            vi="Kết quả không được trả trước khi xử lý xong.",
            en="A result isn't returned before the dossier was finished.",
        ),
        Rule(
            name="status_says_finished_but_no_end",
            severity="warn",
            vi="Hồ sơ có trạng thái đã xong thì có ngày kết thúc hoặc ngày trả.",
            en="A dossier whose status is finished has an end or a return date.",
            broken=pl.col("status").is_in(_FINISHED) & ~_ENDED,
        ),
        Rule(
            name="status_says_open_but_has_end",
            severity="warn",
            vi="Hồ sơ có trạng thái chưa xong thì không có ngày kết thúc, ngày trả.",
            en="A dossier whose status is open has neither an end nor a return date.",
            broken=pl.col("status").is_in(_OPEN) & _ENDED,
        ),
        negative("fee", vi="Phí, lệ phí không âm.", en="A fee isn't below zero."),
        without("fee", "currency", vi="Phí, lệ phí có loại tiền.", en="A fee has its currency."),
    ),
)
