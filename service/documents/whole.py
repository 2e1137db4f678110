"""What holds for many operations alike, added to the document that Litestar has made of the routes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from contract.names import PATTERN
from contract.repository import MAX_VERSION
from service.bodies import JSON
from service.documents.answers import ANSWERS
from service.documents.predictions import SCHEMAS as PREDICTION_SCHEMAS
from service.problems import MEDIA_TYPE, PROTOCOLS
from service.v1.documents import SCHEMAS as V1_SCHEMAS
from service.v2.documents import SCHEMAS as V2_SCHEMAS

Document = dict[str, Any]
"""Of the document, or of a part of it, as JSON."""

SCHEMAS = PREDICTION_SCHEMAS | V1_SCHEMAS | V2_SCHEMAS
ACTIONS = {
    f"/v1/models/{{name}}{version}": f"/v1/models/{{name}}{version}:predict" for version in ("", "/versions/{version}")
}
"""Paths whose POST ends with an action, which the router takes for part of the last segment."""
TAGS = {
    "/v2": "Open Inference Protocol v2",
    "/v1": "Open Inference Protocol v1",
    "/invocations": "MLflow",
    "/ping": "MLflow",
    "/admin": "admin",
    "/health": "health",
    "/metrics": "health",
}
"""By how paths begin."""
OURS = "litet"
DESCRIPTIONS = {
    OURS: "Models, and predictions in any format.",
    "Open Inference Protocol v2": "As Triton, KServe and others speak it.",
    "Open Inference Protocol v1": "As TensorFlow Serving and KServe speak it.",
    "MLflow": "As MLflow's scoring server speaks.",
    "health": "For probes and Prometheus.",
    "admin": "Retraining, for holders of an admin key.",
}
NAME = {"type": "string", "pattern": f"^{PATTERN.pattern}$"}
PATH_PARAMETERS: dict[str, Document] = {
    "name": {"schema": NAME, "example": "iris"},
    "version": {"schema": {"type": "integer", "minimum": 1, "maximum": MAX_VERSION}, "example": 1},
    "job_id": {"schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"}},
}
DATASET = {"schema": NAME, "example": "flowers"}
REQUEST_ID = "X-Request-ID"
COMPONENTS: dict[str, Document] = {
    "parameters": {
        "RequestId": {
            "name": REQUEST_ID,
            "in": "header",
            "description": "Names the request in the answer and in the log; another name is given where this is not 1 "
            "to 128 letters, digits, dots, hyphens and underscores.",
            "schema": {"type": "string"},
        }
    },
    "headers": {
        "RequestId": {
            "description": "What the request is called in the log.",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        },
        "Challenge": {"description": "How to say who asks.", "required": True, "schema": {"const": "Bearer"}},
        "RetryAfter": {
            "description": "Seconds until the next attempt.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        },
    },
}
REFUSALS = {401: {"WWW-Authenticate": "Challenge"}, 429: {"Retry-After": "RetryAfter"}}
"""The headers with which requests are refused that hold no right key."""


def complete(document: Document) -> Document:
    """The whole document, made of the one that knows what routes, parameters and answers there are."""
    whole = copy.deepcopy(document)
    components = whole["components"]
    components["schemas"] |= {name: schema.to_schema() for name, schema in SCHEMAS.items()}
    components |= COMPONENTS
    whole["paths"] = dict(_paths(whole["paths"]))
    used = set()
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            _complete(operation, path, ANSWERS.get(f"{method.upper()} {path}"))
            used.update(operation["tags"])
    whole["tags"] = [{"name": name, "description": text} for name, text in DESCRIPTIONS.items() if name in used]
    _simplify(whole)
    return whole


def _paths(paths: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in paths.items():
        if path in ACTIONS:
            yield ACTIONS[path], {"post": methods.pop("post")}
        if methods:
            yield path, methods


def _complete(operation: Document, path: str, answer: Any) -> None:
    operation["tags"] = [_tag(path)]
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        _complete_parameter(parameter, path)
    parameters.append({"$ref": "#/components/parameters/RequestId"})
    responses = operation["responses"]
    if operation.get("security"):
        for status, headers in REFUSALS.items():
            refusal = responses.setdefault(str(status), _error(status, path))
            refusal["headers"] = {name: {"$ref": f"#/components/headers/{header}"} for name, header in headers.items()}
    for status, response in responses.items():
        if response["description"] == HTTPStatus(int(status)).description:  # "Request fulfilled, document follows"
            response["description"] = HTTPStatus(int(status)).phrase
        response.setdefault("headers", {})[REQUEST_ID] = {"$ref": "#/components/headers/RequestId"}
    if answer is not None:
        responses["200"]["content"][JSON]["examples"] = {"iris": {"value": answer}}
    operation["responses"] = dict(sorted(responses.items()))


def _tag(path: str) -> str:
    if path == "/":  # where clients of KServe ask whether it is alive
        return TAGS["/v1"]
    return next((tag for start, tag in TAGS.items() if path.startswith(start)), OURS)


def _complete_parameter(parameter: Document, path: str) -> None:
    if parameter["in"] == "path":
        parameter |= DATASET if path.startswith("/admin/datasets") else PATH_PARAMETERS[parameter["name"]]
    elif parameter["in"] == "query":  # what is not given is not null
        parameter["schema"] = _without_null(parameter["schema"])


def _without_null(schema: Document) -> Document:
    if "oneOf" in schema:
        (given,) = [one for one in schema["oneOf"] if one != {"type": "null"}]
        schema = {**schema, **given}
        del schema["oneOf"]
    if isinstance(schema.get("type"), list):
        (kind,) = [kind for kind in schema["type"] if kind != "null"]
        return {**schema, "type": kind, "enum": [value for value in schema["enum"] if value is not None]}
    return schema


def _error(status: int, path: str) -> Document:
    media_type, schema = (JSON, "Error") if path.split("/")[1] in PROTOCOLS else (MEDIA_TYPE, "Problem")
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _simplify(part: Any) -> None:
    """Have each choice be one of any: Litestar writes `oneOf`, which refuses a number that is an integer, too."""
    if isinstance(part, list):
        for item in part:
            _simplify(item)
    elif isinstance(part, dict):
        choices = part.pop("oneOf", None)
        if choices is not None:
            part |= choices[0] if len(choices) == 1 else {"anyOf": choices}
        for item in part.values():
            _simplify(item)
