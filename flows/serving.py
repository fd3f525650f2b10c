"""Running a command's work here, as flows that the server of `PREFECT_API_URL` shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from flows import steps
from flows.catalog import load_catalog
from flows.nightly import (
    RunFailed,
    backfill_source,
    nightly,
    problem_of,
    sync_source,
)
from flows.receipts import NightReport, Receipt, SyncOptions
from flows.server import require_server


def night_on_server(*, warehouse: str, sources_dir: Path, fail_above: float) -> NightReport:
    """Runs the night here, as a flow that the server of `PREFECT_API_URL` shows.

    Raises:
        LienThongError: The server does not answer.
    """
    require_server()
    state = nightly(
        warehouse=warehouse, sources_dir=str(sources_dir), fail_above=fail_above, return_state=True
    )
    return _report_of(state)


def sync_on_server(
    names: Sequence[str], options: SyncOptions, *, warehouse: str, sources_dir: Path
) -> list[Receipt]:
    """Syncs sources here, each as a flow run that the server of `PREFECT_API_URL` shows.

    Args:
        names: The sources; none means all that aren't retired.
        options: What to read of them.
        warehouse: URI of the warehouse.
        sources_dir: Folder of the sources.

    Raises:
        ConfigError: One of the names is no source, or a retired one; or there is no source at all.
        LienThongError: The server does not answer.
    """
    require_server()
    catalog = load_catalog(sources_dir)
    catalog.demand(names)
    for name in names:
        catalog.source(name).demand_active()
        catalog.source(name).demand_references()
    receipts = [] if names else steps.broken_yaml(catalog, steps.new_sync_id())
    for name in names or [n for n, source in catalog.sources.items() if not source.retired]:
        state = sync_source(
            source=name,
            stream=options.stream,
            full=options.full,
            limit=options.limit,
            accept_deletes=options.accept_deletes,
            warehouse=warehouse,
            sources_dir=str(sources_dir),
            return_state=True,
        )
        receipts += _report_of(state).receipts
    return receipts


def backfill_on_server(
    name: str, options: SyncOptions, *, warehouse: str, sources_dir: Path
) -> list[Receipt]:
    """Reads an interval again here, as a flow run that the server of `PREFECT_API_URL` shows.

    Args:
        name: The source.
        options: See `flows.steps.backfill`.
        warehouse: URI of the warehouse.
        sources_dir: Folder of the sources.

    Raises:
        ConfigError: See `flows.steps.plan_backfill`.
        LienThongError: The server does not answer.
    """
    require_server()
    steps.plan_backfill(steps.check_context(sources_dir), name, options)
    low, high = options.interval or ("", "")
    state = backfill_source(
        source=name,
        low=low,
        high=high,
        reason=options.reason or "",
        stream=options.stream,
        warehouse=warehouse,
        sources_dir=str(sources_dir),
        return_state=True,
    )
    return list(_report_of(state).receipts)


def _report_of(state: State[Any]) -> NightReport:
    """The report out of a flow's final state.

    Raises:
        LienThongError: The flow ended before it had one; the error that ended it.
    """
    result: object = state.result(raise_on_failure=False)
    if isinstance(result, RunFailed):
        return result.report
    if isinstance(result, NightReport):
        return result
    raise problem_of(result)
