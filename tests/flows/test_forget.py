"""Forgetting a person: nothing of them is left in any byte, and everybody else is as before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from flows import sweeping
from flows.cli import main
from flows.context import Context
from flows.forgetting import forget, person_of
from flows.maintaining import MaintainOptions, maintain
from flows.query import query
from flows.reconciliation import ReconcileOptions
from flows.reconciling import reconcile
from flows.releasing import roll_back
from flows.steps import audit, new_sync_id, nightly, rebuild
from schemas.errors import WarehouseError
from tests.support.decoded import decoded
from tests.support.nights import Nights
from warehouse.delta import Table
from warehouse.forgotten import Forgotten
from warehouse.phases import FORGET_PHASES, listen
from warehouse.reconciled import Reconciled
from warehouse.releases import Releases
from warehouse.traces import Traces

GONE = "040099012345"
STAYS = "040099054321"
OFFICIAL = "040099077777"
YAML = """\
source: so-thu
connector: {type: files, path: ../desk}
streams:
  ho_so:
    files: "ho-so-*.jsonl"
    mode: snapshot
    key: so
    version: lan
    into:
      - entity: dossier
        columns:
          dossier_code: so
          applicant_id: nguoi_nop
          responsible_id: can_bo
          procedure_name: ten
          received_at: {from: ngay, format: "%Y-%m-%d"}
          status: {from: trang_thai, codes: status, on_bad: reject}
      - entity: payment
        explode: le_phi
        key: [so, le_phi.ma]
        columns:
          dossier_code: so
          payment_code: le_phi.ma
          amount: le_phi.tien
          payer_id: le_phi.nguoi
  su_kien:
    files: "su-kien-*.jsonl"
    mode: snapshot
    key: id
    into:
      - entity: dossier_event
        columns:
          dossier_code: so
          dossier_key: {key: [so]}
          event_name: ten
          actor_id: can_bo
          occurred_at: {from: luc, format: "%Y-%m-%d"}
"""


@dataclass
class Desk:
    """An office's files, and its nights."""

    nights: Nights

    @property
    def context(self) -> Context:
        return self.nights.context

    def write(self, name: str, rows: list[dict[str, Any]]) -> None:
        folder = self.nights.root / "desk"
        folder.mkdir(exist_ok=True)
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{name}-1.jsonl").write_text(text + "\n", "utf-8")

    def command(self, *words: str, given: str | None = None) -> Result:
        options = [
            "--warehouse", self.nights.warehouse, "--sources", str(self.nights.root / "sources"),
        ]  # fmt: skip
        return CliRunner().invoke(main, [*options, *words], input=given)


def dossier(n: int, who: str, **other: Any) -> dict[str, Any]:
    base = {
        "so": f"HS-{n:02}", "lan": 1, "nguoi_nop": who, "can_bo": "CB-7", "ten": f"thủ tục {n}",
        "ngay": f"2026-0{n % 5 + 1}-01", "trang_thai": "received",
        "le_phi": [{"ma": "1", "tien": "10000", "nguoi": who}],
    }  # fmt: skip
    return {**base, **other}


def event(n: int, so: str, officer: str = "CB-7") -> dict[str, Any]:
    return {"id": f"SK-{n:02}", "so": so, "ten": "bước", "can_bo": officer, "luc": "2026-03-03"}


def dossiers() -> list[dict[str, Any]]:
    return [
        dossier(0, GONE), dossier(1, STAYS), dossier(2, GONE, trang_thai="lạ"),
        dossier(3, OFFICIAL),
        dossier(4, STAYS, can_bo=GONE),
        dossier(5, STAYS, le_phi=[{"ma": "1", "tien": "778451317244761.19", "nguoi": GONE}]),
        dossier(6, f"{GONE[:4]} {GONE[4:]}"), *(dossier(n, STAYS) for n in range(7, 30)),
    ]  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Three nights: the person applied, paid for others, acted as an official, was mistaken for."""
    desk = Desk(Nights(tmp_path))
    desk.nights.write("so-thu", YAML)
    rows = dossiers()
    desk.write("ho-so", [{**rows[1], "nguoi_nop": GONE, "ten": "nhầm người"}, *rows[:1], *rows[2:]])
    events = [event(0, "HS-00"), event(1, "HS-01"), event(2, "HS-04", GONE), event(3, "HS-06")]
    desk.write("su-kien", events)
    assert nightly(desk.context).release == 1
    rows[1] = {**rows[1], "lan": 2}  # a typing error that was corrected: HS-01 is another's
    desk.write("ho-so", rows)
    nightly(desk.context)
    rows[7] = {**rows[7], "ten": "đổi", "lan": 2}
    desk.write("ho-so", rows)
    nightly(desk.context)
    return desk


def pseudonym(desk: Desk, number: str) -> str:
    return person_of(desk.context, number=number).pseudonym


def everything(desk: Desk) -> dict[str, str]:
    """Every file below the warehouse: Parquet decoded, the rest (and Parquet too) as bytes."""
    found = {}
    for path in (desk.nights.root / "warehouse").rglob("*"):
        if not path.is_file():
            continue
        name = path.relative_to(desk.nights.root).as_posix()
        found[name] = decoded(path)
        if path.suffix == ".parquet":
            # Five letters may stand side by side in compressed bytes by chance; twelve don't.
            found[f"{name} (bytes)"] = path.read_bytes().decode("latin-1")
    return found


def holding(desk: Desk, *words: str) -> dict[str, list[str]]:
    files = everything(desk)
    forms = {w: [w, w.encode().decode("latin-1")] for w in words}
    return {
        word: hits
        for word in words
        if (hits := [shown for n, text in files.items() if (shown := _hit(n, text, forms[word]))])
    }


def _hit(name: str, text: str, forms: list[str]) -> str | None:
    """The file, and what stands around the word in it; None where it isn't there."""
    if name.endswith("(bytes)"):
        forms = [form for form in forms if len(form) >= 12]
    at = next((text.index(form) for form in forms if form in text), None)
    return None if at is None else f"{name}: {text[max(at - 80, 0) : at + 80]!r}"


def core(desk: Desk, entity: str, *, of: str = "core", marks: bool = True) -> list[dict[str, Any]]:
    """Rows by key, with every column."""
    which: dict[str, Any] = {"core": True} if of == "core" else {}
    rows = query(
        desk.nights.warehouse, f"SELECT * FROM {entity} ORDER BY _key", **which
    ).to_pylist()
    return [r if marks else {k: v for k, v in r.items() if k not in MARKS} for r in rows]


MARKS = {"_changed_at", "_sync_id"}
THEIRS = {"HS-00", "HS-02", "HS-06"}
NAMED = {"HS-04", "HS-05/1", "SK-02"}


def untouched(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        r
        for r in rows
        if r["_key"].split("/")[0] not in THEIRS
        and r["_key"] not in NAMED
        and r.get("dossier_key") not in THEIRS
    ]


def test_events_that_name_their_dossier_by_its_code_alone_go_with_it(tmp_path: Path) -> None:
    desk = Desk(Nights(tmp_path))
    desk.nights.write("so-thu", YAML.replace("          dossier_key: {key: [so]}\n", ""))
    desk.write("ho-so", dossiers())
    desk.write("su-kien", [event(0, "HS-00"), event(1, "HS-01"), event(2, "HS-06")])
    nightly(desk.context)
    forget(desk.context, person_of(desk.context, number=GONE), reason="theo đơn")
    question = "SELECT dossier_code FROM dossier_event ORDER BY 1"
    left = query(desk.nights.warehouse, question).to_pylist()
    assert [row["dossier_code"] for row in left] == ["HS-01"]
    desk.write("su-kien", [event(0, "HS-00"), event(1, "HS-01"), event(3, "HS-06")])
    nightly(desk.context)  # nobody comes back
    assert query(desk.nights.warehouse, question).to_pylist() == left
    assert audit(desk.context, []).findings == ()


@pytest.mark.parametrize("by", ["number", "key"])
def test_the_person_is_in_no_byte_and_everybody_else_is_as_before(desk: Desk, by: str) -> None:
    key = pseudonym(desk, GONE)
    before = {n: core(desk, n) for n in ("dossier", "payment", "dossier_event")}
    assert holding(desk, GONE, key).keys() == {GONE, key}
    found = Table.create(
        f"{desk.nights.warehouse}/restricted/reconcile", pa.schema([("_key", pa.string())])
    )
    found.append(pa.table({"_key": ["HS-00"]}))
    words = ["forget", "--reason", "theo đơn", "--json"]
    if by == "number":
        done = desk.command(*words, given=f"{GONE}\n")
    else:
        done = desk.command(*words, "--key", key)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert holding(desk, GONE, f"{GONE[:4]} {GONE[4:]}", key, *THEIRS) == {}
    assert GONE not in done.output
    assert key not in done.output
    for name, rows in before.items():
        now = core(desk, name)
        assert untouched(now) == untouched(rows)
        keys = {r["_key"] for r in now}
        assert keys == {r["_key"] for r in rows if r in untouched(rows)} | (
            NAMED & {r["_key"] for r in rows}
        )
    emptied = {r["_key"]: r for n in before for r in core(desk, n) if r["_key"] in NAMED}
    assert emptied["HS-04"]["responsible_id"] is None
    assert emptied["HS-04"]["applicant_id"] == pseudonym(desk, STAYS)
    assert emptied["HS-05/1"]["payer_id"] is None
    assert str(emptied["HS-05/1"]["amount"]) == "778451317244761.19"
    assert emptied["SK-02"]["actor_id"] is None
    assert audit(desk.context, []).findings == ()
    assert report["release"] == 4
    assert [r.id for r in Releases(desk.nights.warehouse).kept()] == [4]
    for name in before:
        assert core(desk, name, of="release") == core(desk, name)
    receipts = Table.open(f"{desk.nights.warehouse}/restricted/forget_receipts")
    assert receipts is not None
    assert receipts.scan().collect()["reason"].to_list() == ["theo đơn"]


def test_nobody_comes_back_the_next_night_nor_by_a_rebuild(desk: Desk) -> None:
    person = person_of(desk.context, number=GONE)
    forget(desk.context, person, reason="x")
    before = {n: core(desk, n, marks=False) for n in ("dossier", "payment", "dossier_event")}
    report = nightly(desk.context)
    assert sum(r.landed for r in report.receipts) == 0
    rows = dossiers()
    desk.write("ho-so", [*rows, dossier(40, GONE), dossier(41, STAYS)])
    desk.write("su-kien", [event(1, "HS-01"), event(2, "HS-04", GONE), event(9, "HS-00")])
    report = nightly(desk.context)
    assert any("forgotten" in (r.note or "") for r in report.receipts)
    assert holding(desk, GONE, person.pseudonym, *THEIRS, "HS-40") == {}
    assert {r["_key"] for r in core(desk, "dossier")} == {r["_key"] for r in before["dossier"]} | {
        "HS-41"
    }
    desk.write("su-kien", [event(1, "HS-01"), event(2, "HS-04", GONE), event(8, "HS-40")])
    nightly(desk.context)
    assert holding(desk, GONE, *THEIRS, "HS-40", "SK-08") == {}
    rebuild(desk.context, "so-thu")
    assert audit(desk.context, []).findings == ()
    assert holding(desk, GONE, person.pseudonym) == {}


def test_a_release_that_core_has_left_behind_is_what_it_was_without_the_person(desk: Desk) -> None:
    released = core(desk, "dossier", of="release")
    rows = dossiers()
    rows[8] = {**rows[8], "ten": "chưa công bố", "lan": 3}
    desk.write("ho-so", rows)
    nights = desk.nights
    nights.sync("so-thu")
    person = person_of(desk.context, number=GONE)
    forget(desk.context, person, reason="x")
    assert untouched(core(desk, "dossier", of="release")) == untouched(released)
    assert "chưa công bố" in {r["procedure_name"] for r in core(desk, "dossier")}
    assert holding(desk, GONE, person.pseudonym) == {}
    assert nightly(desk.context).release == 5
    assert "chưa công bố" in {r["procedure_name"] for r in core(desk, "dossier", of="release")}


def once(phase: str, act: Callable[[], object]) -> None:
    """Does something when a run comes to a phase, the first time."""
    armed = [True]

    def listener(reached: str) -> None:
        if armed and reached == phase:
            armed.clear()
            act()

    listen(listener)


@pytest.mark.parametrize("nights", [1, 2], ids=["in one night", "the event first"])
def test_an_event_that_lands_before_its_dossier_says_whose_it_is_goes_with_it(
    desk: Desk, nights: int
) -> None:
    person = person_of(desk.context, number=GONE)
    forget(desk.context, person, reason="x")
    desk.write("su-kien", [event(1, "HS-01"), event(2, "HS-04", GONE), event(9, "HS-40")])
    if nights == 2:
        nightly(desk.context)
        assert {"SK-09"} <= {r["_key"] for r in core(desk, "dossier_event")}
    desk.write("ho-so", [*dossiers(), dossier(40, GONE), dossier(41, STAYS)])
    assert nightly(desk.context).blocked == ()
    assert {r["_key"] for r in core(desk, "dossier_event")} == {"SK-01", "SK-02"}
    assert audit(desk.context, []).findings == ()
    landed = desk.context.warehouse.landing("so-thu", "su_kien")
    assert "HS-40" not in set(landed.rows(after=0, to=landed.version())["so"])
    receipts = nightly(desk.context).receipts  # and stays out
    assert sum(r.landed for r in receipts) == 0


def with_late_dossier(desk: Desk) -> None:
    """An event of HS-40 is in core; tonight the office says that the dossier is GONE's."""
    forget(desk.context, person_of(desk.context, number=GONE), reason="x")
    desk.write("su-kien", [event(1, "HS-01"), event(2, "HS-04", GONE), event(9, "HS-40")])
    nightly(desk.context)
    desk.write("ho-so", [*dossiers(), dossier(40, GONE), dossier(41, STAYS)])


def events(desk: Desk) -> set[str]:
    return {row["_key"] for row in core(desk, "dossier_event")}


def test_what_a_night_that_died_had_found_is_taken_out_by_the_next(desk: Desk) -> None:
    with_late_dossier(desk)
    armed = [True]

    def die(reached: str) -> None:
        if armed and reached == "forget_landing":
            armed.clear()
            raise Killed

    listen(die)
    with pytest.raises(Killed):
        nightly(desk.context)
    assert "SK-09" in events(desk)
    nightly(desk.context)
    assert events(desk) == {"SK-01", "SK-02"}
    assert audit(desk.context, []).findings == ()


def test_a_sweep_that_breaks_degrades_its_source_and_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_late_dossier(desk)

    def breaks(*_: object, **__: object) -> None:
        raise WarehouseError("the table could not be read")

    with monkeypatch.context() as patched:
        patched.setattr(sweeping, "swept_landing", breaks)
        for _ in range(2):
            report = nightly(desk.context)
            assert report.release is not None
            assert (report.broken, report.waiting) == ((), ("so-thu",))
            (told,) = [r for r in report.receipts if r.status != "done"]
            assert "the next run tries again: the table could not be read" in (told.error or "")
        done = reconcile(desk.context, [], ReconcileOptions(repair=True), sync_id=new_sync_id())
        assert [one.status for one in done] == ["degraded", "degraded"]
        assert all("tries again" in (one.note or "") for one in done)
    assert "SK-09" in events(desk)
    nightly(desk.context)
    assert events(desk) == {"SK-01", "SK-02"}
    assert nightly(desk.context).waiting == ()


def test_a_night_that_is_merging_meanwhile_brings_nobody_back(desk: Desk) -> None:
    person = person_of(desk.context, number=GONE)
    desk.write("ho-so", [*dossiers(), dossier(40, GONE), dossier(41, STAYS)])
    once("core_commit", lambda: forget(desk.context, person, reason="x"))
    desk.nights.sync("so-thu")
    rows = core(desk, "dossier") + core(desk, "payment")
    assert not {r["_key"].split("/")[0] for r in rows} & {*THEIRS, "HS-40"}
    assert {"HS-41", "HS-41/1"} <= {r["_key"] for r in rows}
    assert person.pseudonym not in {r.get("applicant_id") or r.get("payer_id") for r in rows}


def test_a_repair_that_is_under_way_brings_nobody_back(desk: Desk) -> None:
    person = person_of(desk.context, number=GONE)
    desk.write("ho-so", [*dossiers(), dossier(40, GONE), dossier(41, STAYS)])
    once("landing_commit", lambda: forget(desk.context, person, reason="x"))
    options = ReconcileOptions(repair=True)
    done = reconcile(desk.context, ["so-thu"], options, sync_id=new_sync_id())
    assert [one.is_repaired for one in done if one.stream == "ho_so"] == [True]
    landing = desk.context.warehouse.landing("so-thu", "ho_so")
    landed = set(landing.rows(after=0, to=landing.version())["so"])
    rows = {r["_key"] for r in core(desk, "dossier")}
    assert not (landed | rows) & {*THEIRS, "HS-40"}
    assert "HS-41" in landed & rows
    assert "HS-40" not in set(Reconciled(desk.nights.warehouse).keys("so-thu", "ho_so")["_key"])


def test_a_rollback_meanwhile_brings_nobody_back(desk: Desk) -> None:
    person = person_of(desk.context, number=GONE)
    once("released", lambda: roll_back(desk.context, 2, reason="nhầm"))
    report = forget(desk.context, person, reason="x")
    releases = Releases(desk.nights.warehouse)
    assert [(r.id, r.kind) for r in releases.kept()] == [(6, "forget")]
    assert (report.release, report.expired) == (6, (1, 2, 3, 4, 5))
    assert core(desk, "dossier", of="release")
    assert holding(desk, GONE, person.pseudonym, *THEIRS) == {}


class Killed(BaseException):
    """As good as a kill for what is committed."""


@pytest.mark.slow
@pytest.mark.parametrize("phase", FORGET_PHASES)
def test_a_run_that_dies_is_finished_by_another(
    desk: Desk, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = person_of(desk.context, number=GONE)
    before = core(desk, "dossier")
    armed = [True]

    def die(reached: str) -> None:
        if armed and reached == phase:
            armed.clear()
            raise Killed

    listen(die)
    with pytest.raises(Killed):
        forget(desk.context, person, reason="x")
    # whatever it left, a night in between is a night like any other
    assert nightly(desk.context).broken == ()
    forget(desk.context, person, reason="x")
    assert holding(desk, GONE, person.pseudonym, *THEIRS) == {}
    assert untouched(core(desk, "dossier")) == untouched(before)
    assert audit(desk.context, []).findings == ()
    assert core(desk, "dossier", of="release") == core(desk, "dossier")


def test_a_dry_run_counts_what_is_done_and_changes_nothing(desk: Desk) -> None:
    before = everything(desk)
    told = json.loads(desk.command("forget", "--dry-run", "--json", given=GONE).stdout)
    assert everything(desk) == before
    done = json.loads(desk.command("forget", "--reason", "x", "--json", given=GONE).stdout)
    landing = {n: c for n, c in done["removed"].items() if "/landing/" in n}
    assert told["removed"] == landing
    assert told["emptied"] == done["emptied"]
    assert landing


@pytest.mark.parametrize("by", ["number", "key"])
@pytest.mark.parametrize("yaml", [None, "source: so-thu\nconnectr: x\n"], ids=["gone", "broken"])
def test_a_dry_run_looks_where_no_source_maps_what_is_there(
    desk: Desk, by: str, yaml: str | None
) -> None:
    key = pseudonym(desk, GONE)
    words = ["--json", *(["--key", key] if by == "key" else [])]
    path = desk.nights.root / "sources" / "so-thu.yaml"
    if yaml is None:
        path.unlink()
    else:
        path.write_text(yaml, "utf-8")
    before = everything(desk)
    told = json.loads(desk.command("forget", "--dry-run", *words, given=GONE).stdout)
    assert everything(desk) == before
    done = json.loads(desk.command("forget", "--reason", "x", *words, given=GONE).stdout)
    counted = {n: c for n, c in done["removed"].items() if not n.startswith("restricted/quar")}
    assert (told["found"], told["removed"], told["emptied"]) == (True, counted, done["emptied"])
    assert "analysts/core/dossier" in counted


def test_the_number_is_never_taken_from_the_command_line(desk: Desk, tmp_path: Path) -> None:
    assert desk.command("forget", GONE, "--reason", "x").exit_code == 2
    assert desk.command("forget", given=GONE).exit_code == 2  # no reason
    for text in ("", "000000000", "12"):
        refused = desk.command("forget", "--reason", "x", given=text)
        assert refused.exit_code == 2
        assert "no identity number" in refused.output
    assert desk.command("forget", "--reason", "x", "--key", "abc").exit_code == 2
    path = tmp_path / "so.txt"
    path.write_text(f" {OFFICIAL}\n", "utf-8")
    assert desk.command("forget", "--reason", "x", "--file", str(path)).exit_code == 0
    assert holding(desk, OFFICIAL, "HS-03") == {}
    assert GONE in holding(desk, GONE)


def test_records_that_could_not_be_split_go_too(desk: Desk) -> None:
    folder = desk.nights.root / "desk"
    good = json.dumps(dossier(50, STAYS))
    broken = f'{{"so": "HS-77", "nguoi_nop": "{GONE}", broken'
    (folder / "ho-so-2.jsonl").write_text(f"{good}\n{broken}\n")
    nightly(desk.context)
    table = Table.open(f"{desk.nights.warehouse}/restricted/landing/so-thu/ho_so")
    assert table is not None
    assert table.scan().filter(pl.col("_unreadable").is_not_null()).collect().height
    person = person_of(desk.context, key=pseudonym(desk, GONE))
    forget(desk.context, person, reason="x")
    assert holding(desk, GONE) == {}
    assert audit(desk.context, []).findings == ()


def test_a_warehouse_in_a_bucket_is_refused_with_a_way_out() -> None:
    with pytest.raises(Exception, match="folders only"):
        from types import SimpleNamespace

        context: Any = SimpleNamespace(warehouse=SimpleNamespace(uri="s3://b/w"))
        forget(context, person=None, reason="x")  # type: ignore[arg-type]


def test_nothing_differs_after_somebody_was_forgotten(desk: Desk) -> None:
    assert desk.command("reconcile").exit_code == 0
    forget(desk.context, person_of(desk.context, number=GONE), reason="x")
    for words in ([], ["so-thu", "--repair"], []):
        told = desk.command("reconcile", *words)
        assert (told.exit_code, "core lacks" in told.output) == (0, False), told.output
    desk.write("ho-so", [*dossiers(), dossier(40, GONE), dossier(41, STAYS)])
    found = json.loads(desk.command("reconcile", "--json").stdout)
    assert [one["missing"] for one in found if one["stream"] == "ho_so"] == [1]  # HS-41 alone


NOBODY = "040099066666"


def test_a_number_that_nobody_has_is_said_so_marked_and_leaves_releases_alone(desk: Desk) -> None:
    before = everything(desk)
    known = Releases(desk.nights.warehouse).all()
    asked = desk.command("forget", "--dry-run", given=NOBODY)
    assert "No row was found: nobody here has this number." in asked.output
    assert "Old files and releases weren't looked into" in asked.output
    done = desk.command("forget", "--reason", "x", given=NOBODY)
    assert done.exit_code == 0, done.output
    assert "No row was found: nobody here has this number." in done.output
    assert "Forgotten:" not in done.output
    assert NOBODY not in done.output
    assert Releases(desk.nights.warehouse).all() == known
    assert before.keys() <= everything(desk).keys()  # nothing old is deleted either
    receipts = Table.open(f"{desk.nights.warehouse}/restricted/forget_receipts")
    assert receipts is not None
    assert receipts.scan().collect()["reason"].to_list() == ["x"]
    desk.write("ho-so", [*dossiers(), dossier(40, NOBODY), dossier(41, STAYS)])
    nightly(desk.context)
    assert {r["_key"] for r in core(desk, "dossier")} & {"HS-40", "HS-41"} == {"HS-41"}
    assert holding(desk, NOBODY, "HS-40") == {}


@pytest.mark.parametrize("by", ["number", "key"])
def test_forgetting_somebody_again_leaves_releases_alone(desk: Desk, by: str) -> None:
    key = pseudonym(desk, GONE)
    words = ["forget", "--reason", "x", "--json", *(["--key", key] if by == "key" else [])]
    assert json.loads(desk.command(*words, given=GONE).stdout)["found"] is True
    nightly(desk.context)
    known = Releases(desk.nights.warehouse).all()
    again = json.loads(desk.command(*words, given=GONE).stdout)
    assert (again["found"], again["release"], again["expired"]) == (False, None, [])
    assert Releases(desk.nights.warehouse).all() == known


@pytest.mark.parametrize("by", ["number", "key"])
def test_whom_only_old_files_and_releases_name_is_in_no_byte_afterwards(
    desk: Desk, by: str
) -> None:
    rows = dossiers()
    desk.write("ho-so", [*rows, dossier(40, NOBODY)])
    nightly(desk.context)
    desk.write("ho-so", [*rows, dossier(40, STAYS, lan=2)])  # it was another's
    nightly(desk.context)
    maintain(desk.context, MaintainOptions(landing_older_than=0))
    key = pseudonym(desk, NOBODY)
    counted = json.loads(desk.command("forget", "--dry-run", "--json", given=NOBODY).stdout)
    assert counted["found"] is False  # landing has no copy of theirs any more
    assert holding(desk, NOBODY, key).keys() == {NOBODY, key}
    words = ["forget", "--reason", "x", "--json", *(["--key", key] if by == "key" else [])]
    assert json.loads(desk.command(*words, given=NOBODY).stdout)["found"] is True
    assert holding(desk, NOBODY, key) == {}
    assert [r.kind for r in Releases(desk.nights.warehouse).kept()] == ["forget"]
    assert "HS-40" in {r["_key"] for r in core(desk, "dossier", of="release")}


@pytest.mark.parametrize("by", ["number", "key"])
def test_a_log_that_names_somebody_as_a_bound_of_a_column_is_a_trace(desk: Desk, by: str) -> None:
    folder = desk.nights.root / "log"
    folder.mkdir()
    bounds = json.dumps({"minValues": {"nguoi": STAYS}, "maxValues": {"nguoi": NOBODY}})
    (folder / "0.json").write_text(json.dumps({"add": {"stats": bounds}}), "utf-8")
    forgotten = Forgotten(desk.nights.warehouse, desk.context.warehouse.person_key.value)

    def is_traced(number: str) -> bool:
        person = person_of(desk.context, number=number)
        traces = Traces(
            marks=forgotten.only(person.pseudonym), pseudonym=person.pseudonym,
            needle=person.needle if by == "number" else None,
        )  # fmt: skip
        return traces.of_texts(str(folder))

    assert [is_traced(number) for number in (NOBODY, STAYS, GONE)] == [True, True, False]


def test_a_run_that_dies_before_files_that_name_nobody_is_finished_by_another(
    tmp_path: Path,
) -> None:
    desk = Desk(Nights(tmp_path))
    desk.nights.write("so-thu", YAML)
    desk.write("ho-so", [dossier(0, GONE), *(dossier(n, STAYS) for n in range(7, 30))])
    desk.write("su-kien", [event(0, "HS-00"), event(1, "HS-07")])
    nightly(desk.context)
    purges = 0

    def die(reached: str) -> None:
        nonlocal purges
        purges += reached == "forget_purge"
        # Three tables of core and ho_so are purged, su_kien isn't.
        if reached == "forget_purge" and purges == 5:
            raise Killed

    listen(die)
    with pytest.raises(Killed):
        forget(desk.context, person_of(desk.context, number=GONE), reason="x")
    assert holding(desk, GONE) == {}
    assert holding(desk, "HS-00").keys() == {"HS-00"}
    done = desk.command("forget", "--reason", "x", given=GONE)
    assert "Forgotten: no row was left, only what an earlier run or old files held." in done.output
    assert holding(desk, GONE, "HS-00") == {}
    assert (
        Forgotten(desk.nights.warehouse, desk.context.warehouse.person_key.value).unfinished()
        == frozenset()
    )
