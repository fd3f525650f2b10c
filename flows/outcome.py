"""How a night ended, by the share of its sources that broke."""

from __future__ import annotations

from collections.abc import Sequence

from flows.receipts import NightReport, Receipt, RunStatus

FAIL_ABOVE = 0.5
"""Share of broken sources above which a night counts as failed: past it the cause is more likely
ours (network, disk, a bad release) than an office's."""


def night_status(report: NightReport, *, fail_above: float = FAIL_ABOVE) -> RunStatus:
    """The night's outcome: `failed` also where more than `fail_above` of its sources broke."""
    sources = {receipt.source for receipt in report.receipts} | set(report.broken)
    if sources and len(report.broken) / len(sources) > fail_above:
        return "failed"
    return report.status


def night_sentence(report: NightReport) -> str:
    """One sentence that names what is broken and what waits; no values."""
    sources = {receipt.source for receipt in report.receipts} | set(report.broken)
    sound = len(sources) - len(set(report.broken) | set(report.waiting))
    parts = [f"{sound} of {len(sources)} sources done"]
    if report.broken:
        parts.append(f"broken: {', '.join(report.broken)}")
    if report.waiting:
        parts.append(f"waiting for a person: {', '.join(report.waiting)}")
    if report.release is not None:
        parts.append(f"release {report.release}")
    if report.blocked:
        parts.append(f"no release: {'; '.join(report.blocked)}")
    return "; ".join(parts)


def night_report(
    sync_id: str,
    receipts: Sequence[Receipt],
    *,
    seconds: float,
    release: int | None = None,
    blocked: Sequence[str] = (),
) -> NightReport:
    """What the receipts of a run come to: which sources are broken, which wait for a person."""
    failed = {receipt.source for receipt in receipts if receipt.status == "failed"}
    degraded = {receipt.source for receipt in receipts if receipt.status == "degraded"}
    return NightReport(
        sync_id=sync_id,
        receipts=tuple(receipts),
        broken=tuple(sorted(failed)),
        waiting=tuple(sorted(degraded - failed)),
        seconds=seconds,
        release=release,
        blocked=tuple(blocked),
    )
