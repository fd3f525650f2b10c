"""The registry is read by every command: it is cheap, and it keeps secrets to itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connectors.registry import CONNECTORS, FilesOptions, SqlOptions, SqlStream, connector_type
from schemas.errors import ConfigError
from tests.support.processes import python


def test_importing_the_registry_imports_no_connector() -> None:
    heavy = ("sqlalchemy", "pyarrow", "polars", "adbc_driver_postgresql", "sqlite3")
    code = f"import connectors.registry\nprint([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "[]"


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_every_key_of_a_connector_explains_itself(name: str) -> None:
    models = (CONNECTORS[name].options_model, CONNECTORS[name].stream_model)
    fields = {key: info for model in models for key, info in model.model_fields.items()}
    assert {key for key, info in fields.items() if not info.description} == set()


def test_a_url_is_shown_by_no_options_and_by_no_error() -> None:
    options = SqlOptions(url="postgresql://u:s3cret@h/db")  # type: ignore[arg-type]
    assert "s3cret" not in f"{options!r} {options} {options.model_dump()}"
    with pytest.raises(ValidationError) as caught:
        SqlOptions(url="postgresql://u:s3cret@h/db", connect_timeout=0)  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)


def test_a_stream_of_a_database_is_one_table_or_one_query() -> None:
    for wrong in ({}, {"table": "t", "query": "SELECT 1"}):
        with pytest.raises(ValidationError, match="exactly one of"):
            SqlStream(**wrong)
    assert SqlStream(table="t").query is None


def test_an_unknown_connector_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no connector type 'sqll'; there are files, rest, sql"):
        connector_type("sqll")


def test_options_of_the_other_connector_are_refused() -> None:
    with pytest.raises(ConfigError, match="not SqlOptions"):
        connector_type("sql").connect(FilesOptions(path="x"))
