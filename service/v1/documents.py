"""What OpenAPI says of version 1's `predict`, whose handlers take and return bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIType, Operation, RequestBody, Schema

from contract.schema import Label
from service.bodies import JSON
from service.documents import iris
from service.documents.pieces import (
    ACCEPT_ENCODING,
    CONTENT_ENCODING,
    ENCODED,
    ROWS,
    answer_of,
    json_body,
    named,
    object_of,
)
from service.problems import protocol_responses


class V1Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one row. `decision` is absent where the version has no rule to decide by. `unseen` names features
    whose value the model never met in training; absent if none.
    """

    label: Label
    class_index: int
    probabilities: list[float]
    logits: list[float]
    decision: Label | msgspec.UnsetType = msgspec.UNSET
    unseen: list[str] | msgspec.UnsetType = msgspec.UNSET


class V1Predictions(msgspec.Struct, frozen=True, kw_only=True):
    """Answers in the order of the instances."""

    predictions: list[V1Prediction]


SCHEMAS = {
    "V1PredictRequest": object_of(
        {
            "instances": ROWS,
            "signature_name": Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], description="Ignored."),
            "parameters": Schema(description="Ignored."),
        },
        ["instances"],
    )
}
EXAMPLES = {
    "arrays": Example(summary="Arrays in feature order", value={"instances": iris.ROWS}),
    "objects": Example(summary="Objects by feature name", value={"instances": iris.OBJECTS}),
}
ANSWER = Example(summary="Two rows of iris", value={"predictions": iris.PREDICTIONS})


@dataclass
class PredictOperation(Operation):
    """An operation that takes instances and answers with predictions."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), CONTENT_ENCODING, ACCEPT_ENCODING]
        self.request_body = RequestBody(required=True, content={JSON: json_body(named("V1PredictRequest"), EXAMPLES)})
        answer = answer_of(self)
        answer.content = {JSON: json_body(named("V1Predictions"), {"rows": ANSWER})}
        answer.headers = {"Content-Encoding": ENCODED}


PREDICT: dict[str, Any] = {
    "status_code": 200,
    "operation_class": PredictOperation,
    "responses": {
        200: ResponseSpec(V1Predictions, generate_examples=False, description="A prediction for each, in their order"),
        **protocol_responses(404, 413, 415, 503),
    },
}
