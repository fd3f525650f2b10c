"""Fields that several entities share, so that the same quantity has one name everywhere."""

from __future__ import annotations

from schemas.fields import Field

DOSSIER_KEY = Field(
    name="dossier_key",
    type="text",
    vi="Khóa kỹ thuật của hồ sơ trong cùng nguồn: nối với `_key` của bảng dossier.",
    en="Technical key of the dossier in the same source: joins with `_key` of dossier.",
)

CURRENCY = Field(
    name="currency",
    type="text",
    codes="currency",
    vi="Loại tiền của số tiền.",
    en="Currency of the sum.",
    source="ISO 4217",
)

VALIDITY = (
    Field(
        name="valid_from",
        type="date",
        vi="Ngày bắt đầu hiệu lực.",
        en="First day of validity.",
    ),
    Field(
        name="valid_to",
        type="date",
        vi="Ngày cuối cùng còn hiệu lực; để trống nếu đang có hiệu lực.",
        en="Last day of validity; null while in force.",
    ),
)


def dossier_code(*, required: bool) -> Field:
    """The dossier's number, as a citizen reads it on the receipt slip."""
    return Field(
        name="dossier_code",
        type="text",
        required=required,
        vi="Mã số hồ sơ của hệ thống nguồn.",
        en="Number of the dossier in its source's system.",
        source="MaHoSo, DongBoHoSoMC",
    )


def agency_code(name: str, *, vi: str, en: str) -> Field:
    """An agency code, in the new form, top level first (`H41.15`)."""
    return Field(
        name=name,
        type="text",
        vi=vi,
        en=en,
        source="QCVN 102:2016/BTTTT; Quyết định 20/2020/QĐ-TTg",
    )


def stamp(
    name: str, *, vi: str, en: str, source: str | None = None, required: bool = False
) -> tuple[Field, Field, Field]:
    """A moment as its three columns: `_at`, `_date` and `_is_date_only`.

    Args:
        name: Name of the moment ("received").
        vi: What happened then, in Vietnamese, as the beginning of a sentence.
        en: The same in English.
        source: Field of the feed that it comes from.
        required: A row without `_at` is quarantined.
    """
    return (
        Field(
            name=f"{name}_at",
            type="timestamp",
            unit="UTC",
            required=required,
            source=source,
            vi=f"{vi}: thời điểm.",
            en=f"{en}: the moment.",
        ),
        Field(
            name=f"{name}_date",
            type="date",
            unit="local date",
            source=source,
            vi=f"{vi}: ngày theo múi giờ của nguồn.",
            en=f"{en}: date in the source's time zone.",
        ),
        Field(
            name=f"{name}_is_date_only",
            type="boolean",
            vi=f"{vi}: nguồn chỉ ghi ngày, không ghi giờ.",
            en=f"{en}: the source states a date without a time.",
        ),
    )
