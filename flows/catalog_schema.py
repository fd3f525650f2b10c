"""The JSON Schema of a source's YAML: editors complete and check by it.

`# yaml-language-server: $schema=../docs/source.schema.json` in a file's first line switches it on.
`python -m flows.catalog_schema docs/source.schema.json` writes it anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from connectors.registry import CONNECTORS
from flows.catalog_models import SourceYaml, StreamYaml
from schemas.codes import code_lists
from schemas.entities import ENTITIES
from schemas.fields import Entity
from schemas.mapping import ColumnMapping

Schema = dict[str, Any]

_PLAIN: Schema = {"type": "string"}
_LIST: Schema = {"type": "array", "items": _PLAIN}
_NOTHING: Schema = {"type": "null"}  # takes away what the vendor's file has


def _ref(model: str) -> Schema:
    return {"$ref": f"#/$defs/{model}"}


def source_json_schema() -> Schema:
    """The schema of a source's YAML, as JSON Schema 2020-12."""
    definitions = _definitions()
    source = definitions.pop("SourceYaml")
    source["properties"]["connector"] = _connector(definitions)
    source["properties"]["name"] = {"anyOf": [_PLAIN, _ref("Label")]}
    source["properties"]["currency"]["enum"] = list(code_lists()["currency"].good)
    streams = source["properties"]["streams"]
    (pattern,) = streams.pop("patternProperties")
    streams["patternProperties"] = {pattern: {"anyOf": [_NOTHING, _ref("stream")]}}
    streams["additionalProperties"] = False
    definitions["stream"] = _stream(definitions)
    definitions["Into"] = _into(definitions["Into"])
    _shorten(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A source of Liên Thông",
        **source,
        # With `extends:` the vendor's file has the rest.
        "required": ["source"],
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as it is kept in `docs/source.schema.json`."""
    return json.dumps(source_json_schema(), ensure_ascii=False, indent=2) + "\n"


def _definitions() -> dict[str, Schema]:
    kinds = [kind for one in CONNECTORS.values() for kind in (one.options_model, one.stream_model)]
    models: list[type[BaseModel]] = [SourceYaml, StreamYaml, ColumnMapping, *kinds]
    _, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    return dict(schema["$defs"])


def _connector(definitions: dict[str, Schema]) -> Schema:
    kind_of = {"enum": list(CONNECTORS), "description": "Kind of connector."}
    rules = []
    for name, kind in CONNECTORS.items():
        model = definitions.pop(kind.options_model.__name__)
        properties: Schema = {"type": kind_of}
        for key, field in model["properties"].items():
            # A secret is a reference here, and no editor hides what it has to complete.
            properties[key] = {k: v for k, v in field.items() if k not in {"format", "writeOnly"}}
        is_of_kind = {"required": ["type"], "properties": {"type": {"const": name}}}
        own = {"properties": properties, "additionalProperties": False}
        rules.append({"if": is_of_kind, "then": own})
    return {
        "type": "object", "description": "How the source is reached.",
        "properties": {"type": kind_of}, "allOf": rules,
    }  # fmt: skip


def _stream(definitions: dict[str, Schema]) -> Schema:
    """A stream has the common keys, and those of its source's connector."""
    common = definitions.pop("StreamYaml")
    properties = dict(common["properties"])
    for kind in CONNECTORS.values():
        model = definitions.pop(kind.stream_model.__name__)
        for key, field in model["properties"].items():
            properties[key] = _shared(properties.get(key), field, kind.name)
    properties["cursor"] = {
        **properties["cursor"], "anyOf": [_PLAIN, _ref("CursorYaml")],
    }  # fmt: skip
    return {**common, "properties": properties, "required": []}


def _shared(other: Schema | None, field: Schema, kind: str) -> Schema:
    """A key of a connector's stream; where two connectors have it, what either takes."""
    own = {**field, "description": f"({kind}) {field.get('description', '')}".rstrip()}
    if other is None:
        return own
    text = f"{other['description']} {own['description']}"
    said, meant = ({k: v for k, v in one.items() if k != "description"} for one in (other, own))
    if said == meant:
        return {**said, "description": text}
    return {"description": text, "anyOf": [said, meant]}


def _into(into: Schema) -> Schema:
    """Each entity with its own columns, described."""
    rules = [
        {
            "if": {"properties": {"entity": {"const": entity.name}}},
            "then": {"properties": {"columns": _columns(entity)}},
        }
        for entity in ENTITIES.values()
    ]
    entities = {
        "enum": list(ENTITIES),
        "description": "Entity of core: "
        + " ".join(f"{entity.name}: {entity.en}" for entity in ENTITIES.values()),
    }
    columns = {"type": "object", "description": into["properties"]["columns"]["description"]}
    properties = {**into["properties"], "entity": entities, "columns": columns}
    return {**into, "properties": properties, "required": ["entity"], "allOf": rules}


def _columns(entity: Entity) -> Schema:
    return {
        "additionalProperties": False,
        "properties": {
            field.name: {
                "description": f"{field.en} / {field.vi}" + (" (required)" * field.required),
                "anyOf": [_PLAIN, _LIST, _ref("ColumnMapping"), _NOTHING],
            }
            for field in entity.fields
        },
    }


def _shorten(definitions: dict[str, Schema]) -> None:
    """The short forms that the models take for granted: a text instead of a mapping."""
    column = definitions["ColumnMapping"]["properties"]
    words = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
    one = {"anyOf": [{"enum": list(code_lists())}, words]}
    description = column["codes"]["description"]
    column["codes"] = {
        "description": description,
        "anyOf": [*one["anyOf"], {"type": "array", "items": one}],
    }
    paging = definitions["stream"]["properties"]["paging"]
    ways = list(definitions["PagingOptions"]["properties"])
    paging["anyOf"] = [{"enum": ways}, *paging["anyOf"]]
    for model, key, target in (
        ("Step", "extract", "Extract"),
        ("Step", "date_part", "DatePart"),
        ("Into", "explode", "Explode"),
        ("stream", "deleted", "Deleted"),
        ("stream", "version", "ColumnMapping"),
    ):
        field = definitions[model]["properties"][key]
        short = {"anyOf": [_PLAIN, _ref(target)]}
        definitions[model]["properties"][key] = {"description": field["description"], **short}


def main() -> None:
    """Writes the schema to the path given."""
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
