"""What a process does once, before anything is measured: imports, compiled rules."""

from __future__ import annotations

from pathlib import Path

_YAML = """\
source: warm
connector: {type: files, path: .}
streams:
  rows:
    files: rows.csv
    mode: snapshot
    key: ma
    into:
      - entity: dossier
        columns: {dossier_code: ma, received_at: ngay, status: {from: tt, codes: status}}
"""


_SQL = """\
source: warm-sql
connector: {{type: sql, url: "{url}"}}
streams:
  rows:
    query: "SELECT 'A-2' AS ma, TIMESTAMP '2026-01-05 00:00:00' AS ngay"
    key: ma
    into:
      - entity: dossier
        columns: {{dossier_code: ma, received_at: ngay}}
"""


def warm_up(folder: str, *, url: str | None = None) -> None:
    """Syncs one invented row into a warehouse of its own, so that every import is done.

    Args:
        folder: Comes into being.
        url: A database, whose driver is to be warm too.
    """
    from flows.receipts import SyncOptions
    from flows.steps import open_context, sync

    sources = Path(folder)
    sources.mkdir(parents=True)
    (sources / "warm.yaml").write_text(_YAML, "utf-8")
    (sources / "rows.csv").write_text("ma,ngay,tt\nA-1,2026-01-05,received\n", "utf-8")
    if url is not None:
        (sources / "warm-sql.yaml").write_text(_SQL.format(url=url), "utf-8")
    context = open_context(warehouse_uri=f"{folder}/warehouse", sources_dir=sources)
    for receipt in sync(context, [], SyncOptions()):
        if receipt.inserted != 1:
            message = f"the first row didn't arrive: {receipt.error}"
            raise RuntimeError(message)
