"""A changing office's warehouse against the office itself."""

from __future__ import annotations

import polars as pl

from flows.query import query
from tests.support.changing_office import ChangingOffice

PLACE = ["_landing_version", "_row"]
_CORE = """\
SELECT 'dossier' AS entity, _key, procedure_name, status, _is_stale FROM dossier
WHERE _deleted_at IS NULL
UNION ALL BY NAME
SELECT 'payment' AS entity, dossier_code, payment_code, amount FROM payment
WHERE _deleted_at IS NULL
UNION ALL BY NAME
SELECT 'dossier_event' AS entity, _key, event_name FROM dossier_event
WHERE _deleted_at IS NULL
"""


def assert_every_newest_copy_is_in_core_or_in_quarantine(office: ChangingOffice) -> None:
    """Of what is integrated, whatever YAML it was under: never neither, never both, never twice.

    It holds after a kill as well as after a run that ended.
    """
    warehouse = office.context.warehouse
    table = warehouse.core("dossier")
    done = 0 if table is None else table.txn("so-thu/ho_so")
    if table is None or not done:
        return
    landed = warehouse.landing("so-thu", "ho_so").rows(after=0, to=done)
    newest = landed.group_by("_key").last().filter(~pl.col("_tombstone"))
    core = table.scan().select("_key", "_deleted_at", *PLACE).collect()
    quarantine = warehouse.quarantine.scan().filter(pl.col("entity") == "dossier").collect()
    held = quarantine.filter(pl.col("_landing_version") <= done)
    assert not core["_key"].is_duplicated().any()
    assert not quarantine.select(PLACE).is_duplicated().any()
    assert held.join(core, on=PLACE, how="semi").is_empty()
    assert held.join(landed, on=PLACE, how="anti").is_empty()
    accepted = newest.join(core.filter(pl.col("_deleted_at").is_null()), on=["_key", *PLACE])
    rejected = newest.join(held, on=["_key", *PLACE])
    assert accepted.height + rejected.height == newest.height


def assert_everything_has_landed(office: ChangingOffice) -> None:
    """The newest copies in landing are the office's rows, by key and value."""
    landing = office.context.warehouse.landing("so-thu", "ho_so")
    landed = landing.rows(after=0, to=landing.version())
    newest = landed.group_by("_key").last().filter(~pl.col("_tombstone"))
    values = [name for name in office.rows("ho_so")[0] if name in newest.columns]
    assert sorted(newest.select(values).rows()) == sorted(
        tuple(row[name] for name in values) for row in office.rows("ho_so")
    )


def assert_core_is_the_truth(office: ChangingOffice) -> None:
    """Core against the office, by key and value; a key twice would be a row too many."""
    core = query(str(office.warehouse), _CORE, core=True).to_pylist()
    dossiers = [r for r in core if r["entity"] == "dossier"]
    valid = [r for r in dossiers if not r["_is_stale"]]
    assert sorted((r["_key"], r["procedure_name"], r["status"]) for r in valid) == sorted(
        (code, *values) for code, values in office.dossiers().items()
    )
    # What stands in core of a rejected record are its last accepted values, and they say so.
    stale = [r["_key"] for r in dossiers if r["_is_stale"]]
    assert len(set(stale)) == len(stale)
    assert set(stale) <= {r["so"] for r in office.rows("ho_so")} - set(office.dossiers())
    payments = [r for r in core if r["entity"] == "payment"]
    assert sorted((r["dossier_code"], r["payment_code"], r["amount"]) for r in payments) == sorted(
        (*key, amount) for key, amount in office.payments().items()
    )
    events = [r for r in core if r["entity"] == "dossier_event"]
    assert sorted((r["_key"], r["event_name"]) for r in events) == sorted(office.events().items())


def assert_every_rejected_copy_is_quarantined_once(office: ChangingOffice) -> None:
    """Quarantine holds the landed copies that today's YAML rejects, each once, and no other."""
    warehouse = office.context.warehouse
    landing = warehouse.landing("so-thu", "ho_so")
    landed = landing.rows(after=0, to=landing.version())
    rejected = landed.filter(~pl.col("trang_thai").is_in(list(office.codes)))
    held = warehouse.quarantine.scan().select("entity", *PLACE, "rules").collect()
    assert sorted(held.select(PLACE).rows()) == sorted(rejected.select(PLACE).rows())
    assert set(held["entity"]) <= {"dossier"}
    assert set(held["rules"].explode()) <= {"unknown_code:status"}
