from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from connectors.options import OptionsModel
from connectors.registry import CONNECTORS
from connectors.rest import auth_options, options, paging_options
from flows.catalog import load_source
from flows.catalog_errors import CatalogError
from flows.catalog_models import CursorYaml, Label, SourceYaml, StreamYaml
from flows.catalog_schema import schema_text, source_json_schema
from flows.yaml_lines import read_yaml
from schemas.mapping.formats import format_names
from schemas.mapping.models import ColumnMapping, Explode, Into
from schemas.mapping.sql import FUNCTIONS
from schemas.mapping.steps import DatePart, Extract, Pad, Replace, Split, Step
from tests.flows.test_catalog import FILES, GOOD, OFFICE, VENDOR, changed

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "docs" / name for name in ("connect-an-office.md", "connect-an-api.md")]
REST = [
    model
    for room in (options, auth_options, paging_options)
    for model in vars(room).values()
    if isinstance(model, type) and issubclass(model, OptionsModel) and model.model_fields
]
MODELS = [
    SourceYaml,
    Label,
    StreamYaml,
    CursorYaml,
    Into,
    Explode,
    ColumnMapping,
    Step,
    Extract,
    Replace,
    Split,
    Pad,
    DatePart,
    *REST,
    *(kind.options_model for kind in CONNECTORS.values()),
    *(kind.stream_model for kind in CONNECTORS.values()),
]
KEYS = sorted({f.alias or n for model in MODELS for n, f in model.model_fields.items()})
VALIDATOR = jsonschema.Draft202012Validator(source_json_schema())


def documented() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def plain(folder: Path, text: str) -> Any:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path).plain()


def test_the_schema_kept_for_editors_is_the_one_of_the_models() -> None:
    kept = (ROOT / "docs" / "source.schema.json").read_text(encoding="utf-8")
    assert kept == schema_text(), "write it: python -m flows.catalog_schema docs/source.schema.json"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(source_json_schema())


@pytest.mark.parametrize("text", [GOOD, FILES, VENDOR.rstrip(" ") + "    source: x\n", OFFICE])
def test_the_schema_accepts_what_the_catalog_reads(tmp_path: Path, text: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(plain(tmp_path, text))] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("agency:", "agancy:"),
        ("columns:", "colums:"),
        ("table:", "tabel:"),
        ("entity: dossier", "entity: dosier"),
        ("received_at:", "recieved_at:"),
        ("codes: national_status", "codes: nationalstatus"),
        ("level: province", "level: city"),
        ("type: sql", "type: sqll"),
        ("url:", "uri:"),
        ("late_window: 2 days", "late_window: 2 dys"),
        ("status: {from: trang_thai, codes: national_status}", "status: {form: trang_thai}"),
    ],
)
def test_the_schema_refuses_what_the_catalog_refuses(
    tmp_path: Path, before: str, after: str
) -> None:
    text = changed(before, after)
    assert list(VALIDATOR.iter_errors(plain(tmp_path, text))) != []
    with pytest.raises(CatalogError):
        load_source(tmp_path / "x.yaml")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_has_a_description(model: Any) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_in_the_documentation(key: str) -> None:
    assert re.search(rf"`{re.escape(key)}(?::[^`]*)?`", documented()), f"docs/connect-*.md: `{key}`"


@pytest.mark.parametrize("name", [*FUNCTIONS, *format_names()])
def test_every_function_and_format_is_in_the_documentation(name: str) -> None:
    assert f"`{name}" in documented()


def examples() -> list[tuple[str, str]]:
    """The documentation's YAML examples: name of the file, and its text."""
    text = documented()
    blocks = re.findall(r"```yaml\n(# sources/(\S+)\n.*?)```", text, re.DOTALL)
    return [(name, block) for block, name in blocks]


def test_there_are_examples() -> None:
    assert len(examples()) >= 4


@pytest.mark.parametrize(("name", "text"), examples(), ids=lambda value: value[:30])
def test_every_whole_example_of_the_documentation_is_read(
    tmp_path: Path, name: str, text: str
) -> None:
    for other, content in examples():
        path = tmp_path / other
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    if not name.startswith("vendors/"):
        assert load_source(tmp_path / name).streams
    assert [error.message for error in VALIDATOR.iter_errors(plain(tmp_path, text))] == [] or (
        name.startswith("vendors/")
    )


def columns_of(text: str) -> str:
    indented = "\n".join(f"          {line}" for line in text.splitlines())
    return (
        "source: x\nagency: H41\nconnector: {type: sql, url: '${U}'}\nstreams:\n  s:\n"
        f"    table: t\n    key: id\n    into:\n      - entity: dossier\n        columns:\n"
        f"          dossier_code: id\n{indented}\n"
    )


def snippets() -> list[str]:
    text = documented()
    return re.findall(r"```yaml\n# columns:\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("snippet", snippets(), ids=lambda text: text.split(":")[0])
def test_every_column_example_of_the_documentation_is_read(tmp_path: Path, snippet: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(columns_of(snippet), encoding="utf-8")
    assert load_source(path).stream("s").entities == ("dossier",)
