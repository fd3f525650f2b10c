"""The second night of an office's PostgreSQL: exactly what changed is reported, and stands in core.

The same table is read in intervals of a cursor and as a whole, by a role that may only SELECT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from connectors.sql.postgres import PostgresSession
from tests.support.nights import Nights, done
from tests.support.postgres import Server, execute, read_only_role

YAML = """\
source: SOURCE
connector: {type: sql, url: "${KET_NOI}"}
streams:
  ho_so:
    table: ho_so
    key: so
    version: cap_nhat
    CURSOR
    into:
      - entity: dossier
        columns: {dossier_code: so, procedure_name: ten}
"""
CURSOR = "cursor: {column: cap_nhat, late_window: 2 days}"
ROWS = 40
BY_CURSOR, WHOLE = "theo-con-tro", "doc-het"


@dataclass(frozen=True)
class Office:
    """A database (as its owner sees it) and its warehouse."""

    url: str
    nights: Nights

    def connect(self, source: str, cursor: str) -> None:
        text = YAML.replace("SOURCE", source)
        self.nights.write(source, text.replace("CURSOR", cursor))

    def run(self, *statements: str) -> None:
        execute(self.url, *statements)

    def names(self) -> dict[str, str]:
        """What the office has."""
        with psycopg.connect(self.url) as connection:
            return dict(connection.execute("SELECT so, ten FROM ho_so").fetchall())


@pytest.fixture
def office(
    postgres_server: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    execute(
        postgres_url,
        "CREATE TABLE ho_so (so text, ten text, cap_nhat timestamptz)",
        f"""INSERT INTO ho_so SELECT 'HS-' || i, 'việc ' || i, now() - interval '10 days'
        FROM generate_series(1, {ROWS}) i""",
        "UPDATE ho_so SET cap_nhat = now() - interval '1 day' WHERE so = 'HS-2'",
    )
    with read_only_role(postgres_server, postgres_url, password="chi-doc") as reader:
        monkeypatch.setenv("KET_NOI", reader)
        made = Office(postgres_url, Nights(tmp_path))
        made.connect(BY_CURSOR, CURSOR)
        made.connect(WHOLE, "")
        yield made


def change(office: Office) -> None:
    """One of each kind of change."""
    office.run(
        "UPDATE ho_so SET ten = 'sửa', cap_nhat = now() - interval '1 minute' WHERE so = 'HS-1'",
        "UPDATE ho_so SET ten = 'sửa, cùng giờ' WHERE so = 'HS-2'",
        "INSERT INTO ho_so VALUES ('HS-null', 'không giờ', NULL)",
        "DELETE FROM ho_so WHERE so = 'HS-3'",
        "INSERT INTO ho_so VALUES ('HS-2099', 'tương lai', '2099-01-01')",
    )


def test_the_second_night_by_a_cursor_reports_every_change_in_its_own_term(
    office: Office,
) -> None:
    first = office.nights.dossier(BY_CURSOR)
    assert (first.read, first.landed, done(first)) == (ROWS, ROWS, {"inserted": ROWS})
    before = office.names()
    change(office)
    second = office.nights.dossier(BY_CURSOR)
    assert (second.read, second.landed, second.same) == (2, 2, 0)
    assert done(second) == {"updated": 2, "tombstoned": 1}
    assert (second.null_cursor, second.future_cursor, second.status) == (1, 1, "done")
    expected = {**before, "HS-1": "sửa", "HS-2": "sửa, cùng giờ"}
    assert office.nights.core(BY_CURSOR, "procedure_name") == expected
    del expected["HS-3"]
    assert office.nights.alive(BY_CURSOR, "procedure_name") == expected
    # What the interval leaves out is counted every night, and a full read brings it.
    full = office.nights.dossier(BY_CURSOR, full=True)
    assert (full.landed, done(full)) == (2, {"inserted": 2})
    assert office.nights.alive(BY_CURSOR, "procedure_name") == office.names()


def test_the_second_night_of_a_whole_read_reports_every_change_in_its_own_term(
    office: Office,
) -> None:
    office.nights.dossier(WHOLE)
    change(office)
    second = office.nights.dossier(WHOLE)
    assert (second.read, second.landed, second.same) == (ROWS + 1, 4, ROWS - 3)
    assert done(second) == {"updated": 2, "inserted": 2, "tombstoned": 1}
    assert office.nights.alive(WHOLE, "procedure_name") == office.names()


@pytest.mark.parametrize(("source", "reread"), [(BY_CURSOR, 2), (WHOLE, ROWS + 1)])
def test_a_night_without_changes_is_silent(office: Office, source: str, reread: int) -> None:
    office.nights.dossier(source)
    change(office)
    second = office.nights.dossier(source)
    third = office.nights.dossier(source)
    assert (third.read, third.same, third.landed) == (reread, reread, 0)
    assert (done(third), third.warnings, third.derived) == ({}, {}, 0)
    assert third.core_version == second.core_version
    if source == WHOLE:  # a cursor's coverage moves on, by a commit of landing without a row
        assert third.landing_version == second.landing_version


def test_a_deletion_is_found_where_nothing_has_changed_for_longer_than_the_late_window(
    office: Office,
) -> None:
    office.run("UPDATE ho_so SET cap_nhat = now() - interval '9 days'")
    office.nights.dossier(BY_CURSOR)
    office.run("DELETE FROM ho_so WHERE so = 'HS-3'")
    night = office.nights.dossier(BY_CURSOR)
    assert (night.read, done(night)) == (0, {"tombstoned": 1})
    assert office.nights.alive(BY_CURSOR, "procedure_name") == office.names()


@pytest.mark.parametrize("source", [BY_CURSOR, WHOLE])
def test_a_source_that_is_suddenly_empty_deletes_nothing(office: Office, source: str) -> None:
    office.nights.dossier(source)
    before = office.names()
    office.run("DELETE FROM ho_so")
    night = office.nights.dossier(source)
    assert (night.read, night.status, done(night)) == (0, "degraded", {})
    assert night.note is not None
    assert f"{ROWS} landed keys are missing" in night.note
    assert f"lienthong sync {source} --stream ho_so --accept-deletes" in night.note
    assert office.nights.alive(source, "procedure_name") == before


@pytest.mark.parametrize("source", [BY_CURSOR, WHOLE])
def test_many_deletes_at_once_wait_until_a_person_accepts_them(office: Office, source: str) -> None:
    office.nights.dossier(source)
    office.run("DELETE FROM ho_so WHERE so IN ('HS-7', 'HS-8', 'HS-9')")
    for _ in range(2):  # they wait for as many nights as it takes
        night = office.nights.dossier(source)
        assert (night.status, done(night)) == ("degraded", {})
        assert len(office.nights.alive(source, "1")) == ROWS
    accepted = office.nights.dossier(source, accept_deletes=True)
    assert (accepted.status, done(accepted)) == ("done", {"tombstoned": 3})
    assert office.nights.alive(source, "procedure_name") == office.names()
    assert len(office.nights.core(source, "1")) == ROWS


@pytest.mark.parametrize("source", [BY_CURSOR, WHOLE])
def test_a_deleted_row_that_comes_back_lives_again(office: Office, source: str) -> None:
    office.nights.dossier(source)
    office.run("DELETE FROM ho_so WHERE so = 'HS-2'")
    assert done(office.nights.dossier(source)) == {"tombstoned": 1}
    office.run("INSERT INTO ho_so VALUES ('HS-2', 'trở lại', now() - interval '1 minute')")
    back = office.nights.dossier(source)
    assert (back.landed, done(back)) == (1, {"updated": 1})
    assert office.nights.alive(source, "procedure_name") == office.names()


def test_the_very_row_that_was_deleted_lives_again(office: Office) -> None:
    office.run("CREATE TABLE cat_di AS SELECT * FROM ho_so WHERE so = 'HS-2'")
    for source in (BY_CURSOR, WHOLE):
        office.nights.dossier(source)
    office.run("DELETE FROM ho_so WHERE so = 'HS-2'")
    for source in (BY_CURSOR, WHOLE):
        assert done(office.nights.dossier(source)) == {"tombstoned": 1}
    office.run("INSERT INTO ho_so SELECT * FROM cat_di")
    for source in (BY_CURSOR, WHOLE):
        assert done(office.nights.dossier(source)) == {"updated": 1}
        assert office.nights.alive(source, "procedure_name") == office.names()


@pytest.mark.parametrize("keyless", [0, 3])
def test_rows_without_a_key_hide_no_deletion(office: Office, keyless: int) -> None:
    office.run(*["INSERT INTO ho_so VALUES (NULL, 'vô danh', now() - interval '9 days')"] * keyless)
    office.nights.dossier(BY_CURSOR)
    office.run("DELETE FROM ho_so WHERE so = 'HS-3'")
    assert done(office.nights.dossier(BY_CURSOR)) == {"tombstoned": 1}


def late_commit(office: Office) -> tuple[tuple[str | None, str | None] | None, ...]:
    """A row is stamped, the night passes over its stamp, then it is committed.

    Returns:
        The intervals of the nights before, during and after.
    """

    def lag(length: str) -> None:
        window = "late_window: 0 seconds"
        office.connect(BY_CURSOR, f"cursor: {{column: cap_nhat, {window}, lag: {length}}}")

    lag("1 hour")
    before = office.nights.dossier(BY_CURSOR)
    lag("0 seconds")
    with psycopg.connect(office.url) as slow:
        slow.execute(
            "INSERT INTO ho_so VALUES ('HS-muon', 'ghi muộn', now() - interval '30 minutes')"
        )
        during = office.nights.dossier(BY_CURSOR)
    after = office.nights.dossier(BY_CURSOR)
    return before.interval, during.interval, after.interval


def test_a_row_committed_late_by_an_open_transaction_is_found_the_next_night(
    office: Office,
) -> None:
    before, during, after = late_commit(office)
    assert before is not None
    assert during is not None
    assert after is not None
    assert during[0] == before[1]
    assert after[0] == before[1]  # once more from there: not from the last bound, not everything
    assert office.nights.alive(BY_CURSOR, "procedure_name") == office.names()
    last = office.nights.dossier(BY_CURSOR)
    assert last.interval is not None
    assert last.interval[0] == after[1]


def test_without_snapshots_the_late_row_would_be_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresSession, "snapshot", lambda _: None)
    late_commit(office)
    assert "HS-muon" in office.names()
    assert "HS-muon" not in office.nights.core(BY_CURSOR, "1")
