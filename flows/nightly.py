"""The Prefect flows: `nightly` and `sync_source`, a thin layer over `flows.steps`.

One task per stream reads and lands, one per entity integrates. Between tasks travel references
(names, versions, intervals, counts), never frames; parameters and results hold no value of a row
and no secret. Nothing is persisted as a Prefect result: the receipts are in the warehouse.

When a flow fails: docs/deploy.md, "When a flow fails". Running it again is always right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, as_completed
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff
from pydantic import Field

from flows import settings, steps
from flows.backfilling import streams_to_backfill
from flows.faults import cleaned, told
from flows.logs import defect_event, event, receipt_event
from flows.outcome import FAIL_ABOVE, night_report, night_sentence, night_status
from flows.progress import LineProgress
from flows.receipts import NightReport, Receipt, SyncOptions, explained
from flows.releasing import NightRelease
from flows.server import ReadProgress, logs_to_run, publish_receipts
from flows.steps import Context, LandResult
from schemas.errors import LienThongError, TransientSourceError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import TaskRun
    from prefect.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 3

READING = cast(
    "TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner[Any](max_workers=steps.READERS)
)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

Name = Annotated[str, Field(min_length=1, max_length=300)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=3_600)]
Rows = Annotated[int, Field(ge=1)]


class RunFailed(LienThongError):
    """A run in which too much broke; carries the report that says so."""

    def __init__(self, sentence: str, report: NightReport) -> None:
        super().__init__(sentence)
        self.report = report


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run works: references that a task opens again wherever it runs."""

    warehouse: str
    sources_dir: str
    sync_id: str


@lru_cache(maxsize=1)
def opened(place: Place) -> Context:
    """The warehouse and the catalog; opened once per run and process."""
    return steps.open_context(
        warehouse_uri=place.warehouse,
        sources_dir=Path(place.sources_dir),
        progress=LineProgress(),
    )


def tellable(function: Callable[P, R]) -> Callable[P, R]:
    """Lets only errors out whose traceback and text hold nothing but what is ours."""

    @wraps(function)
    def careful(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, Prefect would print it
            defect_event(error)
            clean = cleaned(error)
        raise clean  # outside of the handler: it has no context that a traceback would show

    return careful


def is_transient(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    """True where trying again may help: the source could not be reached."""
    return isinstance(state.result(raise_on_failure=False), TransientSourceError)


@task(
    name="read",
    task_run_name="read {source}/{stream}",
    description="Reads one stream of one source and lands what is new.",
    retries=RETRIES,
    retry_jitter_factor=1,
    retry_condition_fn=is_transient,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tellable
def read(
    *, place: Place, source: str, stream: str, options: SyncOptions
) -> LandResult:
    """Reads and lands one stream; tried again only when its source can't be reached."""
    return steps.read_and_land(
        opened(place), source, stream, options=options, sync_id=place.sync_id
    )


@task(
    name="integrate",
    task_run_name="integrate {entity}",
    description="Maps, validates and merges what has landed for one entity.",
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tellable
def integrate(*, place: Place, entity: str, lands: Sequence[LandResult]) -> list[Receipt]:
    """One merge into one entity, of every stream that landed for it."""
    return steps.integrate_streams(opened(place), entity, lands, sync_id=place.sync_id)


@task(
    name="release",
    task_run_name="release",
    description="Checks core by the gates, and publishes it as what analysts see.",
    cache_policy=NO_CACHE,
    persist_result=False,
)
@tellable
def release(*, place: Place) -> NightRelease:
    """Publishes the night's release, or says what stands against it."""
    return steps.release_of_night(opened(place))


@flow(
    name="nightly",
    flow_run_name=lambda: f"night of {datetime.now(ZONE):%Y-%m-%d}",
    description="Every source that isn't retired, one merge per entity, then the release.",
    task_runner=READING,
    persist_result=False,
)
def nightly(
    *,
    warehouse: Name | None = None,
    sources_dir: Name | None = None,
    fail_above: Share = FAIL_ABOVE,
    retry_seconds: Seconds = 10,
) -> State[NightReport]:
    """The whole night. One broken source never stops the others.

    Args:
        warehouse: URI of the warehouse; the worker's LIENTHONG_WAREHOUSE where not given.
        sources_dir: Folder of the sources; the worker's LIENTHONG_SOURCES where not given.
        fail_above: Share of broken sources above which the run has failed.
        retry_seconds: Wait before an unreachable source is tried again; doubled each time.

    Returns:
        Completed, its message naming what is broken, or Failed past the threshold. Its data is
        the `NightReport`, or the `RunFailed` that carries it.
    """
    place = place_of(warehouse, sources_dir)
    with logs_to_run():
        report = _run(
            place, name="nightly", source=None, options=SyncOptions(), retry_seconds=retry_seconds
        )
    return _ended(report, fail_above=fail_above)


@flow(
    name="sync-source",
    flow_run_name="sync {source}",
    description="One source now: read, land, integrate.",
    task_runner=READING,
    persist_result=False,
)
def sync_source(
    *,
    source: Name,
    stream: Name | None = None,
    full: bool = False,
    limit: Rows | None = None,
    accept_deletes: bool = False,
    warehouse: Name | None = None,
    sources_dir: Name | None = None,
    retry_seconds: Seconds = 10,
) -> State[NightReport]:
    """One source, as `lienthong sync SOURCE` does it.

    Args:
        source: Name of the source.
        stream: Only this stream of it.
        full: Read everything again, whatever was read before.
        limit: Read at most so many rows per stream.
        accept_deletes: Believe a read in which many rows, or all, are gone.
        warehouse: URI of the warehouse; the worker's LIENTHONG_WAREHOUSE where not given.
        sources_dir: Folder of the sources; the worker's LIENTHONG_SOURCES where not given.
        retry_seconds: Wait before an unreachable source is tried again; doubled each time.

    Returns:
        Completed, or Failed when every stream failed. Its data is a `NightReport`, or the
        `RunFailed` that carries it.
    """
    options = SyncOptions(stream=stream, full=full, limit=limit, accept_deletes=accept_deletes)
    place = place_of(warehouse, sources_dir)
    with logs_to_run():
        report = _run(
            place, name=source, source=source, options=options, retry_seconds=retry_seconds
        )
    return _ended(report, fail_above=1.0)


@flow(
    name="backfill-source",
    flow_run_name="backfill {source}",
    description="An interval of one source's cursor once more: read, land, integrate.",
    task_runner=READING,
    persist_result=False,
)
def backfill_source(
    *,
    source: Name,
    low: Name,
    high: Name,
    reason: Name,
    stream: Name | None = None,
    warehouse: Name | None = None,
    sources_dir: Name | None = None,
    retry_seconds: Seconds = 10,
) -> State[NightReport]:
    """An interval of one source, as `lienthong backfill SOURCE` reads it.

    Args:
        source: Name of the source.
        low: Where the interval begins.
        high: Where it ends, not included.
        reason: Why; the receipts keep it.
        stream: Only this stream of it.
        warehouse: URI of the warehouse; the worker's LIENTHONG_WAREHOUSE where not given.
        sources_dir: Folder of the sources; the worker's LIENTHONG_SOURCES where not given.
        retry_seconds: Wait before an unreachable source is tried again; doubled each time.

    Returns:
        See `sync_source`.
    """
    options = SyncOptions(stream=stream, interval=(low, high), reason=reason)
    place = place_of(warehouse, sources_dir)
    with logs_to_run():
        report = _run(
            place, name=source, source=source, options=options, retry_seconds=retry_seconds
        )
    return _ended(report, fail_above=1.0)


def place_of(warehouse: str | None, sources_dir: str | None) -> Place:
    """Where a run works that was told so much."""
    return Place(
        warehouse=settings.warehouse_uri(warehouse),
        sources_dir=str(settings.sources_folder(sources_dir)),
        sync_id=steps.new_sync_id(),
    )


@tellable
def _run(
    place: Place, *, name: str, source: str | None, options: SyncOptions, retry_seconds: float
) -> NightReport:
    """Reads, integrates and reports: one source, or all."""
    started = time.monotonic()
    try:
        context = opened(place)
        streams, receipts = _chosen(context, place, source=source, options=options)
        lands, failed = _read_all(
            place, streams, name=name, options=options, retry_seconds=retry_seconds
        )
        receipts += failed
        for entity, fed in _by_entity(context, lands).items():
            receipts += _integrated(place, entity, fed)
        receipts = explained(receipts, options)
        names = context.catalog.sources if source is None else [source]
        receipts += steps.unswept_receipts(context, names, receipts, place.sync_id)
        steps.finish(
            context, sync_id=place.sync_id, receipts=receipts, kind=options.kind
        )
        released = _released(place) if source is None else NightRelease()
        if source is None:
            steps.maintain_of_night(context, receipts)
    finally:
        opened.cache_clear()  # nothing of a run outlives it
    report = night_report(
        place.sync_id, receipts, seconds=time.monotonic() - started,
        release=released.number, blocked=released.blocked,
    )  # fmt: skip
    for receipt in receipts:
        receipt_event(receipt)
    publish_receipts(name, receipts, sentence=night_sentence(report))
    return report


def _chosen(
    context: Context, place: Place, *, source: str | None, options: SyncOptions
) -> tuple[list[tuple[str, str]], list[Receipt]]:
    """The streams to read, and a failed receipt for each source whose YAML is wrong."""
    if source is not None:
        chosen = context.catalog.source(source)
        chosen.demand_active()
        if options.interval is not None:
            return [(source, one.name) for one in streams_to_backfill(chosen, options)], []
        only = options.stream
        names = chosen.streams if only is None else [chosen.stream(only).name]
        return [(source, name) for name in names], []
    every = context.catalog.sources.items()
    streams = [(name, stream) for name, one in every if not one.retired for stream in one.streams]
    return streams, steps.broken_yaml(context.catalog, place.sync_id)


def _read_all(
    place: Place,
    streams: Sequence[tuple[str, str]],
    *,
    name: str,
    options: SyncOptions,
    retry_seconds: float,
) -> tuple[list[LandResult], list[Receipt]]:
    """Reads all streams side by side; a failed one becomes a receipt and stops nobody."""
    progress = ReadProgress(name, streams=len(streams))
    reader = read.with_options(retry_delay_seconds=exponential_backoff(retry_seconds))
    started = time.monotonic()
    futures: dict[PrefectFuture[LandResult], tuple[str, str]] = {
        reader.submit(place=place, source=source, stream=stream, options=options): (source, stream)
        for source, stream in streams
    }
    lands: list[LandResult] = []
    failed: list[Receipt] = []
    for future in as_completed(list(futures)):
        result: object = future.result(raise_on_failure=False)
        progress.one_more()
        if isinstance(result, LandResult):
            lands.append(result)
            continue
        source, stream = futures[future]
        seconds = time.monotonic() - started
        failed.append(
            steps.failed_receipt(source, stream, place.sync_id, problem_of(result), seconds)
        )
    return lands, failed


def _by_entity(context: Context, lands: Sequence[LandResult]) -> dict[str, list[LandResult]]:
    """The landed streams by the entities that they feed."""
    fed: dict[str, list[LandResult]] = {}
    for land in lands:
        stream = context.catalog.source(land.source).stream(land.stream)
        for entity in dict.fromkeys(stream.entities):
            fed.setdefault(entity, []).append(land)
    return fed


def _integrated(place: Place, entity: str, lands: Sequence[LandResult]) -> list[Receipt]:
    """One merge, one writer: entities follow each other, and a failed one stops nobody."""
    started = time.monotonic()
    state = integrate(place=place, entity=entity, lands=lands, return_state=True)
    result: object = state.result(raise_on_failure=False)
    if isinstance(result, list):
        return result
    if len(lands) > 1:
        # What broke may be one office's rows: the others are merged without them.
        return [receipt for land in lands for receipt in _integrated(place, entity, [land])]
    event("integration failed", entity=entity, sync_id=place.sync_id)
    seconds = time.monotonic() - started
    problem = problem_of(result)
    return [
        steps.failed_receipt(land.source, land.stream, place.sync_id, problem, seconds)
        for land in lands
    ]


def _released(place: Place) -> NightRelease:
    """The night's release; a task that broke is a sentence like all that stands against it."""
    result: object = release(place=place, return_state=True).result(raise_on_failure=False)
    if isinstance(result, NightRelease):
        return result
    return NightRelease(blocked=(told(problem_of(result)).what,))


def _ended(report: NightReport, *, fail_above: float) -> State[NightReport]:
    """The final state: it names what is broken, and fails past the threshold."""
    sentence = night_sentence(report)
    if night_status(report, fail_above=fail_above) == "failed":
        return Failed(message=sentence, data=RunFailed(sentence, report))
    return Completed(message=sentence, data=report)


def problem_of(result: object) -> LienThongError:
    """What a task or flow that ended without a result ended with instead."""
    if isinstance(result, BaseException):
        return cleaned(result)
    return LienThongError("the run ended without a result; the server has its log")
