"""What OpenAPI says of the prediction routes: their handlers take and return bytes, so it is written out here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from service.bodies import JSON
from service.formats.exchange import ARROW, CSV, NDJSON
from service.formats.json_answers import Predictions
from service.formats.outputs import OUTPUTS
from service.problems import responses

IRIS_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
IRIS_NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
IRIS_OBJECTS = [dict(zip(IRIS_NAMES, row, strict=True)) for row in IRIS_ROWS]
IRIS_COLUMNS = {name: list(column) for name, column in zip(IRIS_NAMES, zip(*IRIS_ROWS, strict=True), strict=True)}
IRIS_CSV = f"{','.join(IRIS_NAMES)}\r\n5.1,3.5,1.4,0.2\r\n6.7,3.0,5.2,2.3\r\n"
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
BY_NAME = Schema(type=OpenAPIType.OBJECT, additional_properties=CELL, description="A row by feature name.")
ROWS = Schema(
    type=OpenAPIType.ARRAY,
    min_items=1,
    description="Rows: all arrays in the order of the features, or all objects by feature name.",
    items=Schema(one_of=[Schema(type=OpenAPIType.ARRAY, items=CELL), BY_NAME]),
)
COLUMNS = Schema(
    type=OpenAPIType.OBJECT,
    description="Values by the name of their column, all of one length. Columns that are no feature are ignored.",
    additional_properties=Schema(type=OpenAPIType.ARRAY, items=CELL),
)
SPLIT = {
    "columns": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING)),
    "data": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.ARRAY, items=CELL)),
    "index": Schema(description="Ignored."),
}
TEXT = Schema(type=OpenAPIType.STRING)
BINARY = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    return Schema(type=OpenAPIType.OBJECT, required=required, additional_properties=False, properties={**properties})


PREDICTION_BODY = OpenAPIMediaType(
    schema=Schema(
        one_of=[
            _object({"instances": ROWS}, ["instances"]),
            _object({"columns": COLUMNS}, ["columns"]),
            _object(SPLIT, ["columns", "data"]),
        ]
    ),
    examples={
        "arrays": Example(summary="Arrays in feature order", value={"instances": IRIS_ROWS}),
        "objects": Example(summary="Objects by feature name", value={"instances": IRIS_OBJECTS}),
        "columns": Example(summary="Columns by name", value={"columns": IRIS_COLUMNS}),
        "split": Example(
            summary='A frame as pandas writes it, orient="split"', value={"columns": IRIS_NAMES, "data": IRIS_ROWS}
        ),
    },
)
INVOCATION_BODY = OpenAPIMediaType(
    schema=Schema(
        one_of=[
            _object({"dataframe_split": _object(SPLIT, ["columns", "data"])}, ["dataframe_split"]),
            _object({"dataframe_records": Schema(type=OpenAPIType.ARRAY, items=BY_NAME)}, ["dataframe_records"]),
            _object({"instances": ROWS}, ["instances"]),
            _object({"inputs": Schema(one_of=[ROWS, COLUMNS])}, ["inputs"]),
        ]
    ),
    examples={
        "dataframe_split": Example(value={"dataframe_split": {"columns": IRIS_NAMES, "data": IRIS_ROWS}}),
        "dataframe_records": Example(value={"dataframe_records": IRIS_OBJECTS}),
        "instances": Example(value={"instances": IRIS_ROWS}),
        "inputs": Example(value={"inputs": IRIS_COLUMNS}),
    },
)
CSV_BODY = OpenAPIMediaType(schema=TEXT, examples={"table": Example(summary="A header and rows", value=IRIS_CSV)})
LINES_BODY = OpenAPIMediaType(
    schema=TEXT, examples={"lines": Example(summary="A row in each line", value="[5.1,3.5,1.4,0.2]\n[6.7,3.0,5.2,2.3]")}
)
PARAMETERS = [
    Parameter(
        name="outputs",
        param_in="query",
        description="Which outputs of each row to write, separated by commas; all unless given.",
        schema=Schema(type=OpenAPIType.STRING, pattern=f"^({'|'.join(OUTPUTS)})(,({'|'.join(OUTPUTS)}))*$"),
        examples={"some": Example(value="label,probabilities")},
    ),
    Parameter(
        name="partial",
        param_in="query",
        description="Answer the good rows and list the bad ones, instead of refusing the request.",
        schema=Schema(type=OpenAPIType.BOOLEAN, default=False),
    ),
]


@dataclass
class PredictOperation(Operation):
    """An operation that takes rows in any format and answers in any."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            required=True,
            content={
                JSON: PREDICTION_BODY,
                NDJSON: LINES_BODY,
                CSV: CSV_BODY,
                ARROW: OpenAPIMediaType(schema=BINARY),
            },
        )
        _complete(self)


@dataclass
class InvokeOperation(Operation):
    """An operation that takes rows as MLflow's scoring server does."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(required=True, content={JSON: INVOCATION_BODY, CSV: CSV_BODY})
        _complete(self)


def _complete(operation: Operation) -> None:
    """Add what Litestar cannot know: the query, and the other formats of an answer."""
    operation.parameters = [*(operation.parameters or []), *PARAMETERS]
    answer = (operation.responses or {}).get("200")
    if isinstance(answer, OpenAPIResponse) and answer.content is not None:
        answer.content |= {form: OpenAPIMediaType(schema=TEXT) for form in (NDJSON, CSV)}
        answer.content[ARROW] = OpenAPIMediaType(schema=BINARY)


RESPONSES = {
    200: ResponseSpec(
        Predictions,
        generate_examples=False,
        description="One prediction for each row, in their order",
        examples=[Example(summary="One row of iris", value=IRIS_ANSWER)],
    ),
    **responses(404, 406, 413, 415, 422, 503),
}
# A POST that creates nothing answers 200, where Litestar would say 201.
PREDICTIONS: dict[str, Any] = {"status_code": 200, "operation_class": PredictOperation, "responses": RESPONSES}
INVOCATIONS: dict[str, Any] = {"status_code": 200, "operation_class": InvokeOperation, "responses": RESPONSES}
