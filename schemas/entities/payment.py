"""A payment: one fee of a dossier, asked for or paid."""

from __future__ import annotations

import polars as pl

from schemas.entities.parts import CURRENCY, DOSSIER_KEY, dossier_code, stamp
from schemas.fields import Entity, Field, Rule
from schemas.rules import without

_LIST = "DanhSachLePhi, DongBoHoSoMC"

PAYMENT = Entity(
    name="payment",
    vi="Một khoản phí, lệ phí của hồ sơ: phải nộp hoặc đã nộp.",
    en="One fee of a dossier, asked for or paid.",
    key_fields=("dossier_code", "payment_code"),
    anchor="paid_at",
    fields=(
        dossier_code(required=True),
        DOSSIER_KEY,
        Field(
            name="payment_code",
            type="text",
            vi="Mã khoản thu hoặc mã giao dịch theo nguồn.",
            en="Code of the fee or of the transaction, by the source.",
        ),
        Field(
            name="sequence",
            type="integer",
            unit="ordinal in the dossier",
            vi="Thứ tự của khoản trong hồ sơ, theo nguồn.",
            en="Ordinal of the fee in its dossier, by the source.",
        ),
        Field(
            name="fee_name", type="text", source=_LIST, vi="Tên phí, lệ phí.", en="Name of the fee."
        ),
        Field(
            name="amount",
            type="decimal",
            unit="currency of `currency`",
            source=_LIST,
            vi="Số tiền.",
            en="The sum.",
        ),
        CURRENCY,
        Field(
            name="method",
            type="text",
            codes="payment_method",
            source="DuocThanhToanTrucTuyen, DongBoHoSoMC",
            vi="Hình thức thanh toán; để trống: không thanh toán hoặc nguồn không ghi.",
            en="Means of payment; null: none, or not stated.",
        ),
        Field(
            name="status",
            type="text",
            codes="payment_status",
            vi="Trạng thái thanh toán.",
            en="Status of the payment.",
        ),
        *stamp("paid", vi="Nộp tiền", en="Paid"),
        Field(
            name="payer_id",
            type="text",
            personal=True,
            min_length=5,
            vi="Số định danh của người nộp tiền, đã thay bằng bí danh.",
            en="Identity number of the payer, pseudonymised.",
        ),
    ),
    rules=(
        Rule(
            name="amount_negative",
            severity="warn",
            vi="Số tiền không âm, trừ khoản hoàn trả.",
            en="A sum isn't below zero, unless it is a refund.",
            broken=(pl.col("amount") < 0) & pl.col("status").ne_missing("refunded"),
        ),
        without("amount", "currency", vi="Số tiền có loại tiền.", en="A sum has its currency."),
        Rule(
            name="status_says_paid_but_no_time",
            severity="warn",
            vi="Khoản đã thanh toán có ngày nộp.",
            en="What is paid has a date of payment.",
            broken=(pl.col("status") == "paid") & pl.col("paid_at").is_null(),
        ),
        Rule(
            name="status_says_unpaid_but_has_time",
            severity="warn",
            vi="Khoản chưa thanh toán thì không có ngày nộp.",
            en="What isn't paid has no date of payment.",
            broken=(pl.col("status") == "unpaid") & pl.col("paid_at").is_not_null(),
        ),
    ),
)
