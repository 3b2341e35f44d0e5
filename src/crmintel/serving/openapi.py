"""What can be asked of a model, as OpenAPI 3.1."""

from collections.abc import Mapping
from typing import Any

from crmintel import __version__
from crmintel.columns import CUSTOMER, NUMBERS, TIME
from crmintel.serving.served import Served

_ERROR: Mapping[str, Any] = {
    "type": "object", "required": ["error"],
    "properties": {"id": {"type": "string"}, "error": {
        "type": "object", "required": ["type", "message"],
        "properties": {"type": {"type": "string"}, "message": {"type": "string"}, "where": {"type": "array", "items": {"type": "string"}}},
    }},
}  # fmt: skip
_SAID: Mapping[str, str] = {
    "400": "no JSON", "409": "not by this model", "413": "too large", "415": "another content type", "422": "bad columns or values",
    "500": "an error here", "503": "busy, or too slow",
}  # fmt: skip
_WHAT: Mapping[str, tuple[str, str]] = {
    "/predict": ("What the model says of customers, in the order of rows, or in which customers first come in events", "predictions"),
    "/recommend": ("The best items of customers, in their order", "recommendations"),
    "/decide": ("The best actions of customers, in the order of rows", "decisions"),
}  # fmt: skip


def openapi(served: Served) -> dict[str, Any]:
    """The routes that the model answers, with its own columns."""
    paths: dict[str, Any] = {route: {"post": _post(served, route)} for route in served.asks}
    for route, what in (("/health", "Alive"), ("/ready", "Scores a made-up row"), ("/metrics", "For Prometheus"), ("/openapi.json", "This page")):  # fmt: skip
        kind = "text/plain" if route == "/metrics" else "application/json"
        paths[route] = {"get": {"summary": what, "operationId": route.strip("/").replace(".", "_"), "responses": {"200": {"description": what, "content": {kind: {}}}}}}  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {"title": f"crmintel: {type(served.inner).__name__}", "version": __version__, "description": f"Model {served.fingerprint}"},
        "paths": paths,
        "components": {"schemas": {"Error": dict(_ERROR), "Row": _row(served), "Event": _event(served)}},
    }  # fmt: skip


def _post(served: Served, route: str) -> dict[str, Any]:
    what, name = _WHAT[route]
    body = {"type": "object", "properties": {n: _part(n) for n in served.asks[route]}, "additionalProperties": False}
    answer = {"type": "object", "properties": {"model": {"type": "string"}, name: {"type": "array"}}, "required": ["model", name]}  # fmt: skip
    wrong = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses = {"200": {"description": what, "content": {"application/json": {"schema": answer}}}}
    responses |= {code: {"description": said, "content": wrong} for code, said in _SAID.items()}
    return {
        "summary": what, "operationId": route[1:], "responses": responses,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
    }  # fmt: skip


def _part(name: str) -> dict[str, Any]:
    actions = {"type": "array", "items": {"type": "string"}}
    parts: dict[str, dict[str, Any]] = {
        "rows": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}},
        "events": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Event"}},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "reasons": {"type": "integer", "minimum": 0, "maximum": 20},
        "language": {"enum": ["en", "zh"]},
        "sentences": {"type": "boolean"},
        "customers": {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}},
        "k": {"type": "integer", "minimum": 1, "maximum": 1000},
        "exclude": {"enum": ["habit", "bought", "new", None]},
        "eligible": {"anyOf": [actions, {"type": "array", "items": actions}, {"type": "null"}]},
    }
    return parts[name]


def _row(served: Served) -> dict[str, Any]:
    levels = {} if served.schema is None else served.schema.levels
    either = served.schema is None
    kinds = {n: ["string", "null"] if n in levels else ["number", "string", "boolean", "null"] if either else ["number", "boolean", "null"] for n in served.columns}  # fmt: skip
    return {
        "type": "object",
        "properties": {n: {"type": k} for n, k in kinds.items()},
        "required": list(served.columns),
    }


def _event(served: Served) -> dict[str, Any]:
    known = {CUSTOMER: ["string", "integer"], TIME: ["string"]}
    kinds = {n: known.get(n, ["number", "null"] if n in NUMBERS else ["string", "integer", "number", "null"]) for n in served.reads}  # fmt: skip
    return {"type": "object", "properties": {n: {"type": k} for n, k in kinds.items()}, "required": [CUSTOMER, TIME]}
