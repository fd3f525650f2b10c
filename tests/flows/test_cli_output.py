"""What the command prints: tables, JSON, log lines, progress."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from flows import logs, output, progress
from flows.cli.common import worst
from flows.export import FORMULA_STARTS, write_csv, write_json, write_parquet
from flows.outcome import night_sentence, night_status
from flows.receipts import NightReport, Receipt, RunStatus


@dataclass(frozen=True)
class Inner:
    words: tuple[str, ...]


def test_json_is_one_document_of_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json([Inner(("một", "hai")), {"a": Inner(())}])
    assert json.loads(capsys.readouterr().out) == [
        {"words": ["một", "hai"]},
        {"a": {"words": []}},
    ]


def test_a_table_off_the_screen_is_aligned_and_never_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "Sở Tư pháp " * 30
    columns = [output.Column("name"), output.Column("rows"), output.Column("gone", True)]
    output.print_table(columns, [(long, 1_234_567, 0), ("b", 1, None)])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "rows"]  # nobody is gone: no such column
    assert first.startswith(long)
    assert first.endswith("1,234,567")
    assert second.endswith("        1")
    assert second.index("1") == first.rindex("7")


def test_a_table_without_rows_shows_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table([output.Column("name")], [])
    assert capsys.readouterr().out == "name\n"


def test_a_value_can_not_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[2J\r\nb\u202e\u0007[red]"
    output.print_table([output.Column("x")], [(evil,)])
    output.say(evil)
    shown = capsys.readouterr().out
    assert set(shown) & set("\x1b\r\u202e\u0007") == set()
    assert r"a\x1b[2J\r\nb\u202e\x07[red]" in shown


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_spreadsheet_executes_a_cell_of_ours(start: str) -> None:
    table = pa.table({f"{start}header": [f"{start}cmd|' /C calc'!A0", "harmless", None]})
    target = io.BytesIO()
    write_csv(table, target)
    text = target.getvalue().decode("utf-8")
    cells = [line.lstrip('"') for line in text.replace(f"\"'{start}", f"'{start}").split("\n")]
    assert cells[0].startswith(f"'{start}") or start in "\r\n"
    assert f"'{start}cmd" in text
    assert "harmless" in cells


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r"])
def test_no_formula_begins_behind_another_list_separator(start: str, separator: str) -> None:
    """Where the computer's separator isn't the comma, the file is cut in the middle of a text."""
    target = io.BytesIO()
    write_csv(pa.table({"v": [f"a{separator}{start}cmd", "a; b", "1-2=3"]}), target)
    text = target.getvalue().decode("utf-8")
    assert f"a{separator}'{start}cmd" in text
    assert f"{separator}{start}" not in text
    assert text.endswith("a; b\n1-2=3\n")


def test_csv_leaves_numbers_money_and_times_alone() -> None:
    table = pa.table(
        {
            "n": pa.array([-1], pa.int64()),
            "money": pa.array([Decimal("-12.50")], pa.decimal128(18, 2)),
            "at": pa.array([datetime(2026, 1, 2, 3, 4, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "day": pa.array([date(2026, 1, 2)]),
            "yes": pa.array([True]),
            "words": pa.array([["a", "b"]]),
            "nothing": pa.array([None], pa.string()),
            "text": pa.array(['xin, "chào"']),
        }
    )
    target = io.BytesIO()
    write_csv(table, target)
    assert target.getvalue().decode("utf-8") == (
        "n,money,at,day,yes,words,nothing,text\n"
        '-1,-12.50,2026-01-02T03:04:00Z,2026-01-02,true,"[""a"", ""b""]",,"xin, ""chào"""\n'
    )


def test_json_loses_neither_a_cent_nor_a_row() -> None:
    table = pa.table(
        {
            "money": pa.array([Decimal("9999999999999999.99"), None], pa.decimal128(18, 2)),
            "number": pa.array([float("nan"), 1.5]),
            "took": pa.array([timedelta(seconds=90), None], pa.duration("us")),
            "raw": pa.array([b"\x00\xff", None]),
        }
    )
    target = io.BytesIO()
    write_json(table, target)
    assert json.loads(target.getvalue()) == [
        {"money": "9999999999999999.99", "number": None, "took": "PT90S", "raw": "00ff"},
        {"money": None, "number": 1.5, "took": None, "raw": None},
    ]


def test_an_empty_answer_is_an_empty_json_list() -> None:
    target = io.BytesIO()
    write_json(pa.table({"a": pa.array([], pa.int64())}), target)
    assert json.loads(target.getvalue()) == []


def test_parquet_keeps_the_types() -> None:
    table = pa.table({"money": pa.array([Decimal("1.50")], pa.decimal128(18, 2))})
    target = io.BytesIO()
    write_parquet(table, target)
    target.seek(0)
    assert pq.read_table(target).equals(table)


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """What the formatter of JSON lines writes of the events under way."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger(logs.LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)


def test_a_log_line_says_source_stream_interval_and_rows(log_lines: io.StringIO) -> None:
    logs.receipt_event(
        Receipt(
            source="so-tu-phap",
            stream="ho_so",
            entity="dossier",
            sync_id="s1",
            read=12,
            interval=("2026-01-01", None),
        )
    )
    line = json.loads(log_lines.getvalue())
    assert line["event"] == "sync done"
    assert (line["source"], line["stream"], line["rows"]) == ("so-tu-phap", "ho_so", 12)
    assert line["interval"] == "[2026-01-01, +inf)"
    assert "error" not in line


def test_a_line_for_people_quotes_what_has_spaces() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.TextFormatter())
    logger = logging.getLogger(logs.LOGGER)
    logger.addHandler(handler)
    logs.event("landed", level=logging.ERROR, source="a", note="hai từ\n", nothing=None)
    logger.removeHandler(handler)
    assert stream.getvalue().split(" ", 1)[1] == 'ERROR landed source=a note="hai từ\\n"\n'


def test_a_library_may_not_write_a_value_into_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(level="info", form="text")
    try:
        raise ValueError("012345678901")
    except ValueError:
        logging.getLogger("somelib").warning("bad row %s", "012345678901", exc_info=True)
    shown = capsys.readouterr().err
    assert "WARNING somelib: bad row %s" in shown
    assert "012345678901" not in shown


def test_progress_lines_come_when_a_phase_begins_and_then_every_few_seconds(
    log_lines: io.StringIO,
) -> None:
    now = [0.0]
    told = progress.LineProgress(clock=lambda: now[0], every=5.0)
    for second, phase, rows in [
        (0, "read", 0),
        (1, "read", 1_000),
        (5, "read", 5_000),
        (6, "read", 6_000),
        (7, "merge", 0),
        (8, "done", 6_000),
    ]:
        now[0] = float(second)
        told("so-tu-phap", "ho_so", phase, rows)
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert [(line["phase"], line["rows"]) for line in lines] == [
        ("read", 0),
        ("read", 5_000),
        ("merge", 0),
        ("done", 6_000),
    ]
    assert lines[1]["rows_per_second"] == 1_000
    assert {line["stream"] for line in lines} == {"ho_so"}


def test_live_progress_shows_rows_and_rows_a_second_per_stream() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, height=20)
    with progress.live(console) as told:
        told("so-tu-phap", "ho_so", "read", 0)
        told("so-tu-phap", "ho_so", "read", 12_345)
        told("xa-[red]", "phieu", "read", 7)
        told("xa-[red]", "phieu", "done", 7)
    shown = screen.getvalue()
    assert "so-tu-phap / ho_so" in shown
    assert "12,345 rows" in shown
    assert "rows/s" in shown
    assert "xa-[red] / phieu" in shown  # a name is no markup


def test_live_progress_never_outgrows_the_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=14)
    with progress.live(console) as told:
        for number in range(300):
            told("s", f"stream-{number}", "read", 1)
            told("s", f"stream-{number}", "done", 1)
        visible = [task for task in told.tasks if task.visible]
    assert len(visible) == 10
    assert len(told.tasks) == 300


def night(*statuses: RunStatus) -> NightReport:
    receipts = tuple(
        Receipt(source=f"s{n}", stream="t", entity="dossier", sync_id="x", status=status)
        for n, status in enumerate(statuses)
    )
    return NightReport(
        sync_id="x",
        receipts=receipts,
        broken=tuple(r.source for r in receipts if r.status == "failed"),
        waiting=tuple(r.source for r in receipts if r.status == "degraded"),
        seconds=1.0,
    )


def test_a_night_fails_only_past_its_share_of_broken_sources() -> None:
    assert night_status(night("done", "done")) == "done"
    assert night_status(night("done", "failed")) == "degraded"
    assert night_status(night("done", "failed"), fail_above=0.4) == "failed"
    assert night_status(night("done", "failed", "failed")) == "failed"
    assert night_status(night("failed"), fail_above=1.0) == "failed"
    assert night_status(night("done", "degraded")) == "degraded"
    assert night_status(night("degraded", "failed")) == "degraded"  # half of it is no failure
    assert worst(["degraded", "failed"]) == "degraded"
    assert worst(["failed", "failed"]) == "failed"
    assert night_status(night()) == "done"


def test_a_night_names_what_is_broken_and_what_waits() -> None:
    assert night_sentence(night("done", "failed", "degraded")) == (
        "1 of 3 sources done; broken: s1; waiting for a person: s2"
    )
