"""A document: one paper of a dossier, handed in or issued."""

from __future__ import annotations

from schemas.entities.parts import DOSSIER_KEY, dossier_code, stamp
from schemas.fields import Entity, Field
from schemas.rules import negative

DOCUMENT = Entity(
    name="document",
    vi="Một giấy tờ của hồ sơ: thành phần, bổ sung hoặc kết quả.",
    en="One document of a dossier: component, supplement or result.",
    key_fields=("dossier_code", "document_code"),
    anchor="submitted_at",
    fields=(
        dossier_code(required=True),
        DOSSIER_KEY,
        Field(
            name="document_code",
            type="text",
            vi="Mã giấy tờ theo nguồn.",
            en="Code of the document, by the source.",
        ),
        Field(
            name="sequence",
            type="integer",
            unit="ordinal in the dossier",
            vi="Thứ tự của giấy tờ trong hồ sơ, theo nguồn.",
            en="Ordinal of the document in its dossier, by the source.",
        ),
        Field(
            name="document_name",
            type="text",
            vi="Tên loại giấy tờ (không lấy tên tệp, vì tên tệp hay chứa tên người).",
            en="Name of the kind of document (never a file name: those often hold a person's).",
        ),
        Field(
            name="kind",
            type="text",
            codes="document_kind",
            source="TaiLieuNop, DanhSachHoSoBoSung, DanhSachGiayToKetQua; DongBoHoSoMC",
            vi="Thành phần, bổ sung hay kết quả.",
            en="Component, supplement or result.",
        ),
        Field(
            name="form",
            type="text",
            codes="document_form",
            vi="Hình thức của giấy tờ.",
            en="Form of the document.",
        ),
        Field(
            name="origin",
            type="text",
            codes="document_origin",
            vi="Nguồn của giấy tờ.",
            en="Where the document was taken from.",
        ),
        Field(
            name="is_digitised",
            type="boolean",
            source="Quyết định 766/QĐ-TTg",
            vi="Giấy tờ đã được số hóa.",
            en="The document has been digitised.",
        ),
        Field(
            name="is_reused",
            type="boolean",
            source="Quyết định 766/QĐ-TTg",
            vi="Giấy tờ được khai thác, sử dụng lại từ dữ liệu đã số hóa.",
            en="The document was reused from data digitised before.",
        ),
        Field(
            name="file_count",
            type="integer",
            unit="files",
            vi="Số tệp của giấy tờ.",
            en="Number of files of the document.",
        ),
        *stamp("submitted", vi="Nộp hoặc ban hành giấy tờ", en="Handed in or issued"),
    ),
    rules=(
        negative("file_count", vi="Số tệp không âm.", en="A number of files isn't below zero."),
    ),
)
