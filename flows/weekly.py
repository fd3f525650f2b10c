"""The Prefect flow `weekly`: every source held against the warehouse, a layer over `reconcile`.

When it fails: docs/deploy.md, "When a flow fails". Running it again is always right.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff

from flows import steps
from flows.nightly import (
    RETRIES,
    ZONE,
    Name,
    Place,
    Seconds,
    Share,
    is_transient,
    opened,
    place_of,
    problem_of,
    tellable,
)
from flows.outcome import FAIL_ABOVE
from flows.reconciliation import ReconcileOptions, Reconciliation
from flows.reconciling import broken_sources, failed_reconciliation
from flows.server import artifact_key, logs_to_run
from schemas.errors import LienThongError


class WeekFailed(LienThongError):
    """Too many streams could not be compared; carries what became of all."""

    def __init__(self, sentence: str, reports: Sequence[Reconciliation]) -> None:
        super().__init__(sentence)
        self.reports = tuple(reports)


@task(
    name="compare",
    task_run_name="compare {source}/{stream}",
    description="Holds one stream against what is landed of it, and repairs what differs.",
    retries=RETRIES,
    retry_jitter_factor=1,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tellable
def compare(*, place: Place, source: str, stream: str, repair: bool) -> Reconciliation:
    """Compares one stream; no key of a row is among its result."""
    return steps.reconcile_stream(
        opened(place), source, stream, options=ReconcileOptions(repair=repair),
        sync_id=place.sync_id, shown_keys=0,
    )  # fmt: skip


@flow(
    name="weekly",
    flow_run_name=lambda: f"week to {datetime.now(ZONE):%Y-%m-%d}",
    description="Every source that isn't retired, compared with the warehouse and repaired.",
    persist_result=False,
)
def weekly(
    *,
    repair: bool = True,
    warehouse: Name | None = None,
    sources_dir: Name | None = None,
    fail_above: Share = FAIL_ABOVE,
    retry_seconds: Seconds = 10,
) -> State[tuple[Reconciliation, ...]]:
    """The week's comparison: what no cursor shows is found, and read again.

    One stream after the other: each holds its marks in memory, and a repair writes core.

    Args:
        repair: Read what differs again, land and integrate it; bury what is gone.
        warehouse: URI of the warehouse; the worker's LIENTHONG_WAREHOUSE where not given.
        sources_dir: Folder of the sources; the worker's LIENTHONG_SOURCES where not given.
        fail_above: Share of broken streams above which the run has failed.
        retry_seconds: Wait before an unreachable source is tried again; doubled each time.

    Returns:
        Completed, its message naming what differs, or Failed past the threshold. Its data are the
        reports, or the `WeekFailed` that carries them.
    """
    place = place_of(warehouse, sources_dir)
    with logs_to_run():
        try:
            reports = _compared(place, repair=repair, retry_seconds=retry_seconds)
        finally:
            opened.cache_clear()  # nothing of a run outlives it
    sentence = week_sentence(reports)
    create_table_artifact(
        key=artifact_key("reconcile", "weekly"),
        table=[_row(report) for report in reports],
        description=sentence,
    )
    broken = sum(report.status == "failed" for report in reports)
    if reports and broken / len(reports) > fail_above:
        return Failed(message=sentence, data=WeekFailed(sentence, reports))
    return Completed(message=sentence, data=tuple(reports))


def week_sentence(reports: Sequence[Reconciliation]) -> str:
    """One sentence that names what differs and what is broken; no values."""
    well = sum(report.status == "done" for report in reports)
    parts = [f"{well} of {len(reports)} streams agree"]
    kinds = {
        "repaired": [r for r in reports if r.is_repaired],
        "different": [r for r in reports if r.status == "degraded" and not r.is_repaired],
        "broken": [r for r in reports if r.status == "failed"],
    }
    for word, some in kinds.items():
        if some:
            parts.append(f"{word}: {', '.join(map(_named, some))}")
    return "; ".join(parts)


def _named(report: Reconciliation) -> str:
    place = f"{report.source}/{report.stream}" if report.stream else report.source
    return place + (f" ({report.differences:,} keys)" if report.differences else "")


@tellable
def _compared(place: Place, *, repair: bool, retry_seconds: float) -> list[Reconciliation]:
    catalog = opened(place).catalog
    comparing = compare.with_options(retry_delay_seconds=exponential_backoff(retry_seconds))
    reports = broken_sources(catalog, place.sync_id)
    for source in catalog.sources.values():
        for stream in source.streams if not source.retired else ():
            state = comparing(
                place=place, source=source.name, stream=stream, repair=repair, return_state=True
            )
            result: object = state.result(raise_on_failure=False)
            if not isinstance(result, Reconciliation):
                result = failed_reconciliation(
                    source.name, stream, place.sync_id, problem_of(result), 0.0
                )
            reports.append(result)
    return reports


def _row(report: Reconciliation) -> dict[str, object]:
    return {
        "source": report.source,
        "stream": report.stream,
        "status": report.status,
        "by": report.by or "",
        "landed": report.landed,
        "missing": report.missing,
        "extra": report.extra,
        "differing": report.differing,
        "repaired": report.is_repaired,
        "seconds": report.seconds,
        "remark": report.error or report.note or "",
    }
