"""What OpenAPI says of the admin routes whose handlers take or return bytes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    Link,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from contract.config import TrainingConfig
from service.admin.retrain_request import RetrainBody
from service.bodies import JSON
from service.documents import iris
from service.documents.pieces import BINARY, TEXT, answer_of

CSV = "text/csv"
TABLE_TYPES = (
    CSV,
    "text/tab-separated-values",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
)
TABLE = f"{','.join(iris.NAMES)},species\n5.1,3.5,1.4,0.2,setosa\n6.7,3.0,5.2,2.3,virginica\n"
UPLOAD = Example(summary="A header and rows; a table to train on has more of them", value=TABLE)

EVENTS_RESPONSE = {
    200: ResponseSpec(
        str,
        media_type="text/event-stream",
        generate_examples=False,
        description="Server-sent events: stage, epoch, finding, gate, heartbeat; last succeeded, failed or cancelled",
    )
}
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    description="A name for this request. Sent again with the same key, it orders no second job.",
    schema=Schema(type=OpenAPIType.STRING, max_length=255, pattern="^[!-~]([ -~]*[!-~])?$"),
    examples={"weekly": Example(value="weekly-2026-48")},
)
EVENT = Schema(
    type=OpenAPIType.OBJECT,
    required=["event", "data"],
    properties={
        "id": Schema(type=OpenAPIType.STRING, pattern="^[1-9][0-9]*$", description="Its number; a heartbeat has none."),
        "event": Schema(
            type=OpenAPIType.STRING,
            enum=["stage", "epoch", "finding", "gate", "heartbeat", "succeeded", "failed", "cancelled"],
        ),
        "data": Schema(type=OpenAPIType.STRING, content_media_type=JSON, description="What happened, as JSON."),
    },
    description="Of each event, the fields.",
)
LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    param_in="header",
    description="The number of the last event that has been seen; those behind it follow. Else all.",
    schema=TEXT,
)
LOCATION = OpenAPIHeader(
    description="Where the job is to be seen.",
    required=True,
    schema=Schema(type=OpenAPIType.STRING, pattern="^/admin/jobs/[0-9a-f]{16}$"),
)
JOB_LINKS = {
    name: Link(operation_id=operation_id, parameters={"job_id": "$response.body#/id"})
    for name, operation_id in {
        "show": "AdminJobsJobIdShowJob",
        "follow": "AdminJobsJobIdEventsFollowJob",
        "cancel": "AdminJobsJobIdCancelCancelJob",
    }.items()
}
JOB_EXAMPLES = {
    "built_in": Example(
        summary="A table that comes with the trainer", value={"dataset": "iris", "preset": "reference"}
    ),
    "uploaded": Example(
        summary="An uploaded table",
        value={"dataset": "flowers", "target": "species", "config": {"max_epochs": 50}, "note": "weekly"},
    ),
}


def _order_schema() -> dict[str, Any]:
    """What a request to retrain is made of, with the training options that it can override."""
    order, config = (_schema(kind) for kind in (RetrainBody, TrainingConfig))
    options = config["properties"]
    for option in options.values():
        del option["default"]  # what is left out is as it was for the version that serves
    for name, number, meaning in (
        ("batch_size", [{"type": "integer", "minimum": 1}, {"const": "auto"}], "every train row at once"),
        ("patience", [{"type": "integer", "minimum": 1}], "run to the last epoch"),
        ("time_budget_s", [{"type": "number", "exclusiveMinimum": 0}], "as many as it needs"),
    ):
        options[name] |= {
            "anyOf": [*number, {"type": "null"}],
            "description": f"{options[name]['description'].partition(';')[0]}; null: {meaning}.",
        }
    order["properties"]["config"] = {"type": "object", "properties": options, "additionalProperties": False}
    return order


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components([kind])
    schema = schemas[kind.__name__]
    return {**schema, "description": inspect.cleandoc(schema["description"])}


ORDER = OpenAPIMediaType(
    schema=_order_schema(),  # type: ignore[arg-type] # it is written as it is
    examples={**JOB_EXAMPLES},
)


@dataclass
class UploadOperation(Operation):
    """An operation that takes a table."""

    def __post_init__(self) -> None:
        content = {name: OpenAPIMediaType(schema=BINARY) for name in TABLE_TYPES}
        content[CSV] = OpenAPIMediaType(schema=TEXT, examples={"table": UPLOAD})
        self.request_body = RequestBody(required=True, content=content)


@dataclass
class RetrainOperation(Operation):
    """An operation that orders a job."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), IDEMPOTENCY_KEY]
        self.request_body = RequestBody(required=True, content={JSON: ORDER})
        answer = answer_of(self, 202)
        answer.headers = {"Location": LOCATION}
        answer.links = {**JOB_LINKS}


@dataclass
class FollowOperation(Operation):
    """An operation that answers with a stream of events."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), LAST_EVENT_ID]
        answer_of(self).content = {"text/event-stream": OpenAPIMediaType(schema=EVENT)}
