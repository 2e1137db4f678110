"""What OpenAPI says of the prediction routes: their handlers take and return bytes, so it is written out here."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from service.answers import Predictions
from service.problems import responses

IRIS_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
IRIS_OBJECTS = [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]
IRIS_ANSWER = {
    "model": "iris",
    "version": 1,
    "predictions": [
        {"label": "setosa", "class_index": 0, "probabilities": [0.98, 0.019, 0.001], "logits": [3.9, -0.04, -2.98]}
    ],
}

CELL = Schema(
    one_of=[Schema(type=kind) for kind in (OpenAPIType.NUMBER, OpenAPIType.STRING, OpenAPIType.BOOLEAN)]
    + [Schema(type=OpenAPIType.NULL)],
    description="A feature's value; null where it is missing.",
)
BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["instances"],
    additional_properties=False,
    properties={
        "instances": Schema(
            type=OpenAPIType.ARRAY,
            min_items=1,
            description="Rows: all arrays in the order of the features, or all objects by feature name.",
            items=Schema(
                one_of=[
                    Schema(type=OpenAPIType.ARRAY, items=CELL),
                    Schema(type=OpenAPIType.OBJECT, additional_properties=CELL),
                ]
            ),
        )
    },
)
EXAMPLES = {
    "arrays": Example(summary="Arrays in feature order", value={"instances": IRIS_ROWS}),
    "objects": Example(summary="Objects by feature name", value={"instances": IRIS_OBJECTS}),
}


@dataclass
class PredictOperation(Operation):
    """An operation that takes rows."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            required=True, content={"application/json": OpenAPIMediaType(schema=BODY, examples={**EXAMPLES})}
        )


PREDICT_RESPONSES = {
    200: ResponseSpec(
        Predictions,
        generate_examples=False,
        description="One prediction for each row, in their order",
        examples=[Example(summary="One row of iris", value=IRIS_ANSWER)],
    ),
    **responses(404, 413, 415, 422, 503),
}
