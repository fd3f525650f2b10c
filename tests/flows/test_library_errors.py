"""Errors of libraries print rows and passwords: none of their text is told, wherever it would go.

Each wall has a companion that takes it out and shows the value where it would have come to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pydantic
import pytest
from click.testing import CliRunner
from pandera.errors import SchemaErrors

from connectors.registry import SqlOptions
from flows import faults, steps
from flows.cli import main
from flows.history import runs_of
from flows.query import query
from schemas import validation
from schemas.entities import ENTITIES
from schemas.errors import ContractError, LostRaceError
from tests.support.offices import PERSON, Home, desk
from warehouse.landing import Landing

URL = "postgresql://reader:mat-khau-5319@10.0.0.7/ho_so"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A commune's desk; nothing has been synced."""
    return desk(tmp_path)


def library_error() -> Exception:
    """What a library says of a row that it didn't expect, chained to another that says more."""
    error = ValueError(f"could not convert {PERSON!r}: {URL}")
    error.__cause__ = RuntimeError(f"row ('HS-1', {PERSON!r})")
    return error


def told_everywhere(home: Home) -> dict[str, str]:
    """A run, with everything it says and keeps for people to read."""
    done = CliRunner().invoke(
        main, ["--debug", "--log-level", "debug", "--log-format", "json", *home.options, "sync"]
    )
    assert done.exit_code == 1
    kept = home.warehouse / "analysts"
    return {
        "stdout": done.stdout,
        "stderr": done.stderr,
        "status": home.run("status", "--json").output,
        "freshness": str(query(str(home.warehouse), "SELECT * FROM freshness").to_pylist()),
        "runs": str(kept_runs(home)),
        "files": "".join(p.read_bytes().decode("latin-1") for p in kept.rglob("*.json")),
    }


def kept_runs(home: Home) -> list[dict[str, Any]]:
    context = steps.open_context(
        warehouse_uri=str(home.warehouse), sources_dir=home.sources, read_only=True
    )
    return runs_of(context).scan().collect().to_dicts()


def holding(told: dict[str, str], *words: str) -> set[str]:
    """The places that hold one of the words."""
    return {place for place, text in told.items() if any(word in text for word in words)}


def break_landing(monkeypatch: pytest.MonkeyPatch) -> None:
    def land(*_: Any, **__: Any) -> None:
        raise library_error()

    monkeypatch.setattr(Landing, "land", land)


def test_an_error_nobody_expected_is_told_by_its_type_and_place(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_landing(monkeypatch)
    told = told_everywhere(home)
    assert holding(told, PERSON, "mat-khau-5319") == set()
    # The search finds what is told: the type of the error, where it came from, whose it is.
    assert holding(told, "ValueError at flows/reading.py") >= {"stderr", "status", "runs"}
    assert holding(told, "xa-thu") >= {"stdout", "stderr", "status", "freshness", "runs"}


def test_if_errors_told_their_text_it_would_be_in_every_place(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_hearted(error: BaseException) -> faults.Fault:
        return faults.Fault(kind="unexpected", what=str(error), step="")

    break_landing(monkeypatch)
    monkeypatch.setattr(steps, "told", open_hearted)
    assert holding(told_everywhere(home), PERSON) >= {"stderr", "status", "runs"}


@pytest.mark.parametrize("failing", [["status"], ["audit"], ["quarantine", "show"]])
def test_a_verb_that_fails_shows_its_way_through_our_code_and_no_value(
    home: Home, monkeypatch: pytest.MonkeyPatch, failing: list[str]
) -> None:
    assert home.run("sync").exit_code == 0

    def fail(*_: Any, **__: Any) -> None:
        raise library_error()

    verb = {"status": "status", "audit": "audit", "quarantine": "quarantine_show"}[failing[0]]
    monkeypatch.setattr(steps, verb, fail)
    for form in ([], ["--json"]):
        done = CliRunner().invoke(main, ["--debug", *home.options, *failing, *form])
        assert done.exit_code == 1
        assert "ValueError" in done.stderr
        assert "  RuntimeError" in done.stderr  # the chain is told, by its types
        assert PERSON not in done.output
        assert "mat-khau-5319" not in done.output
    assert json.loads(done.stdout)["error"]["kind"] == "ValueError"


def rows_of_a_person() -> pl.DataFrame:
    """Dossiers that break pandera's model: the status is a person's number."""
    entity = ENTITIES["dossier"]
    columns = {f.name: pl.Series([None], dtype=f.polars_type) for f in entity.fields}
    columns["dossier_code"] = pl.Series(["HS-1"])
    columns["status"] = pl.Series([PERSON])
    lists = {name: pl.Series([[]], dtype=pl.List(pl.String)) for name in ("_reasons", "_warnings")}
    return pl.DataFrame({**columns, **lists})


def test_pandera_prints_the_value_that_broke_a_rule_and_validation_does_not() -> None:
    entity, rows = ENTITIES["dossier"], rows_of_a_person()
    with pytest.raises(SchemaErrors) as library:
        validation.pandera_model(entity).validate(rows.select(entity.columns), lazy=True)
    assert PERSON in str(library.value)
    judged = validation.validate(rows, entity)
    assert "unknown_code:status" in judged["_reasons"][0].to_list()
    assert PERSON not in str(judged["_reasons"].to_list())


def test_a_rule_that_pandera_cannot_compute_is_told_without_what_pandera_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> pa.DataFrameSchema:
        def fails(_: Any) -> pl.LazyFrame:
            raise library_error()

        return pa.DataFrameSchema({"status": pa.Column(pl.String, pa.Check(fails, error="x"))})

    monkeypatch.setattr(validation, "_judging_model", broken)
    with pytest.raises(ContractError, match="rows could not be judged") as told:
        validation.validate(rows_of_a_person(), ENTITIES["dossier"])
    assert told.value.__cause__ is None
    for frame in faults.frames(told.value):
        assert PERSON not in frame


def options(wrong: Callable[[], object]) -> str:
    with pytest.raises(pydantic.ValidationError) as told:
        wrong()
    return str(told.value)


def test_pydantic_prints_a_password_and_our_options_do_not() -> None:
    class Open(pydantic.BaseModel):
        url: int

    assert "mat-khau-5319" in options(lambda: Open.model_validate({"url": URL}))
    wrong = {"url": {"text": URL}, "connect_timeout": URL, "other": URL}
    assert "mat-khau-5319" not in options(lambda: SqlOptions.model_validate(wrong))
    assert "mat-khau-5319" not in repr(SqlOptions.model_validate({"url": URL}))


def test_who_lost_every_race_is_told_to_run_again_and_not_to_repair() -> None:
    fault = faults.told(LostRaceError("dossier: another run wrote to this table first"))
    assert fault.step.startswith("Nothing is damaged: run the command again")
