"""The laws of replay, on real Delta tables: for its keys it is a rebuild, and touches no other."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace as changed
from pathlib import Path

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas.mapping import Into
from tests.warehouse.test_delta_laws import (
    MENDED,
    SETTINGS,
    STATUS,
    House,
    Row,
    land,
    mapping_of,
    offices,
)
from warehouse import replaying
from warehouse.landing import Landing
from warehouse.phases import listen
from warehouse.quarantine import UNSPLIT
from warehouse.replaying import Replayed, replay

STRICT = {"open": "in_progress"}
PLACE = ["_landing_version", "_row"]
REPLAYS = settings(SETTINGS, max_examples=5)
NIGHTS = offices(names="abcd-")
YAMLS = st.sampled_from([MENDED, STRICT, {"strange": "stopped"}])


def opened(folder: str, nights: list[list[Row]], *, key: str) -> House:
    """A warehouse in which the nights are integrated under the first YAML."""
    landing = Landing(f"{folder}/landing")
    house = House(Path(folder) / "house", mapping_of(STATUS, key=key), landing)
    for night, rows in enumerate(nights):
        land(landing, rows, night=night, sync_id=f"night-{night}")
        house.integrate()
    return house


def under(house: House, codes: dict[str, str], *, key: str, folder: Path | None = None) -> House:
    """The same landing under another YAML; in a copy of the warehouse where a folder is given."""
    if folder is not None:
        shutil.copytree(house._folder, folder)
    return House(folder or house._folder, mapping_of(codes, key=key), house.landing)


def replayed(house: House, into: Into, share: st.SearchStrategy[int] | int = 1) -> Replayed | None:
    """Every `share`th rejection of an entity, replayed."""
    return replay(
        house.integration(into, "replay"), "office", [house.feed(into)],
        wanted=lambda rows: rows.sort(*PLACE, "_key").gather_every(int(share)),  # type: ignore[arg-type]
    )  # fmt: skip


def replayed_until_nothing_is_new(house: House, into: Into) -> None:
    """Every rejection of an entity, those too that a replay brings."""
    now, before = quarantine(house, into), None
    while before is None or not now.equals(before):
        replayed(house, into)
        now, before = quarantine(house, into), now


def quarantine(house: House, into: Into) -> pl.DataFrame:
    rows = house.integration(into).quarantine.scan().filter(pl.col("entity") == into.entity)
    names = [*PLACE, "_key", "_landing_key", "rules", "_version", "_tombstone"]
    return rows.select(names).collect().sort(*PLACE, "_key", pl.col("rules").list.join(","))


def told_of(house: House, into: Into, looked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys that a replay is about, and the landing places of their copies."""
    feed = house.feed(into)
    landed = house.landing.rows(after=0, to=house.landing.version())
    mine = landed.join(looked.select(PLACE), on=PLACE, how="semi")
    lines = landed.join(mine.select("_key").drop_nulls(), on="_key", how="semi")
    derived = feed.derive(pl.concat([mine, lines]).unique(PLACE))
    keys = pl.concat([looked.select("_key"), derived.select("_key")]).drop_nulls().unique()
    everything = feed.derive(landed)
    places = everything.join(keys, on="_key", how="semi").select(PLACE)
    of_lines = lines if feed.explodes else mine
    return keys, pl.concat([places, of_lines.select(PLACE), mine.select(PLACE)]).unique()


def assert_a_rebuild_of(
    house: House, into: Into, rebuilt: House, before: tuple[pl.DataFrame, pl.DataFrame],
    looked: pl.DataFrame,
) -> None:  # fmt: skip
    """Of its keys core and quarantine are the rebuild's; of all others they are as before."""
    keys, places = told_of(house, into, looked)
    for name, now, then, wanted in (
        ("core", house.core(into), before[0], rebuilt.core(into)),
        ("quarantine", quarantine(house, into), before[1], quarantine(rebuilt, into)),
    ):
        on = ["_key"] if name == "core" else PLACE
        about = keys if name == "core" else places
        assert now.join(about, on=on, how="semi").equals(wanted.join(about, on=on, how="semi"))
        assert now.join(about, on=on, how="anti").equals(then.join(about, on=on, how="anti"))


@REPLAYS
@given(nights=NIGHTS, key=st.sampled_from(["line", "code"]), codes=YAMLS, share=st.integers(1, 3))
def test_of_its_keys_a_replay_gives_what_a_rebuild_gives_and_touches_no_other(
    nights: list[list[Row]], key: str, codes: dict[str, str], share: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = opened(folder, nights, key=key)
        rebuilt = under(first, codes, key=key, folder=Path(folder) / "rebuilt")
        rebuilt.rebuild()
        house = under(first, codes, key=key)
        for into in house.mapping.into:
            before = house.core(into), quarantine(house, into)
            done = replayed(house, into, share)
            if done is None:
                continue
            event(f"{into.entity} replayed by {key}")
            assert_a_rebuild_of(house, into, rebuilt, before, done.looked)


@REPLAYS
@given(nights=NIGHTS, key=st.sampled_from(["line", "code"]))
def test_after_a_replay_of_everything_the_audit_is_clean_and_stays_so(
    nights: list[list[Row]], key: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = opened(folder, nights[:-1], key=key)
        house = under(first, MENDED, key=key)
        for into in house.mapping.into:
            replayed(house, into)
        house.assert_audited()
        land(house.landing, nights[-1], night=len(nights), sync_id="a later night")
        house.integrate()
        house.assert_audited()


@REPLAYS
@given(nights=NIGHTS, key=st.sampled_from(["line", "code"]), codes=YAMLS)
def test_a_replay_done_twice_writes_nothing_the_second_time(
    nights: list[list[Row]], key: str, codes: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = under(opened(folder, nights, key=key), codes, key=key)
        for into in house.mapping.into:
            replayed(house, into)
        versions = [house.integration(i).table().version for i in house.mapping.into]
        table = house.integration(house.mapping.into[0]).quarantine.table().version
        for into in house.mapping.into:
            replayed(house, into)
        assert versions == [house.integration(i).table().version for i in house.mapping.into]
        assert table == house.integration(house.mapping.into[0]).quarantine.table().version


@REPLAYS
@given(nights=NIGHTS, key=st.sampled_from(["line", "code"]), codes=YAMLS)
def test_any_order_of_replays_gives_the_same(
    nights: list[list[Row]], key: str, codes: dict[str, str]
) -> None:
    """A stricter YAML rejects what lines of these keys have said of others: they are next."""
    with tempfile.TemporaryDirectory() as folder:
        first = opened(folder, nights, key=key)
        ends = []
        for name, shares in (("one", (3, 2)), ("other", ()), ("third", (2, 1, 3))):
            house = under(first, codes, key=key, folder=Path(folder) / name)
            for share in shares:
                for into in house.mapping.into:
                    replayed(house, into, share)
            for into in house.mapping.into:
                replayed_until_nothing_is_new(house, into)
            ends.append([(house.core(i), quarantine(house, i)) for i in house.mapping.into])
        for end in ends[1:]:
            for (core, held), (other_core, other_held) in zip(ends[0], end, strict=True):
                assert core.equals(other_core)
                assert held.equals(other_held)


@REPLAYS
@given(nights=NIGHTS, key=st.sampled_from(["line", "code"]), codes=YAMLS)
def test_every_copy_that_a_replay_judges_is_counted_once(
    nights: list[list[Row]], key: str, codes: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = under(opened(folder, nights, key=key), codes, key=key)
        for into in house.mapping.into:
            done = replayed(house, into)
            if done is None:
                continue
            fates = done.counts["office/lines"].fates
            assert all(rows >= 0 for rows in fates.values())
            keys, places = told_of(house, into, done.looked)
            landed = house.landing.rows(after=0, to=house.landing.version())
            derived = house.feed(into).derive(landed.join(places, on=PLACE, how="semi"))
            if not house.feed(into).explodes:
                mine = derived.join(keys, on="_key", how="semi")
                derived = pl.concat([mine, derived.filter(pl.col("_key").is_null())])
            sent = derived.filter(~pl.col("_is_copy"))
            assert sum(fates.values()) == sent.height
            rejected = sent.filter(pl.col("_reasons").list.len() > 0).height
            assert fates.get("quarantined", 0) == rejected


class KilledError(Exception):
    """Stands for a process that dies; nothing of ours catches it."""


@pytest.fixture
def dying() -> dict[str, str | None]:
    """The phase in which the next run dies."""
    at: dict[str, str | None] = {"phase": None}

    def die(phase: str) -> None:
        if phase == at["phase"]:
            at["phase"] = None
            raise KilledError

    listen(die)
    return at


ROWS = [
    Row("a", "P", "1", "2024-01-05", "strange", "[]", ""),
    Row("b", "P", "1", "2024-01-05", "open", "[]", ""),
    Row("c", "Q", "1", "2024-01-05", "strange", "[]", ""),
    Row("-", "Q", "1", "2024-01-05", "open", "[]", ""),
]


@pytest.mark.parametrize("codes", [MENDED, {"strange": "stopped"}], ids=["wider", "other"])
@pytest.mark.parametrize("phase", ["quarantined", "core_commit"])
@pytest.mark.parametrize("key", ["line", "code"])
def test_of_a_replay_that_dies_between_its_commits_nobody_sees_anything(
    tmp_path: Path, dying: dict[str, str | None], key: str, phase: str, codes: dict[str, str]
) -> None:
    later = [changed(ROWS[0], version="2", status="open"), *ROWS[1:]]
    first = opened(str(tmp_path), [ROWS, later], key=key)
    house = under(first, codes, key=key)
    into = house.mapping.into[0]
    before = house.core(into), quarantine(house, into)
    dying["phase"] = phase
    with pytest.raises(KilledError):
        replayed(house, into)
    assert house.core(into).equals(before[0])
    assert quarantine(house, into).equals(before[1])
    first.assert_audited()
    rebuilt = under(house, codes, key=key, folder=tmp_path / "rebuilt")
    rebuilt.rebuild()
    done = replayed(house, into)
    assert done is not None
    assert_a_rebuild_of(house, into, rebuilt, before, done.looked)


@pytest.mark.parametrize("then", ["integrate", "rebuild"])
def test_what_comes_after_a_replay_that_died_is_right_all_the_same(
    tmp_path: Path, dying: dict[str, str | None], then: str
) -> None:
    first = opened(str(tmp_path), [ROWS], key="line")
    house = under(first, MENDED, key="line")
    into = house.mapping.into[0]
    dying["phase"] = "core_commit"
    with pytest.raises(KilledError):
        replayed(house, into)
    newer = [changed(ROWS[0], version="2"), *ROWS[1:]]
    land(house.landing, newer, night=5, sync_id="a later night")
    getattr(house, then)()
    if then == "rebuild":
        house.assert_audited()
    replayed(house, into)
    house.integrate()
    house.assert_audited()
    raw = house.integration(into).quarantine.table().scan().collect()
    assert raw.filter(pl.col("_replay_in").is_not_null()).is_empty()
    assert set(house.core(into)["_key"]) == {"a", "b", "c"}


def test_a_replay_that_dies_behind_its_last_commit_has_happened(
    tmp_path: Path, dying: dict[str, str | None]
) -> None:
    house = under(opened(str(tmp_path), [ROWS], key="line"), MENDED, key="line")
    into = house.mapping.into[0]
    dying["phase"] = "merged"
    with pytest.raises(KilledError):
        replayed(house, into)
    assert quarantine(house, into)["_key"].to_list() == [None]
    assert set(house.core(into)["_key"]) == {"a", "b", "c"}
    house.assert_audited()
    # A second one of other rows must not wake up what the first has left in the table.
    strict = under(house, STRICT, key="line")
    into = strict.mapping.into[0]
    replayed(strict, into)
    assert quarantine(strict, into)["_key"].to_list() == [None]


def test_a_replay_that_moves_nothing_wakes_up_nothing_that_a_dead_one_left(
    tmp_path: Path, dying: dict[str, str | None]
) -> None:
    newer = [changed(ROWS[1], version="2", status="strange")]
    first = opened(str(tmp_path), [[ROWS[1]], newer], key="line")
    house = under(first, MENDED, key="line")
    into = house.mapping.into[0]
    dying["phase"] = "core_commit"
    with pytest.raises(KilledError):
        replayed(house, into)
    other = under(house, {"open": "completed"}, key="line")
    into = other.mapping.into[0]
    replayed(other, into)
    assert other.core(into)["status"].to_list() == ["completed"]
    assert quarantine(other, into)["_key"].to_list() == ["b"]
    other.assert_audited()


@pytest.mark.parametrize("key", ["line", "code"])
def test_a_replay_in_rounds_gives_what_one_at_once_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    strange = [changed(row, line=f"{row.line}{n}") for n in range(3) for row in ROWS[:3]]
    first = opened(str(tmp_path), [strange], key=key)
    ends = []
    for name, most in (("once", replaying.ROUND_ROWS), ("rounds", 2)):
        monkeypatch.setattr(replaying, "ROUND_ROWS", most)
        house = under(first, MENDED, key=key, folder=tmp_path / name)
        into = house.mapping.into[0]
        assert quarantine(house, into).height == 6
        done = replayed(house, into)
        assert done is not None
        assert quarantine(house, into).is_empty()
        house.assert_audited()
        ends.append(house.core(into))
    assert ends[0].equals(ends[1])


def test_unreadable_records_are_nothing_to_replay(tmp_path: Path) -> None:
    house = opened(str(tmp_path), [ROWS], key="line")
    rows = house.integration(house.mapping.into[0]).quarantine.scan().collect()
    assert UNSPLIT not in set(rows["entity"])
    assert replay(
        house.integration(house.mapping.into[1]), "office", [house.feed(house.mapping.into[1])],
        wanted=lambda rows: rows,
    ) is None  # fmt: skip
