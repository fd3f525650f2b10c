"""The Prefect flow `maintain`: what `lienthong maintain` does, on a schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows import settings, steps
from flows.maintaining import RETENTION_DAYS, MaintainOptions, MaintenanceReport
from flows.nightly import Name, tellable
from flows.server import logs_to_run

Days = Annotated[int, Field(ge=0, le=36_500)]


@flow(
    name="maintain",
    flow_run_name="maintain",
    description="Joins small files, writes checkpoints, expires releases, deletes unused files.",
    persist_result=False,
)
def maintain(
    *,
    retention: Days = RETENTION_DAYS,
    landing_older_than: Days | None = None,
    warehouse: Name | None = None,
    sources_dir: Name | None = None,
) -> State[MaintenanceReport]:
    """Looks after every table, as `lienthong maintain` does it.

    Args:
        retention: Days for which removed files and superseded releases stay.
        landing_older_than: Take superseded copies out of landing that are older, in days.
        warehouse: URI of the warehouse; the worker's LIENTHONG_WAREHOUSE where not given.
        sources_dir: Folder of the sources; the worker's LIENTHONG_SOURCES where not given.

    Returns:
        Completed; its message names the tables that could not be looked after.
    """
    options = MaintainOptions(retention=retention, landing_older_than=landing_older_than)
    with logs_to_run():
        report = _maintained(
            settings.warehouse_uri(warehouse), settings.sources_folder(sources_dir), options
        )
    return Completed(message=sentence(report), data=report)


@tellable
def _maintained(warehouse: str, sources: Path, options: MaintainOptions) -> MaintenanceReport:
    context = steps.open_context(warehouse_uri=warehouse, sources_dir=sources, read_only=True)
    return steps.maintain(context, options)


def sentence(report: MaintenanceReport) -> str:
    """What was done, in one line: counts, and the tables with a problem."""
    joined = sum(one.joined for one in report.tables)
    deleted = sum(one.deleted for one in report.tables)
    broken = [one.table for one in report.tables if one.problem]
    parts = [f"{joined} files joined, {deleted} deleted, {len(report.expired)} releases expired"]
    return "; ".join([*parts, *([f"not looked after: {', '.join(broken)}"] if broken else [])])
