"""A hostile office connected by YAML alone, and its nights held to what is true in every one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl

from connectors.rest import connector
from flows.context import Context
from flows.receipts import Receipt, SyncOptions
from flows.steps import audit, sync
from tests.support.hostile_office import HostileOffice, OfficeClock, Truth, hostile_office
from tests.support.hostile_office import auth as ways
from tests.support.nights import Nights

SOURCE = "so-xa"
_NUMBERED = {"size": 10, "size_parameter": "size"}
_AFTER = {"size": 10, "size_parameter": "limit"}
PAGINGS: dict[str, dict[str, Any]] = {
    "page": {
        "path": "/by-page", "rows": "items",
        "paging": {"page": {**_NUMBERED, "total": "total"}},
    },
    "offset": {
        "path": "/by-offset", "rows": "data.items",
        "paging": {"offset": {"size": 10, "total": "meta.total"}},
    },
    "slice": {"path": "/by-slice", "rows": "content", "paging": {"slice": _NUMBERED}},
    "cursor": {
        "path": "/by-cursor", "rows": "items",
        "paging": {"cursor": {**_AFTER, "at": "next", "total": "total"}},
    },
    "cursor_header": {
        "path": "/by-cursor-header", "paging": {"cursor": {**_AFTER, "header": "X-Next-Cursor"}},
    },
    "link": {"path": "/by-link", "query": {"size": 10}, "paging": "link"},
    "next": {
        "path": "/by-next", "rows": "items", "query": {"size": 10},
        "paging": {"next": {"at": "links.next"}},
    },
    "search": {
        "path": "/search", "method": "POST", "parameters": "body", "rows": "result.rows",
        "body": {"sort": "code"}, "paging": {"page": {**_NUMBERED, "total": "result.count"}},
    },
}  # fmt: skip
FIELDS = {
    "procedure": "procedure.name", "status_id": "dossierStatus.id",
    "identity": "applicant.data.identity",
}  # fmt: skip
DETAILS: dict[str, Any] = {
    "path": "/ids", "rows": "items", "paging": {"page": {**_NUMBERED, "total": "total"}},
    "details": {
        "path": "/dossiers/{code}",
        "fields": {name: name for name in ("id", "version", "updatedAt", "receivedAt", "fee")}
        | {"fees": "fees", **FIELDS},
    },
}  # fmt: skip
INTO = [
    {
        "entity": "dossier",
        "columns": {
            "dossier_code": "code",
            "national_code": "id",
            "procedure_name": "procedure",
            "status": {"from": "status_id", "codes": "national_status", "on_bad": "reject"},
            "fee": {"from": "fee", "on_bad": "reject"},
            "received_at": "receivedAt",
            "applicant_id": "identity",
        },
    },
    {
        "entity": "payment",
        "explode": "fees",
        "key": ["code", "fees.code"],
        "columns": {
            "dossier_code": "code",
            "payment_code": "fees.code",
            "amount": {"from": "fees.amount", "on_bad": "reject"},
        },
    },
]
AUTHS: dict[str, dict[str, Any]] = {
    "basic": {"basic": {"username": "${OFFICE_USER}", "password": "${OFFICE_PASSWORD}"}},
    "key_header": {"api_key": {"header": "X-Api-Key", "value": "${OFFICE_KEY}"}},
    "key_query": {"api_key": {"query": "X-Api-Key", "value": "${OFFICE_KEY}"}},
    "bearer": {"bearer": {"token": "${OFFICE_BEARER}"}},
    "client_credentials": {
        "oauth2": {
            "token_url": "/oauth/token",
            "client_id": "${OFFICE_CLIENT}",
            "client_secret": "${OFFICE_CLIENT_SECRET}",
        }
    },
    "password": {
        "oauth2": {
            "token_url": "/oauth/token",
            "grant": "password",
            "client_in": "body",
            "client_id": "${OFFICE_CLIENT}",
            "client_secret": "${OFFICE_CLIENT_SECRET}",
            "username": "${OFFICE_USER}",
            "password": "${OFFICE_PASSWORD}",
        }
    },
    "session_header": {
        "login": {
            "path": "/login",
            "body": {"username": "${OFFICE_USER}", "password": "${OFFICE_PASSWORD}"},
            "token": "result.token",
            "header": "X-Session",
            "prefix": "",
        }
    },
    "session_body": {
        "login": {
            "path": "/login",
            "body": {"username": "${OFFICE_USER}", "password": "${OFFICE_PASSWORD}"},
            "token": "result.token",
            "body_field": "session",
        }
    },
    "signed": {
        "hmac": {
            "secret": "${OFFICE_SIGNING}",
            "key_id": "${OFFICE_SIGNING_ID}",
            "headers": {
                "X-Signature": "{signature}", "X-Timestamp": "{timestamp}", "X-Key-Id": "{key_id}",
            },
        }
    },
}  # fmt: skip
SECRETS = {
    "OFFICE_USER": ways.NAME,
    "OFFICE_PASSWORD": ways.PASSWORD,
    "OFFICE_KEY": ways.API_KEY,
    "OFFICE_BEARER": ways.BEARER,
    "OFFICE_CLIENT": ways.CLIENT,
    "OFFICE_CLIENT_SECRET": ways.CLIENT_SECRET,
    "OFFICE_SIGNING": ways.SIGNING_KEY,
    "OFFICE_SIGNING_ID": ways.SIGNING_ID,
}


def way_in(name: str, clock: OfficeClock) -> ways.Auth:
    """The office's side of one of `AUTHS`."""
    made: dict[str, Any] = {
        "basic": ways.Basic,
        "key_header": lambda: ways.ApiKey(place="header"),
        "key_query": lambda: ways.ApiKey(place="query"),
        "bearer": ways.Bearer,
        "client_credentials": lambda: ways.OAuth(clock),
        "password": lambda: ways.OAuth(clock, grant="password"),
        "session_header": lambda: ways.Session(clock),
        "session_body": lambda: ways.Session(clock, place="body"),
        "signed": ways.Signed,
    }
    way: ways.Auth = made[name]()
    return way


@dataclass
class Connected:
    """An office, its YAML and a warehouse.

    Attributes:
        receipts: What the last night reported.
        night_number: Nights so far.
    """

    office: HostileOffice
    nights: Nights
    receipts: list[Receipt] = field(default_factory=list)
    night_number: int = 0

    @property
    def truth(self) -> Truth:
        return self.office.truth

    @cached_property
    def context(self) -> Context:
        """Catalog and warehouse, opened anew whenever the YAML is written."""
        return self.nights.context

    def connect(
        self,
        paging: str = "page",
        *,
        auth: str | None = None,
        interval: dict[str, Any] | None = None,
        late_window: str = "5 days",
        source: str = SOURCE,
        **connector: Any,
    ) -> None:
        """Writes the YAML. `interval` reads by the time of change; else everything, every night."""
        told = DETAILS if paging == "details" else {**PAGINGS[paging], "fields": FIELDS}
        stream: dict[str, Any] = {**told, "key": "code", "version": "version", "into": INTO}
        if interval is not None:
            stream["cursor"] = {
                "column": "updatedAt", "deletes": False, "late_window": late_window,
            }  # fmt: skip
            stream["interval"] = {"from": "updated_from", "to": "updated_to", **interval}
        how: dict[str, Any] = {
            "type": "rest",
            "url": self.office.url,
            "budget": {"per_second": 1000, "concurrent": 1},
            "timeouts": {"connect": 2, "read": 1, "total": 2},
            "retries": {"attempts": 4},
            **connector,
        }
        if auth is not None:
            how["auth"] = AUTHS[auth]
        text = {
            "source": source, "agency": "H41.15", "connector": how, "streams": {"ho_so": stream},
        }  # fmt: skip
        self.__dict__.pop("context", None)
        self.nights.write(source, json.dumps(text, ensure_ascii=False))

    def night(self, **options: Any) -> Receipt:
        """One night, held to what holds in every one: the receipt of the dossiers, or the failed.

        Whatever went wrong, core holds no key twice and no row that was never true, and the
        receipts add up. In the end the audit has to find landing and core agreed (`connected`).
        """
        self.office.revive()
        self.night_number += 1
        context = self.context
        assert dict(context.catalog.broken) == {}
        self.receipts = sync(context, [SOURCE], SyncOptions(**options))
        for one in self.receipts:
            fates = (one.inserted, one.updated, one.unchanged, one.superseded, one.folded)
            assert one.read == one.landed + one.same + one.unreadable
            assert one.derived == sum(fates) + one.quarantined
            assert (one.status == "failed") == (one.error is not None)
        if any(one.derived or one.tombstoned for one in self.receipts):
            self.assert_core_was_true_once()
        first = sorted(self.receipts, key=lambda r: (r.status != "failed", r.entity or ""))
        return first[0]

    def nights_until_true(self, *, most: int = 6) -> int:
        """Nights until core is the truth: how many it took. Faults go on as they are planned.

        Where many rows are gone at once, somebody asks the office and believes it the next night.
        """
        is_believed = False
        for number in range(1, most + 1):
            night = self.night(accept_deletes=is_believed)
            if self.is_true():
                return number
            is_believed = "--accept-deletes" in (night.note or "")
            self.next_day()
        raise AssertionError(f"not in {most} nights: {self.differences()}")

    def next_day(self, changes: int = 0) -> None:
        """A day goes by in the office."""
        clock, truth = self.office.clock, self.truth
        clock.advance(86_400)
        truth.moment = max(truth.moment, clock.now())
        for _ in range(changes):
            truth.touch_any()
        behind = truth.moment + timedelta(hours=1) - clock.now()
        clock.advance(behind.total_seconds())

    def is_true(self) -> bool:
        """Whether core is the truth, by key and value."""
        return not self.differences()

    def differences(self) -> list[str]:
        """Where core isn't the truth: at most a few keys."""
        pairs = [
            (self.dossiers(alive=True), self.truth.core()),
            (self.payments(alive=True), self.truth.payments()),
        ]
        return [
            f"{key}: core {core.get(key)}, truth {true.get(key)}"
            for core, true in pairs
            for key in sorted(core.keys() | true.keys())
            if core.get(key) != true.get(key)
        ][:5]

    def assert_core_was_true_once(self) -> None:
        """No row of core holds what the office never had."""
        for rows in (self.dossiers(alive=False), self.payments(alive=False)):
            for key, value in rows.items():
                row = (key, *value) if isinstance(value, tuple) else (key, value)
                assert row in self.truth.was, row

    def dossiers(self, *, alive: bool) -> dict[str, Any]:
        """Key to values of the dossiers in core; the ones not deleted, or all."""
        names = ["national_code", "procedure_name", "status", "fee", "received_date"]
        return {key: tuple(values) for key, *values in self._rows("dossier", names, alive)}

    def payments(self, *, alive: bool) -> dict[str, Any]:
        """Key to amount of the payments in core; the ones not deleted, or all."""
        return dict(self._rows("payment", ["amount"], alive))

    def _rows(self, entity: str, names: list[str], alive: bool) -> list[tuple[Any, ...]]:
        table = self.context.warehouse.core(entity)
        if table is None:
            return []
        gone = pl.col("_deleted_at").is_not_null() & alive
        rows = table.scan().filter(~gone).select("_key", *names).collect()
        assert not rows["_key"].is_duplicated().any(), "a key stands twice in core"
        return rows.rows()


@contextmanager
def connected(
    root: Path, *, rows: int = 45, auth: str | None = None, **how: Any
) -> Iterator[Connected]:
    """An office with some dossiers, let in as `auth` says, and an empty warehouse.

    Who reads in this process waits by the office's clock, which takes no time.
    """
    clock = OfficeClock()
    truth = Truth()
    truth.add(rows)
    way = ways.Open() if auth is None else way_in(auth, clock)
    with (
        patch.object(connector, "SystemClock", lambda: clock),
        hostile_office(truth, clock=clock, auth=way, **how) as office,
    ):
        made = Connected(office, Nights(root))
        yield made
        if made.night_number:
            assert audit(made.context, [SOURCE]).findings == ()
