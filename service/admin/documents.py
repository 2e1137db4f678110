"""What OpenAPI says of the admin routes whose handlers take or return bytes."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

TABLE_TYPES = (
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
)
TEXT = Schema(type=OpenAPIType.STRING)
TEXTS = Schema(type=OpenAPIType.ARRAY, items=TEXT, description="Else those of the version that serves.")
FLAG = Schema(type=OpenAPIType.BOOLEAN, default=False)
BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["dataset"],
    additional_properties=False,
    properties={
        "dataset": Schema(type=OpenAPIType.STRING, description="An uploaded dataset, or a built-in table."),
        "dataset_version": Schema(type=OpenAPIType.STRING, description="SHA-256, or 8 digits of it; else the latest."),
        "target": Schema(type=OpenAPIType.STRING, description="The column to predict; else that of the version now."),
        "preset": Schema(type=OpenAPIType.STRING, enum=["default", "reference"]),
        "config": Schema(type=OpenAPIType.OBJECT, description="Training options that override the preset's."),
        "include": TEXTS,
        "exclude": TEXTS,
        "categorical": TEXTS,
        "promote": Schema(type=OpenAPIType.STRING, enum=["auto", "manual"], default="auto"),
        "data_checks": Schema(type=OpenAPIType.STRING, enum=["refuse", "warn"], default="refuse"),
        "queue": FLAG,
        "create": FLAG,
        "note": TEXT,
    },
)
EXAMPLE = Example(summary="Retrain on an uploaded table", value={"dataset": "flowers", "note": "weekly"})

EVENTS_RESPONSE = {
    200: ResponseSpec(
        str,
        media_type="text/event-stream",
        generate_examples=False,
        description="Server-sent events: stage, epoch, finding, gate, heartbeat; last succeeded, failed or cancelled",
    )
}


@dataclass
class UploadOperation(Operation):
    """An operation that takes a table."""

    def __post_init__(self) -> None:
        binary = Schema(type=OpenAPIType.STRING, format="binary")  # type: ignore[arg-type] # any text is allowed
        self.request_body = RequestBody(
            required=True, content={name: OpenAPIMediaType(schema=binary) for name in TABLE_TYPES}
        )


@dataclass
class RetrainOperation(Operation):
    """An operation that orders a job."""

    def __post_init__(self) -> None:
        content = OpenAPIMediaType(schema=BODY, examples={"dataset": EXAMPLE})
        self.request_body = RequestBody(required=True, content={"application/json": content})
