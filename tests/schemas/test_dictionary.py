from __future__ import annotations

import json
import re
from pathlib import Path

from schemas.codes import code_lists
from schemas.dictionary import SYSTEM_COLUMNS, as_markdown, as_records
from schemas.entities import ENTITIES
from schemas.fields import CORE_SYSTEM_COLUMNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"


def test_the_page_in_docs_is_what_the_code_says() -> None:
    written = PAGE.read_text("utf-8")
    assert written == as_markdown(), "run: lienthong schema --markdown > docs/data-dictionary.md"


def test_every_table_column_rule_and_code_is_on_the_page() -> None:
    page = as_markdown()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    for one in ENTITIES.values():
        section = sections[one.name]
        for name in (*one.columns, *(rule.name for rule in one.rules)):
            assert f"| `{name}` |" in section, (one.name, name)
    for codes in code_lists().values():
        assert f"### {codes.name}\n" in page
        for word in codes.good:
            assert f"`{word}`" in page


def test_every_link_of_the_page_leads_to_a_heading() -> None:
    page = as_markdown()
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)


def test_every_line_of_a_table_has_as_many_cells_as_its_header() -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", as_markdown(), re.MULTILINE)
    assert len(tables) > 30
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table[:200]


def test_the_system_columns_are_all_described() -> None:
    assert list(SYSTEM_COLUMNS) == list(CORE_SYSTEM_COLUMNS)


def test_records_carry_every_column_and_go_through_json_unchanged() -> None:
    records = as_records()
    assert [record["entity"] for record in records] == list(ENTITIES)
    for record, one in zip(records, ENTITIES.values(), strict=True):
        assert tuple(column["name"] for column in record["columns"]) == one.columns
        assert [rule["name"] for rule in record["rules"]] == [rule.name for rule in one.rules]
    assert json.loads(json.dumps(records)) == records


def test_a_coded_column_carries_its_codes_with_the_national_ones() -> None:
    dossier = next(record for record in as_records() if record["entity"] == "dossier")
    channel = next(column for column in dossier["columns"] if column["name"] == "channel")
    codes = [(code["code"], code["national"]) for code in channel["codes"]]
    assert codes == [("direct", "1"), ("online", "2"), ("post", "3")]
    assert {c["name"] for c in dossier["columns"] if c["is_personal"]} == {
        "applicant_id",
        "responsible_id",
    }
