"""The office's own description in OpenAPI 3.1; a test holds the office to it."""

from __future__ import annotations

from typing import Any

from tests.support.hostile_office.listings import LAST_PAGE, LOCAL_PATTERN, MOST

_MONEY = {"type": "number"}
_TEXT = {"type": "string"}
_DOSSIER = {
    "type": "object",
    "required": ["id", "code", "version", "updatedAt", "receivedAt", "dossierStatus", "fees"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer"},
        "code": _TEXT,
        "version": {"type": "integer", "minimum": 1},
        "updatedAt": {"type": "string", "format": "date-time"},
        "receivedAt": {"type": "string", "format": "date-time"},
        "procedure": {
            "type": "object",
            "required": ["code", "name"],
            "properties": {"code": _TEXT, "name": _TEXT},
        },
        "dossierStatus": {
            "type": "object",
            "required": ["id", "name"],
            "properties": {"id": {"enum": [2, 4, 5, 9]}, "name": _TEXT},
        },
        "applicant": {
            "type": "object",
            "properties": {"data": {"type": "object", "properties": {"identity": _TEXT}}},
        },
        "fee": {"anyOf": [_MONEY, {"type": "null"}]},
        "fees": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "amount"],
                "properties": {"code": _TEXT, "amount": _MONEY},
            },
        },
    },
}
_ROWS = {"type": "array", "items": {"$ref": "#/components/schemas/Dossier"}}
_COUNT = {"type": "integer", "minimum": 0}
_MAYBE_TEXT = {"type": ["string", "null"]}


def _thing(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": sorted(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def _whole(low: int, high: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


_SIZE = _whole(1, MOST, 20)
_PAGE = _whole(1, LAST_PAGE, 1)
_SHARED = {
    "sort": {"type": "string", "enum": ["code", "updatedAt", "-updatedAt"]},
    "updated_from": {"type": "string", "format": "date-time"},
    "updated_to": {"type": "string", "format": "date-time"},
    "tu_ngay": {"type": "string", "pattern": LOCAL_PATTERN},
    "den_ngay": {"type": "string", "pattern": LOCAL_PATTERN},
}
_BY_NUMBER = {"page": _PAGE, "size": _SIZE}
_BY_CURSOR = {"cursor": _TEXT, "limit": _SIZE}
_LISTINGS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    # path: parameters, body, headers of the answer
    "/by-page": (_BY_NUMBER, _thing(items=_ROWS, total=_COUNT), ()),
    "/by-offset": (
        {"offset": _whole(0, LAST_PAGE, 0), "limit": _SIZE},
        _thing(data=_thing(items=_ROWS), meta=_thing(total=_COUNT)),
        (),
    ),
    "/by-slice": ({"page": _whole(0, LAST_PAGE, 0), "size": _SIZE}, _thing(content=_ROWS), ()),
    "/by-cursor": (_BY_CURSOR, _thing(items=_ROWS, next=_MAYBE_TEXT, total=_COUNT), ()),
    "/by-cursor-header": (_BY_CURSOR, _ROWS, ("X-Next-Cursor",)),
    "/by-link": (_BY_NUMBER, _ROWS, ("Link",)),
    "/by-next": (_BY_NUMBER, _thing(items=_ROWS, links=_thing(next=_MAYBE_TEXT)), ()),
    "/ids": (
        _BY_NUMBER,
        _thing(items={"type": "array", "items": _thing(code=_TEXT)}, total=_COUNT),
        (),
    ),
}
_ERROR = {
    "description": "Refused",
    "content": {"application/json": {"schema": _thing(error=_TEXT)}},
}


def description(scheme: dict[str, Any] | None) -> dict[str, Any]:
    """The document, with the office's way to be let in (None: everybody is)."""
    paths: dict[str, Any] = {
        path: {"get": _operation(_query(params), body, headers, scheme)}
        for path, (params, body, headers) in _LISTINGS.items()
    }
    paths["/search"] = {"post": _searching(scheme)}
    paths["/dossiers/{code}"] = {"get": _detail(scheme)}
    components: dict[str, Any] = {"schemas": {"Dossier": _DOSSIER}}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Hostile office", "version": "1"},
        "paths": paths,
        "components": components,
    }
    if scheme is not None:
        components["securitySchemes"] = {"office": scheme}
        document["security"] = [{"office": []}]
    return document


def _searching(scheme: dict[str, Any] | None) -> dict[str, Any]:
    answer = _thing(result=_thing(rows=_ROWS, count=_COUNT))
    asked = {"type": "object", "properties": {**_BY_NUMBER, **_SHARED}}
    return {
        **_operation([], answer, (), scheme, refusals=("400", "415")),
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
    }


def _detail(scheme: dict[str, Any] | None) -> dict[str, Any]:
    code = {"name": "code", "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
    row = {"$ref": "#/components/schemas/Dossier"}
    return _operation([code], row, (), scheme, refusals=("404",))


def _query(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in {**params, **_SHARED}.items()
    ]


def _operation(
    parameters: list[dict[str, Any]],
    body: dict[str, Any],
    headers: tuple[str, ...],
    scheme: dict[str, Any] | None,
    *,
    refusals: tuple[str, ...] = ("400",),
) -> dict[str, Any]:
    good = {
        "description": "Dossiers",
        "content": {"application/json": {"schema": body}},
        "headers": {name: {"schema": _TEXT} for name in headers},
    }
    more = ("401",) if scheme is not None else ()
    return {
        "parameters": parameters,
        "responses": {"200": good, **dict.fromkeys((*refusals, *more), _ERROR)},
    }
