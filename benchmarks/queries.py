"""Twelve questions of analysts, through the views of a release and on its bare Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

from benchmarks import province, standing
from benchmarks.bench import Bench, linked
from benchmarks.measuring import Row, Timer, as_expected, run
from benchmarks.province import LONG

QUESTIONS: Final = {
    "received each month, by status": """
        SELECT date_trunc('month', received_date) AS month, status, count(*) AS n
        FROM dossier WHERE received_date >= DATE '2025-01-01' GROUP BY ALL ORDER BY ALL""",
    "late and still open, by agency": """
        SELECT agency_code, count(*) AS n FROM dossier
        WHERE status IN ('received', 'in_progress') AND due_date < DATE '2025-12-15'
        GROUP BY ALL ORDER BY n DESC, agency_code""",
    "on time, by agency and quarter": """
        SELECT agency_code, date_trunc('quarter', finished_date) AS quarter,
               count(*) FILTER (WHERE finished_date <= due_date) AS on_time, count(*) AS n
        FROM dossier WHERE finished_date >= DATE '2024-01-01' GROUP BY ALL ORDER BY ALL""",
    "handling time, by procedure": """
        SELECT procedure_code, count(*) AS n,
               sum(date_diff('hour', received_at, finished_at)) AS hours
        FROM dossier WHERE finished_at IS NOT NULL GROUP BY ALL ORDER BY ALL""",
    "share of online dossiers, by month": """
        SELECT date_trunc('month', received_date) AS month, channel, count(*) AS n
        FROM dossier GROUP BY ALL ORDER BY ALL""",
    "fees, by procedure and year": """
        SELECT procedure_name, year(received_date) AS year, sum(fee)::VARCHAR AS fees
        FROM dossier GROUP BY ALL ORDER BY ALL""",
    "who asks most often": """
        SELECT applicant_id, count(*) AS n FROM dossier WHERE received_date >= DATE '2025-07-01'
        GROUP BY ALL ORDER BY n DESC, applicant_id LIMIT 20""",
    "the way of one dossier": """
        SELECT sequence, event_name, occurred_at, agency_code FROM dossier_event
        WHERE dossier_code = (SELECT max(dossier_code) FROM dossier
                              WHERE received_date = DATE '2025-06-02')
        ORDER BY sequence""",
    "steps each day of the last month, by agency": """
        SELECT occurred_date, agency_code, count(*) AS n FROM dossier_event
        WHERE occurred_date >= DATE '2025-12-01' GROUP BY ALL ORDER BY ALL""",
    "which step takes how long": """
        SELECT event_name, count(*) AS n, sum(date_diff('minute', before, occurred_at)) AS minutes
        FROM (SELECT event_name, occurred_at, lag(occurred_at) OVER (
                  PARTITION BY dossier_code ORDER BY sequence) AS before
              FROM dossier_event WHERE occurred_date >= DATE '2025-11-01')
        WHERE before IS NOT NULL GROUP BY ALL ORDER BY ALL""",
    "work of each official in a year": """
        SELECT actor_id, count(*) AS n, count(DISTINCT dossier_code) AS dossiers
        FROM dossier_event WHERE occurred_date >= DATE '2025-10-01' GROUP BY ALL ORDER BY ALL""",
    "dossiers signed late, by agency": """
        SELECT d.agency_code, count(*) AS n
        FROM dossier d JOIN dossier_event e USING (dossier_code)
        WHERE e.event_code = 'B6' AND e.occurred_date > d.due_date
          AND d.received_date >= DATE '2025-10-01' AND e.occurred_date >= DATE '2025-10-01'
        GROUP BY ALL ORDER BY ALL""",
}


def rows(bench: Bench) -> Iterator[Row]:
    """The line of this benchmark: the median of the questions' ratios."""
    count = bench.rows(standing.ROWS)
    with bench.copy(province.warehouse(bench, LONG)) as folder:
        dossiers = Path("warehouse", "analysts", "core", "dossier")
        linked(standing.warehouse(bench) / dossiers, folder / dossiers)
        done = run("benchmarks.queries:asked", folder=str(folder), runs=bench.runs(3))
    as_expected("the questions", done, {"differing": [], "empty": [], "rows": count})
    pairs = done.facts["seconds"]
    yield Row(
        name=f"{len(QUESTIONS)} questions on {count:,} dossiers and "
        f"{province.events(bench.scale, LONG):,} events through a release's views",
        ours_s=round(sum(mine for mine, _ in pairs.values()), 3),
        peer="the same DuckDB queries on the same Parquet (median of their ratios)",
        peer_s=round(sum(bare for _, bare in pairs.values()), 3),
        ratio=round(median(mine / bare for mine, bare in pairs.values()), 3),
        bound=1.15,
        peak_mib=round(done.peak_mib, 1),
        cpu_ratio=round(median(mine / bare for mine, bare in done.facts["cpu"].values()), 3),
    )


def asked(timer: Timer, *, folder: str, runs: int) -> dict[str, Any]:
    """Asks each question both ways, alternately, and compares the answers."""
    import duckdb

    views = _released(f"{folder}/warehouse")
    seconds, cpu, differing, empty = {}, {}, [], []
    with (
        duckdb.connect(str(views), read_only=True) as release,
        duckdb.connect() as bare,
        timer.running(),
    ):
        _bare_views(bare, f"{folder}/warehouse")
        for connection in (release, bare):
            connection.execute("SET TimeZone = 'UTC'")
        for name, question in QUESTIONS.items():
            taken: tuple[list[float], list[float]] = ([], [])
            burnt: tuple[list[float], list[float]] = ([], [])
            answers = []
            for once in range(runs + 1):
                sides = zip((release, bare), taken, burnt, strict=True)
                for connection, times, cpus in sides:
                    started, spent = perf_counter(), process_time()
                    answers.append(connection.execute(question).fetchall())
                    if once:  # the first time files are read into the system's cache
                        times.append(perf_counter() - started)
                        cpus.append(process_time() - spent)
            seconds[name], cpu[name] = tuple(map(median, taken)), tuple(map(median, burnt))
            differing += [name] * any(answer != answers[0] for answer in answers)
            empty += [name] * (not answers[0])
        count = release.execute("SELECT count(*) FROM dossier").fetchone()
    assert count is not None
    return {
        "seconds": seconds,
        "cpu": cpu,
        "differing": differing,
        "empty": empty,
        "rows": count[0],
    }


def _released(warehouse: str) -> Path:
    """Publishes core as it is, and gives the file with the views."""
    from datetime import UTC, datetime

    from flows.views import write_views
    from warehouse.delta import Table
    from warehouse.releases import Part, Releases, publish

    parts = {}
    for name in ("dossier", "dossier_event"):
        table = Table.open(f"{warehouse}/analysts/core/{name}")
        if table is not None:
            path = f"analysts/core/{name}"
            parts[name] = Part(path=path, version=table.version, rows=table.rows)
    publish(Releases(warehouse).table(), parts, now=datetime.now(UTC))
    views = write_views(warehouse)
    assert views is not None
    return views


def _bare_views(connection: Any, warehouse: str) -> None:  # noqa: ANN401 - DuckDB's
    from warehouse.delta import Table

    for name in ("dossier", "dossier_event"):
        table = Table.open(f"{warehouse}/analysts/core/{name}")
        files = [] if table is None else table.files
        listed = ", ".join(f"'{file}'" for file in files)
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * "
            f"FROM read_parquet([{listed}], hive_partitioning = true)"
        )
