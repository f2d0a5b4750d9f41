"""The OpenAPI document, made from the table of calls and their types, so that it cannot say anything else than what happens."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from cloud_sync.registry.server.endpoints import TABLE
from cloud_sync.registry.server.messages import Failed, Message, Nothing

if TYPE_CHECKING:
    from cloud_sync.registry.server.endpoint import Endpoint

BASE: Final = "/api/v1"
_REFERENCE: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_INTRODUCTION: Final = """\
Changes a registry and tells of it. What devices read are plain files below `/metadata/`, `/targets/`, `/assignments/`, `/blobs/` and
`/deltas/`, which need no token. A call takes a token in `Authorization: Bearer`, unless it is signed by a device. A failure is
`{"error": {"code", "message", "hint"}}`; 429 and 503 say in `Retry-After` when to come back.
"""


def document() -> dict[str, Any]:
    """The whole document, for OpenAPI 3.1."""
    used = sorted({kind for each in TABLE for kind in (each.gives, each.takes)} - {Nothing} | {Failed}, key=_name)
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in used], ref_template=_REFERENCE, title="What goes over the API"
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in TABLE:
        paths.setdefault(f"{BASE}/{endpoint.path}", {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lineside registry", "version": "1", "description": _INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Failed": {"description": "It was not done.", "content": _content(Failed)}},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(endpoint.does) or "").partition(". ")
    operation: dict[str, Any] = {
        "operationId": endpoint.does.__name__.lstrip("_"),
        "summary": summary.rstrip("."),
        "description": f"{more}\n\nWho may: {_who(endpoint)}".strip(),
        "security": [] if endpoint.may == "anyone" else [{"token": []}],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in endpoint.names),
            *_query(endpoint),
        ],
        "responses": {
            str(endpoint.status): {
                "description": (inspect.getdoc(endpoint.gives) or "").partition("\n")[0],
                "content": _content(endpoint.gives),
            },
            "default": {"$ref": "#/components/responses/Failed"},
        },
    }
    if endpoint.body == "stream":
        binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": binary}
    elif endpoint.body == "envelope":
        schema = {
            "type": "object",
            "required": ["signed", "signatures"],
            "properties": {
                "signed": {"type": "object"},
                "signatures": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["keyid", "sig"],
                        "properties": {"keyid": {"type": "string"}, "sig": {"type": "string"}},
                    },
                },
            },
        }
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    elif endpoint.takes is not Nothing:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.takes)}
    return operation


def _who(endpoint: Endpoint) -> str:
    return {
        "anyone": "anyone.",
        "viewer": "any token.",
        "publisher": "a publisher or an admin.",
        "owner": "a publisher of this model, or an admin.",
        "admin": "an admin.",
    }[endpoint.may]


def _query(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = endpoint.query.model_json_schema(by_alias=True)
    needed = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in needed,
            "description": field.get("description", ""),
            "schema": {key: value for key, value in field.items() if key not in ("title", "description")},
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _content(kind: type[Message]) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": _REFERENCE.format(model=kind.__name__)}}}


def _name(kind: type[Message]) -> str:
    return kind.__name__
